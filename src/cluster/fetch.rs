//! Fetches files from a server, with limits on size and time, and a minimum speed.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::refusal::Refusal;
use crate::clock::pace::{LEAST, WINDOW};
use crate::remote::{Place, Unanswered};

/// More than the head and the end of a body compressed with gzip take, in bytes.
const LONGEST_HEAD: u64 = 1024;

/// A source of files: a server, or a stand-in for one.
pub trait Fetch: Send + Sync + 'static {
    /// Requests the file at a path below the server's address, such as `tuf/metadata/timestamp.json`.
    ///
    /// # Errors
    /// When there is no answer, or an unusable one.
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal>;

    /// The refusal for something else than a document at the path of one.
    fn refuse_foreign(&self, path: &str) -> Refusal {
        Unanswered::NotADocument { place: Place { url: path.to_owned(), proxy: None } }.into()
    }
}

/// A request for a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    pub path: &'a str,
    /// The `ETag` of the local copy, if there is one. It is computed from the copy: a tag that a server has
    /// sent is not verified, and one such as `*` would hide every later answer.
    pub held: Option<&'a str>,
    /// Continue from this byte, if the file still has this `ETag`.
    pub from: Option<(u64, &'a str)>,
    /// Whether the transfer may take any amount of time while it keeps the minimum speed, as for payloads.
    pub patient: bool,
    /// The size of the file in bytes, if the server may send it compressed: it is known, so a file that
    /// unpacks to more is refused as soon as it does.
    pub unpacked: Option<u64>,
}

/// The answer to a request for a file.
pub enum Reply {
    NotFound,
    /// The local copy is current.
    NotModified,
    Found(Found),
}

/// A file that the server sends.
pub struct Found {
    /// Where in the file the body starts: at 0, unless the request asked to continue from a later byte.
    pub from: u64,
    pub body: Box<dyn Read + Send>,
}

/// The number of requests and bytes of a check.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    requests: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
}

impl Traffic {
    pub fn request(&self, bytes: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.add(bytes);
    }

    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The bytes of all heads and bodies, in both directions.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The limits of a transfer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The timeout for connecting, for the head of a reply, and for each read.
    pub wait: Duration,
    /// The speed is checked in windows of this length.
    pub window: Duration,
    /// The minimum number of bytes in a window.
    pub least: u64,
    /// The timeout for one file of the repository, head and body. Payloads have none.
    pub whole: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { wait: Duration::from_secs(15), window: WINDOW, least: LEAST, whole: Duration::from_secs(60) }
    }
}

/// Unpacks a body that was compressed with gzip. Reading it fails if it is longer than any body that is
/// compressed well and unpacks to `size` bytes: deflate adds at most five bytes to every 16 KiB, but a hostile
/// server could send empty blocks without end.
pub fn unpack(body: impl Read + Send + 'static, size: u64) -> Box<dyn Read + Send> {
    let longest = size.saturating_add(size / 1024).saturating_add(LONGEST_HEAD);
    Box::new(flate2::read::GzDecoder::new(body.take(longest)))
}

/// Reads a body to its end, up to a limit.
///
/// # Errors
/// When the body is larger, or the connection breaks.
pub fn read_all(path: &str, body: &mut dyn Read, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // Read one byte more, to notice a body that exceeds the limit.
    body.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| broken(path, &e))?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The refusal for a body whose connection broke or that was too slow.
pub fn broken(path: &str, error: &io::Error) -> Refusal {
    let detail = error.to_string();
    if error.kind() == io::ErrorKind::TimedOut {
        return Refusal::TooSlow { path: path.to_owned(), detail };
    }
    Refusal::Unreachable { place: format!("`{path}`"), detail }
}
