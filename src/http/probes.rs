//! `/healthz` and `/readyz`: for probes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;

use super::ask::Ask;
use super::problem::ProblemKind;
use crate::domain::{Time, rfc3339};
use crate::formats::api::DegradedBody;
use crate::promoter::status::Status;
use crate::publish::Publication;

pub fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body("alive\n")
}

/// Ready as long as an unexpired publication is served, however much is wrong beside that: a fault in
/// the catalog must never empty a fleet of servers.
pub fn ready(ask: &Ask<'_>) -> HttpResponse {
    let state = ask.state;
    let publication = state.shared.publication.load();
    let readiness = readiness(publication.as_deref(), &state.shared.status.load(), state.now());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).json(readiness)
}

/// The body of `/readyz`.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Readiness {
    ready: bool,
    /// Why the server is not ready: `not_published` or `expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// What is wrong while the server goes on serving.
    degraded: Vec<DegradedBody>,
    /// Whether this server promotes.
    promoting: bool,
    /// What is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    publication: Option<Served>,
}

/// The publication that is served.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
struct Served {
    version: u64,
    made: String,
    expires: String,
    demo: bool,
}

fn readiness(publication: Option<&Publication>, status: &Status, now: Time) -> Readiness {
    let kind = match publication {
        None => Some(ProblemKind::NotPublished),
        Some(publication) if now >= publication.expires => Some(ProblemKind::Expired),
        Some(_) => None,
    };
    Readiness {
        ready: kind.is_none(),
        kind: kind.map(ProblemKind::as_str),
        degraded: status.degraded.iter().map(DegradedBody::of).collect(),
        promoting: status.promoting,
        publication: publication.map(|publication| Served {
            version: publication.version,
            made: rfc3339(publication.made),
            expires: rfc3339(publication.expires),
            demo: publication.demo,
        }),
    }
}
