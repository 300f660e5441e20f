//! Payloads: replaced, cut short or swapped, on the way and on disk.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidegate::clock::{Clock, SharedClock, SystemClock};
use tidegate::cluster::Refusal;
use tidegate::cluster::agent::{Agent, Turn};
use tidegate::cluster::download::Download;
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::folder::{Approval, Config, Folder};
use tidegate::cluster::http::Server;
use tidegate::domain::Time;
use tidegate::domain::payload::Payload;
use tidegate::domain::version::Version;
use tidegate::formats::tuf::Target;

use super::forge::Forge;
use super::repository::payload as good;
use super::scene::{CHANNEL, CURRENT, TARGET};
use super::site::{Request, Send, Site, file, reply};
use super::wire::bomb;

fn version() -> Version {
    TARGET.parse().unwrap()
}

fn bytes() -> Vec<u8> {
    (0..50_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn listed(bytes: &[u8]) -> Payload {
    let target = Target::of(bytes);
    Payload { file: "payload.bin".to_owned(), sha256: target.hashes.sha256, size: target.length, arch: None }
}

/// Downloads the payload from a site. Gives what is there then: the file, and what came of it so far.
fn bring(site: &Site, folder: &tempfile::TempDir, pace: Pace) -> (Result<PathBuf, Refusal>, u64) {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let server = Server::new(&site.address.parse().unwrap(), None, pace, clock).unwrap();
    let download = Download { fetch: &server, folder: folder.path(), stop: &|| false };
    let result = download.payload(&version(), &listed(&bytes()));
    let part = fs::metadata(folder.path().join(".payload.bin.part")).map_or(0, |part| part.len());
    (result, part)
}

fn whole(request: &Request, send: Send<'_>) {
    file(request, send, Some(&bytes()));
}

/// What is sent instead of a payload, how that is refused, and how much of it is kept to go on from.
pub struct Swap {
    pub name: &'static str,
    pub kind: &'static str,
    does: fn(&Request, Send<'_>),
    kept: fn(u64) -> bool,
}

pub const SWAPS: &[Swap] = &[
    Swap {
        name: "another payload of the same size",
        kind: "WrongDigest",
        does: |request, send| file(request, send, Some(&vec![7; bytes().len()])),
        kept: |kept| kept == 0,
    },
    Swap {
        name: "an endless payload",
        kind: "TooLarge",
        does: |_, send| {
            send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while send(&[7; 64 * 1024]) {}
        },
        kept: |kept| kept == 0,
    },
    Swap {
        name: "a payload that is shorter than signed",
        kind: "Truncated",
        does: |request, send| file(request, send, Some(&bytes()[..1000])),
        kept: |kept| kept == 1000,
    },
    Swap {
        name: "a payload whose connection breaks",
        kind: "Unreachable",
        does: |_, send| {
            let half = &bytes()[..100_000];
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", 200_000);
            send(&[head.as_bytes(), half].concat());
        },
        kept: |kept| kept == 100_000,
    },
    Swap {
        name: "a payload that trickles",
        kind: "TooSlow",
        does: |_, send| {
            send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            while send(&bytes()[..1]) {
                std::thread::sleep(Duration::from_millis(20));
            }
        },
        kept: |kept| kept < 1024,
    },
    Swap {
        name: "a compressed bomb as a payload",
        kind: "Compressed",
        does: |_, send| reply(send, "200 OK", &[("content-encoding", "gzip")], &bomb()),
        kept: |kept| kept == 0,
    },
    Swap {
        name: "a redirect instead of a payload",
        kind: "Redirected",
        does: |_, send| reply(send, "307 Temporary Redirect", &[("location", "http://localhost:1/")], b""),
        kept: |kept| kept == 0,
    },
    Swap {
        name: "no payload",
        kind: "Missing",
        does: |request, send| file(request, send, None),
        kept: |kept| kept == 0,
    },
];

#[test]
fn a_payload_is_there_when_it_is_what_release_keys_signed_and_never_before() {
    for Swap { name, kind, does, kept } in SWAPS {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(*does);
        let short = Duration::from_millis(300);
        let pace = match *kind {
            "TooSlow" => Pace { wait: short, window: short, least: 1024, whole: Duration::from_secs(1) },
            _ => Pace::default(),
        };
        let (result, part) = bring(&site, &folder, pace);
        let refusal = result.expect_err(name);
        assert_eq!(refusal.kind(), *kind, "{name}: {refusal}");
        assert!(!folder.path().join("payload.bin").exists(), "{name}");
        assert!(kept(part), "{name}: {part} bytes are kept");
        // And from a good server the rest of it, or all.
        site.turn(whole);
        site.asked();
        let (result, _) = bring(&site, &folder, Pace::default());
        let went_on = site.asked()[0].header("range").map(str::to_owned);
        assert_eq!(went_on, (part > 0).then(|| format!("bytes={part}-")), "{name}");
        match result {
            Ok(path) => assert_eq!(fs::read(path).unwrap(), bytes(), "{name}"),
            // What trickled in was wrong: that shows at the end, and then it begins anew.
            Err(refusal) => {
                assert_eq!((refusal.kind(), *kind), ("WrongDigest", "TooSlow"), "{name}");
                assert!(bring(&site, &folder, Pace::default()).0.is_ok(), "{name}");
            }
        }
    }
}

#[test]
fn a_download_that_goes_on_with_other_bytes_is_refused_and_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".payload.bin.part"), &bytes()[..1000]).unwrap();
    let site = Site::new(|request, send| {
        // Whatever is asked for, it is said to be the rest.
        let range = format!("bytes 1000-{}/{}", bytes().len() - 1, bytes().len());
        assert_eq!(request.header("range"), Some("bytes=1000-"));
        reply(send, "206 Partial Content", &[("content-range", &range)], &vec![7; bytes().len() - 1000]);
    });
    let (result, part) = bring(&site, &folder, Pace::default());
    assert_eq!((result.unwrap_err().kind(), part), ("WrongDigest", 0));
    // The rest of another place than the one that was asked for.
    fs::write(folder.path().join(".payload.bin.part"), &bytes()[..1000]).unwrap();
    site.turn(|_, send| {
        reply(send, "206 Partial Content", &[("content-range", "bytes 0-9/10")], b"0123456789");
    });
    let (result, part) = bring(&site, &folder, Pace::default());
    assert_eq!((result.unwrap_err().kind(), part), ("Unreachable", 1000));
    site.turn(whole);
    assert!(bring(&site, &folder, Pace::default()).0.is_ok());
}

