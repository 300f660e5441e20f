//! Connections with deadlines, against slow requests and stalled readers.
//!
//! actix times out only the first request head of a connection, and never a write. So this module enforces
//! deadlines below HTTP, where only the direction of the bytes matters:
//!
//! - The first byte of a reply must follow the first byte of its request within a deadline. This covers
//!   slow heads and slow bodies, on every request of a connection.
//! - While the client is slow to read a reply, a minimum number of bytes must be sent in each window.
//!
//! It also bounds the memory that a client can take: requests are passed on [one by one](super::exchange), and
//! nothing is read while a reply is not.
//!
//! An idle connection gives up actix's buffers, and leaves when it must make room or has been idle for too
//! long: see [`places`](super::places).

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::exchange::{Exchange, Pass};
use super::limits::{DISCARDED, KEEP_ALIVE, LINGER, READ_AHEAD, REQUEST, STALL, STALL_BYTES};
use super::places::{Asked, Place};
use super::sendfile::Outgoing;

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
    place: Rc<Place>,
    /// Whether actix has been told that the connection has ended, although only its time with actix has.
    returned: bool,
    /// When the oldest unanswered request began to arrive. It is answered once the first byte of its reply
    /// is sent.
    unanswered: Option<Instant>,
    blocked: Option<Window>,
    /// Wakes the connection's task to check its deadlines. Resetting it for each request would cost more
    /// than the request itself, so it may fire early, and is reset only then.
    alarm: Pin<Box<Sleep>>,
    armed: bool,
    exchange: Rc<Exchange>,
    outgoing: Rc<Outgoing>,
    /// What the client has sent beyond the request that is being answered.
    held: Bytes,
    /// Whether actix has asked for bytes and must be woken once there may be some.
    refused: bool,
    /// Set after the last request. Until it ends, bytes from the client are read and discarded.
    linger: Option<Pin<Box<Sleep>>>,
}

/// What actix gets instead of the rest of a head that is too large. A head may not contain it, so actix answers
/// with 400 and closes the connection.
const NOT_HTTP: &[u8] = b"\0";

/// One window of a blocked write.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    moved: usize,
}

impl Guarded {
    pub fn new(io: TcpStream, guard: Guard, place: Rc<Place>) -> Self {
        let alarm = Box::pin(tokio::time::sleep(guard.deadlines.request));
        Self {
            io,
            guard,
            place,
            returned: false,
            unanswered: None,
            blocked: None,
            alarm,
            armed: false,
            exchange: Rc::default(),
            outgoing: Rc::default(),
            held: Bytes::new(),
            refused: false,
            linger: None,
        }
    }

    /// What handlers say about the requests of this connection.
    pub fn exchange(&self) -> Rc<Exchange> {
        Rc::clone(&self.exchange)
    }

    /// The part of a file that this connection sends after what actix has written.
    pub fn outgoing(&self) -> Rc<Outgoing> {
        Rc::clone(&self.outgoing)
    }

    pub const fn io(&self) -> &TcpStream {
        &self.io
    }

    /// Takes the connection back from actix. Returns whether it goes on.
    pub fn take_back(&mut self) -> bool {
        self.refused = false;
        std::mem::take(&mut self.returned)
    }

    /// Checks the deadlines if the alarm has fired, and lets it wake the task otherwise. A connection calls this
    /// whenever it waits for its client, and not for every read and write, which would be slower.
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
    /// of one kind come in order, and both kinds are checked when it fires. Returns whether the alarm was set, so
    /// that it does not wake the task before the next [check](Self::check).
    fn arm(&mut self) -> bool {
        let Deadlines { request, stall, .. } = self.guard.deadlines;
        let request = self.waiting().map(|since| since + request);
        let stall = self.blocked.map(|window| window.since + stall);
        let Some(next) = request.into_iter().chain(stall).min() else { return false };
        let is_new = !self.armed || next < self.alarm.deadline();
        if is_new {
            self.alarm.as_mut().reset(next);
            self.armed = true;
        }
        is_new
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
            self.place.work();
            self.unanswered = Some(Instant::now());
            if self.arm() {
                self.check(cx)?;
            }
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
                }
                self.check(cx)?;
            }
            Poll::Ready(Err(_)) => {}
        }
        Ok(())
    }
}

impl Guarded {
    /// Sends more of a file, if there is one, and wakes actix to go on.
    fn send_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.check(cx)?;
        let outgoing = Rc::clone(&self.outgoing);
        let mut turn = 0;
        while !outgoing.is_empty() && turn < READ_AHEAD {
            match outgoing.poll_send(&self.io, cx)? {
                Poll::Ready((sent, offered)) => {
                    turn += sent as u64;
                    self.sent(&Poll::Ready(Ok(sent)), offered, cx)?;
                }
                Poll::Pending => {
                    if !outgoing.is_reading() {
                        self.sent(&Poll::Pending, 0, cx)?;
                    }
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        if outgoing.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Returns no bytes for now.
    fn refuse(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.refused = true;
        self.check(cx)?;
        Poll::Pending
    }

    /// Returns whether the connection is idle and must give something up.
    fn gives_way(&self, cx: &Context<'_>) -> bool {
        let is_idle = self.unanswered.is_none()
            && self.blocked.is_none()
            && self.held.is_empty()
            && self.outgoing.is_empty()
            && self.exchange.is_idle();
        is_idle && self.place.rest(cx) != Asked::Nothing
    }

    /// Passes on what was held back, as far as it may pass now.
    fn release(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.held.len().min(buf.remaining());
        match self.exchange.pass(&self.held[..length]) {
            Pass::Bytes(0) => return self.refuse(cx),
            Pass::Bytes(passed) => buf.put_slice(&self.held.split_to(passed)),
            Pass::TooLarge => buf.put_slice(NOT_HTTP),
        }
        Poll::Ready(self.received(cx))
    }

    /// Discards what the client sends, and reports the end of the connection soon. Closing it at once could
    /// destroy the reply that is on its way.
    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held = Bytes::new();
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut discarded = [0; DISCARDED];
        loop {
            let mut buf = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.exchange.is_last() {
            self.check(cx)?;
            return self.discard(cx);
        }
        if self.blocked.is_some() {
            return self.refuse(cx);
        }
        if !self.held.is_empty() {
            return self.release(cx, buf);
        }
        let before = buf.filled().len();
        if Pin::new(&mut self.io).poll_read(cx, buf)?.is_pending() {
            self.check(cx)?;
            self.returned = self.gives_way(cx);
            return if self.returned { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let read = &buf.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let pass = self.exchange.pass(read);
        let passed = if let Pass::Bytes(passed) = pass { passed } else { 0 };
        if passed < read.len() {
            self.held = Bytes::copy_from_slice(&read[passed..]);
            buf.set_filled(before + passed);
        }
        match pass {
            Pass::Bytes(0) => return self.refuse(cx),
            Pass::Bytes(_) => {}
            Pass::TooLarge => buf.put_slice(NOT_HTTP),
        }
        Poll::Ready(self.received(cx))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.sent(&written, buf.len(), cx)?;
        written
    }

    /// actix flushes at the end of each turn in which all that it wanted to write was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_file(cx))?;
        if self.refused && self.blocked.is_none() && self.exchange.is_open() {
            self.refused = false;
            cx.waker().wake_by_ref();
        } else if self.gives_way(cx) {
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.returned {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
