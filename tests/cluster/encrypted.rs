//! The cluster's own page over TLS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tidegate::clock::{Clock, SystemClock};
use tidegate::cluster::page::{Certificate, Files};
use tidegate::domain::Time;

use super::spawn::DEADLINE;
use super::visitor::{Page, Visitor, ask, encoded};

/// Two certificates for 127.0.0.1 with their keys.
static MADE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    for name in ["page", "other"] {
        make(folder.path(), name);
    }
    folder
});

/// Makes `NAME.pem` and `NAME.key`.
fn make(folder: &Path, name: &str) {
    let arguments = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    );
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split_whitespace()).stdin(Stdio::null());
    let output = command.output().expect("install `openssl` to run this test");
    assert!(output.status.success(), "{output:?}");
}

pub fn folder() -> &'static Path {
    MADE.path()
}

/// The certificate that pages have here.
pub fn certificate() -> PathBuf {
    folder().join("page.pem")
}

fn files(folder: &Path, certificate: &str, key: &str) -> Files {
    Files { certificate: folder.join(certificate), key: folder.join(key) }
}

/// Connects to a server, and trusts one certificate alone.
pub fn connect(address: &str, trusted: PathBuf) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let name = address.rsplit_once(':').unwrap().0.to_owned().try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

fn page(clock: Arc<dyn Clock>, folder: &Path) -> Page {
    let certificate = Certificate::read(files(folder, "page.pem", "page.key"), Arc::clone(&clock)).unwrap();
    Page::with("127.0.0.1:0", clock, Some(certificate))
}

#[test]
fn over_tls_a_link_opens_a_session_and_a_form_is_of_https() {
    let page = page(Arc::new(SystemClock::new()), folder());
    let (address, token) = (page.address(), page.token());
    let entrance = ask(&address, "GET", &format!("/?token={token}"), &[], "").body;
    assert!(entrance.contains(&token), "{entrance}");
    let visitor = Visitor::enter(&address, &token);
    let own = [("csrf", visitor.csrf.as_str())];
    for origin in [&address.replace("https:", "http:"), "https://evil.example", "https://127.0.0.1"] {
        assert_eq!(visitor.send("pause", &[&format!("origin: {origin}")], &own).status, 403, "{origin}");
    }
    assert_eq!(page.folder.read().unwrap().orders.paused, None);
    assert!(visitor.press("pause", &[]).contains("Resume updates"));
    assert!(page.folder.read().unwrap().orders.paused.is_some());
}

#[test]
fn over_tls_any_name_may_be_the_certificates_but_the_origin_must_be_the_same() {
    let page = page(Arc::new(SystemClock::new()), folder());
    let visitor = page.visitor();
    let port = page.address().rsplit_once(':').unwrap().1.to_owned();
    for name in ["page.example", "PAGE.example", "192.0.2.1", "[2001:db8::1]"] {
        let host = format!("host: {name}:{port}");
        assert_eq!(visitor.get("", &[&host]).status, 200, "{name}");
        let origin = format!("origin: https://{name}:{port}");
        let own = [("csrf", visitor.csrf.as_str())];
        assert_eq!(visitor.send("check", &[&host, &origin], &own).status, 303, "{name}");
        assert_eq!(
            visitor.send("check", &[&host, &format!("origin: {}", visitor.origin())], &own).status,
            403
        );
    }
    for bad in [
        "page.example",
        "page.example:1",
        ":1",
        &format!(":{port}"),
        &format!("a@b:{port}"),
        &format!("a:1:{port}"),
    ] {
        assert_eq!(visitor.get("", &[&format!("host: {bad}")]).status, 421, "{bad}");
    }
}

