//! `/v1/channels` and `/v1/channels/{channel}`.

use std::cmp::Reverse;

use actix_web::HttpResponse;

use crate::domain::channel::ChannelName;
use crate::http::ask::Ask;
use crate::http::limits::COMPARED;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{self, Cache};
use crate::publish::Publication;

/// How many names a hint has.
const NEAREST: usize = 3;

pub fn list(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    reply::document(ask.request, &ask.current()?.channels, Cache::Minute)
}

pub fn one(ask: &Ask<'_>) -> Result<HttpResponse, Problem> {
    let current = ask.current()?;
    let name = ask.channel()?.map_err(|text| unknown(&current, &text))?;
    let manifest = current.channel(&name).ok_or_else(|| unknown(&current, name.as_str()))?;
    reply::document(ask.request, manifest, Cache::Minute)
}

/// There is no such channel: the hint names those that are spelled most like it.
pub(super) fn unknown(publication: &Publication, asked: &str) -> Problem {
    let problem = Problem::new(ProblemKind::UnknownChannel, format!("there is no channel `{asked}`"));
    let names = publication.channel_names().take(COMPARED).map(ChannelName::as_str);
    let mut names: Vec<_> = names.map(|name| (Reverse(alike(name, asked)), name)).collect();
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
