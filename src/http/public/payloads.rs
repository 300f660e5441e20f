//! `/v1/payloads/{version}/{file}`: payload files, from the copies that were checked.
//!
//! A file is found in the publication and opened by its digest; no path is ever made of what a
//! client sent.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::releases;
use crate::domain::payload::Payload;
use crate::http::ask::Ask;
use crate::http::limits::CHUNK;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::range::{Part, part};
use crate::http::reply::{self, Cache};
use crate::http::reply::{digest, etag};
use crate::publish::document::Media;
use crate::store::port::{Blob, PayloadStore};

/// The digest of the whole file, whichever part of it is sent (RFC 9530).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub async fn get(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    answer(ask, find(ask)?).await
}

fn find(ask: &Ask<'_>) -> Result<Payload, Problem> {
    let (current, version, file) = (ask.current()?, ask.version()?, ask.payload_file()?);
    if let Some(payload) = current.payload(&version, &file) {
        return Ok(payload.clone());
    }
    if current.explain(&version).is_none() {
        return Err(releases::unknown(&version));
    }
    if current.is_withdrawn(&version, &file) {
        let detail = format!("the release `{version}` was yanked, and its payload `{file}` was withdrawn");
        return Err(Problem::new(ProblemKind::PayloadWithdrawn, detail)
            .hint(format!("`/v1/releases/{version}/explain` tells why it was yanked")));
    }
    let detail = format!("the release `{version}` has no payload `{file}`");
    Err(Problem::new(ProblemKind::UnknownFile, detail))
}

/// Answers with a payload, or a part of it.
pub(super) async fn answer(ask: &Ask<'_>, payload: Payload) -> Result<HttpResponse, Problem> {
    let request = ask.request;
    let tag = format!("\"{}\"", payload.sha256);
    if etag::is_held(request.headers(), tag.as_bytes()) {
        return Ok(with_heads(HttpResponse::new(StatusCode::NOT_MODIFIED), &payload, &tag));
    }
    let (status, range) = match asked(request, &tag, payload.size) {
        Part::Whole => (StatusCode::OK, 0..payload.size),
        Part::Bytes(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Outside => {
            let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
            return Err(Problem::range(range.unwrap_or_default(), payload.size));
        }
    };
    let head_only = request.method() == Method::HEAD;
    let body = open(&ask.state.payloads, &payload, range.clone(), head_only).await.map_err(|error| {
        tracing::error!(id = ask.id, sha256 = %payload.sha256, file = payload.file, %error, "a payload copy cannot be served");
        Problem::new(ProblemKind::PayloadUnavailable, format!("`{}` cannot be served now", payload.file))
    })?;
    let mut response = HttpResponse::with_body(status, body);
    let head = response.headers_mut();
    let media = if Path::new(&payload.file).extension() == Some("json".as_ref()) {
        Media::Json
    } else {
        Media::Octets
    };
    head.insert(header::CONTENT_TYPE, reply::media(media));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, payload.size);
        insert(head, header::CONTENT_RANGE, &part);
    }
    Ok(with_heads(response, &payload, &tag))
}

/// The part that the request asks for. A range on a `HEAD` means nothing (RFC 9110, section 14.2).
fn asked(request: &HttpRequest, tag: &str, size: u64) -> Part {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    match range {
        Some(range)
            if request.method() == Method::GET && etag::is_continued(request.headers(), tag.as_bytes()) =>
        {
            part(range, size)
        }
        _ => Part::Whole,
    }
}

fn with_heads(mut response: HttpResponse, payload: &Payload, tag: &str) -> HttpResponse {
    let head = response.headers_mut();
    insert(head, header::ETAG, tag);
    insert(head, REPR_DIGEST, &digest::field(&payload.sha256));
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    reply::common(head, Cache::Immutable);
    response
}

fn insert(head: &mut header::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        head.insert(name, value);
    }
}

/// Opens a payload's copy at the range's start; a short range is read with it. All of it happens
/// on a thread that may block.
async fn open(
    payloads: &Arc<dyn PayloadStore>,
    payload: &Payload,
    range: Range<u64>,
    head_only: bool,
) -> io::Result<BoxBody> {
    let length = range.end - range.start;
    let payloads = Arc::clone(payloads);
    let (sha256, size) = (payload.sha256, payload.size);
    let opened = web::block(move || {
        let Blob { size: found, mut bytes, .. } = payloads.open(&sha256, range)?;
        if found != size {
            return Err(io::Error::other(format!("the copy has {found} bytes instead of {size}")));
        }
        if head_only {
            return Ok(Opened::Head);
        }
        if length <= CHUNK { Ok(Opened::Read(read(&mut bytes, length)?)) } else { Ok(Opened::File(bytes)) }
    });
    Ok(match opened.await.map_err(io::Error::other)?? {
        Opened::Head => BoxBody::new(Head(length)),
        Opened::Read(bytes) => BoxBody::new(bytes),
        Opened::File(file) => BoxBody::new(Chunks { size: length, left: length, source: Source::Idle(file) }),
    })
}

/// The bytes of a payload's copy, from the start of the range.
type Bytestream = Box<dyn Read + Send>;

/// What came of opening a payload.
enum Opened {
    Head,
    Read(Bytes),
    File(Bytestream),
}

/// Reads exactly this much.
fn read(file: &mut Bytestream, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

/// The body of a reply to `HEAD`: a length alone.
struct Head(u64);

impl MessageBody for Head {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

/// A part of a file, chunk by chunk. A file that ends early breaks the connection off, so that
/// nobody takes a short payload for a whole one.
struct Chunks {
    size: u64,
    left: u64,
    source: Source,
}

enum Source {
    Idle(Bytestream),
    Reading(JoinHandle<io::Result<(Bytestream, Bytes)>>),
    Done,
}

impl MessageBody for Chunks {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.source, Source::Done) {
                Source::Done => return Poll::Ready(None),
                Source::Idle(_) if self.left == 0 => return Poll::Ready(None),
                Source::Idle(mut file) => {
                    let length = self.left.min(CHUNK);
                    self.left -= length;
                    self.source = Source::Reading(tokio::task::spawn_blocking(move || {
                        let bytes = read(&mut file, length)?;
                        Ok((file, bytes))
                    }));
                }
                Source::Reading(mut reading) => {
                    let Poll::Ready(done) = Pin::new(&mut reading).poll(cx) else {
                        self.source = Source::Reading(reading);
                        return Poll::Pending;
                    };
                    return match done.map_err(io::Error::other).flatten() {
                        Ok((file, bytes)) => {
                            self.source = Source::Idle(file);
                            Poll::Ready(Some(Ok(bytes)))
                        }
                        Err(error) => Poll::Ready(Some(Err(error))),
                    };
                }
            }
        }
    }
}
