use super::*;

const HOSTILE: &str = "\"><script>alert(1)</script><a href='javascript:x'>";

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
        advice: Some(hostile()),
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
        ],
    }
}

#[test]
fn no_text_becomes_markup() {
    let told = Told {
        at: Time::UNIX_EPOCH,
        text: HOSTILE.to_owned(),
        outcome: Outcome::Answer { other: Some(HOSTILE.to_owned()), is_blocked: true },
    };
    let pages = [
        cluster(&view(State::UpdateAvailable), Some(&told), HOSTILE),
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
        (State::Blocked, "check", "Check for updates"),
        (State::UpdateAvailable, "approve", "Start update"),
        (State::Requested, "pause", "Pause update"),
        (State::Updating, "pause", "Pause update"),
        (State::Pausing, "resume", "Resume updates"),
        (State::Paused, "resume", "Resume updates"),
        (State::Failed, "retry", "Retry"),
    ] {
        let page = cluster(&view(state), None, "TOKEN").0;
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
    for (is_blocked, sign, button) in [
        (true, "Not yet", "<button class=\"quiet\">Follow 1.9</button>"),
        (false, "Answer", "<button>Follow 1.9</button>"),
    ] {
        let outcome = Outcome::Answer { other: Some("1.9".to_owned()), is_blocked };
        let told = Told { at: Time::UNIX_EPOCH, text: String::new(), outcome };
        let page = cluster(&view(State::UpToDate), Some(&told), "TOKEN").0;
        assert!(page.contains(sign) && page.contains(button), "{page}");
        assert_eq!(page.contains("gets no updates"), is_blocked, "{page}");
    }
}
