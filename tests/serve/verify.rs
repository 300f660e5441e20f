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
use crate::spawn::{refused, run};

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
        "HTTP/1.1 302 Found\r\nlocation: http://{other}/internal\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let (redirecting, asked) = stranger(move |stream| stream.write_all(head.as_bytes()).unwrap());
    let (endless, _) = stranger(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
        while stream.write_all(&[b' '; 4096]).is_ok() {}
    });
    for command in ["verify", "recover"] {
        let error = refused(place.dir(), &[command, "--from", &format!("http://{redirecting}")]);
        assert!(error.contains(&format!("redirects to `http://{other}/internal`")), "{error}");
        assert!(asked.try_recv().is_ok());
        let error = refused(place.dir(), &[command, "--from", &format!("http://{endless}")]);
        assert!(error.contains("is larger than 1048576 bytes"), "{error}");
    }
    assert!(other_asked.try_recv().is_err());
}
