//! `/v1/releases/{version}` and `/v1/releases/{version}/explain`.

use actix_web::HttpResponse;

use crate::domain::version::Version;
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{self, Cache};

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
