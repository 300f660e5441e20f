//! Transfers: cut, slow, endless, and counted.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::Refusal;
use tidegate::cluster::download::Download;
use tidegate::cluster::fetch::{Ask, Fetch, Found, Pace, Reply};
use tidegate::cluster::http::Server;
use tidegate::domain::payload::Payload;
use tidegate::domain::version::Version;
use tidegate::formats::tuf::Target;

fn version() -> Version {
    Version::parse("1.8.9-tectonic.4").unwrap()
}

fn payload(bytes: &[u8]) -> Payload {
    let target = Target::of(bytes);
    Payload { file: "payload.bin".to_owned(), sha256: target.hashes.sha256, size: target.length, arch: None }
}

/// A server of one payload, whose connection breaks after so many bytes.
#[derive(Debug)]
struct Cut {
    bytes: Vec<u8>,
    after: usize,
    /// Whether it knows parts.
    parts: bool,
    sent: AtomicU64,
}

struct Breaks(Cursor<Vec<u8>>);

impl Read for Breaks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}

impl Fetch for Cut {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        let from = ask.from.filter(|_| self.parts).map_or(0, |(from, _)| from);
        let start = usize::try_from(from).unwrap();
        let end = self.bytes.len().min(start + self.after);
        let part = self.bytes[start..end].to_vec();
        self.sent.fetch_add(part.len() as u64, Ordering::SeqCst);
        let whole = end == self.bytes.len();
        let body: Box<dyn Read + Send> =
            if whole { Box::new(Cursor::new(part)) } else { Box::new(Breaks(Cursor::new(part))) };
        Ok(Reply::Found(Found { from, body }))
    }
}

#[test]
fn a_download_that_was_cut_goes_on_from_there() {
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let folder = tempfile::tempdir().unwrap();
    let cut = Cut { bytes: bytes.clone(), after: 300_000, parts: true, sent: AtomicU64::new(0) };
    let bring = || {
        Download { fetch: &cut, folder: folder.path(), stop: &|| false }.payload(&version(), &payload(&bytes))
    };
    for _ in 0..2 {
        assert_eq!(bring().unwrap_err().kind(), "Unreachable");
        assert!(!folder.path().join("payload.bin").exists(), "it is not there before it is whole");
    }
    assert_eq!(std::fs::read(bring().unwrap()).unwrap(), bytes);
    assert_eq!(cut.sent.load(Ordering::SeqCst), bytes.len() as u64, "nothing comes twice");
    // What is there is not asked for again.
    bring().unwrap();
    assert_eq!(cut.sent.load(Ordering::SeqCst), bytes.len() as u64);
}

#[test]
fn a_server_without_parts_sends_all_of_it_again() {
    let bytes = vec![7; 1000];
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".payload.bin.part"), [8; 600]).unwrap();
    let server = Cut { bytes: bytes.clone(), after: 2000, parts: false, sent: AtomicU64::new(0) };
    let download = Download { fetch: &server, folder: folder.path(), stop: &|| false };
    let path = download.payload(&version(), &payload(&bytes)).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}

#[test]
fn a_wrong_payload_is_told_and_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = payload(&[7; 1000]);
    for (sent, kind) in
        [(vec![8; 1000], "WrongDigest"), (vec![7; 1001], "TooLarge"), (vec![7; 999], "Truncated")]
    {
        let server = Cut { bytes: sent, after: 2000, parts: true, sent: AtomicU64::new(0) };
        let download = Download { fetch: &server, folder: folder.path(), stop: &|| false };
        let refusal = download.payload(&version(), &wanted).unwrap_err();
        assert_eq!(refusal.kind(), kind, "{refusal}");
        assert!(!folder.path().join("payload.bin").exists());
        assert_eq!(folder.path().join(".payload.bin.part").exists(), kind == "Truncated");
    }
    // What is there under its name is hashed too.
    std::fs::write(folder.path().join("payload.bin"), [9; 1000]).unwrap();
    let server = Cut { bytes: vec![7; 1000], after: 2000, parts: true, sent: AtomicU64::new(0) };
    let download = Download { fetch: &server, folder: folder.path(), stop: &|| false };
    assert_eq!(std::fs::read(download.payload(&version(), &wanted).unwrap()).unwrap(), [7; 1000]);
}

