//! What is wrong with a request, as problem details (RFC 9457).

use actix_web::body::BoxBody;
use actix_web::http::header::{self, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};

use crate::domain::version::VersionError;

/// The media type of problem details.
pub const MEDIA: &str = "application/problem+json";

/// Defines the kinds of problem in one table, with the name, the status and the title of each.
macro_rules! kinds {
    ($($kind:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// What kind of problem it is: the `kind` in the body, and the label in the metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($kind,)*
        }

        impl ProblemKind {
            /// Every kind, for metrics and the `OpenAPI` document.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the stable name, the HTTP status, and the title, which is the same for every
            /// occurrence.
            const fn row(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$kind => ($word, StatusCode::$status, $title),)*
                }
            }
        }
    };
}

kinds! {
    BadEncoding = "bad_encoding", BAD_REQUEST, "the URL is badly encoded";
    BadVersion = "bad_version", BAD_REQUEST, "the version is not valid";
    BadArch = "bad_arch", BAD_REQUEST, "the architecture is not valid";
    BadTime = "bad_time", BAD_REQUEST, "the time is not valid";
    MissingVersion = "missing_version", BAD_REQUEST, "the parameter `version` is missing";
    DuplicateParameter = "duplicate_parameter", BAD_REQUEST, "a parameter is given more than once";
    UnknownRoute = "unknown_route", NOT_FOUND, "there is nothing at this path";
    UnknownChannel = "unknown_channel", NOT_FOUND, "there is no such channel";
    UnknownRelease = "unknown_release", NOT_FOUND, "there is no such release";
    UnsignedRelease = "unsigned_release", NOT_FOUND, "the release is not signed yet";
    WaitingRelease = "waiting_release", NOT_FOUND, "the release is signed, but not in any channel yet";
    UnknownFile = "unknown_file", NOT_FOUND, "there is no such file";
    PayloadWithdrawn = "payload_withdrawn", GONE, "the payload was withdrawn";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "this method is not allowed here";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "none of the available encodings is acceptable";
    BodyRefused = "body_refused", PAYLOAD_TOO_LARGE, "this route takes no request body";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the request body is too large";
    BodyUnreadable = "body_unreadable", BAD_REQUEST, "the request body cannot be read";
    UriTooLong = "uri_too_long", URI_TOO_LONG, "the URL is too long";
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "the range is outside the file";
    HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "the request head is too large";
    PayloadUnavailable = "payload_unavailable", SERVICE_UNAVAILABLE, "the server has no good copy of the payload";
    LineLost = "line_lost", SERVICE_UNAVAILABLE, "what was published of the line is lost";
    NotPublished = "not_published", SERVICE_UNAVAILABLE, "nothing is published yet";
    NoForecast = "no_forecast", SERVICE_UNAVAILABLE, "there is no forecast now";
    Expired = "expired", SERVICE_UNAVAILABLE, "the publication has expired";
}

impl ProblemKind {
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The problem in a few words, the same for every occurrence.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the connection must be closed, because the client's next bytes could be the rest of a body.
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

/// A problem with one request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    pub kind: ProblemKind,
    /// What is wrong with this request, quoting the offending value.
    pub detail: String,
    /// How to fix it, if a fix is known.
    pub hint: Option<String>,
    /// An extra response header that this problem needs.
    head: Option<(HeaderName, String)>,
}

/// The body of a problem.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Problem, title = "Problem", description = "Problem details (RFC 9457)")]
pub struct Body<'a> {
    /// The status code.
    #[schema(example = 404)]
    status: u16,
    /// A stable name for the problem, the same as in the server's metrics.
    #[schema(example = "unknown_channel")]
    kind: &'a str,
    /// The problem in a few words, the same for every occurrence.
    title: &'a str,
    /// What is wrong with this request.
    detail: &'a str,
    /// How to fix it, if a fix is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Problem {
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, head: None }
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the problem of a range that is outside a file of this size.
    pub fn range(range: &str, size: u64) -> Self {
        let detail = format!("`{range}` is outside the file, which has {size} bytes");
        let head = Some((header::CONTENT_RANGE, format!("bytes */{size}")));
        Self { head, ..Self::new(ProblemKind::RangeNotSatisfiable, detail) }
    }

    /// Returns the problem of a method that the route does not allow.
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
        let mut response = HttpResponse::build(self.kind.status());
        response.content_type(MEDIA).insert_header((header::CACHE_CONTROL, "no-store"));
        // Let any web page read problems, like everything else that this server publishes.
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        if self.kind.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, "30"));
        }
        if let Some((name, value)) = &self.head {
            response.insert_header((name, value.as_str()));
        }
        if self.kind.closes() {
            response.force_close();
        }
        let (kind, status, title) = self.kind.row();
        let (detail, hint) = (&self.detail, self.hint.as_deref());
        response.json(Body { status: status.as_u16(), kind, title, detail, hint })
    }
}

impl From<VersionError> for Problem {
    fn from(error: VersionError) -> Self {
        Self::new(ProblemKind::BadVersion, error.to_string()).hint("a version looks like `1.8.4-tectonic.1`")
    }
}
