//! The cluster's own page: who gets in, and what it shows.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tidegate::clock::{Clock, SharedClock, SystemClock};
use tidegate::cluster::folder::{Approval, Cluster, Config, Failure, Folder, Step};
use tidegate::cluster::orders;
use tidegate::cluster::page::{self, Listen, OpenError};
use tidegate::cluster::progress::Progress;
use tidegate::cluster::record::By;
use tidegate::cluster::recorder::Recorder;
use tidegate::domain::Time;

use super::memory::{Stopped, World};
use super::visitor::{Page, Visitor, ask, config, encoded};

const MARKUP: &str = "\"'><script>alert(1)</script>";

#[test]
fn a_form_needs_the_token_of_its_session_and_the_origin_of_its_page() {
    let page = Page::new("127.0.0.1:0");
    let (visitor, other) = (page.visitor(), page.visitor());
    let before = page.folder.read().unwrap();
    let own = [("csrf", visitor.csrf.as_str())];
    let origin = format!("origin: http://{}", visitor.address);
    for (why, more, fields) in [
        ("no token", &[][..], &[][..]),
        ("an empty token", &[], &[("csrf", "")]),
        ("the token of another session", &[], &[("csrf", other.csrf.as_str())]),
        ("a cut token", &[], &[("csrf", &visitor.csrf[1..])]),
        ("another origin", &["origin: http://evil.example"], &own),
        ("another port of this machine", &["origin: http://127.0.0.1:1"], &own),
        ("another scheme", &[&origin.replace("http:", "https:")], &own),
        ("no origin of a browser", &["origin: null"], &own),
        ("a sandbox", &["origin: null", "sec-fetch-site: cross-site"], &own),
        ("two origins", &[&origin, "origin: http://evil.example"], &own),
        ("another site", &[&origin, "sec-fetch-site: cross-site"], &own),
        ("another site without an origin", &["sec-fetch-site: same-site"], &own),
    ] {
        for name in ["pause", "check", "retry", "approve", "resume", "approval", "follow", "leave"] {
            let answer = visitor.send(name, more, fields);
            assert_eq!(answer.status, 403, "{why}: {name}: {answer:?}");
        }
    }
    assert_eq!(page.folder.read().unwrap(), before);
    assert_eq!(visitor.send("pause", &[&origin], &own).status, 303);
    // What a browser sends, as the policy `no-referrer` hides the origin of a form.
    let hidden = ["origin: null", "sec-fetch-site: same-origin"];
    assert_eq!(visitor.send("check", &hidden, &own).status, 303);
    let Cluster { orders, .. } = page.folder.read().unwrap();
    assert!(orders.paused.is_some() && orders.checks == 1, "{orders:?}");
}

#[test]
fn no_get_changes_anything() {
    let page = Page::new("127.0.0.1:0");
    let (visitor, token) = (page.visitor(), page.token());
    let before = page.folder.read().unwrap();
    for name in ["pause", "check", "resume", "leave", "approval?approval=automatic"] {
        let name = format!("{name}{}csrf={}", if name.contains('?') { "&" } else { "?" }, visitor.csrf);
        assert_eq!(visitor.get(&name, &[]).status, 404, "{name}");
    }
    for _ in 0..2 {
        // A preview of the link does not use it up.
        let answer = ask(&visitor.address, "GET", &format!("/?token={token}"), &[], "");
        assert!(answer.status == 200 && answer.header("set-cookie").is_none(), "{answer:?}");
    }
    Visitor::enter(&visitor.address, &token);
    assert_eq!(page.folder.read().unwrap(), before);
    visitor.page();
}

#[test]
fn a_page_of_another_host_that_points_here_gets_nothing() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    let port = visitor.address.rsplit(':').next().unwrap();
    let cookie = format!("cookie: {}", visitor.cookie);
    let host = |host: &str, method: &str, path: &str| {
        let fields = encoded(&[("csrf", &visitor.csrf), ("token", &page.token())]);
        ask(&visitor.address, method, path, &[&format!("host: {host}"), &cookie], &fields)
    };
    let pause = format!("{}pause", visitor.path);
    let events = format!("{}events", visitor.path);
    for name in
        ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "user@localhost"]
    {
        for named in [name.to_owned(), format!("{name}:{port}")] {
            for (method, path) in [
                ("GET", visitor.path.as_str()),
                ("GET", "/"),
                ("GET", &events),
                ("POST", &pause),
                ("POST", "/open"),
            ] {
                let answer = host(&named, method, path);
                assert_eq!(answer.status, 421, "{named} {method} {path}: {answer:?}");
                assert!(!answer.body.contains("1.8-production"), "{answer:?}");
            }
        }
    }
    assert_eq!(host("localhost:1", "GET", &visitor.path).status, 421);
    assert_eq!(page.folder.read().unwrap().orders.paused, None);
    for own in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(host(&format!("{own}:{port}"), "GET", &visitor.path).status, 200, "{own}");
    }
}

