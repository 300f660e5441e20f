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
        /// Why, as a stable code.
        pub code: &'static str,
        /// Why, as a sentence.
        pub message: String,
        /// With `update`: the release to install now.
        pub target: Option<TargetBody>,
        /// With `wait`: RFC 3339, when to expect more.
        pub until: Option<String>,
        /// The next release to enter the channel above the cluster's version.
        pub coming: Option<ComingBody>,
        /// With `blocked`: the release that opens the way.
        pub take: Option<StepBody>,
        /// With `blocked`: the next step towards it.
        pub next: Option<StepBody>,
        /// The line of the channel.
        pub line: String,
        @optional {
            /// With `paused`, `retired`, and with `yanked` if `blocked`: RFC 3339, since when.
            since: String,
            /// The same: why.
            reason: String,
            /// With `barrier` if `blocked`: the barrier that must be installed first.
            barrier: String,
            /// The channel on the way, if it does not yet offer the next step.
            through: String,
            /// With `retired`: the channel to go on with.
            follow: FollowBody,
        }
    }
}

/// The line and the channel to go on with.
#[derive(Debug, Serialize, ToSchema)]
pub struct FollowBody {
    pub line: String,
    pub channel: String,
}

/// A release to install, and where its documents are.
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
    /// RFC 3339; the earliest time at which it enters.
    pub until: String,
    /// The channel that it enters.
    pub channel: String,
}

impl UpdateBody {
    /// One answer.
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
                body.until = Some(rfc3339(coming.until));
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
            until: rfc3339(coming.until),
            channel: coming.channel.name().to_string(),
        }
    }
}
