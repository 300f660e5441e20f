//! `/tuf/metadata/…` and `/tuf/targets/…`: the TUF repository, for its own clients.

use actix_web::{HttpRequest, HttpResponse, web};

use super::extract::{Current, segment};
use super::payloads;
use super::problem::{Problem, ProblemKind};
use super::reply::{self, Cache};
use super::state::State;
use crate::publish::publication::TufFile;

/// TUF metadata
///
/// `timestamp.json`, and every other role under its version, `1.root.json`.
#[utoipa::path(
    get,
    path = "/tuf/metadata/{file}",
    tag = "tuf",
    operation_id = "tuf_metadata",
    params(("file" = String, Path, description = "The role's file", example = "timestamp.json")),
    responses((status = 200, description = "The signed role", body = serde_json::Value))
)]
pub async fn metadata(
    request: HttpRequest,
    state: web::Data<State>,
    current: Current,
) -> Result<HttpResponse, Problem> {
    let file = segment(&request, 2)?;
    // Only a name with its version in it always means the same bytes.
    let cache = if file.starts_with(|c: char| c.is_ascii_digit()) { Cache::Immutable } else { Cache::Minute };
    answer(&request, &state, &current, &format!("metadata/{file}"), cache).await
}

/// A TUF target
///
/// A signed manifest or a payload under its digest, `HASH.NAME`.
#[utoipa::path(
    get,
    path = "/tuf/targets/{file}",
    tag = "tuf",
    operation_id = "tuf_target",
    params(("file" = String, Path, description = "The target's file, with its digest")),
    responses(
        (status = 200, description = "The target", content_type = "application/octet-stream"),
        (status = 206, description = "The part of a payload that was asked for"),
    )
)]
pub async fn target(
    request: HttpRequest,
    state: web::Data<State>,
    current: Current,
) -> Result<HttpResponse, Problem> {
    let file = segment(&request, 2)?;
    answer(&request, &state, &current, &format!("targets/{file}"), Cache::Immutable).await
}

async fn answer(
    request: &HttpRequest,
    state: &State,
    current: &Current,
    path: &str,
    cache: Cache,
) -> Result<HttpResponse, Problem> {
    match current.tuf(path) {
        Some(TufFile::Document(document)) => reply::document(request, document, cache),
        Some(TufFile::Payload(payload)) => payloads::answer(request, state, payload.clone()).await,
        None => {
            let detail = format!("the TUF repository has no `{path}`");
            Err(Problem::new(ProblemKind::UnknownFile, detail))
        }
    }
}
