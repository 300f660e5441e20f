//! From a prepared document to a reply: pick the encoding, compare the tag, write.

pub mod digest;
mod encoding;
pub mod etag;
pub mod range;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::limits::PIECE;
use super::problem::{Problem, ProblemKind};
use crate::publish::document::{Document, Encoding, Media};

/// How long others may keep a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Documents that a later publication replaces.
    Minute,
    /// What is named by its digest or version never changes.
    Immutable,
    /// The answer is for one cluster.
    Private,
}

impl Cache {
    const fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Minute => "public, max-age=60",
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Private => "private, no-store",
        })
    }
}

/// Answers with a document.
///
/// # Errors
/// When the client accepts none of its encodings.
pub fn document(request: &HttpRequest, document: &Document, cache: Cache) -> Result<HttpResponse, Problem> {
    let encoding = encoding::choose(request.headers(), document);
    let Some((encoding, body)) = encoding.and_then(|e| Some((e, document.body(e)?))) else {
        return Err(Problem::new(ProblemKind::NotAcceptable, "the request rules out every encoding at hand")
            .hint("leave out `identity;q=0`"));
    };
    let tag = document.etag(encoding);
    let mut response = if etag::is_held(request.headers(), &tag) {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = HttpResponse::with_body(StatusCode::OK, body_of(body.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, media(document.media));
        match encoding {
            Encoding::Identity => {}
            Encoding::Gzip => content_encoding(&mut response, "gzip"),
            Encoding::Brotli => content_encoding(&mut response, "br"),
        }
        response
    };
    let head = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_maybe_shared(tag) {
        head.insert(header::ETAG, tag);
    }
    head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    common(head, cache);
    Ok(response)
}

/// The heads of whatever is public: how long it may be kept, and that any page may read it.
pub(super) fn common(head: &mut HeaderMap, cache: Cache) {
    head.insert(header::CACHE_CONTROL, cache.value());
    head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// The media type as a header.
pub(super) const fn media(media: Media) -> HeaderValue {
    HeaderValue::from_static(match media {
        Media::Json => "application/json",
        Media::Octets => "application/octet-stream",
    })
}

fn content_encoding(response: &mut HttpResponse, coding: &'static str) {
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
}

/// A body that actix copies into its write buffer piece by piece. A large one in one piece would
/// be copied whole for every slow client.
fn body_of(bytes: Bytes) -> BoxBody {
    if bytes.len() <= PIECE { BoxBody::new(bytes) } else { BoxBody::new(Pieces(bytes.len() as u64, bytes)) }
}

/// A body in pieces: its whole size, and what is still to be sent.
struct Pieces(u64, Bytes);

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.1.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.1.len().min(PIECE);
        Poll::Ready(Some(Ok(self.1.split_to(piece))))
    }
}
