//! `/v1/payloads/{version}/{file}`: payload files, served from verified copies.
//!
//! A file is looked up in the publication and opened by its digest. No path is built from what a client
//! sends. Small payloads come [from memory](crate::http::payload_cache), and large ones [from the page
//! cache](crate::http::sendfile).

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;

use super::releases;
use crate::domain::payload::Payload;
use crate::http::ask::{Ask, Current};
use crate::http::limits::{PAYLOAD_CHUNK, SMALL_PAYLOAD};
use crate::http::payload_cache::Kept;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::etag;
use crate::http::reply::range::{Part, part};
use crate::http::reply::{self, Cache};
use crate::http::sendfile::{FileBody, Outgoing};
use crate::publish::document::Media;
use crate::store::port::{Blob, Source};

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub async fn get(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let current = ask.current()?;
    answer(ask, find(ask, &current)?).await
}

fn find<'a>(ask: &Ask<'_>, current: &'a Current) -> Result<&'a Payload, Problem> {
    let (version, file) = (ask.version()?, ask.payload_file()?);
    if let Some(payload) = current.payload(&version, &file) {
        return Ok(payload);
    }
    if current.explain(&version).is_none() {
        return Err(releases::missing(current, &version));
    }
    if current.is_withdrawn(&version, &file) {
        let detail = format!("release `{version}` was yanked, and its payload `{file}` was withdrawn");
        return Err(Problem::new(ProblemKind::PayloadWithdrawn, detail)
            .hint(format!("see `/v1/releases/{version}/explain` for the reason")));
    }
    let detail = format!("release `{version}` has no payload `{file}`");
    Err(Problem::new(ProblemKind::UnknownFile, detail))
}

/// Answers with a payload or a part of it.
pub(super) async fn answer(ask: &Ask<'_>, payload: &Payload) -> Result<HttpResponse, Problem> {
    let request = ask.request;
    let kept = ask.state.payload_cache.get(&payload.sha256);
    if etag::is_held(request.headers(), kept.etag.as_bytes()) {
        return Ok(with_head(HttpResponse::new(StatusCode::NOT_MODIFIED), kept));
    }
    let requested = requested(request, &kept.etag, payload.size)?;
    let is_part = requested.is_some();
    let range = requested.unwrap_or(0..payload.size);
    let body = body(ask, payload, &kept, range.clone()).await.map_err(|error| {
        tracing::error!(id = ask.id, sha256 = %payload.sha256, file = payload.file, %error, "cannot serve a payload");
        Problem::new(ProblemKind::PayloadUnavailable, format!("`{}` cannot be served now", payload.file))
    })?;
    let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = HttpResponse::with_body(status, BoxBody::new(()));
    let is_json = Path::new(&payload.file).extension() == Some("json".as_ref());
    let media = if is_json { Media::Json } else { Media::Octets };
    response.headers_mut().insert(header::CONTENT_TYPE, reply::media(media));
    if is_part {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, payload.size);
        if let Ok(part) = HeaderValue::try_from(part) {
            response.headers_mut().insert(header::CONTENT_RANGE, part);
        }
    }
    if matches!(body, Body::File(_)) {
        // It does not pass through actix, which would send it in chunks because it cannot see its size.
        response.head_mut().no_chunking(true);
        response.headers_mut().insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    }
    Ok(with_head(response, kept).set_body(match body {
        Body::Memory(bytes) => reply::body_of(bytes),
        Body::File(body) => BoxBody::new(body),
        Body::Other(body) => body,
    }))
}

/// Returns the part of a file of this size that the request asks for; `None` for the whole file. A range on
/// a `HEAD` request has no meaning (RFC 9110, section 14.2).
fn requested(request: &HttpRequest, tag: &HeaderValue, size: u64) -> Result<Option<Range<u64>>, Problem> {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    let applies = request.method() == Method::GET && etag::is_continued(request.headers(), tag.as_bytes());
    let Some(range) = range.filter(|_| applies) else { return Ok(None) };
    match part(range, size) {
        Part::Whole => Ok(None),
        Part::Bytes(part) => Ok(Some(part)),
        Part::Outside => Err(Problem::range(range, size)),
    }
}