#[test]
fn every_page_says_that_nobody_may_frame_it_keep_it_or_say_whence_one_came() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    for answer in [
        visitor.get("", &[]),
        visitor.get("events", &[]),
        visitor.get("nothing", &[]),
        visitor.send("pause", &[], &[]),
        visitor.send("pause", &[], &[("csrf", &visitor.csrf)]),
        ask(&visitor.address, "GET", "/?token=x", &[], ""),
        ask(&visitor.address, "GET", "/console.css", &[], ""),
        ask(&visitor.address, "GET", "/", &["host: evil.example"], ""),
    ] {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn a_link_is_good_once_and_for_a_minute() {
    let clock = Stopped::at("2026-01-01T00:00:00Z".parse().unwrap());
    let page = Page::at("127.0.0.1:0", Arc::clone(&clock) as _);
    let open = |token: &str| ask(&page.address(), "POST", "/open", &[], &encoded(&[("token", token)])).status;
    let (used, late, in_time) = (page.token(), page.token(), page.token());
    assert_eq!([open(&used), open(&used)], [303, 403]);
    let again = ask(&page.address(), "POST", "/open", &[], &encoded(&[("token", &used)])).body;
    assert!(again.contains("A link works once, and only for a minute"), "{again}");
    assert!(again.contains("For another one: <code>tidegate cluster open c</code>"), "{again}");
    clock.set(page.clock.now() + TimeDelta::seconds(60));
    assert_eq!(open(&in_time), 303);
    clock.set(page.clock.now() + TimeDelta::seconds(1));
    assert_eq!(open(&late), 403);
    let mut forged = page.token();
    let last = if forged.pop() == Some('A') { 'B' } else { 'A' };
    forged.insert(0, last);
    for forged in ["", "x", &forged, &"A".repeat(5000)] {
        assert_eq!(open(forged), 403, "{forged:.80}");
    }
    // The key of another cluster's agent.
    assert_eq!(open(&Page::new("127.0.0.1:0").token()), 403);
}

#[test]
fn a_session_needs_its_path_and_its_cookie_and_is_left_for_good() {
    let page = Page::new("127.0.0.1:0");
    let (visitor, other) = (page.visitor(), page.visitor());
    let get = |path: &str, cookie: &str| {
        let answer = ask(&visitor.address, "GET", path, &[&format!("cookie: {cookie}")], "");
        assert!(answer.status == 200 || !answer.body.contains("1.8-production"), "{answer:?}");
        answer.status
    };
    assert_eq!(get(&visitor.path, &visitor.cookie), 200);
    assert_eq!(get(&visitor.path, &format!("a=b; {}", visitor.cookie)), 200);
    for (path, cookie) in [
        (visitor.path.as_str(), ""),
        (&visitor.path, other.cookie.as_str()),
        (&visitor.path, "tidegate="),
        (&other.path, &visitor.cookie),
        ("/", &visitor.cookie),
        ("//", &visitor.cookie),
        ("/x/", &visitor.cookie),
        (visitor.path.trim_end_matches('/'), &visitor.cookie),
    ] {
        assert_eq!(get(path, cookie), 403, "{path} {cookie}");
    }
    let events = format!("{}events", visitor.path);
    assert_eq!(ask(&visitor.address, "GET", &events, &[], "").status, 403);
    let left = visitor.send("leave", &[], &[("csrf", &visitor.csrf)]);
    assert_eq!((left.status, left.header("location")), (303, Some("/")));
    assert_eq!((get(&visitor.path, &visitor.cookie), get(&other.path, &other.cookie)), (403, 200));
}

#[test]
fn what_others_have_written_is_shown_as_text() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    page.folder
        .change(|Cluster { record, .. }| {
            let (kind, reason) = ("ApplyFailed".to_owned(), MARKUP.to_owned());
            let (at, version) = (Time::UNIX_EPOCH, "1.8.9".parse().ok());
            record.failed(Failure { kind, reason, at, version, tries: 1, retries: 0 });
            record.at_step(Some((Step::Apply, at)));
            record.progress = Progress::parse(&format!("progress: 40 {MARKUP}"));
            record.notes = vec![MARKUP.to_owned()];
        })
        .unwrap();
    for shown in [
        visitor.page(),
        visitor.press("pause", &[("reason", MARKUP)]),
        visitor.press("approve", &[("version", MARKUP)]),
        visitor.press("ask", &[("channel", MARKUP)]),
        ask(&visitor.address, "GET", "/?token=%22%3E%3Cscript%3E", &[], "").body,
    ] {
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
        assert!(!shown.contains("<script>") && !shown.contains("'>\""), "{shown}");
    }
    let page = visitor.page();
    assert!(page.contains("aria-label=\"40 percent\"") && page.contains("40%: "), "{page}");
}

