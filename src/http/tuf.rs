//! `/tuf/metadata/…` and `/tuf/targets/…`: the TUF repository, for its own clients.

use actix_web::HttpResponse;

use super::ask::Ask;
use super::payloads;
use super::problem::{Problem, ProblemKind};
use super::reply::{self, Cache};
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
    responses((status = 200, description = "The signed role", body = super::openapi::signed::SignedRole))
)]
pub fn metadata(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let (current, file) = (ask.current()?, ask.file()?);
    // Only a name with its version in it always means the same bytes.
    let cache = if file.starts_with(|c: char| c.is_ascii_digit()) { Cache::Immutable } else { Cache::Minute };
    let path = format!("metadata/{file}");
    match current.tuf(&path) {
        Some(TufFile::Document(document)) => reply::document(ask.request, document, cache),
        _ => Err(unknown(&path)),
    }
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
pub async fn target(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let path = format!("targets/{}", ask.file()?);
    let payload = match ask.current()?.tuf(&path) {
        Some(TufFile::Document(document)) => return reply::document(ask.request, document, Cache::Immutable),
        Some(TufFile::Payload(payload)) => payload.clone(),
        None => return Err(unknown(&path)),
    };
    payloads::answer(ask, payload).await
}

fn unknown(path: &str) -> Problem {
    Problem::new(ProblemKind::UnknownFile, format!("the TUF repository has no `{path}`"))
}
