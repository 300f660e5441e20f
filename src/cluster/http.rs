//! Fetches files from a server over HTTP.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};

use super::fetch::{Ask, Fetch, Found, Pace, Reply, Traffic, unpack};
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::clock::pace::Paced;
use crate::tls;

const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// How many bytes of an error's body are read, so that the connection can be reused.
const LONGEST_REFUSAL: u64 = 8 * 1024;

/// A server, reached over HTTP.
pub struct Server {
    agent: ureq::Agent,
    /// The server's address, without a trailing slash.
    base: String,
    pace: Pace,
    clock: SharedClock,
    traffic: Traffic,
    stop: Stop,
    /// The monotonic time by which everything must have arrived.
    deadline: Option<Duration>,
}

/// A flag that is set when the process must end. Transfers then stop.
pub type Stop = Arc<AtomicBool>;

impl Server {
    /// Makes a server from its address. `ca` is a PEM file with the authorities to trust instead of the
    /// system's.
    ///
    /// # Errors
    /// When the address is invalid, or there are no certificates for `https`.
    pub fn new(address: &str, ca: Option<&Path>, pace: Pace, clock: SharedClock) -> Result<Self, Refusal> {
        let base = address.trim_end_matches('/');
        let bad = || Refusal::Address(address.to_owned());
        let uri: Uri = base.parse().map_err(|_| bad())?;
        let https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() || base.contains('#') {
            return Err(bad());
        }
        let agent = agent(https, ca, &pace)?;
        let (traffic, stop) = (Traffic::default(), Stop::default());
        Ok(Self { agent, base: base.to_owned(), pace, clock, traffic, stop, deadline: None })
    }

    /// Sets the flag that ends all transfers.
    pub fn until(mut self, stop: &Stop) -> Self {
        self.stop = Arc::clone(stop);
        self
    }

    /// Sets the monotonic time by which everything must have arrived.
    pub const fn by(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The requests and bytes so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }
}

/// Makes the HTTP agent. All connection settings are here.
fn agent(https: bool, ca: Option<&Path>, pace: &Pace) -> Result<ureq::Agent, Refusal> {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect could lead to another host or to an unencrypted connection, and no server needs one.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .max_response_header_size(16 * 1024)
        .timeout_connect(Some(pace.wait))
        .timeout_recv_response(Some(pace.wait))
        .timeout_per_read(Some(pace.wait));
    if https {
        config = config.tls_config(tls::config(ca).map_err(Refusal::Tls)?).https_only(true);
    }
    Ok(config.build().new_agent())
}

