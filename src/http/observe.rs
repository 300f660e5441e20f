//! What is done around every request: assigning an id, enforcing limits, counting, and writing the access
//! log.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use actix_http::ConnectionType;
use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody, to_bytes_limited};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _};
use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tracing::Instrument as _;

use super::access::{ACCESS, AccessLine, AccessWriter};
use super::ask::Ask;
use super::exchange::Exchange;
use super::limits::{CHUNK, CHUNKING, MAX_HEAD, MAX_ID, MAX_URI};
use super::listener::Listener;
use super::logged::{self, Logged, beginning};
use super::places::Places;
use super::problem::{Problem, ProblemKind};
use super::recent::Recent;
use super::route::{Found, Route, find};
use super::state::State;

/// The bytes of a header field in addition to its name and value: `: ` and the line ending.
const FIELD: usize = 4;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What one worker answers requests with.
pub struct Worker {
    pub state: Arc<State>,
    pub routes: &'static [Route],
    pub listener: Listener,
    /// Where this worker logs requests, if they are logged.
    pub log: Option<Arc<dyn AccessWriter>>,
    pub places: Rc<Places>,
    pub recent: Recent,
}

/// Answers a request, and counts and logs it.
///
/// The span with the request's id exists only if level `debug` is enabled. At `info`, the access log line
/// has the id, and a span for each request would cost as much as that line.
pub(super) async fn answer(request: ServiceRequest, worker: Rc<Worker>) -> Result<ServiceResponse, Error> {
    let Worker { state, routes, listener, log, places, .. } = &*worker;
    let (request, body) = request.into_parts();
    let in_flight = InFlight::enter(&state.metrics.in_flight);
    let id = request_id(request.headers());
    let found = find(routes, request.uri().path()).filter(|found| listener.serves(found.route.listener));
    let started = state.clock.monotonic();
    let text = id.to_str().unwrap_or_default();
    let span = tracing::debug_span!(target: ACCESS, "request", id = text);

    let answered = dispatch(&request, body, &worker, text, found).instrument(span).await;
    drop(in_flight);
    let (mut response, problem) = match answered {
        Ok(response) => (response, None),
        Err(problem) => (problem.error_response(), Some(problem.kind)),
    };
    let status = response.status();
    let took = state.clock.monotonic().saturating_sub(started);
    state.metrics.count(found.map(|found| found.place), status, problem, took);
    if let Some(log) = log {
        let at = state.clock.exact();
        log.write(&AccessLine {
            at,
            id: text,
            client: request.peer_addr().map(|peer| state.proxies.client(peer.ip(), request.headers())),
            method: beginning(request.method().as_str()),
            path: logged::path(request.uri().path()),
            status: status.as_u16(),
            bytes: length(&response),
            took,
            query: &Logged::of(request.query_string(), &state.salt, at),
            problem: problem.map(ProblemKind::as_str),
        });
    }
    // actix would treat the connection as upgraded, and announce that to the client. After a refused request,
    // the client's next bytes could be the rest of its body.
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    if is_upgrade || places.is_closing() || problem.is_some() && Body::of(request.headers()) != Body::None {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let ends = [request.head().connection_type(), response.head().connection_type()];
    if let Some(exchange) = request.conn_data::<Rc<Exchange>>() {
        if ends.contains(&ConnectionType::Close) {
            exchange.last();
        } else {
            exchange.next();
        }
        response = stream(response, exchange);
    }
    let head = response.headers_mut();
    head.insert(REQUEST_ID, id);
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(ServiceResponse::new(request, response))
}

/// The length of a response's body, in bytes. A body that does not pass through actix has only announced it.
fn length(response: &HttpResponse) -> u64 {
    let announced = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    match response.body().size() {
        BodySize::Sized(bytes) => bytes,
        BodySize::Stream => announced().unwrap_or_default(),
        BodySize::None => 0,
    }
}

/// Keeps a connection from counting as idle while actix still asks for parts of the reply's body.
fn stream(response: HttpResponse, exchange: &Rc<Exchange>) -> HttpResponse {
    let is_whole = match response.body().size() {
        BodySize::None => true,
        BodySize::Sized(bytes) => bytes <= CHUNK as u64,
        BodySize::Stream => false,
    };
    if is_whole {
        return response;
    }
    exchange.streams(true);
    let exchange = Rc::clone(exchange);
    response.map_body(|_, body| BoxBody::new(Streamed { body, exchange }))
}

/// A body that takes several turns to send.
struct Streamed {
    body: BoxBody,
    exchange: Rc<Exchange>,
}

impl MessageBody for Streamed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.exchange.streams(false);
    }
}