#[test]
fn a_download_leaves_off_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let server = Cut { bytes: vec![7; 1000], after: 2000, parts: true, sent: AtomicU64::new(0) };
    let download = Download { fetch: &server, folder: folder.path(), stop: &|| true };
    assert_eq!(download.payload(&version(), &payload(&[7; 1000])).unwrap_err().kind(), "Stopped");
}

/// A server that answers each request on a connection of its own, with what a function makes of it.
/// Gives its address and how many bytes went over the wire.
fn answering(
    answer: impl Fn(&str, &mut dyn FnMut(&[u8]) -> bool) + Send + 'static,
) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            total.fetch_add(head.len() as u64, Ordering::SeqCst);
            let head = String::from_utf8(head).unwrap();
            answer(&head, &mut |bytes| {
                total.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                stream.write_all(bytes).is_ok()
            });
        }
    });
    (address, count)
}

fn pace() -> Pace {
    let short = Duration::from_millis(300);
    Pace { wait: short, window: short, least: 1024, whole: Duration::from_secs(2) }
}

fn server(address: &str, pace: Pace) -> Server {
    let clock: SharedClock = Arc::new(SystemClock::new());
    Server::new(&address.parse().unwrap(), None, pace, clock).unwrap()
}

fn ask(server: &Server) -> Result<Vec<u8>, Refusal> {
    let ask = Ask { path: "tuf/metadata/timestamp.json", ..Ask::default() };
    let Reply::Found(mut found) = server.get(&ask)? else { return Ok(Vec::new()) };
    tidegate::cluster::fetch::read_all(ask.path, &mut found.body, 10_000)
}

#[test]
fn what_goes_over_the_wire_is_counted_to_the_byte() {
    let (address, wire) = answering(|head, send| {
        assert!(head.starts_with("GET /below/tuf/metadata/timestamp.json HTTP/1.1\r\n"), "{head}");
        let body = "x".repeat(700);
        let text = format!(
            "HTTP/1.1 200 OK\r\netag: \"a\"\r\nconnection: close\r\ncontent-length: 700\r\n\r\n{body}"
        );
        send(text.as_bytes());
    });
    let server = server(&format!("{address}/below/"), Pace::default());
    for asked in 1..=3 {
        assert_eq!(ask(&server).unwrap().len(), 700);
        let traffic = server.traffic();
        assert_eq!((traffic.requests(), traffic.bytes()), (asked, wire.load(Ordering::SeqCst)));
    }
}

