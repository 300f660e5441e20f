//! `/healthz`, `/readyz` and `/metrics`: for probes and Prometheus.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;

use super::ask::Ask;
use super::listener::Listener;
use super::metrics::MEDIA;
use super::problem::ProblemKind;
use crate::domain::rfc3339;
use crate::formats::api::{DegradedBody, NotPromotingBody};
use crate::promoter::status::{Degraded, DegradedKind};

pub fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body("alive\n")
}

pub fn metrics(ask: &Ask<'_>) -> HttpResponse {
    let Ok(text) = ask.state.metrics.text() else { return HttpResponse::InternalServerError().finish() };
    HttpResponse::Ok()
        .content_type(format!("{MEDIA}; version=1.0.0; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text)
}

/// The body of `/readyz`.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Readiness {
    ready: bool,
    /// Why the server is not ready: `not_published` or `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// Problems that do not stop the server from serving. If the server has an admin listener, only that one
    /// shows more than their kinds.
    degraded: Vec<DegradedBody>,
    /// Whether this server promotes what is due.
    promoting: bool,
    /// Why it does not promote, or not everything, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_promoting: Option<NotPromotingBody>,
    promotions: Promotions,
    /// The publication being served.
    #[serde(skip_serializing_if = "Option::is_none")]
    publication: Option<Served>,
}

/// The publication being served.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Served {
    version: u64,
    made: String,
    expires: String,
    demo: bool,
}

/// How many releases are on their way to a stage. `/v1/promotions` lists them.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Promotions {
    due: usize,
    waiting: usize,
    blocked: usize,
    overdue: usize,
}

/// Ready as long as the server has an unexpired publication, whatever else is wrong: a fault in the catalog
/// must never take a whole fleet of servers out of service.
pub fn ready(ask: &Ask<'_>) -> HttpResponse {
    let (publication, status) = (ask.state.shared.publication.load(), ask.state.shared.status.load());
    let kind = match publication.as_deref() {
        None => Some(ProblemKind::NotPublished),
        Some(publication) if ask.state.now() >= publication.expires => Some(ProblemKind::Expired),
        Some(_) => None,
    };
    let readiness = Readiness {
        ready: kind.is_none(),
        kind: kind.map(ProblemKind::as_str),
        degraded: match ask.listener {
            Listener::All | Listener::Admin => status.degraded.iter().map(DegradedBody::of).collect(),
            Listener::Public => briefly(&status.degraded),
        },
        promoting: status.promoting && status.not_promoting.is_none(),
        not_promoting: status.not_promoting.map(NotPromotingBody::of),
        promotions: Promotions {
            due: status.promote,
            waiting: status.wait,
            blocked: status.blocked,
            overdue: status.overdue,
        },
        publication: publication.as_deref().map(|publication| Served {
            version: publication.version,
            made: rfc3339(publication.made),
            expires: rfc3339(publication.expires),
            demo: publication.demo,
        }),
    };
    let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).insert_header((CACHE_CONTROL, "no-store")).json(readiness)
}

/// Each kind of problem once, without its details: these can name files of the machine, and what its system
/// says about them.
fn briefly(degraded: &[Degraded]) -> Vec<DegradedBody> {
    kinds(degraded).map(DegradedBody::of_kind).collect()
}

/// Each kind of problem once.
pub(super) fn kinds(degraded: &[Degraded]) -> impl Iterator<Item = DegradedKind> {
    let is_found = |kind: &DegradedKind| degraded.iter().any(|degraded| degraded.kind() == *kind);
    DegradedKind::ALL.iter().copied().filter(is_found)
}
