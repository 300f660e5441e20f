//! What goes wrong with a request, as problem details (RFC 9457).

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};

/// The media type of problem details.
pub const MEDIA: &str = "application/problem+json";

/// What went wrong, by a stable word: the `kind` in the body, and the label in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    BadEncoding,
    BadVersion,
    MissingVersion,
    DuplicateParameter,
    UnknownRoute,
    UnknownChannel,
    UnknownRelease,
    UnsignedRelease,
    WaitingRelease,
    UnknownFile,
    PayloadWithdrawn,
    MethodNotAllowed,
    NotAcceptable,
    BodyRefused,
    UriTooLong,
    RangeNotSatisfiable,
    HeadTooLarge,
    PayloadUnavailable,
    NotPublished,
    Expired,
}

impl ProblemKind {
    /// Every kind, for metrics and the `OpenAPI` document.
    pub const ALL: [Self; 20] = [
        Self::BadEncoding,
        Self::BadVersion,
        Self::MissingVersion,
        Self::DuplicateParameter,
        Self::UnknownRoute,
        Self::UnknownChannel,
        Self::UnknownRelease,
        Self::UnsignedRelease,
        Self::WaitingRelease,
        Self::UnknownFile,
        Self::PayloadWithdrawn,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::BodyRefused,
        Self::UriTooLong,
        Self::RangeNotSatisfiable,
        Self::HeadTooLarge,
        Self::PayloadUnavailable,
        Self::NotPublished,
        Self::Expired,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadEncoding => "bad_encoding",
            Self::BadVersion => "bad_version",
            Self::MissingVersion => "missing_version",
            Self::DuplicateParameter => "duplicate_parameter",
            Self::UnknownRoute => "unknown_route",
            Self::UnknownChannel => "unknown_channel",
            Self::UnknownRelease => "unknown_release",
            Self::UnsignedRelease => "unsigned_release",
            Self::WaitingRelease => "waiting_release",
            Self::UnknownFile => "unknown_file",
            Self::PayloadWithdrawn => "payload_withdrawn",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotAcceptable => "not_acceptable",
            Self::BodyRefused => "body_refused",
            Self::UriTooLong => "uri_too_long",
            Self::RangeNotSatisfiable => "range_not_satisfiable",
            Self::HeadTooLarge => "head_too_large",
            Self::PayloadUnavailable => "payload_unavailable",
            Self::NotPublished => "not_published",
            Self::Expired => "expired",
        }
    }

    /// The problem in a few words, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadEncoding => "the URL is not well encoded",
            Self::BadVersion => "the text is not a version",
            Self::MissingVersion => "the parameter `version` is missing",
            Self::DuplicateParameter => "a parameter is given more than once",
            Self::UnknownRoute => "there is nothing at this path",
            Self::UnknownChannel => "there is no such channel",
            Self::UnknownRelease => "there is no such release",
            Self::UnsignedRelease => "the release is not signed yet",
            Self::WaitingRelease => "the release is signed, and in no channel yet",
            Self::UnknownFile => "there is no such file",
            Self::PayloadWithdrawn => "the payload was withdrawn",
            Self::MethodNotAllowed => "this method is not allowed here",
            Self::NotAcceptable => "no acceptable encoding is at hand",
            Self::BodyRefused => "requests carry no body here",
            Self::UriTooLong => "the URL is too long",
            Self::RangeNotSatisfiable => "the range lies outside the file",
            Self::HeadTooLarge => "the head of the request is too large",
            Self::PayloadUnavailable => "the server has no good copy of the payload at hand",
            Self::NotPublished => "nothing is published yet",
            Self::Expired => "what is published has expired",
        }
    }

    /// The status that it is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadEncoding | Self::BadVersion | Self::MissingVersion | Self::DuplicateParameter => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownRoute
            | Self::UnknownChannel
            | Self::UnknownRelease
            | Self::UnsignedRelease
            | Self::WaitingRelease
            | Self::UnknownFile => StatusCode::NOT_FOUND,
            Self::PayloadWithdrawn => StatusCode::GONE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::BodyRefused => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::PayloadUnavailable | Self::NotPublished | Self::Expired => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// With this problem, a client's next bytes cannot be told from the rest of a body.
    const fn closes(self) -> bool {
        matches!(self, Self::BodyRefused | Self::UriTooLong | Self::HeadTooLarge)
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
    /// The size of the file, where a range lies outside it.
    size: Option<u64>,
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
        Self { kind, detail: detail.into(), hint: None, size: None }
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
        Self { size: Some(size), ..Self::new(ProblemKind::RangeNotSatisfiable, detail) }
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
        if self.kind == ProblemKind::MethodNotAllowed {
            head.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if let Some(range) = self.size.and_then(|size| HeaderValue::try_from(format!("bytes */{size}")).ok())
        {
            head.insert(header::CONTENT_RANGE, range);
        }
        if self.kind.closes() {
            response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        }
        response
    }
}
