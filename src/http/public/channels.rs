//! `/v1/channels/{channel}`.

use std::borrow::Cow;

use super::lost;
use crate::domain::channel::ChannelName;
use crate::domain::suggest::suggest;
use crate::http::ask::Ask;
use crate::http::limits::COMPARED;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{Answer, Cache};
use crate::publish::Publication;

pub fn one<'p>(ask: &Ask<'_>, publication: &'p Publication) -> Result<Answer<'p>, Problem> {
    let name = ask.channel()?.map_err(|text| unknown(publication, &text))?;
    let manifest = publication.channel(&name).ok_or_else(|| missing(publication, &name))?;
    Ok((Cow::Borrowed(manifest), Cache::Minute))
}

/// Returns the problem of a channel that has no documents.
pub(super) fn missing(publication: &Publication, name: &ChannelName) -> Problem {
    publication.lost_channel(name).map_or_else(|| unknown(publication, name.as_str()), lost)
}

/// Returns the problem of an unknown channel, with a hint that suggests similar names.
pub(super) fn unknown(publication: &Publication, asked: &str) -> Problem {
    let names = publication.channel_names().take(COMPARED).map(ChannelName::as_str);
    let similar: Vec<_> = suggest(asked, names).iter().map(|name| format!("`{name}`")).collect();
    let all = "see `/v1/channels` for all channels";
    Problem::new(ProblemKind::UnknownChannel, format!("there is no channel `{asked}`")).hint(
        if similar.is_empty() {
            all.to_owned()
        } else {
            format!("did you mean {}? {all}", similar.join(" or "))
        },
    )
}
