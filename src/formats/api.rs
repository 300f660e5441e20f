//! The JSON of the unsigned answers: of the HTTP service, and of `--output json`.
//!
//! Each body is made from the domain's own decision or answer, and decides nothing itself.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::explain::Explanation;
use crate::domain::promotion::{Decision, Gate, Verdict};
use crate::domain::release::{Event, Release};
use crate::domain::upgrade::{Advice, Answer, Blocked, Coming, Step, Wait};
use crate::domain::{Time, rfc3339};

/// Every channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelsBody {
    pub channels: Vec<ChannelSummary>,
}

/// One channel in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelSummary {
    pub channel: String,
    /// Further names of the channel.
    pub aliases: Vec<String>,
    pub line: String,
    pub stage: String,
    /// The highest version on offer.
    pub latest: Option<String>,
    /// How many releases are on offer.
    pub offered: usize,
    /// How many releases entered and were yanked.
    pub yanked: usize,
    pub paused: Option<Notice>,
    /// What is on its way into the channel.
    pub soaking: Vec<Soaking>,
}

/// A release on its way into a channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct Soaking {
    pub version: String,
    /// `promote`, `wait` or `blocked`.
    pub verdict: &'static str,
    /// RFC 3339; when it enters at the earliest.
    pub until: Option<String>,
    pub overdue: bool,
}

/// Something that people decided: since when, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notice {
    /// RFC 3339.
    pub since: String,
    pub by: String,
    pub reason: String,
}

/// The decision for every release that is not in its last stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromotionsBody {
    pub promotions: Vec<DecisionBody>,
}

/// Whether one release enters its next stage.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionBody {
    pub version: String,
    pub line: String,
    /// The channel that the release is in; none before its first stage.
    pub from: Option<String>,
    /// The channel that it would enter.
    pub to: String,
    /// `promote`, `wait` or `blocked`.
    pub verdict: &'static str,
    /// RFC 3339; with `wait`, when every gate passes.
    pub until: Option<String>,
    /// RFC 3339; when the release is overdue.
    pub deadline: Option<String>,
    pub overdue: bool,
    pub gates: Vec<GateBody>,
}

/// One gate of a promotion.
#[derive(Debug, Serialize, ToSchema)]
pub struct GateBody {
    /// `signed`, `payload`, `soak`, `not_before`, `hold`, `freeze`, `window`, `order`, `paused`,
    /// `retired`, `yanked` or `recorded`.
    pub gate: &'static str,
    /// `passes`, `waits` or `blocks`.
    pub state: &'static str,
    /// RFC 3339; with `waits`, when the gate opens.
    pub until: Option<String>,
    /// What was looked at, in words.
    pub message: String,
}

/// What a cluster should do.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpdateBody {
    pub channel: String,
    /// `update`, `none`, `wait` or `blocked`.
    pub action: &'static str,
    /// Why, as a stable word.
    pub code: &'static str,
    /// Why, as a sentence.
    pub message: String,
    /// With `update`: the release to take now.
    pub target: Option<TargetBody>,
    /// With `wait`: RFC 3339, when to expect more.
    pub until: Option<String>,
    /// What comes next into the channel above the asker's version.
    pub coming: Option<ComingBody>,
    /// With `blocked`: the release that opens the way.
    pub take: Option<StepBody>,
    /// With `blocked`: the next step towards it.
    pub next: Option<StepBody>,
}

/// A release to take, and where its documents are.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetBody {
    pub version: String,
    /// The path of the signed release manifest.
    pub manifest: String,
    pub payloads: Vec<TargetPayload>,
}

/// A payload of a release to take.
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

/// A release that has a date.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComingBody {
    pub version: String,
    /// RFC 3339; at the earliest.
    pub until: String,
}

/// Where a release stands, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainBody {
    pub version: String,
    pub line: String,
    /// `normal` or `security`.
    pub urgency: &'static str,
    /// `promoted`, `due`, `waiting`, `blocked` or `yanked`; `unknown` on a mirror, for what has not
    /// entered every stage.
    pub state: &'static str,
    pub message: String,
    pub entered: Vec<EntryBody>,
    pub next: Option<DecisionBody>,
    pub yanked: Option<Notice>,
    /// What people can do about it, and who they are.
    pub remedies: Vec<String>,
}

/// A stage that a release has entered.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryBody {
    pub stage: String,
    pub channel: String,
    /// RFC 3339.
    pub since: String,
    pub by: String,
    pub reason: Option<String>,
}

impl ExplainBody {
    /// Says that what comes next is not known here: a mirror has the signed documents, and plans are
    /// not signed.
    pub fn unknown(&mut self) {
        self.state = "unknown";
        let channel = self.entered.last().map_or("no channel", |entry| &entry.channel);
        self.message = format!(
            "`{}` is in `{channel}`; when it goes further is not known here: this is a mirror, and the vendor's own server says",
            self.version
        );
        self.remedies.clear();
    }
}

