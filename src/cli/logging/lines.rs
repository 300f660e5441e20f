//! Log lines on their way out.
//!
//! No line waits for the output: what reads the log may be slow, stalled or gone, and neither a
//! request nor a promotion nor the end of the process may hang on it or fail by it. Lines are
//! gathered, and a thread of their own writes them, many at once: a write for each line of the
//! access log costs as much as the request that it tells of.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::http::ACCESS;

/// For so long lines of the access log are gathered: a kill loses as much, and nobody who follows the
/// log notices. Every other line is written at once, after those before it.
const GATHER: Duration = Duration::from_millis(100);

/// Above this lines of the access log are dropped and counted: what reads them does not keep up, and
/// neither requests nor memory are held for that.
const LIMIT: usize = 1024 * 1024;

/// The same for all other lines. It is theirs alone: requests cannot push a warning out.
const RESERVE: usize = 256 * 1024;

/// For so long the end of the process waits for the last lines to be written.
const LAST: Duration = Duration::from_secs(1);

/// Where log lines are given to.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

/// When dropped, waits until all lines are written, or for a moment.
pub struct Flusher(Lines);

#[derive(Default)]
struct Shared {
    gathered: Mutex<Gathered>,
    /// There is something to write, or nothing any more.
    changed: Condvar,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// How much of that is the access log's.
    access: usize,
    /// There is something to be written at once.
    urgent: bool,
    lost: u64,
    stopped: bool,
    ended: bool,
}

/// Where lines are given to that are written to `out`, and what waits for the last of them.
pub fn lines(out: impl Write + Send + 'static) -> io::Result<(Lines, Flusher)> {
    let lines = Lines(Arc::default());
    let writer = Writer { shared: Arc::clone(&lines.0), out, torn: false };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || writer.run())?;
    Ok((lines.clone(), Flusher(lines)))
}

impl Lines {
    /// Takes a line that is no request's.
    pub fn say(&self, line: &[u8]) {
        self.0.gather(line, false);
    }
}

impl Flusher {
    /// Where lines are given to that are not logged, and belong between those that are.
    pub fn lines(&self) -> Lines {
        self.0.clone()
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.gathered().stopped = true;
        shared.changed.notify_all();
        // Whoever reads may never do so again: the thread is left behind then.
        let running = |gathered: &mut Gathered| !gathered.ended;
        drop(shared.changed.wait_timeout_while(shared.gathered(), LAST, running));
    }
}

impl Shared {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, to be written soon, or drops it.
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

    /// Waits for something to write. Nothing comes any more after the end.
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

/// Writes what is gathered.
struct Writer<W> {
    shared: Arc<Shared>,
    out: W,
    /// A line was begun and not ended.
    torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        while let Some(mut lines) = self.shared.next() {
            if self.torn {
                lines.insert(0, b'\n');
            }
            if self.write(&lines).is_err() {
                // A full disk has room again some day. Where nobody reads there is nobody to tell.
                let lost = String::from_utf8_lossy(&lines).lines().count();
                self.shared.gathered().lost += lost as u64;
                continue;
            }
            let lost = std::mem::take(&mut self.shared.gathered().lost);
            if lost > 0 {
                tracing::warn!(lost, "the log could not be written for a while: lines are missing");
            }
        }
    }

    /// Writes all of it, and knows how far it came.
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

/// One line on its way.
pub struct Line<'a> {
    shared: &'a Shared,
    access: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.gather(line, self.access);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, access: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, access: metadata.target() == ACCESS }
    }
}

#[cfg(test)]
mod tests;
