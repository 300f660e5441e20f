//! What goes wrong with a request, as problem details (RFC 9457).

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};

/// The media type of problem details.
pub const MEDIA: &str = "application/problem+json";

/// Makes the kinds of problem from one table: the word, the status, and the title of each.
macro_rules! kinds {
    ($($kind:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong, by a stable word: the `kind` in the body, and the label in the metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($kind,)*
        }

        impl ProblemKind {
            /// Every kind, for metrics and the `OpenAPI` document.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }

            /// The status that it is answered with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$kind => StatusCode::$status,)*
                }
            }

            /// The problem in a few words, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)*
                }
            }
        }
    };
}

kinds! {
    BadEncoding = "bad_encoding", BAD_REQUEST, "the URL is not well encoded";
    BadVersion = "bad_version", BAD_REQUEST, "the text is not a version";
    MissingVersion = "missing_version", BAD_REQUEST, "the parameter `version` is missing";
    DuplicateParameter = "duplicate_parameter", BAD_REQUEST, "a parameter is given more than once";
    UnknownRoute = "unknown_route", NOT_FOUND, "there is nothing at this path";
    UnknownChannel = "unknown_channel", NOT_FOUND, "there is no such channel";
    UnknownRelease = "unknown_release", NOT_FOUND, "there is no such release";
    UnsignedRelease = "unsigned_release", NOT_FOUND, "the release is not signed yet";
    WaitingRelease = "waiting_release", NOT_FOUND, "the release is signed, and in no channel yet";
    UnknownFile = "unknown_file", NOT_FOUND, "there is no such file";
    PayloadWithdrawn = "payload_withdrawn", GONE, "the payload was withdrawn";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "this method is not allowed here";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "no acceptable encoding is available";
    BodyRefused = "body_refused", PAYLOAD_TOO_LARGE, "requests carry no body here";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the body of the request is too large";
    BodyUnreadable = "body_unreadable", BAD_REQUEST, "the body of the request cannot be read";
    UriTooLong = "uri_too_long", URI_TOO_LONG, "the URL is too long";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "the range lies outside the file";
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large";
    PayloadUnavailable = "payload_unavailable", SERVICE_UNAVAILABLE, "the server has no good copy of the payload";
    NotPublished = "not_published", SERVICE_UNAVAILABLE, "nothing is published yet";
    Expired = "expired", SERVICE_UNAVAILABLE, "what is published has expired";
}

impl ProblemKind {
    /// With this problem, a client's next bytes cannot be told from the rest of a body.
    const fn closes(self) -> bool {
        matches!(
            self,
            Self::BodyRefused
                | Self::BodyTooLarge
                | Self::BodyUnreadable
                | Self::UriTooLong
                | Self::HeadTooLarge
        )
    }
}

/// One occurrence of a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    pub kind: ProblemKind,
    /// What was wrong with this very request, with the value in it.
    pub detail: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
    /// A head that this occurrence alone has.
    head: Option<(HeaderName, String)>,
}

/// The body of a problem.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Problem, title = "Problem", description = "Problem details (RFC 9457)")]
pub struct Body<'a> {
    /// The status code again.
    #[schema(example = 404)]
    status: u16,
    /// A stable word for the problem, the same as in the server's metrics.
    #[schema(example = "unknown_channel")]
    kind: &'a str,
    /// The problem in a few words, the same for every occurrence.
    title: &'a str,
    /// What was wrong with this very request.
    detail: &'a str,
    /// The way out, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Problem {
    /// An occurrence of a problem.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, head: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A range that lies outside a file of this size.
    #[must_use]
    pub fn range(range: &str, size: u64) -> Self {
        let detail = format!("`{range}` lies outside the file's {size} bytes");
        let head = Some((header::CONTENT_RANGE, format!("bytes */{size}")));
        Self { head, ..Self::new(ProblemKind::RangeNotSatisfiable, detail) }
    }

    /// A method that the route does not have.
    #[must_use]
    pub fn method(method: &Method, allowed: &[&str]) -> Self {
        let head = Some((header::ALLOW, allowed.join(", ")));
        let named: Vec<String> = allowed.iter().map(|name| format!("`{name}`")).collect();
        let problem = Self::new(ProblemKind::MethodNotAllowed, format!("`{method}` is not allowed here"));
        Self { head, ..problem.hint(format!("use {}", named.join(" or "))) }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let body = Body {
            status: self.kind.status().as_u16(),
            kind: self.kind.as_str(),
            title: self.kind.title(),
            detail: &self.detail,
            hint: self.hint.as_deref(),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = HttpResponse::with_body(self.kind.status(), BoxBody::new(body));
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Any page may read what is wrong, as it may read all else.
        head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if self.kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            head.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        if let Some((name, value)) = &self.head
            && let Ok(value) = HeaderValue::try_from(value.as_str())
        {
            head.insert(name.clone(), value);
        }
        if self.kind.closes() {
            response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        }
        response
    }
}
