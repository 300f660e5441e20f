//! `kill -9` at random moments: nothing is torn, lost or doubled, and no version goes back.
//!
//! The moments are drawn from a seed, which is printed; `TIDEGATE_CRASH_SEED` takes one again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tidegate::clock::{Clock as _, SystemClock};
use tidegate::domain::change::Change;
use tidegate::domain::channel::{ChannelName, LineName, StageName};
use tidegate::domain::release::{Entry, Event};
use tidegate::domain::version::Version;
use tidegate::promoter::stored;
use tidegate::publish::Publication;
use tidegate::publish::publication::TufFile;
use tidegate::signing::trust::Trust;
use tidegate::store::directory::Directory;
use tidegate::store::durable;
use tidegate::store::port::CatalogStore as _;
use tidegate::store::state::StateFolder;

use crate::place::Place;
use crate::spawn::{DEADLINE, Server, run, since, tidegate, uptime};

/// 200 in all; the three tests run at the same time.
const COMMITS: usize = 90;
const SERVERS: usize = 80;
const SIGNINGS: usize = 30;

/// How often one catalog is hit before a fresh one is taken.
const HITS: usize = 8;

/// Enough for a commit or a signing to take its time.
const RELEASES: usize = 24;

/// Random moments: splitmix64, so that a seed gives the same ones everywhere.
struct Moments(u64);

impl Moments {
    fn new(test: &str) -> Self {
        let seed = std::env::var("TIDEGATE_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).unwrap();
            u64::from_ne_bytes(bytes)
        });
        eprintln!("{test}: TIDEGATE_CRASH_SEED={seed}");
        Self(seed)
    }

    /// A time below a limit.
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = (z ^ (z >> 31)) % 1000;
        limit * u32::try_from(part).unwrap() / 1000
    }
}

/// Starts a command, and kills it at a moment. Says whether it was still alive then.
fn killed(folder: &Path, arguments: &[&str], after: Duration) -> bool {
    killed_once(folder, arguments, after, &|| true)
}

/// The same, with the moment counted from when something is so.
fn killed_once(folder: &Path, arguments: &[&str], after: Duration, so: &dyn Fn() -> bool) -> bool {
    let mut command = tidegate(folder);
    let mut child: Child =
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(so);
    std::thread::sleep(after);
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    alive
}

