//! A page that is served, and who visits it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tidegate::clock::{SharedClock, SystemClock};
use tidegate::cluster::folder::{Approval, Config, Folder};
use tidegate::cluster::page::{self, Certificate, Listen, Serving};

use super::encrypted;
use super::spawn::{DEADLINE, eventually};

/// A page that is served in this process, by what holds the agent's lock.
pub struct Page {
    pub folder: Folder,
    pub serving: Serving,
    pub clock: SharedClock,
    _agent: Box<dyn std::any::Any>,
    _state: tempfile::TempDir,
}

/// The settings of a cluster whose server cannot be reached.
pub fn config() -> Config {
    Config {
        format: 1,
        server: "http://127.0.0.1:1".parse().unwrap(),
        channel: "1.8-production".parse().unwrap(),
        current: "echo 1.8.4".to_owned(),
        apply: Some("true".to_owned()),
        apply_timeout: None,
        approval: Approval::Admin,
        interval: 3600,
        arch: None,
        stale_ok: 0,
        demo: false,
        ca: None,
    }
}

impl Page {
    pub fn new(listen: &str) -> Self {
        Self::at(listen, Arc::new(SystemClock::new()))
    }

    pub fn at(listen: &str, clock: SharedClock) -> Self {
        Self::with(listen, clock, None)
    }

    pub fn with(listen: &str, clock: SharedClock, certificate: Option<Certificate>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        folder.create(&config(), b"{}").unwrap();
        let agent = Box::new(folder.run_lock().unwrap().unwrap());
        let listen = listen.replace("STATE", &state.path().display().to_string());
        let listen = Listen::new(listen.parse().unwrap(), certificate.map(Arc::new)).unwrap();
        let serving = page::start(folder.clone(), Arc::clone(&clock), &listen).unwrap();
        Self { folder, serving, clock, _agent: agent, _state: state }
    }

    /// `IP:PORT`, `https://IP:PORT` or `unix:PATH`
    pub fn address(&self) -> String {
        let listen = self.serving.listen().to_string();
        listen.strip_prefix("http://").map_or(listen.clone(), str::to_owned)
    }

    /// A new token.
    pub fn token(&self) -> String {
        let (url, _) = page::open(&self.folder, self.clock.now()).unwrap();
        url.split_once("/?token=").unwrap().1.to_owned()
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::enter(&self.address(), &self.token())
    }
}

/// A browser with a session.
pub struct Visitor {
    pub address: String,
    /// `/SECRET/`
    pub path: String,
    pub cookie: String,
    pub csrf: String,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")))?;
        Some(line.split_once(": ").unwrap().1)
    }
}

/// One request on a connection of its own.
pub fn ask(address: &str, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let named = address.strip_prefix("https://").unwrap_or(address);
    let host = if headers.iter().any(|header| header.to_lowercase().starts_with("host:")) {
        String::new()
    } else {
        format!("host: {named}\r\n")
    };
    let form = if method == "POST" { "content-type: application/x-www-form-urlencoded\r\n" } else { "" };
    let more = headers.iter().map(|header| format!("{header}\r\n")).collect::<Vec<_>>().concat();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\n{host}{form}{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let mut raw = Vec::new();
    if let Some(path) = address.strip_prefix("unix:") {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(text.replace("host: unix:", "host: localhost\r\nx-path: ").as_bytes()).unwrap();
        stream.read_to_end(&mut raw).unwrap();
    } else if address != named {
        let mut stream = encrypted::connect(named, encrypted::certificate());
        stream.write_all(text.as_bytes()).unwrap();
        stream.read_to_end(&mut raw).unwrap();
    } else {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.read_to_end(&mut raw).unwrap();
    }
    let raw = String::from_utf8(raw).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let byte = |byte: u8| {
            if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        text.bytes().map(byte).collect()
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    fields.join("&")
}

impl Visitor {
    pub fn enter(address: &str, token: &str) -> Self {
        let answer = ask(address, "POST", "/open", &[], &encoded(&[("token", token)]));
        assert_eq!(answer.status, 303, "{answer:?}");
        let path = answer.header("location").unwrap().to_owned();
        let set = answer.header("set-cookie").unwrap();
        let cookie = set.split(';').next().unwrap().to_owned();
        let secure = if address.starts_with("https://") { "Secure; " } else { "" };
        assert_eq!(set, format!("{cookie}; HttpOnly; {secure}SameSite=Strict; Path={path}"));
        let mut visitor = Self { address: address.to_owned(), path, cookie, csrf: String::new() };
        let page = visitor.page();
        page.split("name=\"csrf\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .clone_into(&mut visitor.csrf);
        visitor
    }

    pub fn get(&self, name: &str, more: &[&str]) -> Answer {
        let cookie = format!("cookie: {}", self.cookie);
        let headers = [&[cookie.as_str()][..], more].concat();
        ask(&self.address, "GET", &format!("{}{name}", self.path), &headers, "")
    }

    pub fn page(&self) -> String {
        let answer = self.get("", &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Sends a form as it is, without its token.
    pub fn send(&self, name: &str, more: &[&str], fields: &[(&str, &str)]) -> Answer {
        let cookie = format!("cookie: {}", self.cookie);
        let headers = [&[cookie.as_str()][..], more].concat();
        ask(&self.address, "POST", &format!("{}{name}", self.path), &headers, &encoded(fields))
    }

    pub fn origin(&self) -> String {
        if self.address.starts_with("https://") {
            self.address.clone()
        } else {
            format!("http://{}", self.address)
        }
    }

    /// Presses a button, and gives the page that follows.
    pub fn press(&self, name: &str, fields: &[(&str, &str)]) -> String {
        let fields = [&[("csrf", self.csrf.as_str())][..], fields].concat();
        let answer = self.send(name, &[&format!("origin: {}", self.origin())], &fields);
        assert_eq!((answer.status, answer.header("location")), (303, Some(self.path.as_str())), "{answer:?}");
        self.page()
    }

    pub fn until(&self, text: &str) {
        eventually(text, || {
            let page = self.page();
            if page.contains(text) { Ok(()) } else { Err(page) }
        });
    }
}
