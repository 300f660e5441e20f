//! `/v1/channels/{channel}/update`.

use super::channels::{missing, unknown};
use super::lost;
use crate::domain::version::Version;
use crate::http::ask::Ask;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{Answer, Cache};
use crate::http::url::parameter;
use crate::publish::Publication;

pub fn get<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let (version, cache) = asked(ask.request.query_string())?;
    let name = ask.channel()?.map_err(|text| unknown(publication, &text))?;
    if let Some(line) = publication.lost_on_the_way(&name, &version) {
        return Err(lost(line));
    }
    let answer = publication.update(&name, &version).ok_or_else(|| missing(publication, &name))?;
    Ok((answer, cache))
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
