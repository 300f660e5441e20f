//! What goes wrong on the way: too much, too slowly, from elsewhere, or not at all.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::http::Server;
use tidegate::cluster::{Client, Options};
use tidegate::domain::version::Version;
use tidegate::formats::tuf::Target;
use tidegate::formats::tuf::names::TIMESTAMP_PATH;

use super::forge::Forge;
use super::repository::Files;
use super::scene::{CHANNEL, CURRENT, GOOD, Scene, told};
use super::site::{Request, Send, Site, file, reply};

/// Something that is wrong with one file.
pub struct Fault {
    /// As the documentation has it.
    pub name: &'static str,
    pub kind: &'static str,
    /// The files in which it is tried.
    places: &'static [&'static str],
    does: fn(&Request, Send<'_>),
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n";

fn crawl() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A thousand times more than goes over the wire.
pub fn bomb() -> Vec<u8> {
    packed(&vec![b' '; 16 << 20])
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "endless data",
        kind: "TooLarge",
        places: PLACES,
        does: |_, send| {
            send(&[HEAD, b"\r\n"].concat());
            while send(&[b' '; 64 * 1024]) {}
        },
    },
    Fault {
        name: "endless data in parts (chunked)",
        kind: "TooLarge",
        places: PLACES,
        does: |_, send| {
            send(&[HEAD, b"transfer-encoding: chunked\r\n\r\n"].concat());
            while send(&[b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat()) {}
        },
    },
    Fault {
        name: "endless heads",
        kind: "TooLarge",
        places: PLACES,
        does: |_, send| {
            send(HEAD);
            while send(&[b"x-more: ", &[b'x'; 4000][..], b"\r\n"].concat()) {}
        },
    },
    Fault {
        name: "a body that trickles",
        kind: "TooSlow",
        places: PLACES,
        does: |_, send| {
            send(&[HEAD, b"\r\n"].concat());
            while send(b" ") {
                crawl();
            }
        },
    },
    Fault {
        name: "a head that trickles",
        kind: "TooSlow",
        places: PLACES,
        does: |_, send| {
            send(HEAD);
            while send(b"x-a: b\r\n") {
                crawl();
            }
        },
    },
    Fault {
        name: "a redirect to another host",
        kind: "Redirected",
        places: PLACES,
        // The other host is the same one under another name, so that a client that went there would
        // be given the file.
        does: |request, send| {
            let host = request.header("host").unwrap().replace("127.0.0.1", "localhost");
            let place = format!("http://{host}/elsewhere{}", request.path);
            reply(send, "302 Found", &[("location", &place)], b"");
        },
    },
    Fault {
        name: "a compressed bomb",
        kind: "Compressed",
        places: PLAIN,
        does: |_, send| reply(send, "200 OK", &[("content-encoding", "gzip")], &bomb()),
    },
    Fault {
        name: "a compressed bomb as a file that may be compressed",
        kind: "TooLarge",
        places: PACKED,
        does: |request, send| {
            assert_eq!(request.header("accept-encoding"), Some("gzip"));
            reply(send, "200 OK", &[("content-encoding", "gzip")], &bomb());
        },
    },
    Fault {
        name: "a file that is compressed in another way than was asked",
        kind: "Compressed",
        places: PACKED,
        does: |_, send| reply(send, "200 OK", &[("content-encoding", "br")], &bomb()),
    },
    Fault {
        name: "empty blocks without end, compressed",
        kind: "Unreachable",
        places: PACKED,
        does: |_, send| {
            send(&[HEAD, b"content-encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff"].concat());
            // Stored blocks of no bytes, none of which is the last.
            while send(&[0, 0, 0, 0xff, 0xff].repeat(10_000)) {}
        },
    },
    Fault {
        name: "half a compressed file",
        kind: "Unreachable",
        places: PACKED,
        does: |_, send| reply(send, "200 OK", &[("content-encoding", "gzip")], &packed(b"half of it")[..20]),
    },
    Fault {
        name: "a broken connection",
        kind: "Unreachable",
        places: PLACES,
        does: |_, send| {
            send(&[HEAD, b"content-length: 500\r\n\r\nhalf"].concat());
        },
    },
    Fault { name: "a closed connection", kind: "Unreachable", places: PLACES, does: |_, _| {} },
    Fault {
        name: "something that is not HTTP",
        kind: "Unreachable",
        places: PLACES,
        does: |_, send| {
            send(b"220 mail.example.com ESMTP\r\n\r\n");
        },
    },
    Fault {
        name: "an error of the server",
        kind: "BadStatus",
        places: PLACES,
        does: |_, send| reply(send, "500 Internal Server Error", &[], b""),
    },
    Fault {
        name: "\"not modified\" for what nobody has",
        kind: "BadStatus",
        places: PLACES,
        does: |_, send| reply(send, "304 Not Modified", &[], b""),
    },
];

/// The files in which faults are tried: by name, by version, by digest.
const PLACES: &[&str] =
    &["/timestamp.json", "/2.root.json", "/3.releases-1.8.json", ".channel.1.8-production.json"];
/// Those whose size nobody has signed, so that they must not be compressed.
const PLAIN: &[&str] = PLACES.split_at(2).0;
/// Those that may be compressed.
const PACKED: &[&str] = PLACES.split_at(2).1;

fn serve(site: &Site, files: Files) {
    site.turn(move |request, send| {
        let found = request.path.strip_prefix("/tuf/").and_then(|path| files.get(path));
        file(request, send, found.map(|bytes| &bytes[..]));
    });
}

/// A client of a site, with the state of a scene.
fn client(scene: &Scene, site: &Site, pace: Pace) -> Client {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let server = Arc::new(Server::new(&site.address.parse().unwrap(), None, pace, clock).unwrap());
    let root = scene.first["metadata/1.root.json"].clone();
    let (folder, clock) = (scene.folder.path(), Arc::clone(&scene.clock) as _);
    Client::new(folder, root, server, clock, Options::default())
}

/// What is wrong with how a fault in a file was met.
fn meet(Fault { name, kind, does, .. }: &Fault, file_name: &'static str) -> Vec<String> {
    let mut wrong = Vec::new();
    let scene = Scene::new();
    let before = scene.trusted();
    let (channel, current) = (CHANNEL.parse().unwrap(), Version::parse(CURRENT).unwrap());
    let third = Forge::new(3).seal();
    let (files, does) = (third.clone(), *does);
    let site = Site::new(move |request, send| {
        if request.path.ends_with(file_name) && !request.path.starts_with("/elsewhere") {
            return does(request, send);
        }
        let path = request.path.trim_start_matches("/elsewhere").strip_prefix("/tuf/");
        file(request, send, path.and_then(|path| files.get(path)).map(|bytes| &bytes[..]));
    });
    let short = Duration::from_millis(300);
    let pace = match *kind {
        "TooSlow" => Pace { wait: short, window: short, least: 1024, whole: Duration::from_secs(1) },
        _ => Pace::default(),
    };
    // A tag that is held may well be answered so.
    if *kind == "BadStatus" && file_name == PLACES[0] && name.contains("not modified") {
        return wrong;
    }
    match client(&scene, &site, pace).check(&channel, &current) {
        Ok(_) => wrong.push(format!("{name} in {file_name}: taken, and not refused as {kind}")),
        Err(refusal) if refusal.kind() != *kind => {
            wrong.push(format!("{name} in {file_name}: {} instead of {kind}: {refusal}", refusal.kind()));
        }
        Err(_) => {}
    }
    if let Some(request) = site.asked().iter().find(|request| request.path.starts_with("/elsewhere")) {
        wrong.push(format!("{name} in {file_name}: it asked for {}", request.path));
    }
    if scene.trusted() != before {
        wrong.push(format!("{name} in {file_name}: what is trusted has changed"));
    }
    serve(&site, third);
    match client(&scene, &site, Pace::default()).check(&channel, &current) {
        Ok(checked) if told(&checked) == GOOD => {}
        Ok(checked) => wrong.push(format!("{name} in {file_name}: and then {}", told(&checked))),
        Err(refusal) => wrong.push(format!("{name} in {file_name}: and then {refusal}")),
    }
    wrong
}

#[test]
fn whatever_comes_instead_of_a_file_is_given_up_on_and_leaves_what_is_trusted_as_it_was() {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let meet_in = |place: &'static str| {
            move || {
                let faults = FAULTS.iter().filter(|fault| fault.places.contains(&place));
                faults.flat_map(|fault| meet(fault, place)).collect::<Vec<_>>()
            }
        };
        let running: Vec<_> = PLACES.iter().map(|place| scope.spawn(meet_in(place))).collect();
        running.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_server_has_compressed_is_what_was_signed() {
    let scene = Scene::new();
    let third = Forge::new(3).seal();
    let site = Site::new(move |request, send| {
        let found = request.path.strip_prefix("/tuf/").and_then(|path| third.get(path));
        match (found, request.header("accept-encoding")) {
            (Some(bytes), Some("gzip")) => {
                reply(send, "200 OK", &[("content-encoding", "gzip")], &packed(bytes));
            }
            (bytes, _) => file(request, send, bytes.map(|bytes| &bytes[..])),
        }
    });
    let (channel, current) = (CHANNEL.parse().unwrap(), Version::parse(CURRENT).unwrap());
    let checked = client(&scene, &site, Pace::default()).check(&channel, &current).unwrap();
    assert_eq!((told(&checked).as_str(), checked.changed), (GOOD, true));
    let packed = |path: &str| path.ends_with("timestamp.json") || path.ends_with("root.json");
    let asked = site.asked();
    assert!(asked.iter().all(|ask| ask.header("accept-encoding").is_none() == packed(&ask.path)));
}

#[test]
fn nothing_that_was_not_verified_reaches_the_operators_terminal() {
    let scene = Scene::new();
    let mut files = scene.second.clone();
    let root = String::from_utf8(files["metadata/1.root.json"].to_vec()).unwrap();
    let evil = format!(r#""keytype":"\u001b[2Jm\u00e4{}""#, "x".repeat(10_000));
    files.insert("metadata/2.root.json".to_owned(), root.replace(r#""keytype":"ed25519""#, &evil).into());
    scene.server.serve(files);
    let refusal = scene.check().unwrap_err();
    let words = refusal.to_string();
    assert!(words.contains("[2Jm?x"), "{words}");
    assert!(words.bytes().all(|b| matches!(b, b' '..=b'~')) && words.len() < 600, "{words}");
}

#[test]
fn not_modified_for_ever_is_a_freeze_and_ends_with_the_timestamp() {
    let scene = Scene::new();
    let site = Site::new(|_, _| {});
    serve(&site, scene.second.clone());
    let check = || {
        client(&scene, &site, Pace::default())
            .check(&CHANNEL.parse().unwrap(), &Version::parse(CURRENT).unwrap())
    };
    check().unwrap();
    let (third, now) = (Forge::new(3).seal(), Forge::new(1).repository.now);
    site.turn(move |request, send| match request.header("if-none-match") {
        Some(_) => reply(send, "304 Not Modified", &[], b""),
        None if request.path.contains("root") => reply(send, "404 Not Found", &[], b""),
        None => file(request, send, third.get(&request.path["/tuf/".len()..]).map(|bytes| &bytes[..])),
    });
    scene.clock.set(now + chrono::TimeDelta::days(1) - chrono::TimeDelta::seconds(1));
    assert!(!check().unwrap().changed);
    // A cache that gives this answer to everybody loses its hold after a day.
    scene.clock.set(now + chrono::TimeDelta::days(1));
    assert!(check().unwrap().changed);
    scene.clock.set(now + chrono::TimeDelta::days(7));
    assert_eq!(check().unwrap_err().kind(), "Expired");
}

#[test]
fn no_tag_that_a_server_has_sent_is_ever_sent_back() {
    for tag in ["*", "W/\"1\"", "\"a\", *", "\"1\", \"2\"", "\"1\""] {
        let scene = Scene::new();
        let (third, fourth) = (Forge::new(3).seal(), Forge::new(4).seal());
        let own = format!("\"{}\"", Target::of(&third[TIMESTAMP_PATH]).hashes.sha256.short());
        let site = Site::new(move |request, send| match third.get(&request.path["/tuf/".len()..]) {
            Some(bytes) => reply(send, "200 OK", &[("etag", tag)], bytes),
            None => reply(send, "404 Not Found", &[], b""),
        });
        let check = || {
            client(&scene, &site, Pace::default())
                .check(&CHANNEL.parse().unwrap(), &Version::parse(CURRENT).unwrap())
        };
        assert!(check().unwrap().changed);
        site.asked();
        serve(&site, fourth);
        assert!(check().unwrap().changed, "{tag}");
        let asked = site.asked();
        let tags: Vec<_> = asked.iter().filter_map(|request| request.header("if-none-match")).collect();
        assert_eq!(tags, [own], "{tag}");
    }
}
