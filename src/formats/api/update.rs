//! `update`: what a cluster should do.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::release::{Event, Release};
use crate::domain::rfc3339;
use crate::domain::upgrade::{Advice, Answer, Blocked, Coming, NoneCode, Step, Wait};
use crate::formats::sparse::sparse;
use crate::words;

sparse! {
    /// What a cluster should do.
    #[derive(Debug, Default, Serialize, ToSchema)]
    pub struct UpdateBody {
        pub channel: String,
        /// `update`, `none`, `wait` or `blocked`.
        pub action: &'static str,
        /// The reason, as a stable code.
        pub code: &'static str,
        /// The advice and the reason, as a sentence.
        pub message: String,
        /// With `update`: the release to install now.
        pub target: Option<TargetBody>,
        /// With `wait`, unless the channel is paused or the release is due: the earliest time at which the
        /// next release can arrive (RFC 3339).
        pub until: Option<String>,
        /// The next expected release of the channel that is above the cluster's version.
        pub coming: Option<ComingBody>,
        /// With `blocked`: the release from which clusters can enter the channel's line.
        pub take: Option<StepBody>,
        /// With `blocked`: the next release to install on the way to `take`.
        pub next: Option<StepBody>,
        /// The line of the channel.
        pub line: String,
        @optional {
            /// With the codes `paused` and `retired`, and with `yanked` if the action is `blocked`: when
            /// that happened (RFC 3339).
            since: String,
            /// The reason for the pause, retirement or yank that `since` refers to.
            reason: String,
            /// With the code `barrier`, if the action is `blocked`: the barrier that must be installed
            /// first.
            barrier: String,
            /// The channel that must offer the next release before the cluster can move on.
            through: String,
            /// With the code `retired`: the line and the channel to continue with.
            follow: FollowBody,
        }
    }
}

/// The line and the channel to continue with after a line was retired.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowBody {
    pub line: String,
    pub channel: String,
}

/// A release to install, and the paths of its documents.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetBody {
    pub version: String,
    /// The path of the signed release manifest.
    pub manifest: String,
    pub payloads: Vec<TargetPayload>,
}

/// A payload of a release to install.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetPayload {
    pub file: String,
    pub arch: Option<String>,
    /// Hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    pub path: String,
}

/// A release and the channel that offers it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    pub version: String,
    pub channel: String,
}

/// A release that is expected.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComingBody {
    pub version: String,
    /// The earliest time at which the release enters the channel (RFC 3339). `null` if the release is due:
    /// it enters once somebody promotes it.
    pub until: Option<String>,
    /// The channel that the release enters.
    pub channel: String,
}

impl UpdateBody {
    /// Describes one answer.
    pub fn of(answer: &Answer<'_>) -> Self {
        let Answer { channel, advice } = answer;
        let mut body = Self {
            channel: channel.name().to_string(),
            action: advice.action(),
            code: advice.code(),
            message: words::answer(answer),
            target: advice.target().map(TargetBody::of),
            line: channel.line.name.to_string(),
            ..Self::default()
        };
        match advice {
            Advice::Update { .. } | Advice::Blocked(Blocked::NoWay) => {}
            Advice::None { code, coming } => {
                body.coming = coming.as_ref().map(ComingBody::of);
                if let NoneCode::Retired { retired, next } = code {
                    body.because(retired);
                    body.follow = next.map(|next| FollowBody {
                        line: next.line.name.to_string(),
                        channel: next.name().to_string(),
                    });
                }
            }
            Advice::Wait(Wait::Paused { pause }) => body.because(pause),
            Advice::Wait(Wait::Coming(coming)) => {
                body.until = coming.until.map(rfc3339);
                body.coming = Some(ComingBody::of(coming));
                body.through = Some(coming.channel.name().to_string());
            }
            Advice::Blocked(Blocked::MinorGate { take, next }) => {
                body.take = take.as_ref().map(StepBody::of);
                body.next = next.as_ref().map(StepBody::of);
            }
            Advice::Blocked(Blocked::UnknownVersion { take }) => body.take = take.as_ref().map(StepBody::of),
            Advice::Blocked(Blocked::Yanked { yank, fix }) => {
                body.because(&yank.event);
                body.coming = fix.as_ref().map(ComingBody::of);
            }
            Advice::Blocked(Blocked::Barrier { barrier, channel }) => {
                body.barrier = Some(barrier.to_string());
                body.through = Some(channel.name().to_string());
            }
        }
        body
    }

    fn because(&mut self, event: &Event) {
        self.since = Some(rfc3339(event.at));
        self.reason = Some(event.reason.clone());
    }
}

impl TargetBody {
    fn of(release: &Release) -> Self {
        let version = release.version.to_string();
        let payloads = release.payloads.iter().map(|payload| TargetPayload {
            file: payload.file.clone(),
            arch: payload.arch.clone(),
            sha256: payload.sha256.to_string(),
            size: payload.size,
            path: format!("/v1/payloads/{version}/{}", payload.file),
        });
        Self { manifest: format!("/v1/releases/{version}"), payloads: payloads.collect(), version }
    }
}

impl StepBody {
    fn of(step: &Step<'_>) -> Self {
        Self { version: step.release.version.to_string(), channel: step.channel.name().to_string() }
    }
}

impl ComingBody {
    fn of(coming: &Coming<'_>) -> Self {
        Self {
            version: coming.release.version.to_string(),
            until: coming.until.map(rfc3339),
            channel: coming.channel.name().to_string(),
        }
    }
}