async fn dispatch(
    request: &HttpRequest,
    body: Payload,
    worker: &Worker,
    id: &str,
    found: Option<Found<'_>>,
) -> Result<HttpResponse, Problem> {
    check_head(request)?;
    let is_served = |found: &Found<'_>| worker.state.console || !found.route.is_page();
    let Some(Found { route, names, .. }) = found.filter(is_served) else {
        let detail = format!("there is nothing at `{}`", request.uri().path());
        return Err(Problem::new(ProblemKind::UnknownRoute, detail).hint("see `/openapi.json` for all paths"));
    };
    check_method(request, route)?;
    let body = read_body(request, body, route).await?;
    let Worker { state, listener, recent, .. } = worker;
    route.answer(&Ask { request, state, recent, id, listener: *listener, names, body }).await
}

/// Counts a request as in flight until it is answered or its connection is gone.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn enter(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Rejects a request whose URL or head is too large.
fn check_head(request: &HttpRequest) -> Result<(), Problem> {
    let uri = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if uri > MAX_URI {
        let detail = format!("the URL has {uri} bytes, more than {MAX_URI}");
        return Err(Problem::new(ProblemKind::UriTooLong, detail));
    }
    let fields = request.headers().iter();
    let size: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
    let size = size + request.method().as_str().len();
    if size > MAX_HEAD {
        let detail = format!("the head has {size} bytes, more than {MAX_HEAD}");
        return Err(Problem::new(ProblemKind::HeadTooLarge, detail));
    }
    Ok(())
}

/// Rejects a method that the route does not support.
fn check_method(request: &HttpRequest, route: &Route) -> Result<(), Problem> {
    if route.methods.contains(request.method()) {
        return Ok(());
    }
    let allowed: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
    Err(Problem::method(request.method(), &allowed))
}

/// The body that a request announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    Sized(u64),
    Chunked,
}

impl Body {
    fn of(head: &HeaderMap) -> Self {
        if head.contains_key(header::TRANSFER_ENCODING) {
            return Self::Chunked;
        }
        let length = head.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        // actix has refused what is not a number.
        match length.map_or(Ok(0), |length| length.trim().parse()) {
            Ok(0) => Self::None,
            length => Self::Sized(length.unwrap_or(u64::MAX)),
        }
    }
}

/// Reads the request's body, up to the route's limit. It needs no deadline of its own, because the
/// connection has one for the whole request.
async fn read_body(request: &HttpRequest, body: Payload, route: &Route) -> Result<Bytes, Problem> {
    let announced = Body::of(request.headers());
    if announced == Body::None {
        return Ok(Bytes::new());
    }
    let exchange = request.conn_data::<Rc<Exchange>>();
    if route.body == 0 {
        // Some gateways announce a chunked body on every request that they pass on.
        if announced == Body::Chunked {
            exchange.inspect(|exchange| exchange.empty_body());
            if let Ok(Ok(body)) = to_bytes_limited(BodyStream::new(body), 0).await {
                return Ok(body);
            }
        }
        let problem = Problem::new(ProblemKind::BodyRefused, "the request has a body");
        return Err(problem.hint("send no body: everything is in the URL"));
    }
    if let Some(exchange) = exchange {
        exchange.body(match announced {
            Body::Sized(length) => length,
            Body::None | Body::Chunked => route.body as u64 + CHUNKING,
        });
    }
    match to_bytes_limited(BodyStream::new(body), route.body).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(Problem::new(ProblemKind::BodyUnreadable, error.to_string())),
        Err(_) => {
            let detail = format!("the body has more than {} bytes", route.body);
            Err(Problem::new(ProblemKind::BodyTooLarge, detail))
        }
    }
}

/// Returns the id that the client gave the request, so that a request can be traced through the logs of
/// several servers. A missing or malformed id is replaced by a new one.
fn request_id(head: &HeaderMap) -> HeaderValue {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    match head.get(REQUEST_ID) {
        Some(id) if (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(plain) => id.clone(),
        _ => new_id(),
    }
}

/// A random number that distinguishes this process's ids from those of other processes. If no randomness is
/// available, ids are still unique within this process.
static PROCESS: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_default());

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Makes an id that is unique, but not secret, from the process's number and a counter.
fn new_id() -> HeaderValue {
    let mut id = [b'-'; 2 * 8 + 1 + 2 * 6];
    let (process, next) = id.split_at_mut(2 * 8);
    let count = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    // These fail only if the lengths differ.
    let _ = hex::encode_to_slice(PROCESS.to_be_bytes(), process);
    let _ = hex::encode_to_slice(&count[2..], &mut next[1..]);
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_id_of_the_client_is_kept_and_any_other_is_replaced() {
        let id = |text: &[u8]| {
            let mut head = HeaderMap::new();
            head.insert(REQUEST_ID, HeaderValue::from_bytes(text).unwrap());
            request_id(&head)
        };
        let long = "x".repeat(MAX_ID);
        for kept in ["a", "9f86-d081_88.4C", &long] {
            assert_eq!(id(kept.as_bytes()), kept);
        }
        for other in [&b""[..], b"a b", b"\"x\"", b"a;b", b"\xc3\xa4", format!("{long}x").as_bytes()] {
            let fresh = id(other);
            assert_eq!(fresh.len(), 29);
            assert_ne!(fresh, id(other));
        }
    }
}
