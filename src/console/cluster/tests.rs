use super::*;

const HOSTILE: &str = "\"><script>alert(1)</script><a href='javascript:x'>";

fn advice(first: Option<&str>) -> Advice {
    let message = format!("blocked: {HOSTILE}; ask `curl 'http://{HOSTILE}'`");
    Advice::new(&message, "blocked", first.map(str::to_owned))
}

/// A view in which every text is hostile.
fn view(state: State) -> View {
    let hostile = || HOSTILE.to_owned();
    let at = Time::UNIX_EPOCH;
    View {
        name: hostile(),
        server: hostile(),
        state,
        current: Some(hostile()),
        target: Some(hostile()),
        advice: Some(advice(Some(HOSTILE))),
        can_apply: true,
        is_automatic: false,
        paused: Some((at, Some(hostile()))),
        failure: Some(Failure { at, kind: hostile(), reason: hostile(), hint: Some(hostile()) }),
        steps: vec![Step { name: "Apply", state: "Running", reason: hostile() }],
        since: Some(at),
        percent: Some(40),
        checked: Some(at),
        due: Some(at),
        expires: Some(at),
        interval: hostile(),
        notes: vec![hostile()],
        channel: hostile(),
        channels: vec![hostile()],
        next: Some(hostile()),
        history: vec![
            Entry { at, version: Some(hostile()), what: What::Applied(Some(hostile())) },
            Entry { at, version: Some(hostile()), what: What::Failed { kind: hostile(), reason: hostile() } },
            Entry { at, version: None, what: What::Failed { kind: hostile(), reason: hostile() } },
            Entry {
                at,
                version: Some(hostile()),
                what: What::Ordered { order: Order::Approve, reason: hostile(), by: Some(hostile()) },
            },
            changed(at, Order::Follow { from: hostile(), to: hostile() }),
            changed(at, Order::Strategy { from: hostile(), to: hostile() }),
        ],
    }
}

fn changed(at: Time, order: Order) -> Entry {
    Entry { at, version: None, what: What::Ordered { order, reason: String::new(), by: None } }
}

/// What a channel would tell the cluster.
fn answer(channel: &str, is_blocked: bool, first: Option<&str>) -> Told {
    let (channel, advice) = (channel.to_owned(), advice(first));
    Told { at: Time::UNIX_EPOCH, outcome: Outcome::Answer { channel, is_own: false, is_blocked, advice } }
}

#[test]
fn no_text_becomes_markup() {
    let refused = Told { at: Time::UNIX_EPOCH, outcome: Outcome::Refused(HOSTILE.to_owned()) };
    let pages = [
        cluster(&view(State::UpdateAvailable), Some(&answer(HOSTILE, true, Some(HOSTILE))), HOSTILE),
        cluster(&view(State::Blocked), Some(&refused), HOSTILE),
        entrance(HOSTILE, HOSTILE),
        refusal(HOSTILE, HOSTILE, HOSTILE),
    ];
    for page in pages {
        assert!(page.0.contains("&lt;script&gt;"), "{}", page.0);
        assert!(!page.0.contains("<script>") && !page.0.contains("<a href='javascript"), "{}", page.0);
    }
}

#[test]
fn each_state_has_its_button_and_each_form_its_token() {
    for (state, action, label) in [
        (State::Unknown, "check", "Check for updates"),
        (State::UpToDate, "check", "Check for updates"),
        (State::Waiting, "check", "Check for updates"),
        (State::Blocked, "follow", "Follow 1.7"),
        (State::UpdateAvailable, "approve", "Start update"),
        (State::Requested, "pause", "Pause update"),
        (State::Updating, "pause", "Pause update"),
        (State::Pausing, "resume", "Resume updates"),
        (State::Paused, "resume", "Resume updates"),
        (State::Failed, "retry", "Retry"),
    ] {
        let page = cluster(&View { advice: Some(advice(Some("1.7"))), ..view(state) }, None, "TOKEN").0;
        let main = page.split("<form").find(|form| form.contains("<button>")).unwrap();
        let action = format!("action=\"{action}\"");
        assert!(main.contains(&action) && main.contains(&format!(">{label}<")), "{state:?}: {main}");
        let forms = page.matches("<form").count();
        assert_eq!(page.matches("name=\"csrf\" value=\"TOKEN\"").count(), forms, "{state:?}");
    }
}

