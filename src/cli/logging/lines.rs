//! Writing log lines.
//!
//! A write for each line of the access log would cost as much as the request itself. So lines are collected,
//! and a separate thread writes many at once. Each worker collects those of its own requests.
//!
//! A worker whose buffer is full waits until there is room again, so that no line is lost while the reader of
//! the log keeps up. But the reader may stall or be gone, and requests must not fail because of it: after
//! [`PATIENCE`], lines are dropped and counted until the buffers are written. Nothing else waits: promotions
//! and the shutdown do not depend on the log.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::access::render;
use crate::cli::LogFormat;
use crate::cli::clean::Clean;
use crate::http::{AccessLine, AccessLog, AccessWriter};

/// How long lines of the access log are collected. If the process is killed, it loses at most this much,
/// and a reader does not notice the delay. Any other line is written at once, together with the lines
/// before it.
const GATHER: Duration = Duration::from_millis(100);

/// At how many bytes a worker's lines are written without waiting for more.
const BLOCK: usize = 64 * 1024;

/// How many bytes of lines a worker collects before it waits for them to be written.
const LIMIT: usize = 512 * 1024;

/// How many bytes of all other lines are collected. It is separate, so that requests cannot crowd out a
/// warning.
const RESERVE: usize = 256 * 1024;

/// How long a worker waits for room. A disk that is busy takes less; a pipe whose reader hangs takes for
/// ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the process waits at its end for the last lines to be written.
const LAST: Duration = Duration::from_secs(1);

/// A writer of log lines other than those of the access log: each write is one line.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

/// A guard: when dropped, it waits until all lines are written, but at most for `LAST`.
pub struct Flusher(Lines);

/// The access log, as part of the log.
#[derive(Debug)]
pub struct Access {
    shared: Arc<Shared>,
    format: LogFormat,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    gathered: Mutex<Gathered>,
    /// Notified when there is something to write, when writing must stop, and when it has ended.
    changed: Condvar,
    /// The lines of each worker.
    workers: Mutex<Vec<Arc<Buffer>>>,
    /// Whether a worker has waited for room in vain, and nothing was written since.
    stalled: AtomicBool,
    /// How many lines were dropped since the start.
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<u8>,
    /// Whether a worker has lines to be written.
    access: bool,
    /// Whether there is something that must be written at once.
    urgent: bool,
    end: End,
}

/// How far the log has come to its end.
#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Stopped,
    /// The last line is written.
    Reached,
}

/// The lines of one worker that are not being written yet.
#[derive(Debug, Default)]
struct Buffer {
    lines: Mutex<Vec<u8>>,
    /// Notified when lines were taken.
    room: Condvar,
}

/// Writes the access lines of one worker.
#[derive(Debug)]
struct WorkerLines {
    buffer: Arc<Buffer>,
    shared: Arc<Shared>,
    format: LogFormat,
    patience: Duration,
}

/// Starts the thread that writes lines to `out`. Returns a writer, and the guard for the last lines.
pub fn lines(out: impl Write + Send + 'static) -> io::Result<(Lines, Flusher)> {
    let lines = Lines(Arc::default());
    let writer = Writer { shared: Arc::clone(&lines.0), out, torn: false, told: 0, spare: Vec::new() };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
    Ok((lines.clone(), Flusher(lines)))
}

impl Flusher {
    /// Returns a writer for other output that must stay in order with the log lines.
    pub fn lines(&self) -> Lines {
        self.0.clone()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.gathered().end = End::Stopped;
        shared.changed.notify_all();
        // If the reader never reads again, leave the thread behind.
        let running = |gathered: &mut Gathered| gathered.end != End::Reached;
        drop(shared.changed.wait_timeout_while(shared.gathered(), LAST, running));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        lock(&self.gathered)
    }

