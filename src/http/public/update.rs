//! `/v1/channels/{channel}/update`.

use std::borrow::Cow;

use super::channels::{missing, unknown};
use super::lost;
use crate::domain::rules::text;
use crate::domain::version::Version;
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{Answer, Cache};
use crate::http::url::parameter;
use crate::publish::Publication;
use crate::words::rules::message_and_hint;

pub fn get<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let query = ask.request.query_string();
    let (version, cache) = asked(query)?;
    let arch = arch(query)?;
    let name = ask.channel()?.map_err(|text| unknown(publication, &text))?;
    if let Some(line) = publication.lost_on_the_way(&name, &version) {
        return Err(lost(line));
    }
    check_arches(publication, arch.as_deref())?;
    let answer =
        publication.update(&name, &version, arch.as_deref()).ok_or_else(|| missing(publication, &name))?;
    Ok((answer, cache))
}

/// Parses the architecture of a cluster. An empty value counts as not given, since a client's template may leave it empty.
pub(super) fn arch(query: &str) -> Result<Option<Cow<'_, str>>, Problem> {
    let Some(text) = parameter(query, "arch")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text::arch(&text) {
        None => Ok(Some(text)),
        Some(rule) => {
            let (detail, hint) = message_and_hint(&rule);
            Err(Problem::new(ProblemKind::BadArch, detail).hint(hint))
        }
    }
}

/// Checks that the publication has answers for clusters that name their architecture, if one does. The answer for
/// all clusters could lead it to a release without its payload.
pub(super) fn check_arches(publication: &Publication, arch: Option<&str>) -> Result<(), Problem> {
    if arch.is_none() || publication.has_arches() {
        return Ok(());
    }
    let detail = "an older version of tidegate has made what is published, without answers by architecture";
    Err(Problem::new(ProblemKind::NotPublished, detail)
        .hint("ask again once the server has published: `/readyz` says why it has not"))
}

/// Parses the version that the cluster runs, and how the answer may be cached: not at all if it is for one
/// cluster.
fn asked(query: &str) -> Result<(Version, Cache), Problem> {
    let Some(version) = parameter(query, "version")? else {
        return Err(Problem::new(ProblemKind::MissingVersion, "the parameter `version` is missing")
            .hint("add the version that the cluster runs, `?version=1.8.4-tectonic.1`"));
    };
    let version = Version::parse_query(&version)?;
    let cache = if parameter(query, "cluster")?.is_some() { Cache::Private } else { Cache::Minute };
    Ok((version, cache))
}