/// A clock that stands, and on whose ticks a thief works: once the payload is on disk, it is another.
struct Tampering {
    now: Time,
    file: PathBuf,
    armed: AtomicBool,
}

impl Clock for Tampering {
    fn now(&self) -> Time {
        if self.armed.load(Ordering::SeqCst) && self.file.exists() {
            let length = usize::try_from(fs::metadata(&self.file).unwrap().len()).unwrap();
            fs::write(&self.file, vec![b'!'; length]).unwrap();
        }
        self.now
    }

    fn monotonic(&self) -> Duration {
        SystemClock::new().monotonic()
    }
}

#[test]
fn a_payload_that_is_replaced_on_disk_is_refused_just_before_it_is_applied() {
    let state = tempfile::tempdir().unwrap();
    let forge = Forge::new(1);
    let files = forge.seal();
    let root = files["metadata/1.root.json"].clone();
    let site = Site::new(move |request, send| {
        let found = request.path.strip_prefix("/tuf/").and_then(|path| files.get(path));
        file(request, send, found.map(|bytes| &bytes[..]));
    });
    let folder = Folder::new(state.path(), "c");
    let runs = state.path().join("version");
    fs::write(&runs, CURRENT).unwrap();
    let config = Config {
        format: 1,
        server: site.address.parse().unwrap(),
        channel: CHANNEL.parse().unwrap(),
        current: format!("cat '{}'", runs.display()),
        apply: Some(format!(
            "cp \"$TIDEGATE_PAYLOAD\" '{0}.payload' && echo {TARGET} > '{0}'",
            runs.display()
        )),
        apply_timeout: None,
        approval: Approval::Automatic,
        interval: 3600,
        arch: None,
        stale_ok: 0,
        demo: false,
        ca: None,
    };
    folder.create(&config, &root).unwrap();
    let file = folder.downloads(&version()).join("payload.json");
    let clock = Arc::new(Tampering { now: forge.repository.now, file, armed: AtomicBool::new(true) });
    let shared = Arc::clone(&clock) as SharedClock;
    let agent = Agent { folder, clock: shared, stop: Arc::default() };

    assert_eq!(agent.turn().unwrap(), Turn::Trouble);
    assert_eq!(agent.folder.read().unwrap().record.trouble.unwrap().kind, "WrongDigest");
    assert_eq!(fs::read_to_string(&runs).unwrap(), CURRENT, "nothing was applied");
    // Once the thief is gone, it is fetched again.
    clock.armed.store(false, Ordering::SeqCst);
    assert_eq!(agent.turn().unwrap(), Turn::Applied);
    assert_eq!(fs::read(state.path().join("version.payload")).unwrap(), good(TARGET));
}