impl ChannelsBody {
    /// Every channel of a catalog at `now`.
    #[must_use]
    pub fn of(catalog: &Catalog, decisions: &[Decision<'_>], now: Time) -> Self {
        Self {
            channels: catalog.channels().map(|channel| ChannelSummary::of(channel, decisions, now)).collect(),
        }
    }
}

impl ChannelSummary {
    /// One channel at `now`.
    #[must_use]
    pub fn of(channel: ChannelRef<'_>, decisions: &[Decision<'_>], now: Time) -> Self {
        let (line, stage) = (channel.line, channel.stage());
        // Decisions come by line, so a line's own stand together.
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
            verdict: verdict(decision.verdict),
            until: until(decision.verdict),
            overdue: decision.overdue,
        }
    }
}

impl Notice {
    fn of(event: &Event) -> Self {
        Self { since: rfc3339(event.at), by: event.by.clone(), reason: event.reason.clone() }
    }
}

impl PromotionsBody {
    /// Every decision.
    #[must_use]
    pub fn of(decisions: &[Decision<'_>]) -> Self {
        Self { promotions: decisions.iter().map(DecisionBody::of).collect() }
    }
}

impl DecisionBody {
    /// One decision.
    #[must_use]
    pub fn of(decision: &Decision<'_>) -> Self {
        let stages = &decision.line.stages;
        Self {
            version: decision.release.version.to_string(),
            line: decision.line.name.to_string(),
            from: decision.stage.checked_sub(1).map(|before| stages[before].channel.to_string()),
            to: decision.target().channel.to_string(),
            verdict: verdict(decision.verdict),
            until: until(decision.verdict),
            deadline: decision.deadline.map(rfc3339),
            overdue: decision.overdue,
            gates: decision.gates.iter().map(GateBody::of).collect(),
        }
    }
}

impl GateBody {
    fn of(gate: &Gate<'_>) -> Self {
        Self {
            gate: gate.fact.name(),
            state: gate.state.name(),
            until: gate.opens().map(rfc3339),
            message: gate.to_string(),
        }
    }
}

impl UpdateBody {
    /// One answer.
    #[must_use]
    pub fn of(answer: &Answer<'_>) -> Self {
        let advice = &answer.advice;
        let (mut coming, mut take, mut next, mut until) = (None, None, None, None);
        match advice {
            Advice::Update { .. }
            | Advice::Wait(Wait::Paused { .. })
            | Advice::Blocked(Blocked::Barrier { .. } | Blocked::NoWay) => {}
            Advice::None { coming: dated, .. } => coming = *dated,
            Advice::Wait(Wait::Coming(dated)) => {
                coming = Some(*dated);
                until = Some(rfc3339(dated.until));
            }
            Advice::Blocked(Blocked::MinorGate { take: top, next: step }) => (take, next) = (*top, *step),
            Advice::Blocked(Blocked::UnknownVersion { take: top }) => take = *top,
            Advice::Blocked(Blocked::Yanked { fix, .. }) => coming = *fix,
        }
        Self {
            channel: answer.channel.name().to_string(),
            action: advice.action(),
            code: advice.code(),
            message: answer.to_string(),
            target: advice.target().map(TargetBody::of),
            until,
            coming: coming.map(|coming| ComingBody::of(&coming)),
            take: take.map(|step| StepBody::of(&step)),
            next: next.map(|step| StepBody::of(&step)),
        }
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
        Self { version: coming.release.version.to_string(), until: rfc3339(coming.until) }
    }
}

impl ExplainBody {
    /// One explanation.
    #[must_use]
    pub fn of(explanation: &Explanation<'_>) -> Self {
        let Explanation { line, release, now, decision } = explanation;
        let entered = line.stages.iter().zip(&release.entries).filter_map(|(stage, entry)| {
            let entry = entry.as_ref().filter(|entry| entry.since <= *now)?;
            Some(EntryBody {
                stage: stage.name.to_string(),
                channel: stage.channel.to_string(),
                since: rfc3339(entry.since),
                by: entry.by.clone(),
                reason: entry.reason.clone(),
            })
        });
        Self {
            version: release.version.to_string(),
            line: line.name.to_string(),
            urgency: release.urgency.as_str(),
            state: explanation.state(),
            message: explanation.sentence(),
            entered: entered.collect(),
            next: decision.map(DecisionBody::of),
            yanked: release.yanked(*now).map(|yank| Notice::of(&yank.event)),
            remedies: explanation.remedies(),
        }
    }
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Promote => "promote",
        Verdict::Wait { .. } => "wait",
        Verdict::Blocked => "blocked",
    }
}

fn until(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Wait { until } => Some(rfc3339(until)),
        Verdict::Promote | Verdict::Blocked => None,
    }
}
