//! A connection that does not wait for ever: deadlines on slow requests and on stalled readers.
//!
//! actix times only the first request head of a connection, and no write at all. So the deadlines
//! are kept here, below HTTP, where all that counts is which way bytes move:
//!
//! - From the first byte of a request until the first byte of its reply there is a deadline. It
//!   covers slow heads and slow bodies alike, on every request of a connection.
//! - A reply that the client does not take must move a least number of bytes in each window.
//!
//! A connection with nothing to do is left to actix's keep-alive timer.

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

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request until the first byte of its reply.
    pub request: Duration,
    /// A blocked reply must move [`Deadlines::stall_bytes`] in each such window.
    pub stall: Duration,
    pub stall_bytes: usize,
    /// How long an idle connection is kept for a next request.
    pub keep_alive: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { request: REQUEST, stall: STALL, stall_bytes: STALL_BYTES, keep_alive: KEEP_ALIVE }
    }
}

/// Connections that were cut, by the reason.
#[derive(Debug, Clone, Default)]
pub struct Cuts {
    pub slow_request: Counter,
    pub stalled_reader: Counter,
}

/// What all connections of a server share.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    pub deadlines: Deadlines,
    pub cuts: Arc<Cuts>,
}

/// A TCP stream with deadlines. A broken one is reported as an error of the next read or write,
/// upon which actix drops the connection.
#[derive(Debug)]
pub struct Guarded {
    io: TcpStream,
    guard: Guard,
    /// When the oldest request came in that has had no byte of a reply yet.
    unanswered: Option<Instant>,
    blocked: Option<Window>,
    /// Wakes the connection's task to look at its deadlines. It is not moved with each request,
    /// which would cost more than the request: it is left to ring early, and set anew then.
    alarm: Pin<Box<Sleep>>,
    armed: bool,
}

/// One window of a write that the client holds up.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    moved: usize,
}

impl Guarded {
    /// Puts a stream under guard.
    #[must_use]
    pub fn new(io: TcpStream, guard: Guard) -> Self {
        let alarm = Box::pin(tokio::time::sleep(guard.deadlines.request));
        Self { io, guard, unanswered: None, blocked: None, alarm, armed: false }
    }

    /// Looks at the deadlines when the alarm has rung.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.armed && self.alarm.as_mut().poll(cx).is_ready() {
            self.armed = false;
            let now = Instant::now();
            self.judge(now)?;
            self.arm();
        }
        Ok(())
    }

    /// Fails when a deadline has passed at `now`, and opens the next window of a blocked write.
    fn judge(&mut self, now: Instant) -> io::Result<()> {
        let Deadlines { request, stall, stall_bytes, .. } = self.guard.deadlines;
        if self.waiting().is_some_and(|since| now >= since + request) {
            self.guard.cuts.slow_request.inc();
            return Err(self.cut("the request took too long to arrive"));
        }
        if let Some(window) = self.blocked.filter(|window| now >= window.since + stall) {
            if window.moved < stall_bytes {
                self.guard.cuts.stalled_reader.inc();
                return Err(self.cut("the client did not take its reply"));
            }
            self.blocked = Some(Window { since: now, moved: 0 });
        }
        Ok(())
    }

    /// Sets the alarm to the next deadline, if there is one. An alarm that is set rings no later
    /// than that: deadlines of one kind come in order, and both kinds are looked at when it rings.
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

    /// Since when a request is unanswered. One that came in behind a reply which the client is
    /// slow to take waits for the client and not the other way round.
    fn waiting(&self) -> Option<Instant> {
        self.unanswered.filter(|_| self.blocked.is_none())
    }

    /// The connection is reset rather than closed, so that the kernel drops what it still holds
    /// for a client that takes nothing.
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
