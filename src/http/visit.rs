//! A client's visit: its connection, from the moment that it is accepted until its end.
//!
//! actix holds 16 KiB of buffers and much else for each connection. So it gets a connection only while there
//! is something to read, and for a moment afterwards. An idle connection needs little more than its socket.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_service::Service;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::{Guard, Guarded};
use super::exchange::Exchange;
use super::places::{Asked, Places};
use super::sendfile::Outgoing;

/// A connection that is lent to actix.
pub struct Lent(Rc<RefCell<Guarded>>);

impl Lent {
    /// What handlers say about the requests of this connection.
    pub fn exchange(&self) -> Rc<Exchange> {
        self.0.borrow().exchange()
    }

    /// The part of a file that this connection sends after what actix has written.
    pub fn outgoing(&self) -> Rc<Outgoing> {
        self.0.borrow().outgoing()
    }
}

/// Serves one client, once there is a place for it. A client that waits for one in vain is dropped, so that it
/// may come again and be served by another worker.
pub async fn serve<S>(io: TcpStream, guard: Guard, places: Rc<Places>, http: Rc<S>)
where
    S: Service<(Lent, Option<SocketAddr>)>,
{
    let entered = tokio::time::timeout(guard.deadlines.request, places.enter());
    let Ok(Some(place)) = entered.await else { return };
    // Replies are written as a whole, so Nagle's algorithm would only delay them.
    let _ = io.set_nodelay(true);
    let peer = io.peer_addr().ok();
    let connection = Rc::new(RefCell::new(Guarded::new(io, guard, Rc::clone(&place))));
    loop {
        let readable = |cx: &mut Context<'_>| connection.borrow().io().poll_read_ready(cx).map(drop);
        let leaves = poll_fn(|cx| match place.rest(cx) {
            Asked::Leave => Poll::Ready(true),
            Asked::Nothing | Asked::Shrink => readable(cx).map(|()| false),
        });
        if leaves.await {
            if is_quiet(connection.borrow().io()) {
                return;
            }
            // A request has arrived at the last moment.
            place.work();
            poll_fn(readable).await;
        }
        place.work();
        let _ = Box::pin(http.call((Lent(Rc::clone(&connection)), peer))).await;
        if !connection.borrow_mut().take_back() {
            return;
        }
    }
}

/// Whether nothing has arrived. To close a connection while something has would reset it.
fn is_quiet(io: &TcpStream) -> bool {
    !socket2::SockRef::from(io).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|bytes| bytes > 0)
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
