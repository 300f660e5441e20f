//! `update`: what a cluster should do.

use serde::Serialize;
use utoipa::ToSchema;

use super::NotPromotingBody;
use crate::domain::catalog::ChannelRef;
use crate::domain::degraded::LineRefusal;
use crate::domain::release::{Event, Release};
use crate::domain::rfc3339;
use crate::domain::upgrade::{
    Advice, Answer, Behind, Blocked, Coming, First, Newer, NoPayload, NoneCode, Step, UpdateCode, Wait, When,
    Withdrawn,
};
use crate::domain::version::Version;
use crate::formats::sparse::sparse;
use crate::words::{self, Goal};

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
            /// The barrier that must be installed first.
            barrier: String,
            /// What its vendor says about the barrier.
            barrier_summary: String,
            /// The channel that must offer the next release before the cluster can move on.
            through: String,
            /// With the code `retired`: the line and the channel to continue with. With `no_way`: those
            /// with which the cluster stays in its own line.
            follow: FollowBody,
            /// With the codes `minor_gate` and `no_way`: the line from which the channel's line can be
            /// entered.
            enter_from: String,
            /// A release above the cluster's version that does not come: it is due and nobody has promoted
            /// it, or somebody must act first.
            stuck: StuckBody,
            /// The highest release above the cluster's version that was yanked.
            withdrawn: WithdrawnBody,
            /// The release above the cluster's version that is on offer, but not for the cluster's architecture:
            /// with the code `no_payload` the one that it cannot pass.
            no_payload: NoPayloadBody,
            /// Why the channel's line was refused, so that nothing new comes in it: `faulty`, `steps_back`
            /// or `claims`.
            line_refused: String,
            /// Why the server does not promote the release in `coming` or `stuck`, although it is due or waits
            /// only for its time.
            not_promoting: NotPromotingBody,
        }
    }
}

/// A release that is on offer, but not for the cluster's architecture.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoPayloadBody {
    pub version: String,
    /// The cluster's architecture.
    pub arch: String,
    /// The architectures that the release has payloads for.
    pub has: Vec<String>,
}

/// The line and the channel to continue with.
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

sparse! {
    /// A release that is expected.
    #[derive(Debug, Serialize, ToSchema)]
    pub struct ComingBody {
        pub version: String,
        /// The earliest time at which the release enters the channel (RFC 3339). `null` if the release is
        /// due, or nothing is promoted: it enters once somebody promotes it.
        pub until: Option<String>,
        /// The channel that the release enters.
        pub channel: String,
        @optional {
            /// The time before which the release cannot enter the channel even if the server promotes again (RFC 3339).
            not_before: String,
            /// The gate that opens last.
            gate: &'static str,
            /// What the gate found, in words.
            why: String,
            /// The older barrier that the gate waits for.
            behind: BehindBody,
            /// The channel of an earlier stage that the release enters first: `gate` is the one before that.
            first: FirstBody,
        }
        /// The path that tells every gate, and who can change it.
        pub explain: String,
    }
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
            /// The time before which the release cannot enter the channel even if somebody acts (RFC 3339).
            not_before: String,
            /// The gate that keeps the release out, as in `/v1/promotions`.
            gate: &'static str,
            /// What the gate found, in words.
            why: String,
            /// The older barrier that the gate waits for.
            behind: BehindBody,
            /// The channel of an earlier stage that the release enters first by itself.
            first: FirstBody,
        }
        /// The path that tells every gate, and who can change it.
        pub explain: String,
    }
}

sparse! {
    /// A barrier that must enter a channel before a release does.
    #[derive(Debug, Serialize, ToSchema)]
    pub struct BehindBody {
        pub version: String,
        @optional {
            /// What its vendor says about the barrier.
            summary: String,
            /// The gate that keeps the barrier out.
            gate: &'static str,
            /// What the gate found, in words.
            why: String,
        }
        /// The path that tells every gate of the barrier, and who can change it.
        pub explain: String,
    }
}

sparse! {
    /// The channel that a release enters on its way to a later one.
    #[derive(Debug, Serialize, ToSchema)]
    pub struct FirstBody {
        pub channel: String,
        /// The earliest time (RFC 3339). `null` if the release is due.
        pub until: Option<String>,
        @optional {
            /// The gate before this channel that opens last.
            gate: &'static str,
            /// What the gate found, in words.
            why: String,
        }
    }
}

sparse! {
    /// A release that was yanked.
    #[derive(Debug, Serialize, ToSchema)]
    pub struct WithdrawnBody {
        pub version: String,
        /// When it was yanked (RFC 3339).
        pub since: String,
        pub reason: String,
        @optional {
            /// The release to install instead.
            to: String,
        }
        /// The path that tells more about the release.
        pub explain: String,
    }
}

