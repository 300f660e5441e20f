//! What an answer says about the channel that a cluster follows.

use crate::domain::upgrade::{Advice, Answer, Blocked};

/// What an answer says about the channel that the cluster follows, and its line, as text. A channel of
/// another line than the cluster's is in no other part of the answer.
#[derive(Debug, Clone)]
pub struct Goal {
    pub channel: String,
    pub line: String,
    /// The line that the channel's line follows.
    pub before: Option<String>,
    /// The release from which the channel's line can be entered, and the channel that offers it.
    pub take: Option<(String, String)>,
}

impl Goal {
    /// The goal of an answer.
    pub fn of(Answer { channel, advice }: &Answer<'_>) -> Self {
        let take = match advice {
            Advice::Blocked(Blocked::MinorGate { take, .. } | Blocked::UnknownVersion { take }) => *take,
            _ => None,
        };
        Self {
            channel: channel.name().to_string(),
            line: channel.line.name.to_string(),
            before: channel.line.follows.as_ref().map(|follows| follows.line.to_string()),
            take: take.map(|step| (step.release.version.to_string(), step.channel.name().to_string())),
        }
    }
}
