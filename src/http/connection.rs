//! Connections with deadlines, against slow requests and stalled readers.
//!
//! actix times out only the first request head of a connection, and never a write. So this module enforces
//! deadlines below HTTP, where only the direction of the bytes matters:
//!
//! - The first byte of a reply must follow the first byte of its request within a deadline. This covers
//!   slow heads and slow bodies, on every request of a connection.
//! - While the client is slow to read a reply, a minimum number of bytes must be sent in each window.
//!
//! actix's own keep-alive timer closes idle connections.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::limits::{KEEP_ALIVE, REQUEST, STALL, STALL_BYTES};

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request until the first byte of its reply.
    pub request: Duration,
    /// While a slow client holds up a reply, at least [`Deadlines::stall_bytes`] must be sent in each
    /// window of this length.
    pub stall: Duration,
    pub stall_bytes: usize,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { request: REQUEST, stall: STALL, stall_bytes: STALL_BYTES, keep_alive: KEEP_ALIVE }
    }
}

/// How many connections were cut, by reason.
#[derive(Debug, Clone, Default)]
pub struct Cuts {
    pub slow_request: Counter,
    pub stalled_reader: Counter,
}

/// State that all connections of a server share.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    pub deadlines: Deadlines,
    pub cuts: Arc<Cuts>,
}

/// A TCP stream with deadlines. Once a deadline has passed, the next read or write fails, and actix drops
/// the connection.
#[derive(Debug)]
pub struct Guarded {
    io: TcpStream,
    guard: Guard,
    /// When the oldest unanswered request began to arrive. It is answered once the first byte of its reply
    /// is sent.
    unanswered: Option<Instant>,
    blocked: Option<Window>,
    /// Wakes the connection's task to check its deadlines. Resetting it for each request would cost more
    /// than the request itself, so it may fire early, and is reset only then.
    alarm: Pin<Box<Sleep>>,
    armed: bool,
}

/// One window of a blocked write.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    moved: usize,
}

impl Guarded {
    pub fn new(io: TcpStream, guard: Guard) -> Self {
        let alarm = Box::pin(tokio::time::sleep(guard.deadlines.request));
        Self { io, guard, unanswered: None, blocked: None, alarm, armed: false }
    }

    /// Checks the deadlines if the alarm has fired.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.armed && self.alarm.as_mut().poll(cx).is_ready() {
            self.armed = false;
            let now = Instant::now();
            self.judge(now)?;
            self.arm();
        }
        Ok(())
    }

    /// Fails if a deadline has passed by `now`, and starts the next window of a blocked write.
    fn judge(&mut self, now: Instant) -> io::Result<()> {
        let Deadlines { request, stall, stall_bytes, .. } = self.guard.deadlines;
        if self.waiting().is_some_and(|since| now >= since + request) {
            self.guard.cuts.slow_request.inc();
            return Err(self.cut("the request took too long to arrive"));
        }
        if let Some(window) = self.blocked.filter(|window| now >= window.since + stall) {
            if window.moved < stall_bytes {
                self.guard.cuts.stalled_reader.inc();
                return Err(self.cut("the client did not read its reply"));
            }
            self.blocked = Some(Window { since: now, moved: 0 });
        }
        Ok(())
    }

    /// Sets the alarm to the next deadline, if there is one. An armed alarm never fires too late: deadlines
    /// of one kind come in order, and both kinds are checked when it fires.
    fn arm(&mut self) {
        let Deadlines { request, stall, .. } = self.guard.deadlines;
        let request = self.waiting().map(|since| since + request);
        let stall = self.blocked.map(|window| window.since + stall);
        let Some(next) = request.into_iter().chain(stall).min() else { return };
        if !self.armed || next < self.alarm.deadline() {
            self.alarm.as_mut().reset(next);
            self.armed = true;
        }
    }

    /// Returns when the request that is waiting for its reply arrived. `None` while a write is blocked,
    /// because then the server is waiting for the client, not the other way round.
    fn waiting(&self) -> Option<Instant> {
        self.unanswered.filter(|_| self.blocked.is_none())
    }

    /// Resets the connection rather than closing it, so that the kernel discards what it still buffers for
    /// a client that reads nothing.
    fn cut(&self, why: &'static str) -> io::Error {
        let _ = self.io.set_zero_linger();
        io::Error::new(io::ErrorKind::TimedOut, why)
    }

    fn received(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unanswered.is_none() {
            self.unanswered = Some(Instant::now());
            self.arm();
            self.check(cx)?;
        }
        Ok(())
    }

    fn sent(
        &mut self,
        written: &Poll<io::Result<usize>>,
        wanted: usize,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        match written {
            Poll::Ready(Ok(n)) => {
                self.unanswered = None;
                if *n >= wanted {
                    self.blocked = None;
                } else if let Some(window) = &mut self.blocked {
                    window.moved += n;
                }
            }
            Poll::Pending => {
                if self.blocked.is_none() {
                    self.blocked = Some(Window { since: Instant::now(), moved: 0 });
                    self.arm();
                    self.check(cx)?;
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        Ok(())
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() > before {
            self.received(cx)?;
        }
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.sent(&written, buf.len(), cx)?;
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
