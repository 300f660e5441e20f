//! Replying with a document: choosing its encoding, comparing tags, and building the response.

mod encoding;
pub mod etag;
pub mod range;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::convert::Infallible;
use std::sync::LazyLock;

use actix_web::body::{BoxBody, SizedStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;

use super::limits::CHUNK;
use super::problem::{Problem, ProblemKind};
use crate::console;
use crate::publish::document::{Document, Encoding, Media};

/// How long caches may keep a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// A document that a later publication may replace.
    Minute,
    /// A page. A browser must not show the page of an earlier publication as the present one, and asks each time
    /// whether its copy is still good.
    Page,
    /// A document whose name contains its digest or version. It never changes.
    Immutable,
    /// An answer for one cluster.
    Private,
}

impl Cache {
    pub(super) const fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Minute => "public, max-age=60",
            Self::Page => "public, no-cache",
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Private => "private, no-store",
        })
    }
}

/// A document of the publication, and how long caches may keep it.
pub type Answer<'p> = (Cow<'p, Document>, Cache);

/// What replies about one document have in common.
#[derive(Debug)]
pub struct Prepared {
    document: Document,
    cache: Cache,
    /// The `ETag` of each encoding that was asked for.
    tags: [OnceCell<HeaderValue>; 3],
}

impl Prepared {
    pub fn new((document, cache): Answer<'_>) -> Self {
        Self { document: document.into_owned(), cache, tags: Default::default() }
    }

    /// Replies to a request for the document.
    ///
    /// # Errors
    /// When the client accepts none of its encodings.
    pub fn reply(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        let Self { document, cache, .. } = self;
        let encoding = encoding::choose(request.headers(), document);
        let Some((encoding, body)) = encoding.and_then(|e| Some((e, document.body(e)?))) else {
            return Err(Problem::new(
                ProblemKind::NotAcceptable,
                "the request excludes every available encoding",
            )
            .hint("remove `identity;q=0` from `Accept-Encoding`"));
        };
        let tag = self.tag(encoding);
        let mut response = if etag::is_held(request.headers(), tag.as_bytes()) {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            let mut response = HttpResponse::with_body(StatusCode::OK, body_of(body.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, media(document.media));
            let coding = match encoding {
                Encoding::Identity => None,
                Encoding::Gzip => Some("gzip"),
                Encoding::Brotli => Some("br"),
            };
            if let Some(coding) = coding {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            response
        };
        let head = response.headers_mut();
        head.insert(header::ETAG, tag.clone());
        head.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        head.insert(header::CACHE_CONTROL, cache.value());
        if document.media == Media::Html {
            secure(head);
        } else {
            // Let any web page read what is public.
            head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Ok(response)
    }

    fn tag(&self, encoding: Encoding) -> &HeaderValue {
        self.tags[encoding as usize].get_or_init(|| {
            let tag = self.document.etag(encoding);
            HeaderValue::try_from(tag).expect("a tag has only digits, letters, hyphens and quotes")
        })
    }
}

/// [`console::HEADERS`], parsed once.
static SECURE: LazyLock<[(HeaderName, HeaderValue); 7]> = LazyLock::new(|| {
    console::HEADERS.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
});

/// Adds what keeps a page from being used against its readers.
pub(super) fn secure(head: &mut HeaderMap) {
    for (name, value) in &*SECURE {
        head.insert(name.clone(), value.clone());
    }
}

/// Returns the media type as a header value.
pub(super) const fn media(media: Media) -> HeaderValue {
    HeaderValue::from_static(match media {
        Media::Json => "application/json",
        Media::Octets => "application/octet-stream",
        Media::Html => "text/html; charset=utf-8",
        Media::Calendar => "text/calendar; charset=utf-8",
        Media::Css => "text/css; charset=utf-8",
        Media::JavaScript => "text/javascript; charset=utf-8",
    })
}

/// Makes a body that actix copies into its write buffer in chunks. In a single chunk, a large body would be
/// copied whole for every slow client.
pub(super) fn body_of(bytes: Bytes) -> BoxBody {
    let length = bytes.len();
    if length <= CHUNK {
        return BoxBody::new(bytes);
    }
    let chunks = (0..length).step_by(CHUNK).map(move |from| bytes.slice(from..length.min(from + CHUNK)));
    BoxBody::new(SizedStream::new(length as u64, stream::iter(chunks.map(Ok::<_, Infallible>))))
}
