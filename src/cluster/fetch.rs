//! How files come from a server: bounded in size, in time and from below in speed.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::refusal::Refusal;

/// Where files come from: a server, or a test.
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Asks for the file at a path below the server's address, `tuf/metadata/timestamp.json`.
    ///
    /// # Errors
    /// When there is no answer, or one that cannot be used.
    fn get(&self, ask: &Ask<'_>) -> Result<Reply, Refusal>;

    /// How the place is called in messages.
    fn place(&self) -> String;
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    pub path: &'a str,
    /// The tag of the copy that is here already.
    pub held: Option<&'a str>,
    /// Go on from this byte, if the file still has this tag.
    pub from: Option<(u64, &'a str)>,
    /// Whether it may take as long as it does at the least rate, as payloads may.
    pub patient: bool,
}

/// What came back.
pub enum Reply {
    NotFound,
    /// The copy that is here is still the newest.
    NotModified,
    Found(Found),
}

/// A file that is there.
pub struct Found {
    pub tag: Option<String>,
    /// Where the body begins: not at 0 only where that was asked for.
    pub from: u64,
    pub body: Box<dyn Read + Send>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("NotFound"),
            Self::NotModified => f.write_str("NotModified"),
            Self::Found(found) => write!(f, "Found from {} with {:?}", found.from, found.tag),
        }
    }
}

/// How much was asked and received, for the report of a check.
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

    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Heads and bodies in both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The bounds of a transfer.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For connecting, for the head of a reply, and for each read.
    pub wait: Duration,
    /// The rate is looked at over windows of this length.
    pub window: Duration,
    /// In each window at least so many bytes must come: 10 KiB in 20 s is slower than any line that
    /// could carry payloads at all.
    pub least: u64,
    /// For one file of the repository, head and body. Payloads have no such bound.
    pub whole: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(15),
            window: Duration::from_secs(20),
            least: 10 * 1024,
            whole: Duration::from_secs(60),
        }
    }
}

/// Reads a body to its end, and not beyond a limit.
///
/// # Errors
/// When it is larger, or breaks off.
pub fn read_all(path: &str, body: &mut dyn Read, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // One more than the limit tells whether there is more.
    body.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| broken(path, &e))?;
    if bytes.len() as u64 > limit {
        return Err(Refusal::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// A body that broke off, or came too slowly.
#[must_use]
pub fn broken(path: &str, error: &io::Error) -> Refusal {
    let detail = error.to_string();
    if error.kind() == io::ErrorKind::TimedOut {
        return Refusal::TooSlow { path: path.to_owned(), detail };
    }
    Refusal::Unreachable { url: path.to_owned(), detail }
}