#[test]
fn a_reader_hears_of_each_change_once() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    let event = |seen: &str| {
        let answer = visitor.get("events", &[&format!("last-event-id: {seen}")]);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        answer.body.lines().find_map(|line| line.strip_prefix("id: ")).map(str::to_owned)
    };
    let first = event("").unwrap();
    assert_eq!(event(&first), None);
    page.folder.change(|cluster| cluster.record.notes.push("something".to_owned())).unwrap();
    let second = event(&first).unwrap();
    assert!(second != first && event(&second).is_none());
    assert!(visitor.page().contains("data-live=\"events\""));
}

#[test]
fn a_download_tells_how_far_it_is_once_a_second() {
    let page = Page::at("127.0.0.1:0", Stopped::at(Time::UNIX_EPOCH));
    let downloads = page.folder.downloads(&"1.8.9".parse().unwrap());
    fs::create_dir_all(&downloads).unwrap();
    page.folder
        .change(|Cluster { record, .. }| record.at_step(Some((Step::Download, Time::UNIX_EPOCH))))
        .unwrap();
    fs::write(downloads.join("a"), [0; 100]).unwrap();
    fs::write(downloads.join(".b.part"), [0; 25]).unwrap();
    let recorder = Recorder::new(&page.folder, &page.clock);
    recorder.download(&downloads, 500);
    assert!(page.visitor().page().contains("aria-label=\"25 percent\""));
    // The clock stands still, and each record is a write to the disk.
    fs::write(downloads.join(".b.part"), [0; 400]).unwrap();
    recorder.download(&downloads, 500);
    assert!(page.visitor().page().contains("aria-label=\"25 percent\""));
    Recorder::new(&page.folder, &page.clock).download(&downloads, 500);
    assert!(page.visitor().page().contains("aria-label=\"100 percent\""));
    page.folder
        .change(|Cluster { record, .. }| record.at_step(Some((Step::Verify, Time::UNIX_EPOCH))))
        .unwrap();
    assert!(!page.visitor().page().contains(" percent\""), "each step begins anew");
}

#[test]
fn a_form_that_is_too_large_is_refused() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    let fields = [("csrf", visitor.csrf.as_str()), ("reason", &"x".repeat(8000))];
    assert_eq!(visitor.send("pause", &[], &fields).status, 403);
    assert_eq!(page.folder.read().unwrap().orders.paused, None);
}

