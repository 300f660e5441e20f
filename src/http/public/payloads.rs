//! `/v1/payloads/{version}/{file}`: payload files, served from verified copies.
//!
//! A file is looked up in the publication and opened by its digest. No path is built from what a client
//! sends.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use futures_util::stream;

use super::releases;
use crate::domain::payload::Payload;
use crate::http::ask::Ask;
use crate::http::limits::PAYLOAD_CHUNK;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::etag;
use crate::http::reply::range::{Part, part};
use crate::http::reply::{self, Cache};
use crate::publish::document::Media;
use crate::store::port::{Blob, PayloadStore};

/// The digest of the whole file, even if only a part is sent (RFC 9530).
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
        let detail = format!("release `{version}` was yanked, and its payload `{file}` was withdrawn");
        return Err(Problem::new(ProblemKind::PayloadWithdrawn, detail)
            .hint(format!("see `/v1/releases/{version}/explain` for the reason")));
    }
    let detail = format!("release `{version}` has no payload `{file}`");
    Err(Problem::new(ProblemKind::UnknownFile, detail))
}

/// Answers with a payload or a part of it.
pub(super) async fn answer(ask: &Ask<'_>, payload: Payload) -> Result<HttpResponse, Problem> {
    let request = ask.request;
    let tag = format!("\"{}\"", payload.sha256);
    if etag::is_held(request.headers(), tag.as_bytes()) {
        return Ok(response(StatusCode::NOT_MODIFIED, &payload, tag).finish());
    }
    let (status, range) = match requested(request, &tag, payload.size)? {
        None => (StatusCode::OK, 0..payload.size),
        Some(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let head_only = request.method() == Method::HEAD;
    let body = open(&ask.state.payloads, &payload, range.clone(), head_only).await.map_err(|error| {
        tracing::error!(id = ask.id, sha256 = %payload.sha256, file = payload.file, %error, "cannot serve a payload");
        Problem::new(ProblemKind::PayloadUnavailable, format!("`{}` cannot be served now", payload.file))
    })?;
    let mut response = response(status, &payload, tag);
    let is_json = Path::new(&payload.file).extension() == Some("json".as_ref());
    let media = if is_json { Media::Json } else { Media::Octets };
    response.insert_header((header::CONTENT_TYPE, reply::media(media)));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, payload.size);
        response.insert_header((header::CONTENT_RANGE, part));
    }
    Ok(response.body(body))
}

/// Returns the part of a file of this size that the request asks for; `None` for the whole file. A range on
/// a `HEAD` request has no meaning (RFC 9110, section 14.2).
fn requested(request: &HttpRequest, tag: &str, size: u64) -> Result<Option<Range<u64>>, Problem> {
    let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
    let applies = request.method() == Method::GET && etag::is_continued(request.headers(), tag.as_bytes());
    let Some(range) = range.filter(|_| applies) else { return Ok(None) };
    match part(range, size) {
        Part::Whole => Ok(None),
        Part::Bytes(part) => Ok(Some(part)),
        Part::Outside => Err(Problem::range(range, size)),
    }
}

/// Starts a response with the headers that all replies about a payload have.
fn response(status: StatusCode, payload: &Payload, tag: String) -> actix_web::HttpResponseBuilder {
    let digest = Base64::encode_string(payload.sha256.as_bytes());
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, tag))
        .insert_header((REPR_DIGEST, format!("sha-256=:{digest}:")))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, Cache::Immutable.value()))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    response
}

/// The bytes of a payload's copy, from the start of the range.
type Bytestream = Box<dyn Read + Send>;

/// Opens a payload's copy at the start of the range, and reads a short range at once, on a thread that may
/// block.
async fn open(
    payloads: &Arc<dyn PayloadStore>,
    payload: &Payload,
    range: Range<u64>,
    head_only: bool,
) -> io::Result<BoxBody> {
    let length = range.end - range.start;
    let is_short = length <= PAYLOAD_CHUNK;
    let payloads = Arc::clone(payloads);
    let (sha256, size) = (payload.sha256, payload.size);
    let opened = web::block(move || {
        let Blob { size: found, mut bytes, .. } = payloads.open(&sha256, range)?;
        if found != size {
            return Err(io::Error::other(format!("the copy has {found} bytes instead of {size}")));
        }
        let all = if is_short && !head_only { read(&mut bytes, length)? } else { Bytes::new() };
        Ok((bytes, all))
    });
    let (file, all) = opened.await.map_err(io::Error::other)??;
    Ok(if head_only {
        BoxBody::new(SizedStream::new(length, stream::empty::<io::Result<Bytes>>()))
    } else if is_short {
        BoxBody::new(all)
    } else {
        BoxBody::new(SizedStream::new(length, chunks(file, length)))
    })
}

/// Streams a part of a file in chunks. If the file ends early, the connection is broken off, so that the
/// client does not mistake a truncated payload for a complete one.
fn chunks(file: Bytestream, length: u64) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let length = left.min(PAYLOAD_CHUNK);
        let read = web::block(move || Ok::<_, io::Error>((read(&mut file, length)?, file)));
        let (bytes, file) = read.await.map_err(io::Error::other)??;
        Ok(Some((bytes, (file, left - length))))
    })
}

/// Reads exactly this many bytes.
fn read(file: &mut Bytestream, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payload::Sha256;

    #[test]
    fn a_digest_is_a_structured_byte_sequence() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let sha256 = Sha256::parse(text).unwrap();
        let payload = Payload { file: "payload.json".to_owned(), sha256, size: 4, arch: None };
        let response = response(StatusCode::OK, &payload, String::new()).finish();
        let expected = "sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:";
        assert_eq!(response.headers().get(REPR_DIGEST).unwrap(), expected);
    }
}