/// Adds the headers that all replies about a payload have.
fn with_head<B>(mut response: HttpResponse<B>, kept: Kept) -> HttpResponse<B> {
    let head = response.headers_mut();
    head.insert(header::ETAG, kept.etag);
    head.insert(REPR_DIGEST, kept.repr_digest);
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    head.insert(header::CACHE_CONTROL, Cache::Immutable.value());
    head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// Where a part of a payload is sent from.
enum Body {
    Memory(Bytes),
    File(FileBody),
    Other(BoxBody),
}

/// Finds a part of a payload in memory, or else opens its copy.
async fn body(ask: &Ask<'_>, payload: &Payload, kept: &Kept, range: Range<u64>) -> io::Result<Body> {
    let slice = |bytes: &Bytes| {
        let [from, to] = [range.start, range.end].map(usize::try_from);
        Ok(Body::Memory(bytes.slice(from.map_err(io::Error::other)?..to.map_err(io::Error::other)?)))
    };
    if let Some(bytes) = &kept.bytes {
        return slice(bytes);
    }
    if payload.size <= SMALL_PAYLOAD {
        let Opened { start: bytes, .. } = open(ask, payload, 0..payload.size, payload.size).await?;
        ask.state.payload_cache.keep(&payload.sha256, &bytes).map_err(io::Error::other)?;
        return slice(&bytes);
    }
    let length = range.end - range.start;
    let is_head = ask.request.method() == Method::HEAD;
    let at_once = if length <= PAYLOAD_CHUNK && !is_head { length } else { 0 };
    let Opened { start, rest } = open(ask, payload, range.clone(), at_once).await?;
    if at_once > 0 {
        return Ok(Body::Memory(start));
    }
    if is_head {
        let empty = stream::empty::<io::Result<Bytes>>();
        return Ok(Body::Other(BoxBody::new(SizedStream::new(length, empty))));
    }
    Ok(match (rest, ask.request.conn_data::<Rc<Outgoing>>()) {
        (Source::File(file), Some(outgoing)) => Body::File(FileBody::new(file, range, Rc::clone(outgoing))),
        (rest, _) => Body::Other(BoxBody::new(SizedStream::new(length, chunks(rest, length)))),
    })
}

/// A copy of a payload that was opened at the start of a range.
struct Opened {
    start: Bytes,
    rest: Source,
}

/// Opens a payload's copy at the start of a range, and reads this many bytes at once, on a thread that may
/// block.
async fn open(ask: &Ask<'_>, payload: &Payload, range: Range<u64>, at_once: u64) -> io::Result<Opened> {
    let payloads = Arc::clone(&ask.state.payloads);
    let (sha256, size) = (payload.sha256, payload.size);
    let opened = web::block(move || {
        let Blob { size: found, bytes: mut rest, .. } = payloads.open(&sha256, range)?;
        if found != size {
            return Err(io::Error::other(format!("the copy has {found} bytes instead of {size}")));
        }
        Ok(Opened { start: read(&mut rest, at_once)?, rest })
    });
    opened.await.map_err(io::Error::other)?
}

/// Streams a part of a payload in chunks. If it ends early, the connection is broken off, so that the client
/// does not mistake a truncated payload for a complete one.
fn chunks(source: Source, length: u64) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((source, length), |(mut source, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let length = left.min(PAYLOAD_CHUNK);
        let read = web::block(move || Ok::<_, io::Error>((read(&mut source, length)?, source)));
        let (bytes, source) = read.await.map_err(io::Error::other)??;
        Ok(Some((bytes, (source, left - length))))
    })
}

/// Reads exactly this many bytes.
fn read(source: &mut Source, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    source.read_exact(&mut bytes)?;
    Ok(bytes.into())
}
