//! `/v1/channels/{channel}/update`.

use actix_web::HttpResponse;

use super::ask::{Ask, bad_version};
use super::channels::unknown;
use super::problem::{Problem, ProblemKind};
use super::reply::{self, Cache};
use super::url::parameter;
use crate::domain::version::Version;

/// What a cluster should do next
///
/// Action, code, a sentence, the target and where its manifest is. A hint: a verifying client
/// computes the same from the signed documents.
#[utoipa::path(
    get,
    path = "/v1/channels/{channel}/update",
    tag = "channels",
    operation_id = "update",
    params(
        ("channel" = String, Path, description = "The channel's name, or an alias", example = "1.8-production"),
        ("version" = String, Query, description = "The version that the cluster runs", example = "1.8.4-tectonic.1"),
        ("cluster" = Option<String>, Query, description = "The cluster's own id: the answer is then for it alone"),
    ),
    responses((status = 200, description = "What to do", body = crate::formats::api::UpdateBody))
)]
pub fn get(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let current = ask.current()?;
    let publication = current.unexpired(ask.state.now())?;
    let (version, cache) = asked(ask.request.query_string())?;
    let name = ask.channel()?.map_err(|text| unknown(publication, &text))?;
    let answer = publication.update(&name, &version).ok_or_else(|| unknown(publication, name.as_str()))?;
    reply::document(ask.request, answer, cache)
}

/// The version that asks, and whether the answer is for one cluster.
fn asked(query: &str) -> Result<(Version, Cache), Problem> {
    let Some(version) = parameter(query, "version")? else {
        return Err(Problem::new(ProblemKind::MissingVersion, "the parameter `version` is missing")
            .hint("ask with the version that the cluster runs, `?version=1.8.4-tectonic.1`"));
    };
    let version = Version::parse_query(&version).map_err(|e| bad_version(&e))?;
    let cache = if parameter(query, "cluster")?.is_some() { Cache::Private } else { Cache::Minute };
    Ok((version, cache))
}
