//! `/v1/releases/{version}` and `/v1/releases/{version}/explain`.

use actix_web::HttpResponse;

use super::ask::Ask;
use super::problem::{Problem, ProblemKind};
use super::reply::{self, Cache};
use crate::domain::version::Version;

/// A release's signed manifest
///
/// Signed by release keys: what the release is, and the earliest times of its stages.
#[utoipa::path(
    get,
    path = "/v1/releases/{version}",
    tag = "releases",
    operation_id = "release",
    params(("version" = String, Path, description = "The release's version", example = "1.8.4-tectonic.1")),
    responses((status = 200, description = "The signed release manifest", body = super::openapi::signed::SignedReleaseManifest))
)]
pub fn manifest(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let (current, version) = (ask.current()?, ask.version()?);
    match current.release(&version) {
        Some(manifest) => reply::document(ask.request, manifest, Cache::Minute),
        None if current.explain(&version).is_some() => {
            let (kind, detail) = if current.is_signed(&version) {
                let detail = format!("the release `{version}` is signed, and no channel offers it yet");
                (ProblemKind::WaitingRelease, detail)
            } else {
                let detail = format!("the release `{version}` has no signed manifest yet");
                (ProblemKind::UnsignedRelease, detail)
            };
            Err(Problem::new(kind, detail).hint(format!("`/v1/releases/{version}/explain` tells why")))
        }
        None => Err(unknown(&version)),
    }
}

/// Where a release stands
///
/// Every gate with its figures, the earliest promotion, and who can unblock it.
#[utoipa::path(
    get,
    path = "/v1/releases/{version}/explain",
    tag = "releases",
    operation_id = "explain",
    params(("version" = String, Path, description = "The release's version", example = "1.8.4-tectonic.1")),
    responses((status = 200, description = "Where it stands", body = crate::formats::api::ExplainBody))
)]
pub fn explain(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let (current, version) = (ask.current()?, ask.version()?);
    let explanation = current.explain(&version).ok_or_else(|| unknown(&version))?;
    reply::document(ask.request, explanation, Cache::Minute)
}

/// The catalog has no such release.
pub(super) fn unknown(version: &Version) -> Problem {
    let detail = format!("there is no release `{version}`");
    Problem::new(ProblemKind::UnknownRelease, detail).hint("`/v1/channels` lists what each channel offers")
}
