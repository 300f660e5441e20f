//! `/tuf/metadata/…` and `/tuf/targets/…`: the TUF repository.

use std::borrow::Cow;

use actix_web::HttpResponse;

use super::{lost, payloads};
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{Answer, Cache, Prepared};
use crate::publish::Publication;
use crate::publish::publication::TufFile;

pub fn metadata<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let file = ask.file()?;
    // Only a name that contains a version always refers to the same bytes.
    let cache = if file.starts_with(|c: char| c.is_ascii_digit()) { Cache::Immutable } else { Cache::Minute };
    let path = format!("metadata/{file}");
    match publication.tuf(&path) {
        Some(TufFile::Document(document)) => Ok((Cow::Borrowed(document), cache)),
        _ => Err(missing(publication, &path)),
    }
}

pub async fn target(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let path = format!("targets/{}", ask.file()?);
    let current = ask.current()?;
    match current.tuf(&path) {
        Some(TufFile::Document(document)) => {
            Prepared::new((Cow::Borrowed(document), Cache::Immutable)).reply(ask.request)
        }
        Some(TufFile::Payload(payload)) => payloads::answer(ask, payload).await,
        None => Err(missing(&current, &path)),
    }
}

fn missing(publication: &Publication, path: &str) -> Problem {
    let unknown = || Problem::new(ProblemKind::UnknownFile, format!("the TUF repository has no `{path}`"));
    publication.lost_file(path).map_or_else(unknown, lost)
}
