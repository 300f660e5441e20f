//! `update`: what a cluster should do.

use serde::Serialize;
use utoipa::ToSchema;

use super::NotPromotingBody;
use crate::domain::degraded::LineRefusal;
use crate::domain::release::{Event, Release};
use crate::domain::rfc3339;
use crate::domain::upgrade::{Advice, Answer, Blocked, Coming, NoneCode, Step, Wait, When};
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
            /// A release above the cluster's version that does not come: it is due and nobody has promoted
            /// it, or somebody must act first.
            stuck: StuckBody,
            /// Why the channel's line was refused, so that nothing new comes in it: `faulty`, `steps_back`
            /// or `claims`.
            line_refused: String,
            /// Why the server does not promote the release in `coming` or `stuck`, although it is due or waits
            /// only for its time.
            not_promoting: NotPromotingBody,
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
    /// The gate that opens last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub gate: Option<&'static str>,
}

sparse! {
    /// A release that does not come.
    #[derive(Debug, Serialize, ToSchema)]
    pub struct StuckBody {
        pub version: String,
        /// The channel that the release enters next, or should be on offer in.
        pub channel: String,
        /// Whether every gate is open, and nobody has promoted the release.
        pub due: bool,
        /// Whether the release should have entered the channel by now.
        pub overdue: bool,
        @optional {
            /// The gate that keeps the release out, as in `/v1/promotions`.
            gate: &'static str,
            /// What the gate found, in words.
            why: String,
        }
    }
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
                body.expect(coming.as_ref());
                if let NoneCode::Retired { retired, next } = code {
                    body.because(retired);
                    body.follow = next.map(|next| FollowBody {
                        line: next.line.name.to_string(),
                        channel: next.name().to_string(),
                    });
                }
            }
            Advice::Wait(Wait::Paused { pause, channel: paused }) => {
                body.because(pause);
                body.through = Some(paused.name().to_string()).filter(|paused| *paused != body.channel);
            }
            Advice::Wait(Wait::Coming(coming)) => {
                body.expect(Some(coming));
                body.until = body.coming.as_ref().and_then(|coming| coming.until.clone());
                body.through = Some(coming.channel.name().to_string());
            }
            Advice::Blocked(Blocked::MinorGate { take, next }) => {
                body.take = take.as_ref().map(StepBody::of);
                body.next = next.as_ref().map(StepBody::of);
            }
            Advice::Blocked(Blocked::UnknownVersion { take }) => body.take = take.as_ref().map(StepBody::of),
            Advice::Blocked(Blocked::Yanked { yank, fix }) => {
                body.because(&yank.event);
                body.expect(fix.as_ref());
            }
            Advice::Blocked(Blocked::Barrier { barrier, channel, stuck }) => {
                body.expect(stuck.as_ref());
                body.barrier = Some(barrier.to_string());
                body.through = Some(channel.name().to_string());
            }
        }
        body
    }

    /// Adds that the channel's line was refused.
    pub fn refuse_line(&mut self, refusal: &LineRefusal) {
        self.line_refused = Some(refusal.name().to_owned());
        self.message = format!("{}; {}", self.message, words::refused_line(&self.line));
    }

    fn expect(&mut self, coming: Option<&Coming<'_>>) {
        let Some(Coming { release, channel, when, gate, overdue, not_promoting }) = coming else { return };
        self.not_promoting = not_promoting.map(NotPromotingBody::of);
        let (version, channel) = (release.version.to_string(), channel.name().to_string());
        let name = gate.map(|gate| gate.fact.name());
        let until = match when {
            When::At(until) => Some(rfc3339(*until)),
            When::Due | When::SomebodyActs => None,
        };
        if until.is_none() {
            let (version, channel) = (version.clone(), channel.clone());
            let (due, overdue) = (*when == When::Due, *overdue);
            let why = gate.as_ref().map(words::gate);
            self.stuck = Some(StuckBody { version, channel, due, overdue, gate: name, why });
        }
        if *when != When::SomebodyActs {
            self.coming = Some(ComingBody { version, until, channel, gate: name });
        }
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
