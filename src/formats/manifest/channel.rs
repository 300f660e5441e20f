//! The channel manifest.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FORMAT, is_false, known_format};
use crate::domain::Time;
use crate::domain::catalog::ChannelRef;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::payload::Sha256;
use crate::domain::release::Yank;
use crate::domain::version::Version;
use crate::formats::ascii::ascii;
use crate::formats::seconds;
use crate::formats::sparse::sparse;

sparse! {
    /// What one channel offers, signed by the online key.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ChannelManifest {
        #[serde(rename = "_type")]
        #[schema(inline)]
        kind: Kind,
        #[serde(deserialize_with = "known_format")]
        format: u32,
        pub channel: ChannelName,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub aliases: Vec<ChannelName>,
        pub line: LineName,
        pub stage: StageName,
        /// Every stage of the line, in order, including this one. To find a line's highest release, the
        /// minor gate looks in the last stage first, then in the one before, and so on.
        pub stages: Vec<ChannelStage>,
        /// The version of this document, which never decreases; see
        /// [`next_version`](crate::formats::tuf::next_version).
        pub version: u64,
        #[serde(with = "seconds")]
        #[schema(value_type = String, format = DateTime)]
        pub issued: Time,
        #[serde(with = "seconds")]
        #[schema(value_type = String, format = DateTime)]
        pub expires: Time,
        /// Every release that has ever entered the stage, in ascending order; yanked ones are marked.
        pub releases: Vec<ChannelRelease>,
        /// Whether the manifest is signed with a throw-away key.
        #[serde(default, skip_serializing_if = "is_false")]
        pub demo: bool,
        @optional {
            /// The line from which clusters may enter the channel's line.
            follows: ChannelFollows,
            /// The highest version on offer.
            latest: Version,
            /// Set while the channel is paused, which makes its clusters wait.
            paused: Notice,
            /// Set once the line is retired: it gets no new releases, but still offers the existing ones.
            retired: Notice,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
enum Kind {
    #[serde(rename = "channel")]
    Channel,
}

/// A stage of the line, and its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelStage {
    pub stage: StageName,
    pub channel: ChannelName,
}

/// A line from which clusters may enter another line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelFollows {
    pub line: LineName,
    /// For how many seconds clusters may still enter from a release that is no longer the highest of
    /// `line`.
    pub grace: u64,
}

/// When something happened, and why. Who did it is not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SignedNotice)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    #[serde(with = "seconds")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    pub reason: String,
}

sparse! {
    /// One release in a channel.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ChannelRelease {
        pub version: Version,
        /// The digest of the release's signed manifest, as stored and served.
        pub manifest: Sha256,
        /// When the release entered the stage.
        #[serde(with = "seconds")]
        #[schema(value_type = String, format = DateTime)]
        pub since: Time,
        /// Whether clusters must not skip this release. The release manifest has a `barrier` too; either
        /// one is enough.
        #[serde(default, skip_serializing_if = "is_false")]
        pub barrier: bool,
        @optional {
            yank: Box<ChannelYank>,
        }
    }
}

sparse! {
    /// The yank of a release, which is no longer offered.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ChannelYank {
        #[serde(with = "seconds")]
        #[schema(value_type = String, format = DateTime)]
        pub at: Time,
        pub reason: String,
        @optional {
            /// The release to install instead.
            to: Version,
        }
    }
}

impl ChannelManifest {
    /// Creates the manifest of a channel at `now`. `digest` returns the digest of a release's signed
    /// manifest; a release without a digest is left out, since no cluster could verify it.
    pub fn of(
        channel: ChannelRef<'_>,
        version: u64,
        digest: impl Fn(&Version) -> Option<Sha256>,
        now: Time,
        expires: Time,
    ) -> Self {
        let ChannelRef { line, index } = channel;
        let stage = channel.stage();
        let standing: BTreeSet<&Version> = line.barriers(now).map(|(_, version)| version).collect();
        let mut releases: Vec<_> = line
            .releases
            .values()
            .filter_map(|release| {
                Some(ChannelRelease {
                    since: release.entered(index, now)?.since,
                    manifest: digest(&release.version)?,
                    version: release.version.clone(),
                    barrier: release.barrier || standing.contains(&release.version),
                    yank: release.yanked(now).map(|yank| Box::new(ChannelYank::of(yank))),
                })
            })
            .collect();
        releases.shrink_to_fit();
        let latest = releases.iter().rev().find(|release| release.yank.is_none());
        Self {
            kind: Kind::Channel,
            format: FORMAT,
            channel: stage.channel.clone(),
            aliases: stage.aliases.clone(),
            line: line.name.clone(),
            stage: stage.name.clone(),
            stages: line
                .stages
                .iter()
                .map(|stage| ChannelStage { stage: stage.name.clone(), channel: stage.channel.clone() })
                .collect(),
            follows: line.follows.as_ref().map(|follows| ChannelFollows {
                line: follows.line.clone(),
                grace: u64::try_from(follows.grace.num_seconds()).unwrap_or(0),
            }),
            version,
            issued: now,
            expires,
            latest: latest.map(|release| release.version.clone()),
            paused: stage.paused(now).map(|pause| Notice { at: pause.at, reason: ascii(&pause.reason) }),
            retired: line
                .retired(now)
                .map(|retired| Notice { at: retired.at, reason: ascii(&retired.reason) }),
            releases,
            demo: false,
        }
    }

    /// Whether two manifests are equal apart from `version`, `issued` and `expires`. If so, the older one
    /// can still be served until it is due for renewal.
    pub fn offers_the_same_as(&self, other: &Self) -> bool {
        let Self { version, issued, expires, .. } = *other;
        *other == Self { version, issued, expires, ..self.clone() }
    }
}

impl ChannelYank {
    fn of(yank: &Yank) -> Self {
        Self { at: yank.event.at, reason: ascii(&yank.event.reason), to: yank.to.clone() }
    }
}

#[cfg(test)]
mod tests;