    /// Queues a line to be written at once, or drops it if too many are queued.
    fn gather(&self, line: &[u8]) {
        let mut gathered = self.gathered();
        if gathered.lines.len() + line.len() > RESERVE {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        gathered.lines.extend_from_slice(line);
        let wake = !std::mem::replace(&mut gathered.urgent, true);
        drop(gathered);
        if wake {
            self.changed.notify_all();
        }
    }

    /// Makes sure that the lines of a worker will be written, or that they are written at once.
    fn announce(&self, urgent: bool) {
        let mut gathered = self.gathered();
        let wake = !gathered.access || urgent && !gathered.urgent;
        gathered.access = true;
        gathered.urgent |= urgent;
        drop(gathered);
        if wake {
            self.changed.notify_all();
        }
    }

    /// Waits for lines, and returns those that are not a worker's. Returns `None` when the log has stopped and
    /// all lines are taken.
    fn next(&self) -> Option<Vec<u8>> {
        let idle = |gathered: &mut Gathered| {
            gathered.lines.is_empty() && !gathered.access && gathered.end == End::Open
        };
        let gathered = self.changed.wait_while(self.gathered(), idle);
        let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
        let more = |gathered: &mut Gathered| !gathered.urgent && gathered.end == End::Open;
        let waited = self.changed.wait_timeout_while(gathered, GATHER, more);
        let mut gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        if gathered.lines.is_empty() && !gathered.access {
            gathered.end = End::Reached;
            drop(gathered);
            self.changed.notify_all();
            return None;
        }
        (gathered.access, gathered.urgent) = (false, false);
        Some(std::mem::take(&mut gathered.lines))
    }
}

impl AccessLog for Access {
    fn writer(&self) -> Arc<dyn AccessWriter> {
        let buffer = Arc::<Buffer>::default();
        lock(&self.shared.workers).push(Arc::clone(&buffer));
        let shared = Arc::clone(&self.shared);
        Arc::new(WorkerLines { buffer, shared, format: self.format, patience: self.patience })
    }

    fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl AccessWriter for WorkerLines {
    fn write(&self, line: &AccessLine<'_>) {
        let Some(mut lines) = self.room() else {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let before = lines.len();
        render(line, self.format, &mut lines);
        let after = lines.len();
        drop(lines);
        let urgent = before < BLOCK && after >= BLOCK;
        if before == 0 || urgent {
            self.shared.announce(urgent);
        }
    }
}

impl WorkerLines {
    /// Returns the buffer once it has room, unless the log has stalled.
    fn room(&self) -> Option<MutexGuard<'_, Vec<u8>>> {
        let lines = lock(&self.buffer.lines);
        if lines.len() < LIMIT {
            return Some(lines);
        }
        if self.shared.stalled.load(Ordering::Relaxed) {
            return None;
        }
        let full = |lines: &mut Vec<u8>| lines.len() >= LIMIT;
        let waited = self.buffer.room.wait_timeout_while(lines, self.patience, full);
        let (lines, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            self.shared.stalled.store(true, Ordering::Relaxed);
            return None;
        }
        Some(lines)
    }
}

/// The thread that writes the collected lines.
struct Writer<W> {
    shared: Arc<Shared>,
    out: W,
    /// Whether the last write ended in the middle of a line.
    torn: bool,
    /// How many lost lines were reported.
    told: u64,
    /// An empty buffer, for the next worker whose lines are taken.
    spare: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        while let Some(others) = self.shared.next() {
            let workers = lock(&self.shared.workers).clone();
            let mut written = true;
            for worker in workers {
                let spare = std::mem::take(&mut self.spare);
                let mut lines = std::mem::replace(&mut *lock(&worker.lines), spare);
                worker.room.notify_all();
                written &= self.write(&lines);
                lines.clear();
                self.spare = lines;
            }
            written &= self.write(&others);
            if !written {
                continue;
            }
            self.shared.stalled.store(false, Ordering::Relaxed);
            let lost = self.shared.lost.load(Ordering::Relaxed);
            if lost > self.told {
                tracing::warn!(
                    lost = lost - self.told,
                    "could not write to the log for a while, so lines are missing"
                );
                self.told = lost;
            }
        }
    }

    /// Writes the lines, and records whether the last one is complete. If that fails, counts the rest as lost:
    /// a full disk may have room later. Returns whether all are written.
    fn write(&mut self, mut lines: &[u8]) -> bool {
        if self.torn && !lines.is_empty() && self.out.write(b"\n").is_ok_and(|written| written == 1) {
            self.torn = false;
        }
        while !lines.is_empty() {
            match self.out.write(lines) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    let lost = lines.split(|byte| *byte == b'\n').count() - 1;
                    self.shared.lost.fetch_add(lost as u64, Ordering::Relaxed);
                    return false;
                }
                Ok(written) => {
                    self.torn = lines[..written].last() != Some(&b'\n');
                    lines = &lines[written..];
                }
            }
        }
        true
    }
}

impl Lines {
    /// Returns the access log, which writes its lines in this format.
    pub fn access(&self, format: LogFormat) -> Access {
        Access { shared: Arc::clone(&self.0), format, patience: PATIENCE }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut cleaned = Vec::with_capacity(line.len());
        Clean(&mut cleaned).write_all(line)?;
        self.0.gather(&cleaned);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