#[test]
fn a_socket_and_the_key_are_their_owners_alone() {
    let page = Page::new("unix:STATE/page.sock");
    let Listen::Unix(socket) = page.serving.listen().clone() else { panic!() };
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!((mode(&socket), mode(&page.folder.path().join("page.json"))), (0o600, 0o600));
    let visitor = page.visitor();
    assert!(visitor.page().contains("1.8-production"));
    assert_eq!(ask(&visitor.address, "GET", "/", &["host: evil.example"], "").status, 421);
    // A second agent does not take it away.
    let listen = page.serving.listen();
    let refused = page::start(page.folder.clone(), Arc::clone(&page.clock), listen).map(drop).unwrap_err();
    assert!(refused.to_string().contains("page.sock"), "{refused}");
    visitor.page();
    let (folder, clock, listen) = (page.folder.clone(), Arc::clone(&page.clock), listen.clone());
    drop(page.serving);
    assert!(!socket.exists() && !folder.path().join("page.json").exists());
    // What a killed agent has left is taken over, and what is no socket is not.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    drop(page::start(folder.clone(), Arc::clone(&clock), &listen).unwrap());
    fs::write(&socket, "precious").unwrap();
    assert!(page::start(folder, clock, &listen).is_err());
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

/// A clock that goes on by a second whenever somebody looks at it.
#[derive(Default)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now(&self) -> Time {
        Time::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// A clock that stands still until a check has begun, and is an hour ahead from then on.
#[derive(Default)]
struct Leaping(AtomicU64);

impl Clock for Leaping {
    fn now(&self) -> Time {
        self.0.store(3600, Ordering::SeqCst);
        Time::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A cluster whose server accepts connections, and never answers.
fn unanswered(current: &str) -> (Folder, TcpListener, tempfile::TempDir) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let state = tempfile::tempdir().unwrap();
    let folder = Folder::new(state.path(), "c");
    let server = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let config = Config { server, current: current.to_owned(), ..config() };
    folder.create(&config, World::new().repository.trusted().raw()).unwrap();
    (folder, silent, state)
}

#[test]
fn a_question_does_not_wait_for_a_server_that_never_answers() {
    let (folder, _silent, _state) = unanswered("echo 1.8.4");
    let channel = "1.9-production".parse().unwrap();
    let ask = |clock: SharedClock, patience| orders::ask(&folder, &clock, &channel, patience).unwrap_err();

    let system: SharedClock = Arc::new(SystemClock::new());
    let refused = ask(Arc::clone(&system), Some(Duration::from_secs(1)));
    assert!(refused.kind() == "TooSlow" && refused.to_string().contains("timed out"), "{refused}");
    // What is left counts, not what each request takes.
    let refused = ask(Arc::new(Leaping::default()), Some(Duration::from_secs(20)));
    assert!(refused.to_string().contains("taken too long for what came before"), "{refused}");
    // A check of the agent is in progress, as long as this is held.
    let check = folder.check_lock().unwrap();
    let refused = ask(system, Some(Duration::from_millis(1400)));
    assert_eq!((refused.kind(), &*refused.hint()), ("Busy", "try again in a moment"));
    let told = "the agent or another command is checking at this moment, and has not finished within 1 s";
    assert_eq!(refused.to_string(), told);
    drop(check);
    drop(folder.check_lock().unwrap());
}

#[test]
fn a_question_does_not_wait_for_a_command_that_never_ends() {
    let (folder, _silent, _state) = unanswered("trap '' TERM; sleep 1000");
    let (channel, hasty) = ("1.9-production".parse().unwrap(), Arc::new(Hasty::default()));
    let clock: SharedClock = Arc::clone(&hasty) as _;
    let refused = orders::ask(&folder, &clock, &channel, Some(Duration::from_secs(20))).unwrap_err();
    assert!(
        refused.kind() == "CurrentUnknown" && refused.to_string().contains("longer than 19 s"),
        "{refused}"
    );
    // A stopped `--apply` would have half a minute more to end.
    assert!(hasty.monotonic() < Duration::from_secs(30));
}

#[test]
fn an_order_is_told_until_something_has_come_of_it() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    let done = visitor.press("check", &[]);
    assert!(done.contains("The agent checks now") && visitor.page().contains("The agent checks now"));
    page.folder.change(|Cluster { record, .. }| record.checked = Some(Time::UNIX_EPOCH)).unwrap();
    assert!(!visitor.page().contains("The agent checks now"));

    // A refusal stays, and even what is over is shown once.
    assert!(visitor.press("approve", &[("version", "1.8.9")]).contains("Cannot approve"));
    page.folder.change(|Cluster { record, .. }| record.checked = None).unwrap();
    assert!(visitor.page().contains("Cannot approve"));
    let fields = [("csrf", visitor.csrf.as_str())];
    assert_eq!(visitor.send("pause", &[], &fields).status, 303);
    page.folder.change(|Cluster { orders, .. }| orders.paused = None).unwrap();
    assert!(visitor.page().contains("Updates are paused"));
    assert!(!visitor.page().contains("Updates are paused"));
}

#[test]
fn changes_of_settings_are_recorded_with_who_made_them() {
    let page = Page::new("127.0.0.1:0");
    let visitor = page.visitor();
    visitor.press("approval", &[("approval", "automatic")]);
    let shown = visitor.press("approval", &[("approval", "automatic")]);
    assert_eq!(shown.matches("Strategy changed from admin to automatic on this page").count(), 1);
    let by = By::Command(Some("alice".to_owned()));
    orders::configure(&page.folder, &page.clock, &by, |config| {
        config.channel = "1.9-production".parse().unwrap();
        config.approval = Approval::Admin;
    })
    .unwrap();
    let shown = visitor.page();
    let channel = "Channel changed from <span class=\"v\">1.8-production</span> to <span class=\"v\">1.9-production</span> by alice, with a command";
    assert!(shown.contains(channel), "{shown}");
    assert!(shown.contains("Strategy changed from automatic to admin by alice, with a command"), "{shown}");
    // What is no order is not recorded as one.
    orders::configure(&page.folder, &page.clock, &by, |config| config.interval += 1).unwrap();
    assert_eq!(page.folder.read().unwrap().record.history.len(), 3);
}

#[test]
fn the_page_of_another_version_s_agent_is_opened_after_a_restart() {
    let page = Page::new("127.0.0.1:0");
    let file = page.folder.path().join("page.json");
    for other in [r#"{"listen":"127.0.0.1:8080","key":"00"}"#, "", "{"] {
        fs::write(&file, other).unwrap();
        let refused = page::open(&page.folder, page.clock.now()).unwrap_err();
        assert!(matches!(refused, OpenError::OtherVersion(_)), "{refused}");
    }
}
