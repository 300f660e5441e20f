//! `tidegate verify --from` asks a running server, with TLS before it and without.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, mpsc};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::place::Place;
use crate::spawn::{refused, run, tidegate};

/// Makes a root and with it a certificate for 127.0.0.1.
fn certify(folder: &Path) {
    let script = "set -e
        openssl req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=root
        openssl req -newkey ed25519 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf -addext subjectAltName=IP:127.0.0.1
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -out leaf.pem -days 2 -copy_extensions copy
        openssl req -x509 -newkey ed25519 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Terminates TLS before a server, one connection after the other. Gives its address.
fn terminate(folder: &Path, server: &str) -> String {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_file(folder.join("leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            // A client that does not like the certificate goes away.
            let _ = forward(StreamOwned::new(tls, stream.unwrap()), &server);
        }
    });
    address
}

fn forward(stream: StreamOwned<ServerConnection, TcpStream>, server: &str) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first)?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    let mut backend = TcpStream::connect(server)?;
    write!(backend, "{first}host: test\r\nconnection: close\r\n\r\n")?;
    let mut reply = Vec::new();
    backend.read_to_end(&mut reply)?;
    let mut stream = stream.into_inner();
    stream.write_all(&reply)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn a_running_server_is_verified_over_http_and_over_https() {
    let place = Place::with(&["1.7.1", "1.8.1"]);
    let server = place.serve();
    let folder = tempfile::tempdir().unwrap();
    let root = place.path("channels/trust/1.root.json").into_os_string().into_string().unwrap();
    let verify = |from: &str, more: &[&str]| {
        run(folder.path(), &[&["verify", "--from", from, "--root", &root][..], more].concat())
    };
    let plain = verify(&format!("http://{}", server.address), &[]);
    assert!(plain.contains("payloads  2 with valid digests"), "{plain}");

    certify(folder.path());
    let secure = format!("https://{}", terminate(folder.path(), &server.address));
    assert_eq!(verify(&secure, &["--ca", "ca.pem"]), plain);
    // Neither the machine's own roots nor another one vouch for it.
    for more in [&[][..], &["--ca", "other.pem"]] {
        let arguments = [&["verify", "--from", &secure, "--root", &root][..], more].concat();
        let error = refused(folder.path(), &arguments);
        let words = ["certificate", "roots for TLS"];
        assert!(words.iter().any(|word| error.contains(word)), "{error}");
    }
    let error = refused(folder.path(), &["verify", "--from", &secure, "--ca", "ca.key"]);
    assert!(error.contains("`ca.key` contains no certificate") && error.contains("hint:"), "{error}");
}

/// A server that answers every request in the same way. Returns its address, and what it was asked.
fn stranger(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let _ = told.send(line);
            answer(stream.get_mut());
        }
    });
    (address, asked)
}

