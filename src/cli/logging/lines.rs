//! Log lines on their way out.
//!
//! A write for each line of the access log costs as much as the request that it tells of. These lines
//! are gathered and written many at once; every other line is written at once, after those before it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::http::ACCESS;

/// For so long lines of the access log are gathered: a kill loses as much, and nobody who follows the
/// log notices.
const GATHER: Duration = Duration::from_millis(100);

/// Above this lines of the access log are dropped and counted: what reads them does not keep up, and
/// neither requests nor memory are held for that.
const LIMIT: usize = 1024 * 1024;

/// Where log lines are written to.
pub struct Lines<W>(Arc<Shared<W>>);

/// Writes what is gathered; when dropped, the rest of it.
pub struct Flusher {
    thread: Option<JoinHandle<()>>,
    stop: Box<dyn Fn() + Send>,
}

struct Shared<W> {
    gathered: Mutex<Gathered>,
    /// There is something to write, or nothing any more.
    changed: Condvar,
    /// Locked before `gathered` by whoever writes, so that lines keep their order.
    out: Mutex<W>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    dropped: u64,
    stopped: bool,
}

/// Lines that are written to `out`, and what writes them.
pub fn lines<W: Write + Send + 'static>(out: W) -> io::Result<(Lines<W>, Flusher)> {
    let shared =
        Arc::new(Shared { gathered: Mutex::default(), changed: Condvar::new(), out: Mutex::new(out) });
    let (own, stopped) = (Arc::clone(&shared), Arc::clone(&shared));
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || own.run())?;
    let stop = Box::new(move || {
        stopped.gathered().stopped = true;
        stopped.changed.notify_all();
    });
    Ok((Lines(shared), Flusher { thread: Some(thread), stop }))
}

impl Drop for Flusher {
    fn drop(&mut self) {
        (self.stop)();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<W: Write> Shared<W> {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line of the access log, to be written soon, or dropped.
    fn gather(&self, line: &[u8]) {
        let mut gathered = self.gathered();
        if gathered.lines.len() + line.len() > LIMIT {
            gathered.dropped += 1;
            return;
        }
        let first = gathered.lines.is_empty();
        gathered.lines.extend_from_slice(line);
        drop(gathered);
        if first {
            self.changed.notify_all();
        }
    }

    /// Writes what is gathered, and a line after it. Gives how many were dropped before that.
    fn write(&self, line: &[u8]) -> io::Result<u64> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gathered = self.gathered();
        let lines = std::mem::take(&mut gathered.lines);
        let dropped = std::mem::take(&mut gathered.dropped);
        drop(gathered);
        out.write_all(&lines)?;
        out.write_all(line)?;
        out.flush()?;
        Ok(dropped)
    }

    fn run(&self) {
        loop {
            let idle = |gathered: &mut Gathered| gathered.lines.is_empty() && !gathered.stopped;
            let gathered = self.changed.wait_while(self.gathered(), idle);
            let gathered = gathered.unwrap_or_else(PoisonError::into_inner);
            let more = |gathered: &mut Gathered| !gathered.stopped;
            let waited = self.changed.wait_timeout_while(gathered, GATHER, more);
            let stopped = waited.unwrap_or_else(PoisonError::into_inner).0.stopped;
            // Where stderr is closed there is nobody to tell.
            let dropped = self.write(b"").unwrap_or(0);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "what reads the log is too slow: lines of the access log are missing"
                );
            }
            if stopped {
                return;
            }
        }
    }
}

/// One line on its way.
pub struct Line<'a, W> {
    shared: &'a Shared<W>,
    gather: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.gather {
            self.shared.gather(line);
        } else {
            let dropped = self.shared.write(line)?;
            if dropped > 0 {
                // They are told of with the next that is gathered.
                self.shared.gathered().dropped += dropped;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line { shared: &self.0, gather: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a, W> {
        Line { shared: &self.0, gather: metadata.target() == ACCESS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Tells of each write, and waits until it may go on.
    struct Slow {
        told: mpsc::Sender<String>,
        go: mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                self.told.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
                let _ = self.go.recv();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let ((told, tell), (goes, go)) = (mpsc::channel(), mpsc::channel());
        (Slow { told, go }, tell, goes)
    }

    fn access<W>(lines: &Lines<W>) -> Line<'_, W> {
        Line { shared: &lines.0, gather: true }
    }

    #[test]
    fn lines_of_the_access_log_are_written_together_and_a_warning_at_once_after_them() {
        let (out, tell, go) = slow();
        drop(go);
        let (lines, _flusher) = lines(out).unwrap();
        let mut gathered = lines.0.gathered();
        gathered.lines.extend(b"one\n");
        drop(gathered);
        access(&lines).write_all(b"two\n").unwrap();
        lines.make_writer().write_all(b"warning\n").unwrap();
        assert_eq!(tell.try_iter().collect::<Vec<_>>(), ["one\ntwo\n", "warning\n"]);
        access(&lines).write_all(b"three\n").unwrap();
        assert_eq!(tell.recv().unwrap(), "three\n");
    }

    #[test]
    fn nothing_is_lost_when_the_log_ends() {
        let (out, tell, go) = slow();
        drop(go);
        let (lines, flusher) = lines(out).unwrap();
        let all: Vec<String> = (0..1000).map(|n| format!("{n}\n")).collect();
        for line in &all {
            access(&lines).write_all(line.as_bytes()).unwrap();
        }
        drop(flusher);
        assert_eq!(tell.try_iter().collect::<String>(), all.concat());
    }

    #[test]
    fn a_reader_that_does_not_keep_up_costs_lines_of_the_access_log_and_no_others() {
        let (out, tell, go) = slow();
        let (lines, flusher) = lines(out).unwrap();
        access(&lines).write_all(b"first\n").unwrap();
        assert_eq!(tell.recv().unwrap(), "first\n");
        // The writer hangs in its first write from here on, and nobody waits for it.
        let line = vec![b'x'; LIMIT / 4];
        for _ in 0..6 {
            access(&lines).write_all(&line).unwrap();
        }
        let gathered = lines.0.gathered();
        let held = (gathered.lines.len(), gathered.dropped);
        drop(gathered);
        drop(go);
        lines.make_writer().write_all(b"warning\n").unwrap();
        let written: Vec<_> = tell.try_iter().collect();
        assert_eq!((written[0].len(), written[1].as_str()), (LIMIT, "warning\n"));
        drop(flusher);
        assert_eq!(held, (LIMIT, 2));
    }
}
