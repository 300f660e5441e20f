//! Sending a part of a file from the page cache to the socket, without copying it.
//!
//! actix copies every chunk of a body into a buffer of its own before it writes it. So the body of a large
//! payload hands its part of the file to the connection, and the connection sends it once actix has written
//! everything that comes before it. A client that reads slowly then holds up a file descriptor, and no
//! memory of this process.
//!
//! A worker must never wait for a disk. What is not in the page cache is read on another thread first.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::limits::{FAST, READ_AHEAD, READ_CHUNK, UNSENT, UNSENT_FAST};

/// The part of a file that a connection is sending. The connection and its bodies share it.
#[derive(Debug, Default)]
pub struct Outgoing(RefCell<Option<Part>>);

#[derive(Debug)]
struct Part {
    file: Arc<File>,
    left: Range<u64>,
    /// The page cache has everything up to here, as far as we know.
    cached: u64,
    /// Reads up to the given position into the page cache.
    reading: Option<(u64, JoinHandle<io::Result<()>>)>,
    pace: Pace,
}

/// How fast the client is.
#[derive(Debug)]
enum Pace {
    /// It is not known to be fast. So far, this many bytes were sent since then.
    Slow {
        since: Instant,
        sent: u64,
    },
    Fast,
}

impl Outgoing {
    fn begin(&self, file: File, range: Range<u64>) {
        let pace = Pace::Slow { since: Instant::now(), sent: 0 };
        let part = Part { file: Arc::new(file), cached: range.start, left: range, reading: None, pace };
        self.0.replace(Some(part));
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// Whether the next bytes are being read from the disk. Then the client waits for the server, not the
    /// other way round.
    pub fn is_reading(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|part| part.reading.is_some())
    }

    /// Sends the next bytes. Returns how many were sent, and how many the socket was offered.
    pub fn poll_send(&self, io: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<(usize, usize)>> {
        let mut slot = self.0.borrow_mut();
        let Some(part) = slot.as_mut() else { return Poll::Ready(Ok((0, 0))) };
        let (sent, offered) = ready!(part.poll_send(io, cx))?;
        if part.pace.quickens(sent as u64, Instant::now()) {
            set_unsent(io, UNSENT_FAST);
        }
        if part.left.is_empty() {
            // The replies that follow may be for a slow client.
            set_unsent(io, UNSENT);
            *slot = None;
        }
        Poll::Ready(Ok((sent, offered)))
    }
}

impl Part {
    fn poll_send(&mut self, io: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<(usize, usize)>> {
        ready!(self.poll_cached(cx))?;
        let offered = usize::try_from(self.cached - self.left.start).map_err(io::Error::other)?;
        loop {
            ready!(io.poll_write_ready(cx))?;
            let mut from = self.left.start;
            let send = || Ok(sendfile(io, &*self.file, Some(&mut from), offered)?);
            match io.try_io(Interest::WRITABLE, send) {
                // The client must not mistake a truncated payload for a complete one.
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.left.start += count as u64;
                    return Poll::Ready(Ok((count, offered)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Waits until the page cache has the next bytes.
    fn poll_cached(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((end, reading)) = &mut self.reading {
            ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other)??;
            self.cached = *end;
            self.reading = None;
        }
        if self.cached > self.left.start {
            return Poll::Ready(Ok(()));
        }
        let end = self.left.end.min(self.left.start + READ_AHEAD);
        if is_cached(&self.file, self.left.start..end) {
            self.cached = end;
            return Poll::Ready(Ok(()));
        }
        let (file, range) = (Arc::clone(&self.file), self.left.start..end);
        self.reading = Some((end, tokio::task::spawn_blocking(move || read_ahead(&file, range))));
        self.poll_cached(cx)
    }
}

impl Pace {
    /// Counts bytes that were sent. Returns whether they show that the client is fast.
    fn quickens(&mut self, count: u64, now: Instant) -> bool {
        let Self::Slow { since, sent } = self else { return false };
        *sent += count;
        if *sent < READ_AHEAD {
            return false;
        }
        let is_fast = now - *since <= FAST;
        *self = if is_fast { Self::Fast } else { Self::Slow { since: now, sent: 0 } };
        is_fast
    }
}

/// Sets how much the socket holds unsent. If that fails, it holds as much as before.
fn set_unsent(io: &TcpStream, bytes: u32) {
    let _ = SockRef::from(io).set_tcp_notsent_lowat(bytes);
}

/// Whether a part of a file can be read without waiting for the disk. Looks at one byte of each chunk,
/// because neighbouring pages are read and evicted together. File systems that cannot tell count as slow.
fn is_cached(file: &File, range: Range<u64>) -> bool {
    range.step_by(READ_CHUNK).all(|at| {
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT).is_ok()
    })
}

/// Reads a part of a file, so that the page cache has it.
fn read_ahead(file: &File, range: Range<u64>) -> io::Result<()> {
    let mut chunk = vec![0; READ_CHUNK];
    let mut at = range.start;
    while at < range.end {
        match pread(file, &mut chunk, at) {
            // The file is shorter than it was. Sending finds that out.
            Ok(0) => break,
            Ok(count) => at += count as u64,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A body that is a part of a file.
pub struct FileBody {
    part: Option<(File, Range<u64>)>,
    outgoing: Rc<Outgoing>,
}

impl FileBody {
    pub fn new(file: File, range: Range<u64>, outgoing: Rc<Outgoing>) -> Self {
        Self { part: Some((file, range)), outgoing }
    }
}

impl MessageBody for FileBody {
    type Error = io::Error;

    /// actix counts the bytes of a body with a size, and these do not pass through it.
    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    /// After each call, actix writes what it has and flushes the connection, which then sends the file, and
    /// wakes actix when it has sent all of it.
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self.part.take() {
            Some((file, range)) => {
                self.outgoing.begin(file, range);
                Poll::Pending
            }
            None if self.outgoing.is_empty() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_client_is_fast_once_it_takes_a_megabyte_in_a_tenth_of_a_second() {
        let start = Instant::now();
        let mut pace = Pace::Slow { since: start, sent: 0 };
        assert!(!pace.quickens(READ_AHEAD - 1, start), "too few bytes");
        assert!(!pace.quickens(1, start + FAST * 2), "too late");
        assert!(!pace.quickens(READ_AHEAD - 1, start + FAST * 2));
        assert!(pace.quickens(1, start + FAST * 3), "from then on");
        assert!(!pace.quickens(READ_AHEAD, start + FAST * 3), "it is said once");
    }

    #[test]
    fn what_was_read_ahead_is_in_the_page_cache() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 3 * READ_CHUNK]).unwrap();
        let size = 3 * READ_CHUNK as u64;
        assert!(read_ahead(&file, 0..size).is_ok());
        assert!(read_ahead(&file, 0..2 * size).is_ok(), "sending finds out that it ends early");
        assert!(is_cached(&file, 0..size));
    }
}