impl UpdateBody {
    /// Describes one answer.
    pub fn of(answer: &Answer<'_>) -> Self {
        Self::towards(&Goal::of(answer), &answer.advice)
    }

    /// Describes an advice to clusters that follow the channel of a goal.
    pub fn towards(goal: &Goal, advice: &Advice<'_>) -> Self {
        let mut body = Self {
            channel: goal.channel.clone(),
            action: advice.action(),
            code: advice.code(),
            message: words::advice(goal, advice),
            target: advice.target().map(TargetBody::of),
            line: goal.line.clone(),
            ..Self::default()
        };
        match advice {
            Advice::Update { target, code } => {
                if *code == UpdateCode::Barrier && target.barrier {
                    body.barrier_summary.clone_from(&target.summary);
                }
            }
            Advice::None { code, newer } => {
                let Newer { coming, stuck, withdrawn, unfit } = newer.as_ref();
                body.expect(stuck.as_ref());
                body.expect(coming.as_ref());
                body.withdrawn = withdrawn.as_ref().map(WithdrawnBody::of);
                body.no_payload = unfit.as_ref().map(NoPayloadBody::of);
                if let NoneCode::Retired { retired, next } = code {
                    body.because(retired);
                    body.follow = next.map(FollowBody::of);
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
            Advice::Blocked(Blocked::MinorGate { next, through, coming, .. }) => {
                body.take = goal.take.as_ref().map(StepBody::named);
                body.next = next.as_ref().map(StepBody::of);
                body.through = Some(through.name().to_string());
                body.expect(coming.as_deref());
                body.enter_from.clone_from(&goal.before);
            }
            Advice::Blocked(Blocked::UnknownVersion { .. }) => {
                body.take = goal.take.as_ref().map(StepBody::named);
            }
            Advice::Blocked(Blocked::Yanked { yank, through, barrier, fix }) => {
                body.because(&yank.event);
                body.expect(fix.as_deref());
                body.through = through.map(|through| through.name().to_string());
                if let (Some(barrier), Some(through)) = (barrier, through) {
                    body.bar(barrier, through);
                }
            }
            Advice::Blocked(Blocked::Barrier { barrier, channel, stuck }) => {
                body.expect(stuck.as_deref());
                body.bar(barrier, channel);
                body.through = Some(channel.name().to_string());
            }
            Advice::Blocked(Blocked::NoPayload { unfit, yank }) => {
                body.no_payload = Some(NoPayloadBody::of(unfit));
                if let Some(yank) = yank {
                    body.because(&yank.event);
                }
            }
            Advice::Blocked(Blocked::NoWay { stay }) => {
                body.follow = Some(FollowBody::of(*stay));
                body.enter_from.clone_from(&goal.before);
            }
        }
        body
    }

    /// Adds that the channel's line was refused.
    pub fn refuse_line(&mut self, refusal: &LineRefusal) {
        let (kind, end) = Self::refusal(&self.line, refusal);
        self.refuse(kind, &end);
    }

    /// Adds that the channel's line was refused, in the words of [`refusal`](Self::refusal).
    pub fn refuse(&mut self, kind: String, end: &str) {
        self.line_refused = Some(kind);
        self.message.push_str(end);
    }

    /// The kind of a refusal, and the end of a message that says so.
    pub fn refusal(line: &str, refusal: &LineRefusal) -> (String, String) {
        (refusal.name().to_owned(), format!("; {}", words::refused_line(line, refusal)))
    }

    fn expect(&mut self, coming: Option<&Coming<'_>>) {
        let Some(coming) = coming else { return };
        let Coming { release, channel, when, not_before, gate, behind, first, overdue, not_promoting } =
            coming;
        self.not_promoting = not_promoting.map(NotPromotingBody::of);
        let (version, channel) = (release.version.to_string(), channel.name().to_string());
        let gate = gate.map(|gate| gate.fact.name());
        let why = words::coming_why(coming);
        let behind = || behind.as_ref().map(BehindBody::of);
        let first = || first.as_ref().map(|first| FirstBody::of(first, gate, why.clone()));
        let explain = explain(&version);
        // A time is a promise, which a server that promotes nothing cannot make.
        let (until, not_before) = match when {
            When::At(until) if not_promoting.is_none() => (Some(rfc3339(*until)), None),
            When::At(until) => (None, Some(rfc3339(*until))),
            When::Due | When::SomebodyActs | When::Unsigned => (None, not_before.map(rfc3339)),
        };
        if until.is_none() {
            self.stuck = Some(StuckBody {
                version: version.clone(),
                channel: channel.clone(),
                due: *when == When::Due,
                overdue: *overdue,
                not_before: not_before.clone(),
                gate,
                why: why.clone(),
                behind: behind(),
                first: first(),
                explain: explain.clone(),
            });
        }
        if coming.is_expected() {
            let (behind, first) = (behind(), first());
            self.coming =
                Some(ComingBody { version, until, channel, not_before, gate, why, behind, first, explain });
        }
    }

    /// Adds the barrier that must be installed first. `through` lacks it.
    fn bar(&mut self, barrier: &Version, through: &ChannelRef<'_>) {
        self.barrier = Some(barrier.to_string());
        let release = through.line.releases.get(barrier);
        self.barrier_summary = release.and_then(|release| release.summary.clone());
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

/// The path that tells every gate of a release.
fn explain(version: &str) -> String {
    format!("/v1/releases/{version}/explain")
}

impl FollowBody {
    fn of(channel: ChannelRef<'_>) -> Self {
        Self { line: channel.line.name.to_string(), channel: channel.name().to_string() }
    }
}

impl BehindBody {
    fn of(Behind { barrier, gate }: &Behind<'_>) -> Self {
        let version = barrier.version.to_string();
        Self {
            summary: barrier.summary.clone(),
            gate: gate.map(|gate| gate.fact.name()),
            why: gate.as_ref().map(words::gate),
            explain: explain(&version),
            version,
        }
    }
}

impl FirstBody {
    fn of(First { channel, until }: &First<'_>, gate: Option<&'static str>, why: Option<String>) -> Self {
        Self { channel: channel.name().to_string(), until: until.map(rfc3339), gate, why }
    }
}

impl NoPayloadBody {
    fn of(NoPayload { release, arch }: &NoPayload<'_>) -> Self {
        let has = release.architectures().unwrap_or_default().into_iter().map(str::to_owned);
        Self { version: release.version.to_string(), arch: (*arch).to_owned(), has: has.collect() }
    }
}

impl WithdrawnBody {
    fn of(Withdrawn { release, yank }: &Withdrawn<'_>) -> Self {
        let version = release.version.to_string();
        Self {
            since: rfc3339(yank.event.at),
            reason: yank.event.reason.clone(),
            to: yank.to.as_ref().map(ToString::to_string),
            explain: explain(&version),
            version,
        }
    }
}

impl StepBody {
    fn named((version, channel): &(String, String)) -> Self {
        Self { version: version.clone(), channel: channel.clone() }
    }

    fn of(step: &Step<'_>) -> Self {
        Self { version: step.release.version.to_string(), channel: step.channel.name().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::degraded::ClockDoubt;
    use crate::domain::not_promoting::NotPromoting;
    use crate::domain::promotion::decide;
    use crate::domain::testing::{catalog, line, release, t, v};
    use crate::domain::upgrade::Views;

    #[test]
    fn an_answer_promises_no_date_while_nothing_is_promoted() {
        let next = release("1.8.2", &["2018-01-01"]);
        let catalog =
            catalog([line("1.8", None).with(release("1.8.1", &["2017-12-01", "2017-12-15"])).with(next)]);
        let body = |why: NotPromoting, now: &str| {
            let decisions = decide(&catalog, t(now));
            let views = Views::new(&catalog, &decisions, t(now)).not_promoting(Some(why));
            let channel = catalog.channel(&"1.8-production".parse().unwrap()).unwrap();
            let body = UpdateBody::of(&views.answer(channel, &v("1.8.1")));
            (serde_json::to_value(&body).unwrap(), body.message)
        };
        let doubt = ClockDoubt::Turned { now: t("2018-01-03"), expected: t("2018-01-02"), has_booted: false };
        let (json, told) = body(NotPromoting::Clock(doubt), "2018-01-02");
        assert!(
            told.contains("; apart from that, `1.8.2` follows at 2018-01-15T00:00:00Z at the earliest"),
            "{told}"
        );
        for field in ["coming", "stuck"] {
            assert_eq!(json[field]["not_before"], "2018-01-15T00:00:00Z", "{field}");
        }
        assert_eq!(
            (&json["coming"]["until"], &json["stuck"]["due"]),
            (&serde_json::Value::Null, &false.into())
        );
        let (json, _) = body(NotPromoting::Off, "2018-01-02");
        assert_eq!(json["coming"]["until"], "2018-01-15T00:00:00Z", "somebody else promotes in time");
        let (_, told) = body(NotPromoting::Off, "2018-02-02");
        assert!(
            told.contains("`tidegate promote`, or turns promotion on; a cluster can do neither"),
            "{told}"
        );
    }
}
