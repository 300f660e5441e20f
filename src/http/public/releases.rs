//! `/v1/releases/{version}` and `/v1/releases/{version}/explain`.

use std::borrow::Cow;

use super::lost;
use crate::domain::version::Version;
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{Answer, Cache};
use crate::publish::Publication;

pub fn manifest<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let version = ask.version()?;
    match publication.release(&version) {
        Some(manifest) => Ok((Cow::Borrowed(manifest), Cache::Minute)),
        None if publication.explain(&version).is_some() => {
            let (kind, why) = if publication.is_signed(&version) {
                (ProblemKind::WaitingRelease, "is signed, but no channel offers it yet")
            } else {
                (ProblemKind::UnsignedRelease, "has no signed manifest yet")
            };
            Err(Problem::new(kind, format!("release `{version}` {why}"))
                .hint(format!("see `/v1/releases/{version}/explain` for the reason")))
        }
        None => Err(missing(publication, &version)),
    }
}

pub fn explain<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let version = ask.version()?;
    let explanation = publication.explain(&version).ok_or_else(|| missing(publication, &version))?;
    Ok((Cow::Borrowed(explanation), Cache::Minute))
}

/// Returns the problem of a release that has no documents.
pub(super) fn missing(publication: &Publication, version: &Version) -> Problem {
    if let Some(line) = publication.lost_release(version) {
        return lost(line);
    }
    let problem = Problem::new(ProblemKind::UnknownRelease, format!("there is no release `{version}`"));
    problem.hint("see `/v1/channels` for what each channel offers")
}