#[test]
fn verify_and_recover_ask_no_other_host_and_read_no_body_without_an_end() {
    let place = Place::with(&["1.8.1"]);
    let (other, other_asked) = stranger(|_| {});
    let head = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://reader:s3cret@{other}/internal\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (redirecting, asked) = stranger(move |stream| stream.write_all(head.as_bytes()).unwrap());
    let (endless, _) = stranger(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    for command in ["verify", "recover"] {
        let error = refused(place.dir(), &[command, "--from", &format!("http://{redirecting}")]);
        assert!(error.contains(&format!("redirects to `http://{other}/internal`")), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert!(asked.try_recv().is_ok());
        let error = refused(place.dir(), &[command, "--from", &format!("http://{endless}")]);
        assert!(error.contains("is larger than 1048576 bytes"), "{error}");
    }
    assert!(other_asked.try_recv().is_err());
}

/// What all commands that ask a server say about it, with some variables set. Gives nothing for those that end well.
fn told_by_all(place: &Place, from: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let root = "channels/trust/1.root.json";
    let add =
        ["cluster", "add", "edge", "--replace", "--server", from, "--root", root, "--current", "echo 1.8.1"];
    run(place.dir(), &[&add[..], &["--channel", "1.8-production", "--state", "cluster"]].concat());
    let commands = [
        &["verify", "--from", from][..],
        &["recover", "--from", from, "--state", "lost", "--root", root],
        &["cluster", "check", "edge", "--state", "cluster"],
    ];
    let told = commands.map(|arguments| {
        let mut command = tidegate(place.dir());
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let output = command.args(arguments).envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(if output.status.success() { Vec::new() } else { output.stderr }).unwrap()
    });
    told.into()
}

#[test]
fn whatever_is_sent_for_absent_files_every_command_says_what_a_web_server_must_do() {
    let place = Place::with(&["1.8.1"]);
    for (media, body) in [
        ("text/html", "<html>not found</html>"),
        ("text/html", "\u{feff}<!doctype html>"),
        ("text/html", "<!-- ours --> <html>"),
        ("application/json", r#"{"error":"not found"}"#),
        ("application/json", "{}"),
        ("application/json", "null"),
        ("application/xml", "<?xml version=\"1.0\"?><Error/>"),
        ("text/plain", "not found"),
        // No coding at all.
        ("text/plain\r\ncontent-encoding: UTF-8", "not found"),
        ("text/plain", ""),
    ] {
        let length = body.len();
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let (address, _) = stranger(move |stream| stream.write_all(reply.as_bytes()).unwrap());
        for told in told_by_all(&place, &format!("http://{address}"), &[]) {
            let is_named = told.contains(&format!("`http://{address}/tuf/metadata/"));
            assert!(is_named && told.contains("not a signed document"), "{body}: {told}");
            assert!(told.contains("must answer with status 404"), "{body}: {told}");
        }
        let recorded = run(place.dir(), &["cluster", "status", "edge", "--state", "cluster"]);
        assert!(recorded.contains("must answer with status 404"), "{recorded}");
    }
}

/// A server whose answers have only a head.
fn answering(status: &str) -> String {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stranger(move |stream| stream.write_all(head.as_bytes()).unwrap()).0
}

#[test]
fn a_server_that_is_gone_or_wants_a_password_is_not_told_to_answer_404() {
    let place = Place::with(&["1.8.1"]);
    let ask = |status: &str| told_by_all(&place, &format!("http://{}", answering(status)), &[]);
    for told in ask("410 Gone") {
        assert!(!told.contains("status 410"), "{told}");
    }
    for told in ask("401 Unauthorized") {
        assert!(told.contains("password in the server's address") && !told.contains("status 404"), "{told}");
    }
    for told in ask("403 Forbidden") {
        assert!(told.contains("must answer with status 404"), "{told}");
    }
}

#[test]
fn a_proxy_that_refuses_is_named_and_every_way_out_is_one() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    certify(place.dir());
    let plain = format!("http://{}", server.address);
    let secure = format!("https://{}", terminate(place.dir(), &server.address));
    for (from, status, says) in [
        (
            &plain,
            "401 Unauthorized",
            "if that is the proxy's answer, correct the user and the password in `all_proxy`",
        ),
        (&plain, "407 Proxy Authentication Required", "correct the user and the password in `all_proxy`"),
        (&plain, "403 Filtered", "if that is the proxy's answer, it does not allow this server"),
        (&plain, "502 Bad Gateway", "whether the proxy can reach it"),
        (&secure, "407 Proxy Authentication Required", "wants a user and a password (status 407)"),
        (&secure, "401 Unauthorized", "the proxy refused to connect to the server"),
    ] {
        let proxy = answering(status);
        let set = format!("http://ada:s3cret@{proxy}");
        let ca = (from == &secure).then_some(("SSL_CERT_FILE", "ca.pem"));
        let variables: Vec<_> = ca.into_iter().chain([("all_proxy", &*set)]).collect();
        for told in told_by_all(&place, from, &variables) {
            assert!(told.contains(&format!("(through the proxy `http://{proxy}` of `all_proxy`)")), "{told}");
            assert!(told.contains(says) && !told.contains("s3cret"), "{status}: {told}");
            assert!(told.contains("add `127.0.0.1` to `no_proxy`"), "{told}");
            assert_eq!(told.contains("status 404"), status.starts_with("403"), "{told}");
        }
        let direct = [&variables[..], &[("no_proxy", "127.0.0.1")]].concat();
        assert_eq!(told_by_all(&place, from, &direct).concat(), "");
    }
}
