//! A server over HTTP.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};

use super::fetch::{Ask, Fetch, Found, Pace, Reply, Traffic};
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::tls::{self, TlsError};

const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// The body of a refusal is read so far, so that the connection can be used again.
const LONGEST_REFUSAL: u64 = 8 * 1024;

/// A server.
pub struct Server {
    agent: ureq::Agent,
    /// Without a slash at its end.
    base: String,
    pace: Pace,
    clock: SharedClock,
    traffic: Traffic,
    stop: Stop,
}

/// Set once the process shall end: a transfer then leaves off.
pub type Stop = Arc<AtomicBool>;

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.base)
    }
}

/// Why a server cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("`{0}` is not the address of a server: `http://HOST:PORT` or `https://HOST` is wanted")]
    Address(String),
    #[error("{source}; {}", source.hint())]
    Tls {
        #[from]
        source: TlsError,
    },
}

impl Server {
    /// A server by its address. `ca` is a PEM file of the authorities to trust instead of the
    /// system's.
    ///
    /// # Errors
    /// When the address is none, or there are no certificates for `https`.
    pub fn new(
        address: &str,
        ca: Option<&Path>,
        pace: Pace,
        clock: SharedClock,
    ) -> Result<Self, ServerError> {
        let base = address.trim_end_matches('/');
        let bad = || ServerError::Address(address.to_owned());
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
        Ok(Self { agent, base: base.to_owned(), pace, clock, traffic, stop })
    }

    /// The same server, which is asked no more once `stop` is set.
    #[must_use]
    pub fn until(mut self, stop: &Stop) -> Self {
        self.stop = Arc::clone(stop);
        self
    }

    /// What has gone over the wire so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }
}

/// The one place where connections are set up.
fn agent(https: bool, ca: Option<&Path>, pace: &Pace) -> Result<ureq::Agent, ServerError> {
    let mut config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect could lead to another host or to no encryption; nothing here needs one.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .max_response_header_size(16 * 1024)
        .timeout_connect(Some(pace.wait))
        .timeout_recv_response(Some(pace.wait))
        .timeout_per_read(Some(pace.wait));
    if https {
        config = config.tls_config(tls::config(ca)?).https_only(true);
    }
    Ok(config.build().new_agent())
}

impl Fetch for Server {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        let url = format!("{}/{}", self.base, encoded(ask.path));
        if self.stop.load(Ordering::SeqCst) {
            return Err(Refusal::Stopped { what: format!("the request for `{}`", ask.path) });
        }
        let mut request = self.agent.get(&url);
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
        self.traffic.request(sent);
        let response = request.call().map_err(|error| failed(&url, &error))?;
        self.traffic.add(received(&response));
        let status = response.status().as_u16();
        let tag = text(response.headers(), "etag");
        // Nothing was said about compression, and what unfolds has no bound of its own.
        let encoding = text(response.headers(), "content-encoding");
        if matches!(status, 200 | 206) && encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Refusal::Compressed { path: url });
        }
        let until = (!ask.patient).then(|| self.clock.monotonic() + self.pace.whole);
        let body = |response: Response<ureq::Body>| -> Box<dyn Read + Send> {
            Box::new(Paced {
                until,
                body: response.into_body().into_reader(),
                clock: Arc::clone(&self.clock),
                pace: self.pace,
                traffic: self.traffic.clone(),
                stop: Arc::clone(&self.stop),
                begun: None,
                came: 0,
            })
        };
        match status {
            200 => Ok(Reply::Found(Found { tag, from: 0, body: body(response) })),
            206 if let Some((from, _)) = ask.from => {
                let range = text(response.headers(), "content-range").unwrap_or_default();
                // Another part than the one that was asked for would be put in the wrong place.
                if !range.starts_with(&format!("bytes {from}-")) {
                    return Err(Refusal::Unreachable { url, detail: format!("it sent the range `{range}`") });
                }
                Ok(Reply::Found(Found { tag, from, body: body(response) }))
            }
            304 if ask.held.is_some() => Ok(Reply::NotModified),
            404 | 410 => {
                // What it says does not matter, and the next request can have the connection.
                let _ = io::copy(&mut body(response).take(LONGEST_REFUSAL), &mut io::sink());
                Ok(Reply::NotFound)
            }
            304 => Err(Refusal::Status { url, status }),
            300..=399 => Err(Refusal::Redirected { url, status }),
            _ => Err(Refusal::Status { url, status }),
        }
    }

    fn place(&self) -> String {
        self.base.clone()
    }
}

/// A body that must come at a least rate.
struct Paced {
    body: ureq::BodyReader<'static>,
    clock: SharedClock,
    pace: Pace,
    traffic: Traffic,
    stop: Stop,
    /// When all of it must have come.
    until: Option<Duration>,
    /// When the window began.
    begun: Option<Duration>,
    /// How much came in it.
    came: u64,
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(io::Error::other("it was told to stop"));
        }
        let count = self.body.read(buffer).map_err(slow)?;
        self.traffic.add(count as u64);
        let now = self.clock.monotonic();
        let begun = *self.begun.get_or_insert(now);
        self.came += count as u64;
        if count > 0 && self.until.is_some_and(|until| now > until) {
            let words = format!("it takes longer than {} s", self.pace.whole.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, words));
        }
        if count > 0 && now.saturating_sub(begun) >= self.pace.window {
            if self.came < self.pace.least {
                let words = format!("{} bytes in {} s", self.came, self.pace.window.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
            (self.begun, self.came) = (Some(now), 0);
        }
        Ok(count)
    }
}

/// A timeout of the client itself, as what it is.
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

/// A path as a URL has it. Names have only characters that need no escape, but for `+`, which some
/// servers take for a space.
fn encoded(path: &str) -> String {
    path.replace('+', "%2B")
}

fn text(head: &HeaderMap, name: &str) -> Option<String> {
    Some(head.get(name)?.to_str().ok()?.to_owned())
}

/// The length of a header's line.
fn header(name: &str, value: &str) -> u64 {
    (name.len() + value.len() + ": \r\n".len()) as u64
}

/// The length of a request's head without conditions, as the client writes it.
fn sent(url: &str) -> u64 {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    ("GET / HTTP/1.1\r\n\r\n".len() + path.len()) as u64
        + header("host", host)
        + header("user-agent", USER_AGENT)
        + header("accept", "*/*")
}

/// The length of a reply's head.
fn received(response: &Response<ureq::Body>) -> u64 {
    let status = response.status();
    let line = format!("HTTP/1.1 {} {}\r\n\r\n", status.as_u16(), status.canonical_reason().unwrap_or("-"));
    let head = response.headers().iter();
    head.map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum::<u64>() + line.len() as u64
}