#[test]
fn without_tls_nobody_gets_anything_there() {
    let page = page(Arc::new(SystemClock::new()), folder());
    let address = page.address().replace("https://", "");
    for (method, path) in [("GET", "/"), ("GET", "/console.css"), ("POST", "/open")] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let body = encoded(&[("token", &page.token())]);
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}");
        let mut raw = Vec::new();
        // The connection may be reset as soon as its first bytes are no handshake.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut raw));
        assert!(!String::from_utf8_lossy(&raw).contains("HTTP/"), "{raw:?}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8]| {
        fs::write(scratch.path().join(name), text).unwrap();
        fs::set_permissions(scratch.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    for name in ["page.pem", "page.key", "other.key"] {
        put(name, &fs::read(folder().join(name)).unwrap());
    }
    put("text", b"no PEM");
    put("cut.pem", &fs::read(folder().join("page.pem")).unwrap()[..100]);
    put("locked.key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n");
    put("broken.key", b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n");
    put("broken.pem", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    put("open.key", &fs::read(folder().join("page.key")).unwrap());
    fs::set_permissions(scratch.path().join("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    for (certificate, key, why, way) in [
        ("nothing.pem", "page.key", "nothing.pem` cannot be read", "can read"),
        ("page.pem", "nothing.key", "nothing.key` cannot be read", "can read"),
        ("text", "page.key", "text` contains no certificate", "BEGIN CERTIFICATE"),
        ("page.key", "page.key", "page.key` contains no certificate", "BEGIN CERTIFICATE"),
        ("cut.pem", "page.key", "cut.pem` is not PEM", "BEGIN CERTIFICATE"),
        ("broken.pem", "page.key", "cannot be used", "BEGIN CERTIFICATE"),
        ("page.pem", "page.pem", "page.pem` (mode", "chmod 600"),
        ("page.pem", "text", "text` contains no private key", "BEGIN PRIVATE KEY"),
        ("page.pem", "locked.key", "locked.key` contains no private key that is not encrypted", "passphrase"),
        ("page.pem", "broken.key", "cannot be used", "BEGIN PRIVATE KEY"),
        (
            "page.pem",
            "other.key",
            "does not belong to the certificate",
            "the key that the certificate was made for",
        ),
        ("page.pem", "open.key", "anyone on this machine can read", "chmod 600"),
    ] {
        fs::set_permissions(scratch.path().join("page.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        let clock = Arc::new(SystemClock::new());
        let refused = Certificate::read(files(scratch.path(), certificate, key), clock).unwrap_err();
        assert!(refused.to_string().contains(why), "{certificate} {key}: {refused}");
        assert!(refused.hint().contains(way), "{certificate} {key}: {}", refused.hint());
    }
}

/// A clock whose monotonic time is set.
#[derive(Default)]
struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn now(&self) -> Time {
        Time::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_renewed_certificate_is_taken_up_and_a_bad_one_is_not() {
    let own = tempfile::tempdir().unwrap();
    let take = |from: &str, to: &str| fs::copy(folder().join(from), own.path().join(to)).map(drop).unwrap();
    let clock = Arc::new(Seconds::default());
    take("page.pem", "page.pem");
    take("page.key", "page.key");
    let page = page(Arc::clone(&clock) as _, own.path());
    let address = page.address().replace("https://", "");
    let has = |name: &str| {
        let mut stream = connect(&address, folder().join(name));
        stream.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").is_ok()
    };
    assert!(has("page.pem") && !has("other.pem"));
    take("other.pem", "page.pem");
    clock.0.store(59, Ordering::SeqCst);
    assert!(has("page.pem"), "it was read less than a minute ago");
    clock.0.store(60, Ordering::SeqCst);
    assert!(has("page.pem"), "the key does not belong to it yet");
    take("other.key", "page.key");
    assert!(has("page.pem"), "it was read less than a minute ago");
    clock.0.store(120, Ordering::SeqCst);
    assert!(has("other.pem") && !has("page.pem"));
    fs::remove_file(own.path().join("page.key")).unwrap();
    clock.0.store(180, Ordering::SeqCst);
    assert!(has("other.pem"), "the last good one stays");
}
