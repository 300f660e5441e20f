//! `/v1/releases/{version}`, `/v1/releases/{version}/explain` and `/v1/promotions`.

use actix_web::HttpResponse;

use super::lost;
use crate::domain::version::Version;
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{self, Cache};
use crate::publish::Publication;

pub fn manifest(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let (current, version) = (ask.current()?, ask.version()?);
    match current.release(&version) {
        Some(manifest) => reply::document(ask.request, manifest, Cache::Minute),
        None if current.explain(&version).is_some() => {
            let (kind, why) = if current.is_signed(&version) {
                (ProblemKind::WaitingRelease, "is signed, but no channel offers it yet")
            } else {
                (ProblemKind::UnsignedRelease, "has no signed manifest yet")
            };
            Err(Problem::new(kind, format!("release `{version}` {why}"))
                .hint(format!("see `/v1/releases/{version}/explain` for the reason")))
        }
        None => Err(missing(&current, &version)),
    }
}

pub fn explain(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let (current, version) = (ask.current()?, ask.version()?);
    let explanation = current.explain(&version).ok_or_else(|| missing(&current, &version))?;
    reply::document(ask.request, explanation, Cache::Minute)
}

pub fn promotions(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, &ask.current()?.promotions, Cache::Minute)
}

/// Returns the problem of a release that has no documents.
pub(super) fn missing(publication: &Publication, version: &Version) -> Problem {
    if let Some(line) = publication.lost_release(version) {
        return lost(line);
    }
    let problem = Problem::new(ProblemKind::UnknownRelease, format!("there is no release `{version}`"));
    problem.hint("see `/v1/channels` for what each channel offers")
}