#[test]
fn a_check_that_failed_is_checked_again_and_not_retried() {
    let mut view = view(State::Failed);
    view.failure.as_mut().unwrap().hint = None;
    let page = cluster(&view, None, "TOKEN").0;
    assert!(page.contains("action=\"check\"") && !page.contains("action=\"retry\""), "{page}");
}

#[test]
fn each_state_says_what_comes_next() {
    for (state, can_apply, is_automatic, said) in [
        (State::UpToDate, true, true, "A new release is applied by itself"),
        (State::UpToDate, true, false, "A new release waits here until you start it"),
        (State::UpToDate, false, true, "it only reports a new release"),
        (State::UpToDate, true, true, "The agent checks again by"),
        (State::UpdateAvailable, true, false, "Nothing happens until you start it"),
        (State::UpdateAvailable, true, true, "The agent applies it by itself"),
        (State::UpdateAvailable, false, true, "it only reports a new release"),
        (State::Paused, true, true, "Nothing is applied until you resume updates"),
        (State::Failed, true, false, "It is not retried until you say so"),
    ] {
        let page = cluster(&View { can_apply, is_automatic, ..view(state) }, None, "TOKEN").0;
        assert!(page.contains(said), "{state:?}: {said}: {page}");
    }
}

#[test]
fn the_next_minor_has_a_button_of_its_own() {
    let next = |next: Option<&str>| View {
        channels: vec!["1.9-production".to_owned(), "1.7-production".to_owned()],
        next: next.map(str::to_owned),
        ..view(State::UpToDate)
    };
    let page = cluster(&next(Some("1.9-production")), None, "TOKEN").0;
    assert!(page.contains(">Ask about 1.9-production</button>") && page.contains("gate"), "{page}");
    assert!(!page.contains("<option>1.9") && page.contains("<option>1.7"), "{page}");
    let page = cluster(&next(None), None, "TOKEN").0;
    assert!(!page.contains("Ask about") && page.contains("<option>1.9"), "{page}");
}

#[test]
fn a_channel_whose_gate_is_closed_is_not_recommended() {
    for (is_blocked, first, sign, main) in [
        (true, Some("1.7"), "Not yet", Some("1.7")),
        (true, None, "Not yet", None),
        (false, None, "Answer", Some("1.9")),
    ] {
        let told = answer("1.9", is_blocked, first);
        let page = cluster(&view(State::UpToDate), Some(&told), "TOKEN").0;
        assert!(page.contains(sign) && page.contains(">Follow 1.9</button>"), "{page}");
        let followed: Vec<_> =
            page.split("<button>Follow ").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        assert_eq!(followed, Vec::from_iter(main), "{page}");
        assert_eq!(page.contains("gets no updates"), is_blocked, "{page}");
    }
}

#[test]
fn a_blocked_cluster_whose_way_out_is_no_channel_is_checked_again() {
    let page = cluster(&View { advice: Some(advice(None)), ..view(State::Blocked) }, None, "TOKEN").0;
    assert!(
        page.contains("<button>Check for updates</button>") && !page.contains("action=\"follow\""),
        "{page}"
    );
}

#[test]
fn what_nobody_has_signed_is_small_print() {
    let page = cluster(&view(State::Blocked), None, "TOKEN").0;
    let (above, print) = page.split_once("curl").unwrap();
    assert!(above.rsplit("<p").next().unwrap().starts_with(" class=\"soft small\""), "{page}");
    assert!(!print.contains("curl"), "{page}");
}

#[test]
fn the_history_says_what_a_setting_was_changed_from_and_to() {
    let [from, to] = ["1.8", "1.9"].map(str::to_owned);
    let history = vec![changed(Time::UNIX_EPOCH, Order::Follow { from, to })];
    let page = cluster(&View { history, ..view(State::UpToDate) }, None, "TOKEN").0;
    let told = "Channel changed from <span class=\"v\">1.8</span> to <span class=\"v\">1.9</span>";
    assert!(page.contains(told), "{page}");
}
