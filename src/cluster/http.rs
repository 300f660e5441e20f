//! Fetches files from a server over HTTP.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fetch::{Ask, Fetch, Found, Pace, Reply, Traffic, unpack};
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::clock::pace::Paced;
use crate::remote::{
    self, Address, Answer, Client, FaultKind, Get, HeaderMap, LONGEST_HEAD, SetupError, USER_AGENT,
    Unanswered,
};

/// How many bytes of an error's body are read, so that the connection can be reused.
const LONGEST_REFUSAL: u64 = 8 * 1024;

/// A server, reached over HTTP.
pub struct Server {
    client: Client,
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
    /// When there are no certificates for `https`, or the proxy's address cannot be understood.
    pub fn new(
        address: &Address,
        ca: Option<&Path>,
        pace: Pace,
        clock: SharedClock,
    ) -> Result<Self, SetupError> {
        let client = Client::new(address.clone(), ca, pace.wait)?;
        let (traffic, stop) = (Traffic::default(), Stop::default());
        Ok(Self { client, pace, clock, traffic, stop, deadline: None })
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

    /// The refusal for a request without a usable reply.
    fn failed(&self, path: &str, unanswered: Unanswered) -> Refusal {
        match unanswered {
            Unanswered::Fault { source: fault, .. } if fault.kind == FaultKind::Slow => {
                Refusal::TooSlow { path: self.client.url(path), detail: fault.to_string() }
            }
            Unanswered::Fault { source: fault, .. } if fault.kind == FaultKind::Large => {
                Refusal::TooLarge { path: self.client.url(path), limit: LONGEST_HEAD }
            }
            other => other.into(),
        }
    }
}

impl Fetch for Server {
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(Refusal::Stopped { what: format!("the request for `{}`", ask.path) });
        }
        let left = self.deadline.map(|deadline| deadline.saturating_sub(self.clock.monotonic()));
        if left.is_some_and(|left| left.is_zero()) {
            let detail = "the server has taken too long for what came before".to_owned();
            return Err(Refusal::TooSlow { path: self.client.url(ask.path), detail });
        }
        let mut headers = Vec::new();
        headers.extend(ask.held.map(|tag| ("if-none-match", tag.to_owned())));
        if let Some((from, tag)) = ask.from {
            headers.extend([("range", format!("bytes={from}-")), ("if-range", tag.to_owned())]);
        }
        headers.extend(ask.unpacked.map(|_| ("accept-encoding", "gzip".to_owned())));
        let whole = left.into_iter().chain((!ask.patient).then_some(self.pace.whole)).min();
        self.traffic.request(sent(self.client.server(), ask.path, &headers));
        let get = Get { path: ask.path, headers, whole };
        let reply = self.client.get(&get).map_err(|unanswered| self.failed(ask.path, unanswered))?;
        self.traffic.add(received(reply.status, &reply.headers));
        let paced = |reply: remote::Reply| {
            let paced = Paced::new(reply.body, Arc::clone(&self.clock), self.pace.window, self.pace.least);
            Body { paced, traffic: self.traffic.clone(), stop: Arc::clone(&self.stop) }
        };
        let reply = match self.client.answer(&get, reply)? {
            Answer::Found(reply) => reply,
            Answer::NotModified => return Ok(Reply::NotModified),
            Answer::Absent(reply) => {
                // The content does not matter, but reading it lets the next request reuse the connection.
                let _ = io::copy(&mut paced(reply).take(LONGEST_REFUSAL), &mut io::sink());
                return Ok(Reply::NotFound);
            }
        };
        let from = if reply.status == 206 { ask.from.map_or(0, |(from, _)| from) } else { 0 };
        // A part other than the requested one would be written to the wrong place.
        let range = reply.header("content-range");
        if reply.status == 206 && !range.starts_with(&format!("bytes {from}-")) {
            let detail = format!("it sent the wrong range, `{range}`");
            return Err(Refusal::Unreachable { place: self.client.place(ask.path).to_string(), detail });
        }
        let unpacked = ask.unpacked.filter(|_| reply.encoding().is_some());
        let body = paced(reply);
        let body: Box<dyn Read + Send> = match unpacked {
            Some(size) => unpack(body, size),
            None => Box::new(body),
        };
        Ok(Reply::Found(Found { from, body }))
    }

    fn refuse_foreign(&self, path: &str) -> Refusal {
        Unanswered::NotADocument { place: self.client.place(path) }.into()
    }
}

/// A body that is counted, and ends when the process must.
struct Body {
    paced: Paced<remote::Body>,
    traffic: Traffic,
    stop: Stop,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(io::Error::other("the transfer was stopped"));
        }
        let count = self.paced.read(buffer)?;
        self.traffic.add(count as u64);
        Ok(count)
    }
}

/// The length of a header line.
fn header(name: &str, value: &str) -> u64 {
    (name.len() + value.len() + ": \r\n".len()) as u64
}

/// The length of a request's head.
fn sent(server: &Address, path: &str, headers: &[(&'static str, String)]) -> u64 {
    let server = server.to_string();
    let rest = server.split_once("://").map_or(server.as_str(), |(_, rest)| rest);
    let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
    let own = [("host", host), ("user-agent", USER_AGENT), ("accept", "*/*")];
    let asked = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let all: u64 = own.into_iter().chain(asked).map(|(name, value)| header(name, value)).sum();
    let slash = usize::from(!base.is_empty());
    ("GET / HTTP/1.1\r\n\r\n".len() + base.len() + slash + path.len()) as u64 + all
}

/// The length of a reply's head.
fn received(status: u16, headers: &HeaderMap) -> u64 {
    let reason = remote::reason(status);
    let line = format!("HTTP/1.1 {status} {reason}\r\n\r\n").len() as u64;
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum::<u64>() + line
}