#[test]
fn a_hostile_or_broken_server_is_given_up_on() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    type Answer = fn(&str, &mut dyn FnMut(&[u8]) -> bool);
    let table: [(&str, Answer); 7] = [
        ("TooLarge", |_, send| {
            send(HEAD);
            while send(&[b' '; 4096]) {}
        }),
        // One byte at a time, each in time.
        ("TooSlow", |_, send| {
            send(HEAD);
            while send(b" ") {
                std::thread::sleep(Duration::from_millis(20));
            }
        }),
        ("TooSlow", |_, send| {
            send(HEAD);
            std::thread::sleep(Duration::from_secs(3));
        }),
        // A head that never ends.
        ("TooSlow", |_, send| {
            send(b"HTTP/1.1 200 OK\r\n");
            while send(b"x-a: b\r\n") {
                std::thread::sleep(Duration::from_millis(20));
            }
        }),
        ("Redirected", |_, send| {
            send(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        }),
        ("BadStatus", |_, send| {
            send(b"HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }),
        ("Unreachable", |_, send| {
            send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort");
        }),
    ];
    for (place, (kind, answer)) in table.into_iter().enumerate() {
        let (address, _) = answering(answer);
        let refusal = ask(&server(&address, pace())).expect_err(kind);
        assert_eq!(refusal.kind(), kind, "{place}: {refusal}");
    }
    assert_eq!(ask(&server("http://127.0.0.1:1", pace())).unwrap_err().kind(), "Unreachable");
}

#[test]
fn a_transfer_leaves_off_once_the_process_shall_end() {
    let (address, _) = answering(|_, send| {
        send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        while send(&[b' '; 16]) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let stop = tidegate::cluster::http::Stop::default();
    let server = server(&address, Pace::default()).until(&stop);
    let Ok(Reply::Found(mut found)) = server.get(&Ask { path: "a", ..Ask::default() }) else { panic!() };
    stop.store(true, Ordering::SeqCst);
    assert!(found.body.read(&mut [0; 16]).is_err());
    let refused = server.get(&Ask { path: "a", ..Ask::default() }).err().unwrap();
    assert_eq!(refused.kind(), "Stopped");
}

/// A certificate authority and a certificate that it gave out for 127.0.0.1, in a folder; and
/// `openssl` serving that folder over TLS.
struct Tls {
    folder: tempfile::TempDir,
    process: std::process::Child,
    address: String,
}

impl Tls {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = std::process::Command::new("openssl");
            command.current_dir(folder.path()).args(arguments.split_whitespace()).stdin(Stdio::null());
            command
        };
        let done = |arguments: &str| {
            let output = openssl(arguments).output().expect("install `openssl` to run this test");
            assert!(output.status.success(), "{output:?}");
        };
        std::fs::write(
            folder.path().join("leaf"),
            "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
        .unwrap();
        std::fs::create_dir_all(folder.path().join("tuf/metadata")).unwrap();
        std::fs::write(folder.path().join("tuf/metadata/timestamp.json"), "{}").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for ca in ["ca", "other"] {
            done(&format!("req -x509 {key} -keyout {ca}.key -out {ca}.pem -days 2 -subj /CN={ca}"));
        }
        done(&format!("req {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"));
        done(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out leaf.pem -extfile leaf",
        );
        let mut process = openssl("s_server -accept 127.0.0.1:0 -cert leaf.pem -key leaf.key -WWW")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
        Self { folder, process, address: format!("https://{}", address.unwrap()) }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_server_is_told_by_its_certificate() {
    let tls = Tls::start();
    let by = |ca: &str| {
        let clock: SharedClock = Arc::new(SystemClock::new());
        let server = Server::new(
            &tls.address.parse().unwrap(),
            Some(&tls.folder.path().join(ca)),
            Pace::default(),
            clock,
        );
        server.map(|server| ask(&server))
    };
    assert_eq!(by("ca.pem").unwrap().unwrap(), b"{}");
    let refusal = by("other.pem").unwrap().unwrap_err();
    assert!(refusal.to_string().contains("certificate"), "{refusal}");
    assert!(by("ca.key").is_err() && by("missing").is_err());
}

#[test]
fn what_does_not_fit_on_the_disk_is_refused_before_the_first_byte() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = b"a payload of some length".to_vec();
    let cut = Cut { bytes: bytes.clone(), after: 10, parts: true, sent: AtomicU64::new(0) };
    let download = Download { fetch: &cut, folder: folder.path(), stop: &|| false };
    let (small, endless) = (payload(&bytes), Payload { size: 1 << 60, ..payload(&bytes) });
    download.check_space(&[&small]).unwrap();
    let refusal = download.check_space(&[&small, &endless]).unwrap_err();
    assert_eq!(refusal.kind(), "NoSpace");
    assert!(refusal.to_string().contains("`payload.bin` cannot be downloaded"), "{refusal}");
}

#[test]
fn what_is_not_wanted_any_more_is_not_applied_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("1.8.9");
    let named = |file: &str| Payload { file: file.to_owned(), ..payload(b"x") };
    let all = [named("amd64.tar"), named("arm64.tar"), named("any.tar")];
    let old = folder.path().join("1.8.8");
    for (folder, file) in [
        (&downloads, "amd64.tar"),
        (&downloads, ".amd64.tar.part"),
        (&downloads, "any.tar"),
        (&downloads, ".arm64.tar.part"),
        (&downloads, "unpacked"),
        (&old, "amd64.tar"),
    ] {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(file), "x").unwrap();
    }
    let server = Cut { bytes: Vec::new(), after: 0, parts: true, sent: AtomicU64::new(0) };
    let download = Download { fetch: &server, folder: &downloads, stop: &|| false };
    download.clear(&all, &[&all[1], &all[2]]).unwrap();
    let found = std::fs::read_dir(&downloads).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<_> = found.map(|name| name.into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, [".arm64.tar.part", "any.tar", "unpacked"]);
    assert!(!old.exists());
}
