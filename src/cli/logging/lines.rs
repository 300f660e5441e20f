//! Writing log lines without waiting.
//!
//! The reader of the log may be slow, stalled or gone. Requests, promotions and the shutdown must neither
//! wait for it nor fail because of it. So lines are collected, and a separate thread writes many at once: a
//! write for each line of the access log would cost as much as the request itself.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::http::ACCESS;

/// How long lines of the access log are collected. If the process is killed, it loses at most this much,
/// and a reader does not notice the delay. Any other line is written at once, together with the lines
/// before it.
const GATHER: Duration = Duration::from_millis(100);

/// The most bytes of the access log that are queued. If the reader does not keep up, further lines are
/// dropped and counted, so that neither requests nor memory suffer.
const LIMIT: usize = 1024 * 1024;

/// The same limit for all other lines. It is separate, so that requests cannot crowd out a warning.
const RESERVE: usize = 256 * 1024;

/// How long the process waits at its end for the last lines to be written.
const LAST: Duration = Duration::from_secs(1);

/// A writer of log lines: each write is one line.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
    /// Whether the lines belong to the access log.
    access: bool,
}

/// A guard: when dropped, it waits until all lines are written, but at most for `LAST`.
pub struct Flusher(Lines);

#[derive(Default)]
struct Shared {
    gathered: Mutex<Gathered>,
    /// Notified when there is something to write, when writing must stop, and when it has ended.
    changed: Condvar,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// How many bytes of `lines` belong to the access log.
    access: usize,
    /// Whether there is a line that must be written at once.
    urgent: bool,
    lost: u64,
    stopped: bool,
    ended: bool,
}

/// Starts the thread that writes lines to `out`. Returns a writer, and the guard for the last lines.
pub fn lines(out: impl Write + Send + 'static) -> io::Result<(Lines, Flusher)> {
    let lines = Lines { shared: Arc::default(), access: false };
    let writer = Writer { shared: Arc::clone(&lines.shared), out, torn: false };
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
        let shared = &self.0.shared;
        shared.gathered().stopped = true;
        shared.changed.notify_all();
        // If the reader never reads again, leave the thread behind.
        let running = |gathered: &mut Gathered| !gathered.ended;
        drop(shared.changed.wait_timeout_while(shared.gathered(), LAST, running));
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a line to be written, or drops it if the queue is full.
    fn gather(&self, line: &[u8], access: bool) {
        let mut gathered = self.gathered();
        let (held, limit) =
            if access { (gathered.access, LIMIT) } else { (gathered.lines.len() - gathered.access, RESERVE) };
        if held + line.len() > limit {
            gathered.lost += 1;
            return;
        }
        let wake = gathered.lines.is_empty() || !(access || gathered.urgent);
        gathered.lines.extend_from_slice(line);
        if access {
            gathered.access += line.len();
        } else {
            gathered.urgent = true;
        }
        drop(gathered);
        if wake {
            self.changed.notify_all();
        }
    }

    /// Waits for lines and returns them. Returns `None` when the log has stopped and all lines are taken.
    fn next(&self) -> Option<Vec<u8>> {
        let idle = |gathered: &mut Gathered| gathered.lines.is_empty() && !gathered.stopped;
        let gathered = self.changed.wait_while(self.gathered(), idle);
        let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
        let more = |gathered: &mut Gathered| !gathered.urgent && !gathered.stopped;
        let waited = self.changed.wait_timeout_while(gathered, GATHER, more);
        let mut gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        if gathered.lines.is_empty() {
            gathered.ended = true;
            drop(gathered);
            self.changed.notify_all();
            return None;
        }
        (gathered.access, gathered.urgent) = (0, false);
        Some(std::mem::take(&mut gathered.lines))
    }
}

/// The thread that writes the collected lines.
struct Writer<W> {
    shared: Arc<Shared>,
    out: W,
    /// Whether the last write ended in the middle of a line.
    torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        while let Some(mut lines) = self.shared.next() {
            if self.torn {
                lines.insert(0, b'\n');
            }
            if self.write(&lines).is_err() {
                // Count the lost lines, to report them if writing works again: a full disk may have room
                // later.
                let lost = String::from_utf8_lossy(&lines).lines().count();
                self.shared.gathered().lost += lost as u64;
                continue;
            }
            let lost = std::mem::take(&mut self.shared.gathered().lost);
            if lost > 0 {
                tracing::warn!(lost, "could not write to the log for a while, so lines are missing");
            }
        }
    }

    /// Writes the lines, and records whether the last one is complete.
    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        while !lines.is_empty() {
            match self.out.write(lines) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = lines[..written].last() != Some(&b'\n');
                    lines = &lines[written..];
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.out.flush()
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.gather(line, self.access);
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

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> Self {
        Self { shared: Arc::clone(&self.shared), access: metadata.target() == ACCESS }
    }
}

#[cfg(test)]
mod tests;
