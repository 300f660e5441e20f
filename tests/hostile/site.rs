//! A small web server of files, and one that misbehaves.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tidegate::formats::tuf::Target;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    head: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Sends bytes. False once nobody listens any more.
pub type Send<'a> = &'a mut dyn FnMut(&[u8]) -> bool;
type Handler = Box<dyn Fn(&Request, Send<'_>) + std::marker::Send + Sync>;

/// A web server on a thread of its own for each connection. It goes on until the test ends.
#[derive(Clone)]
pub struct Site {
    pub address: String,
    handler: Arc<Mutex<Arc<Handler>>>,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Site {
    pub fn new(handler: impl Fn(&Request, Send<'_>) + std::marker::Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            handler: Arc::new(Mutex::new(Arc::new(Box::new(handler)))),
            asked: Arc::default(),
        };
        let shared = site.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let site = shared.clone();
                std::thread::spawn(move || site.converse(stream.unwrap()));
            }
        });
        site
    }

    /// Does something else from now on.
    pub fn turn(&self, handler: impl Fn(&Request, Send<'_>) + std::marker::Send + Sync + 'static) {
        *self.handler.lock().unwrap() = Arc::new(Box::new(handler));
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn converse(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().replace("%2B", "+");
        let request = Request { path, head };
        self.asked.lock().unwrap().push(request.clone());
        let handler = Arc::clone(&*self.handler.lock().unwrap());
        handler(&request, &mut |bytes| stream.write_all(bytes).is_ok());
    }
}

/// A reply as a whole.
pub fn reply(send: Send<'_>, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    send(&[head.as_bytes(), b"\r\n", body].concat());
}

/// Replies as web servers do that know tags and parts.
pub fn file(request: &Request, send: Send<'_>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return reply(send, "404 Not Found", &[], b"not found") };
    let tag = format!("\"{}\"", Target::of(bytes).hashes.sha256);
    let tagged = [("etag", tag.as_str())];
    if request.header("if-none-match") == Some(&tag) {
        return reply(send, "304 Not Modified", &tagged, b"");
    }
    let from = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    match from.filter(|_| request.header("if-range").is_none_or(|held| held == tag)) {
        None => reply(send, "200 OK", &tagged, bytes),
        Some(from) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            let headers = [tagged[0], ("content-range", range.as_str())];
            reply(send, "206 Partial Content", &headers, &bytes[from.parse().unwrap()..]);
        }
    }
}

/// Serves a folder, without looking into anything.
pub fn folder(below: &Path) -> Site {
    let below = below.to_owned();
    Site::new(move |request, send| {
        let path = request.path.trim_start_matches('/');
        let bytes = if path.contains("..") { None } else { std::fs::read(below.join(path)).ok() };
        file(request, send, bytes.as_deref());
    })
}
