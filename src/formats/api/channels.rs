//! `/v1/channels`: a summary of every channel.

use serde::Serialize;
use utoipa::ToSchema;

use super::Notice;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::promotion::Decision;
use crate::domain::{Time, rfc3339};

/// The summaries of all channels.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelsBody {
    /// The lines whose published documents are lost, so that nothing is answered about them until they are restored.
    /// Left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostLine>,
    pub channels: Vec<ChannelSummary>,
}

/// A line whose published documents are lost.
#[derive(Debug, Serialize, ToSchema)]
pub struct LostLine {
    pub line: String,
    /// The names of its channels, with their other names.
    pub channels: Vec<String>,
}

/// A summary of one channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelSummary {
    pub channel: String,
    /// Other names of the channel.
    pub aliases: Vec<String>,
    pub line: String,
    pub stage: String,
    /// The highest version on offer.
    pub latest: Option<String>,
    /// How many releases are on offer.
    pub offered: usize,
    /// How many releases entered the channel and were yanked.
    pub yanked: usize,
    pub paused: Option<Notice>,
    /// The releases on their way into the channel.
    pub soaking: Vec<Soaking>,
}

/// A release on its way into a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct Soaking {
    pub version: String,
    /// `promote`, `wait` or `blocked`.
    pub verdict: &'static str,
    /// The earliest time at which the release enters the channel (RFC 3339).
    pub until: Option<String>,
    pub overdue: bool,
}

impl ChannelsBody {
    /// Describes every channel of a catalog at `now`.
    pub fn of(catalog: &Catalog, decisions: &[Decision<'_>], now: Time) -> Self {
        let channels = catalog.channels().map(|channel| ChannelSummary::of(channel, decisions, now));
        Self { lost: Vec::new(), channels: channels.collect() }
    }
}

impl ChannelSummary {
    /// Describes one channel at `now`.
    pub fn of(channel: ChannelRef<'_>, decisions: &[Decision<'_>], now: Time) -> Self {
        let (line, stage) = (channel.line, channel.stage());
        // Decisions are ordered by line, so those of one line are adjacent.
        let begin = decisions.partition_point(|decision| decision.line.name < line.name);
        let own = decisions[begin..].iter().take_while(|decision| decision.line.name == line.name);
        let entered = line.releases.values().filter(|release| release.is_in(channel.index, now));
        Self {
            channel: stage.channel.to_string(),
            aliases: stage.aliases.iter().map(ToString::to_string).collect(),
            line: line.name.to_string(),
            stage: stage.name.to_string(),
            latest: line.latest(channel.index, now).map(|release| release.version.to_string()),
            offered: line.offered(channel.index, now).count(),
            yanked: entered.filter(|release| release.yanked(now).is_some()).count(),
            paused: stage.paused(now).map(Notice::of),
            soaking: own.filter(|decision| decision.stage == channel.index).map(Soaking::of).collect(),
        }
    }
}

impl Soaking {
    fn of(decision: &Decision<'_>) -> Self {
        Self {
            version: decision.release.version.to_string(),
            verdict: decision.verdict.name(),
            until: decision.verdict.waits_until().map(rfc3339),
            overdue: decision.overdue,
        }
    }
}
