//! `/v1/channels` and `/v1/channels/{channel}`.

use actix_web::HttpResponse;

use super::ask::Ask;
use super::problem::{Problem, ProblemKind};
use super::reply::{self, Cache};
use crate::publish::Publication;

/// How many channels an unknown one is compared with, which bounds what a wrong name costs.
const COMPARED: usize = 1000;

/// How many names a hint has.
const NEAREST: usize = 3;

/// Every channel
///
/// Line, stage, latest release, counts, whether it is paused, and what is soaking until when.
#[utoipa::path(
    get,
    path = "/v1/channels",
    tag = "channels",
    operation_id = "channels",
    responses((status = 200, description = "Every channel", body = crate::formats::api::ChannelsBody))
)]
pub fn list(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, ask.current()?.channels(), Cache::Minute)
}

/// A channel's signed manifest
///
/// What the channel offers now, signed by the online key. Names are matched without case.
#[utoipa::path(
    get,
    path = "/v1/channels/{channel}",
    tag = "channels",
    operation_id = "channel",
    params(("channel" = String, Path, description = "The channel's name, or an alias", example = "1.8-production")),
    responses((status = 200, description = "The signed channel manifest", body = super::openapi::signed::SignedChannelManifest))
)]
pub fn one(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let current = ask.current()?;
    let name = ask.channel()?.map_err(|text| unknown(&current, &text))?;
    let manifest = current.channel(&name).ok_or_else(|| unknown(&current, name.as_str()))?;
    reply::document(ask.request, manifest, Cache::Minute)
}

/// There is no such channel: names those that are spelled most like it.
pub(super) fn unknown(publication: &Publication, asked: &str) -> Problem {
    let detail = format!("there is no channel `{asked}`");
    let problem = Problem::new(ProblemKind::UnknownChannel, detail);
    let names = publication.channel_names().take(COMPARED).map(crate::domain::channel::ChannelName::as_str);
    let mut names: Vec<_> = names.map(|name| (std::cmp::Reverse(alike(name, asked)), name)).collect();
    names.sort_unstable();
    let nearest: Vec<_> = names.iter().take(NEAREST).map(|(_, name)| format!("`{name}`")).collect();
    if nearest.is_empty() { problem } else { problem.hint(format!("the nearest are {}", nearest.join(", "))) }
}

/// How much of two names is the same, counted from both ends.
fn alike(name: &str, asked: &str) -> usize {
    let same = |(a, b): &(u8, u8)| a.eq_ignore_ascii_case(b);
    let front = name.bytes().zip(asked.bytes()).take_while(same).count();
    let back = name.bytes().rev().zip(asked.bytes().rev()).take_while(same).count();
    front + back
}