fn until(so: &dyn Fn() -> bool) {
    let start = uptime();
    while !so() && since(start) < DEADLINE {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How long a command takes when nobody stops it.
fn duration(place: &Place, arguments: &[&str]) -> Duration {
    let start = uptime();
    place.run(arguments);
    since(start)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

impl Place {
    fn fresh(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(self.dir(), folder.path());
        Self { folder }
    }

    fn directory(&self) -> Directory {
        Directory::open(&self.path("channels"), &self.path("payloads")).unwrap()
    }

    /// Half of the releases in each line, all of them due for production.
    fn all_due() -> Self {
        let place = Self::new();
        for version in versions() {
            place.add(&version);
            place.enter(&version, "preproduction", SystemClock::new().now() - chrono::TimeDelta::days(20));
        }
        place.sign();
        place
    }
}

fn versions() -> Vec<String> {
    (0..RELEASES).map(|n| format!("1.{}.{n}", 7 + n % 2)).collect()
}

/// Reads the catalog, which must be without a fault, and holds its promotions against those that
/// were there before.
fn check_catalog(place: &Place, known: &mut BTreeMap<Version, Entry>) {
    let now = SystemClock::new().now();
    let reading = place.directory().read(now).unwrap().reading;
    assert_eq!(reading.faults, []);
    let mut found = BTreeMap::new();
    for release in reading.catalog.lines().flat_map(|line| line.releases.values()) {
        assert!(release.entries[0].as_ref().is_some_and(|entry| entry.by == "ada"), "{release:?}");
        if let Some(entry) = &release.entries[1] {
            assert!(entry.by == "schedule" && entry.since <= now, "{release:?}");
            found.insert(release.version.clone(), entry.clone());
        }
    }
    for (version, entry) in known.iter() {
        assert_eq!(found.get(version), Some(entry), "the promotion of {version}");
    }
    *known = found;
    run(place.dir(), &["catalog", "check"]);
}

fn no_temporary(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        assert!(!durable::is_temporary(&entry.file_name().to_string_lossy()), "{entry:?} is left");
        if entry.file_type().unwrap().is_dir() {
            no_temporary(&entry.path());
        }
    }
}

#[test]
fn a_commit_that_is_killed_tears_nothing_and_the_next_run_completes_it() {
    let mut moments = Moments::new("commits");
    let template = Place::all_due();
    let whole = duration(&template.fresh(), &["promote"]);
    let (mut kills, mut between) = (0, 0);
    while kills < COMMITS {
        let place = template.fresh();
        let mut known = BTreeMap::new();
        for _ in 0..HITS {
            let alive = killed(place.dir(), &["promote"], moments.below(whole));
            check_catalog(&place, &mut known);
            kills += usize::from(alive);
            between += usize::from(alive && !known.is_empty() && known.len() < RELEASES);
            if !alive {
                break;
            }
        }
        place.run(&["promote"]);
        check_catalog(&place, &mut known);
        assert_eq!(known.len(), RELEASES);
        // Whatever commits next sweeps what the killed ones left.
        place.run(&["channel", "pause", "1.7-production", "--reason", "datacentre move"]);
        no_temporary(&place.path("channels"));
    }
    eprintln!(
        "{kills} kills, {between} of them between the files of one commit; a whole run takes {whole:?}"
    );
}

/// Versions by document, as a client remembers them, with the digests of what they stood for.
type Seen = BTreeMap<String, (u64, Vec<u8>)>;

fn seen(publication: &Publication) -> Seen {
    let mut seen = Seen::new();
    let mut add = |name: &str, raw: &[u8]| {
        let document: serde_json::Value = serde_json::from_slice(raw).unwrap();
        let version = document["signed"]["version"].as_u64().unwrap();
        seen.insert(name.to_owned(), (version, raw.to_vec()));
        document["signed"].clone()
    };
    let file = |path: &str| match publication.tuf(path) {
        Some(TufFile::Document(document)) => document.identity.clone(),
        other => panic!("{path}: {other:?}"),
    };
    let timestamp = add("timestamp", &file("metadata/timestamp.json"));
    let snapshot = &timestamp["meta"]["snapshot.json"]["version"];
    let snapshot = add("snapshot", &file(&format!("metadata/{snapshot}.snapshot.json")));
    for (name, meta) in snapshot["meta"].as_object().unwrap() {
        add(name, &file(&format!("metadata/{}.{name}", meta["version"])));
    }
    for line in ["1.7", "1.8"] {
        for stage in ["preproduction", "production"] {
            let name = format!("{line}-{stage}");
            let manifest = publication.channel(&ChannelName::parse(&name).unwrap()).unwrap();
            add(&name, &manifest.identity);
        }
    }
    seen
}

fn check_state(place: &Place, before: &mut Seen) {
    let publication = stored::publication(&StateFolder::new(&place.path(".tidegate")));
    let publication = publication.expect("the last publication, or the one before, is whole");
    let Some(publication) = publication else {
        assert!(before.is_empty(), "the publication is gone");
        return;
    };
    let lost: Vec<_> = publication.lost_lines().collect();
    assert!(lost.is_empty(), "{lost:?}");
    let now = seen(&publication);
    for (name, (version, raw)) in before.iter() {
        let (next, other) = &now[name];
        assert!(next >= version, "{name} went back from {version} to {next}");
        assert!(next > version || raw == other, "{name} has two documents of version {version}");
    }
    let reserved = fs::read_to_string(place.path(".tidegate/version")).unwrap();
    assert!(reserved.trim().parse::<u64>().unwrap() >= now["timestamp"].0, "{reserved}");
    *before = now;
}

#[test]
fn a_server_that_is_killed_keeps_a_whole_publication_and_its_versions() {
    let mut moments = Moments::new("servers");
    let template = Place::all_due();
    let first = template.fresh();
    let start = uptime();
    let server = Server::start(first.dir(), &[]);
    until(&|| first.path(".tidegate/version").exists());
    let reserved = since(start);
    until(&|| first.path(".tidegate/publication").exists());
    // Half as much again: a kill after that hits what is done, or the next turn.
    let (whole, publishing) = (since(start) * 3 / 2, since(start + reserved) * 3 / 2);
    drop(server);
    let (mut kills, mut publications) = (0, 0);
    while kills < SERVERS {
        let place = template.fresh();
        let (mut known, mut before) = (BTreeMap::new(), Seen::new());
        for hit in 0..HITS {
            let serve = ["serve", "--listen", "127.0.0.1:0"];
            let version = || fs::read(place.path(".tidegate/version")).ok();
            let reserved = version();
            // Every other kill aims between the version that is reserved and what it is used for.
            let alive = if hit % 2 == 0 {
                killed(place.dir(), &serve, moments.below(whole))
            } else {
                let after = moments.below(publishing);
                killed_once(place.dir(), &serve, after, &|| version() != reserved)
            };
            assert!(alive, "the server ended by itself");
            kills += 1;
            check_catalog(&place, &mut known);
            let last = before.get("timestamp").map(|seen| seen.0);
            check_state(&place, &mut before);
            publications += usize::from(before.get("timestamp").map(|seen| seen.0) != last);
            toggle(&place, hit % 2 == 0);
        }
        let server = Server::ready(place.dir(), &[]);
        server.until_latest("1.7-production", "1.7.22");
        server.until_latest("1.8-production", "1.8.23");
        server.until_degraded(&[], "");
        drop(server);
        check_catalog(&place, &mut known);
        check_state(&place, &mut before);
        assert_eq!(known.len(), RELEASES);
        no_temporary(&place.path("channels"));
        assert!(fs::read_dir(place.path(".tidegate")).unwrap().count() < 12, "leftovers are swept");
    }
    eprintln!(
        "{kills} kills after {publications} publications; up to {whole:?} after a start, or {publishing:?} after a version was reserved"
    );
}

/// Something new to publish.
fn toggle(place: &Place, pause: bool) {
    let (line, stage) = (LineName::parse("1.7").unwrap(), StageName::parse("preproduction").unwrap());
    let now = SystemClock::new().now();
    let event = Event::new(now, "ada".to_owned(), "datacentre move".to_owned());
    let change = if pause {
        Change::Pause { line, stage, pause: event }
    } else {
        Change::Unpause { line, stage, ended: event.ended(event.clone()) }
    };
    let directory = place.directory();
    directory.commit(&directory.read(now).unwrap().revision, &[change], now).unwrap();
}

#[test]
fn a_signing_that_is_killed_can_be_done_again() {
    let mut moments = Moments::new("signings");
    let template = Place::new();
    // A line that is new, too: its role and its delegation are two files.
    fs::create_dir(template.path("channels/1.9")).unwrap();
    let line = "format: 1\nline: \"1.9\"\nfollows: { line: \"1.8\", grace: 0d }\n";
    fs::write(template.path("channels/1.9/line.yaml"), line).unwrap();
    let mut all = versions();
    all.extend(["1.9.0".to_owned(), "1.9.1".to_owned()]);
    for version in &all {
        template.add(version);
    }
    let sign = ["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"];
    let whole = duration(&template.fresh(), &sign);
    let mut kills = 0;
    while kills < SIGNINGS {
        let place = template.fresh();
        for _ in 0..HITS {
            let alive = killed(place.dir(), &sign, moments.below(whole));
            kills += usize::from(alive);
            let snapshot = place.directory().read(SystemClock::new().now()).unwrap();
            assert!(Trust::read(&snapshot.trust).unwrap().unwrap().broken().is_empty());
            run(place.dir(), &["catalog", "check"]);
            if !alive {
                break;
            }
        }
        place.run(&sign);
        place.run(&["promote"]);
        let reading = place.directory().read(SystemClock::new().now()).unwrap().reading;
        let entered = reading.catalog.lines().flat_map(|line| line.releases.values());
        assert_eq!(entered.filter(|release| release.entries[0].is_some()).count(), all.len());
    }
    eprintln!("{kills} kills; a whole run takes {whole:?}");
}
