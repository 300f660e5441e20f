//! `tidegate promote` compares its machine's clock with what is published.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tidegate::clock::{Clock, SystemClock};
use tidegate::domain::Time;

use crate::place::Place;

/// A clock that is fast or slow.
struct Wrong(TimeDelta);

impl Clock for Wrong {
    fn now(&self) -> Time {
        SystemClock::new().now() + self.0
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }

    fn boot(&self) -> Option<String> {
        SystemClock::new().boot()
    }
}

/// Runs a command on a machine whose clock is wrong. Returns whether it succeeded, and what it said.
fn run(place: &Place, wrong: TimeDelta, state: &str, arguments: &[&str]) -> (bool, String) {
    let folder = |name: &str| place.path(name).display().to_string();
    let (catalog, payloads, state) = (folder("channels"), folder("payloads"), folder(state));
    let all = ["tidegate", "--catalog", &catalog, "--payloads", &payloads, "--state", &state];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = all.iter().chain(arguments).map(|text| (*text).to_owned());
    let code = tidegate::cli::run(all, Arc::new(Wrong(wrong)), &mut out, &mut err).unwrap();
    (code == ExitCode::SUCCESS, String::from_utf8(err).unwrap())
}

#[test]
fn a_stop_by_a_slow_clock_removes_no_entry_that_was_published() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    server.until_latest("1.8-preproduction", "1.8.1");
    assert!(server.stop().success());
    let file = place.path("channels/1.8/1.8.1.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(before.contains("preproduction: { since:"), "{before}");
    let pause = ["channel", "pause", "1.8-preproduction", "--reason", "the registry is down"];
    let (succeeded, told) = run(&place, -TimeDelta::days(1), ".tidegate", &pause);
    assert!(succeeded && !told.contains("is removed"), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    assert!(std::fs::read_to_string(place.path("channels/1.8/line.yaml")).unwrap().contains("paused:"));
}

#[test]
fn a_clock_that_contradicts_what_is_published_promotes_nothing() {
    let place = Place::new();
    let server = place.serve();
    let url = format!("http://{}", server.address);
    let promote = |wrong: TimeDelta, state: &str, more: &[&str]| {
        run(&place, wrong, state, &[&["promote"], more].concat())
    };
    let witness = ["--witness", url.as_str()];
    let (right, day) = (TimeDelta::zero(), TimeDelta::days(1));
    for (wrong, state, more, refused) in [
        (right, ".tidegate", &[][..], None),
        (right, "none", &witness, None),
        (-day, ".tidegate", &[], Some("but the last publication was made at")),
        (-day, "none", &witness, Some("but the last publication was made at")),
        (day * 30, "none", &witness, Some("a server renews it every day")),
        // Nothing else is at hand that could tell.
        (day * 30, "none", &[], None),
    ] {
        let (succeeded, told) = promote(wrong, state, more);
        assert_eq!(succeeded, refused.is_none(), "{wrong}: {told}");
        assert!(told.contains(refused.unwrap_or_default()), "{wrong}: {told}");
    }
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    assert!(server.stop().success());
    let gone = format!("http://127.0.0.1:{port}");
    let (succeeded, told) = promote(right, "none", &["--witness", &gone]);
    assert!(succeeded && told.contains("cannot read the witness"), "{told}");
}

#[test]
fn a_jump_that_a_server_has_not_settled_promotes_nothing_until_somebody_confirms_the_clock() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    server.until_latest("1.8-production", "1.8.1");
    assert!(server.stop().success());
    let ahead = TimeDelta::days(16);
    let (succeeded, told) = run(&place, ahead, ".tidegate", &["promote"]);
    assert!(!succeeded && told.contains("the clock was changed"), "{told}");
    assert!(told.contains("tidegate clock accept --reason TEXT"), "{told}");
    let accept = ["clock", "accept", "--reason", "it was off", "--by", "ada"];
    for (wrong, accepted) in [(TimeDelta::zero(), false), (ahead, true)] {
        let (succeeded, told) = run(&place, wrong, ".tidegate", &accept);
        assert!(succeeded, "{told}");
        assert_eq!(place.path(".tidegate/clock-accepted.json").exists(), accepted);
    }
    let (succeeded, told) = run(&place, ahead, ".tidegate", &["promote"]);
    assert!(succeeded, "{told}");
    let (succeeded, told) = run(&place, -ahead, ".tidegate", &accept);
    assert!(!succeeded && told.contains("nobody can confirm this time"), "{told}");
}