impl Fetch for Server {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        let url = format!("{}/{}", self.base, encoded(ask.path));
        if self.stop.load(Ordering::SeqCst) {
            return Err(Refusal::Stopped { what: format!("the request for `{}`", ask.path) });
        }
        let left = self.deadline.map(|deadline| deadline.saturating_sub(self.clock.monotonic()));
        if left.is_some_and(|left| left.is_zero()) {
            let detail = "the server has taken too long for what came before".to_owned();
            return Err(Refusal::TooSlow { path: url, detail });
        }
        let whole = (!ask.patient).then_some(self.pace.whole);
        let whole = left.into_iter().chain(whole).min();
        let mut request = self.agent.get(&url).config().timeout_global(whole).build();
        let mut sent = sent(&url);
        if let Some(tag) = ask.held {
            request = request.header("if-none-match", tag);
            sent += header("if-none-match", tag);
        }
        if let Some((from, tag)) = ask.from {
            let range = format!("bytes={from}-");
            sent += header("range", &range) + header("if-range", tag);
            request = request.header("range", range).header("if-range", tag);
        }
        if ask.unpacked.is_some() {
            request = request.header("accept-encoding", "gzip");
            sent += header("accept-encoding", "gzip");
        }
        self.traffic.request(sent);
        let response = request.call().map_err(|error| failed(&url, &error))?;
        self.traffic.add(received(&response));
        let status = response.status().as_u16();
        let encoding = text(response.headers(), "content-encoding");
        let encoding = encoding.filter(|encoding| matches!(status, 200 | 206) && encoding != "identity");
        let is_packed = encoding.as_deref() == Some("gzip") && ask.unpacked.is_some();
        if encoding.is_some() && !is_packed {
            return Err(Refusal::Compressed { path: url });
        }
        let body = |response: Response<ureq::Body>| -> Box<dyn Read + Send> {
            let (reader, Pace { window, least, .. }) = (response.into_body().into_reader(), self.pace);
            let paced = Paced::new(reader, Arc::clone(&self.clock), window, least);
            Box::new(Body { paced, traffic: self.traffic.clone(), stop: Arc::clone(&self.stop) })
        };
        match (status, ask.unpacked.filter(|_| is_packed)) {
            (200, Some(size)) => Ok(Reply::Found(Found { from: 0, body: unpack(body(response), size) })),
            (200, None) => Ok(Reply::Found(Found { from: 0, body: body(response) })),
            (206, _) if let Some((from, _)) = ask.from => {
                let range = text(response.headers(), "content-range").unwrap_or_default();
                // A part other than the requested one would be written to the wrong place.
                if !range.starts_with(&format!("bytes {from}-")) {
                    return Err(Refusal::Unreachable {
                        url,
                        detail: format!("it sent the wrong range, `{range}`"),
                    });
                }
                Ok(Reply::Found(Found { from, body: body(response) }))
            }
            (304, _) if ask.held.is_some() => Ok(Reply::NotModified),
            (404 | 410, _) => {
                // The content does not matter, but reading it lets the next request reuse the connection.
                let _ = io::copy(&mut body(response).take(LONGEST_REFUSAL), &mut io::sink());
                Ok(Reply::NotFound)
            }
            (304, _) => Err(Refusal::Status { url, status }),
            (300..=399, _) => Err(Refusal::Redirected { url, status }),
            _ => Err(Refusal::Status { url, status }),
        }
    }
}

/// A body that is counted, and ends when the process must.
struct Body {
    paced: Paced<ureq::BodyReader<'static>>,
    traffic: Traffic,
    stop: Stop,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(io::Error::other("the transfer was stopped"));
        }
        let count = self.paced.read(buffer).map_err(slow)?;
        self.traffic.add(count as u64);
        Ok(count)
    }
}

/// Turns a timeout of ureq into an I/O error of the kind `TimedOut`.
fn slow(error: io::Error) -> io::Error {
    let timeout = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ureq::Error>())
        .is_some_and(|inner| matches!(inner, ureq::Error::Timeout(_)));
    if timeout { io::Error::new(io::ErrorKind::TimedOut, error.to_string()) } else { error }
}

fn failed(url: &str, error: &ureq::Error) -> Refusal {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Refusal::Unreachable { url: url.to_owned(), detail: error.to_string() }
        }
        ureq::Error::Timeout(_) => Refusal::TooSlow { path: url.to_owned(), detail: error.to_string() },
        ureq::Error::LargeResponseHeader(_, limit) => {
            Refusal::TooLarge { path: url.to_owned(), limit: *limit as u64 }
        }
        _ => Refusal::Unreachable { url: url.to_owned(), detail: error.to_string() },
    }
}

/// A path as part of a URL. Only the `+` in names needs escaping, since some servers read it as a space.
fn encoded(path: &str) -> String {
    path.replace('+', "%2B")
}

fn text(head: &HeaderMap, name: &str) -> Option<String> {
    Some(head.get(name)?.to_str().ok()?.to_owned())
}

/// The length of a header line.
fn header(name: &str, value: &str) -> u64 {
    (name.len() + value.len() + ": \r\n".len()) as u64
}

/// The length of a request head as ureq writes it, without conditional and range headers.
fn sent(url: &str) -> u64 {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    ("GET / HTTP/1.1\r\n\r\n".len() + path.len()) as u64
        + header("host", host)
        + header("user-agent", USER_AGENT)
        + header("accept", "*/*")
}

/// The length of a reply head.
fn received(response: &Response<ureq::Body>) -> u64 {
    let status = response.status();
    let line = format!("HTTP/1.1 {} {}\r\n\r\n", status.as_u16(), status.canonical_reason().unwrap_or("-"));
    let head = response.headers().iter();
    head.map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum::<u64>() + line.len() as u64
}
