//! Around every request: its id, its limits, what is counted, and a line in the access log.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::{BodySize, MessageBody as _};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, ResponseError as _};
use prometheus_client::metrics::gauge::Gauge;
use tracing::Instrument as _;

use super::ask::Ask;
use super::problem::{Problem, ProblemKind};
use super::route::{Route, Routes};
use super::state::State;

/// The access log's target, to be filtered by.
pub const ACCESS: &str = "tidegate::access";

/// The longest URL that is answered. The longest version, channel and file name fit many times.
const MAX_URI: usize = 4 * 1024;

/// The largest head that is answered, as its names and values together. Above 128 KiB or 96 fields
/// actix refuses it before it gets here.
const MAX_HEAD: usize = 16 * 1024;

/// What a field of a head has beside its name and value: `: ` and the end of the line.
const FIELD: usize = 4;

/// How much of a method or a path is logged, in bytes.
const MAX_LOGGED: usize = 256;

/// The longest request id that is taken from a client.
const MAX_ID: usize = 64;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request with everything around it.
///
/// The span with its id is there from level `debug` on. At `info` there is the line of the access
/// log alone, which has the id too: a span for each request costs as much as the line itself.
pub(super) async fn answer(request: HttpRequest, state: Data<State>, routes: Routes) -> HttpResponse {
    let in_flight = InFlight::enter(&state.metrics.in_flight);
    let id = request_id(request.headers());
    let found = Route::find(request.uri().path()).filter(|(route, _)| routes.has(*route));
    let logged = state.access_log && tracing::enabled!(target: ACCESS, tracing::Level::INFO);
    let started = logged.then(|| state.clock.monotonic());
    let text = id.to_str().unwrap_or_default();
    let span = tracing::debug_span!(target: ACCESS, "request", id = text);

    let answered = dispatch(&request, &state, text, found).instrument(span).await;
    drop(in_flight);
    let (mut response, problem) = match answered {
        Ok(response) => (response, None),
        Err(problem) => (problem.error_response(), Some(problem.kind)),
    };
    let status = response.status();
    state.metrics.count(found.map(|(route, _)| route), status, problem);
    if let Some(started) = started {
        let took = state.clock.monotonic().saturating_sub(started);
        let bytes = match response.body().size() {
            BodySize::Sized(bytes) => bytes,
            BodySize::None | BodySize::Stream => 0,
        };
        tracing::info!(
            target: ACCESS,
            id = text,
            method = beginning(request.method().as_str()),
            path = beginning(request.uri().path()),
            status = status.as_u16(),
            bytes,
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            problem = problem.map(ProblemKind::as_str),
        );
    }
    if request.headers().contains_key(header::UPGRADE) {
        // actix takes it for a connection that is handed over, and would announce that.
        response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
    }
    let head = response.headers_mut();
    head.insert(REQUEST_ID, id);
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn dispatch(
    request: &HttpRequest,
    state: &State,
    id: &str,
    found: Option<(Route, [&str; 2])>,
) -> Result<HttpResponse, Problem> {
    check_head(request)?;
    let Some((route, names)) = found else {
        let detail = format!("there is nothing at `{}`", request.uri().path());
        let problem = Problem::new(ProblemKind::UnknownRoute, detail);
        return Err(problem.hint("see `/openapi.json` for what there is"));
    };
    check_method(request)?;
    route.answer(&Ask { request, state, id, names }).await
}

/// Counts a request as long as it is there, also when its connection goes away.
struct InFlight(Gauge);

impl InFlight {
    fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// So much of a client's text as belongs into a line of a log.
fn beginning(text: &str) -> &str {
    (0..=MAX_LOGGED.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

/// Refuses what is too large, whatever it asks for.
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

/// Refuses methods that do anything but read, and bodies, which mean nothing to those that do.
fn check_method(request: &HttpRequest) -> Result<(), Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let detail = format!("`{}` is not allowed here", request.method());
        return Err(Problem::new(ProblemKind::MethodNotAllowed, detail).hint("use `GET` or `HEAD`"));
    }
    let head = request.headers();
    let length = head.get(header::CONTENT_LENGTH);
    if head.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0") {
        let problem = Problem::new(ProblemKind::BodyRefused, "the request has a body");
        return Err(problem.hint("leave it out: all is in the URL"));
    }
    Ok(())
}

/// The client's id for the request if it is a plain one, so that it can be followed through several
/// servers' logs; otherwise a fresh one.
fn request_id(head: &HeaderMap) -> HeaderValue {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    match head.get(REQUEST_ID) {
        Some(id) if (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(plain) => id.clone(),
        _ => fresh_id(),
    }
}

/// What tells this process's ids from those of others.
static PROCESS: LazyLock<[u8; 16]> = LazyLock::new(|| {
    let mut text = *b"0000000000000000";
    // Without randomness ids are still told apart within this process.
    if let Ok(random) = getrandom::u64() {
        let _ = hex::encode_to_slice(random.to_be_bytes(), &mut text);
    }
    text
});

static NEXT: AtomicU64 = AtomicU64::new(0);

/// An id that is unique, not secret: the process and a count.
fn fresh_id() -> HeaderValue {
    let mut id = *b"0000000000000000-000000000000";
    id[..16].copy_from_slice(&*PROCESS);
    let count = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let _ = hex::encode_to_slice(&count[2..], &mut id[17..]);
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
