//! The gates of a promotion.

use chrono::TimeDelta;

use super::super::Time;
use super::super::channel::{ChannelName, LineName, StageName};
use super::super::line::{Line, Stage};
use super::super::named::tagged;
use super::super::on_offer;
use super::super::policy::{Freeze, Soak, Urgency, Window};
use super::super::release::{Ended, Entry, Event, ManifestState, PayloadState, Release, Yank};
use super::{Decision, Verdict};

/// One condition of a promotion: what was found, and whether the gate is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate<'a> {
    pub fact: Fact<'a>,
    pub state: GateState,
}

tagged! {
    /// Whether a gate is open.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum GateState {
        /// Open.
        Passes = "passes",
        /// Opens at `until` without anybody acting.
        Waits { until: Time } = "waits",
        /// Opens only when somebody acts.
        Blocks = "blocks",
    }
}

tagged! {
    /// What a gate checks, and what it found.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Fact<'a> {
        /// The catalog already has an entry for this stage or a later one, dated in the future. `ahead` if
        /// it is dated ahead of the clock, and not just of the queried time.
        Recorded { since: Time, ahead: bool } = "recorded",
        /// The release was yanked. Only yanked releases have this gate.
        Yanked { yank: &'a Yank } = "yanked",
        /// Whether a release key has signed the release.
        Signed { manifest: &'a ManifestState } = "signed",
        /// The role that lists the line's signed releases expired at `at`. Only lines whose role has expired have this
        /// gate.
        Expired { at: Time } = "expired",
        /// Whether the payload files exist and match their digests.
        Payload { payload: &'a PayloadState } = "payload",
        /// The time for which the release must be on offer in the previous stage. `waived` if an early
        /// promotion skips it.
        Soak { since: Time, soak: Soak, ends: SoakEnd<'a>, waived: bool } = "soak",
        /// The earliest entry time that the signed release manifest allows.
        NotBefore { stage: &'a StageName, at: Time } = "not_before",
        /// The line is retired. Only retired lines have this gate.
        Retired { line: &'a LineName, retired: &'a Event } = "retired",
        /// The hold on the release, if it is held.
        Hold { hold: Option<&'a Event> } = "hold",
        /// The freeze, if any, that is in effect now or will be when every other gate passes.
        Freeze { freeze: Option<&'a Freeze>, waived: bool } = "freeze",
        /// The hours of the week in which promotions are allowed.
        Window { window: &'a Window, waived: bool } = "window",
        /// The older barrier that must enter the stage first, if any. If it `is_due`, it waits only for
        /// whoever promotes, so nobody knows until when.
        Order { barrier: Option<&'a Release>, is_due: bool } = "order",
        /// The pause of the channel, if it is paused.
        Paused { channel: &'a ChannelName, pause: Option<&'a Event> } = "paused",
    }
}

/// When a soak ends. Only time in which clusters can get the release counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SoakEnd<'a> {
    /// It ends at `due`. `lost` is the time until then that does not count.
    At { due: Time, lost: TimeDelta },
    /// It stands still as long as the channel of the previous stage is paused. After that, `rest` is left.
    Paused { channel: &'a ChannelName, pause: &'a Event, rest: TimeDelta },
    /// It stands still as long as the release is yanked.
    Yanked,
    /// It stands still as long as a payload is missing, which a server has recorded.
    Unavailable,
}

impl SoakEnd<'_> {
    /// When the soak ends, unless it stands still.
    pub const fn due(&self) -> Option<Time> {
        match *self {
            Self::At { due, .. } => Some(due),
            Self::Paused { .. } | Self::Yanked | Self::Unavailable => None,
        }
    }
}

impl Fact<'_> {
    /// Whether the gate still matters once the line is retired. The line goes on offering its releases, so
    /// anything that prevents a release from being offered still matters.
    pub const fn outlasts_retirement(&self) -> bool {
        matches!(
            self,
            Self::Yanked { .. }
                | Self::Signed { .. }
                | Self::Expired { .. }
                | Self::Payload { .. }
                | Self::Retired { .. }
        )
    }
}

impl<'a> Gate<'a> {
    /// The gate that prevents a release from being offered at `now`, although it has entered a stage,
    /// because its payload or its signature is missing or invalid. `None` if it was yanked.
    pub fn withholding(release: &'a Release, now: Time) -> Option<Self> {
        if !release.is_known(now) || release.yanked(now).is_some() || release.is_deliverable() {
            return None;
        }
        let fact = match &release.evidence.payload {
            PayloadState::Present => Fact::Signed { manifest: &release.evidence.manifest },
            payload => Fact::Payload { payload },
        };
        Some(Self { fact, state: GateState::Blocks })
    }

    /// When the gate opens, if it waits.
    pub const fn opens(&self) -> Option<Time> {
        match self.state {
            GateState::Waits { until } => Some(until),
            GateState::Passes | GateState::Blocks => None,
        }
    }

    /// Whether an early promotion skips the gate.
    pub const fn is_waived(&self) -> bool {
        matches!(
            self.fact,
            Fact::Soak { waived: true, .. }
                | Fact::Freeze { waived: true, .. }
                | Fact::Window { waived: true, .. }
        )
    }
}

/// The options of an early promotion. It always skips the soak and the window, but a freeze only on
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Early {
    pub during_freeze: bool,
}

/// A barrier that has not entered a stage yet, and the verdict on its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Barrier<'a> {
    pub(super) release: &'a Release,
    pub(super) verdict: Verdict,
}

/// When the soak of a release in a stage ends, if it entered the stage at `since` and must be on offer there
/// for `min`.
fn soak_end<'a>(
    line: &'a Line,
    release: &Release,
    stage: usize,
    (since, min): (Time, TimeDelta),
    now: Time,
) -> SoakEnd<'a> {
    let due = on_offer::after(since, min, on_offer::interruptions(line, release, stage, now));
    let channel = &line.stages[stage].channel;
    // Nothing shows when a stop began that is dated in the future.
    let is_over = |stop: &Event| !stop.at_once && due <= stop.at;
    match (line.stages[stage].paused(now), release.yanked(now)) {
        (_, Some(yank)) if !is_over(&yank.event) => SoakEnd::Yanked,
        (Some(pause), _) if !is_over(pause) => {
            SoakEnd::Paused { channel, pause, rest: due - pause.at.min(now).max(since) }
        }
        _ if is_missing(release) && release.outage().is_some_and(|outage| outage.from < due) => {
            SoakEnd::Unavailable
        }
        _ => SoakEnd::At { due, lost: due - since - min },
    }
}

fn is_missing(release: &Release) -> bool {
    release.evidence.payload != PayloadState::Present
}

/// When a release becomes overdue: once it has been on offer in a stage for `max`, without the time in
/// freezes and holds. `None` while it is held, and while it is not on offer.
fn deadline(
    line: &Line,
    release: &Release,
    stage: usize,
    (since, max): (Time, TimeDelta),
    now: Time,
) -> Option<Time> {
    let stage_is_paused = line.stages[stage].paused(now).is_some();
    let is_out = is_missing(release) && release.outage().is_some();
    if release.held(now).is_some() || release.yanked(now).is_some() || stage_is_paused || is_out {
        return None;
    }
    let freezes = line.freezes.iter().filter(|freeze| !freeze.except.contains(&release.urgency));
    let holds = release.resumed().iter().map(Ended::period);
    let excused = freezes.map(|freeze| (freeze.from, freeze.until)).chain(holds);
    Some(on_offer::after(since, max, on_offer::interruptions(line, release, stage, now).chain(excused)))
}

/// The earliest time at which a release can enter a stage, if it enters the previous stage at `entered`, and
/// the last older barrier enters this one at `order`. `None` while somebody or something stops it, or one of
/// the two channels is paused.
pub(super) fn due(
    line: &Line,
    release: &Release,
    stage: usize,
    (entered, order): (Time, Time),
    now: Time,
) -> Option<Time> {
    let is_stopped = release.held(now).is_some() || release.yanked(now).is_some();
    if is_stopped || !release.is_deliverable() || line.retired(now).is_some() {
        return None;
    }
    let target = &line.stages[stage];
    if target.paused(now).is_some() {
        return None;
    }
    let signed = release.evidence.manifest.not_before(&target.name);
    let soaked = match &target.soak {
        Some(soak) => {
            soak_end(line, release, stage - 1, (entered, soak.of(release.urgency).min), now).due()?
        }
        None => entered,
    };
    let due = soaked.max(signed.unwrap_or(entered)).max(order);
    Some(calendar(line, target, release.urgency, due, None).0)
}

/// Checks every gate of one promotion and decides on it.
pub(super) fn examine<'a>(
    line: &'a Line,
    release: &'a Release,
    stage: usize,
    now: Time,
    barrier: Option<Barrier<'a>>,
    early: Option<Early>,
) -> Decision<'a> {
    let target = &line.stages[stage];
    let mut gates = Vec::with_capacity(10);
    let mut add = |fact: Fact<'a>, state: GateState| gates.push(Gate { fact, state });
    let wait_until = |until: Time| if now < until { GateState::Waits { until } } else { GateState::Passes };
    let block_if = |blocks: bool| if blocks { GateState::Blocks } else { GateState::Passes };

    let recorded = release.entries[stage..].iter().flatten().next();
    if let Some(&Entry { since, ahead, .. }) = recorded {
        add(Fact::Recorded { since, ahead }, wait_until(since));
    }
    if let Some(yank) = release.yanked(now) {
        add(Fact::Yanked { yank }, GateState::Blocks);
    }
    let manifest = &release.evidence.manifest;
    let signed = match manifest {
        ManifestState::Signed(_) => true,
        // A catalog that has no keys yet can still record a history of promotions.
        ManifestState::NoTrust => stage > 0,
        ManifestState::Unsigned | ManifestState::Undelegated | ManifestState::Invalid(_) => false,
    };
    add(Fact::Signed { manifest }, block_if(!signed));
    if let Some(at) = line.signed_until.filter(|at| *at <= now) {
        add(Fact::Expired { at }, GateState::Blocks);
    }
    let payload = &release.evidence.payload;
    add(Fact::Payload { payload }, block_if(*payload != PayloadState::Present));

    let mut overdue_from = None;
    let before = stage.checked_sub(1).and_then(|before| Some((before, release.entered(before, now)?.since)));
    if let (Some(policy), Some((before, since))) = (&target.soak, before) {
        let soak = policy.of(release.urgency);
        let ends = soak_end(line, release, before, (since, soak.min), now);
        let soaking = ends.due().map_or(GateState::Blocks, wait_until);
        let waived = early.is_some() && soaking != GateState::Passes;
        add(
            Fact::Soak { since, soak, ends, waived },
            if early.is_some() { GateState::Passes } else { soaking },
        );
        overdue_from = deadline(line, release, before, (since, soak.max), now);
    }
    if let Some(at) = manifest.not_before(&target.name) {
        add(Fact::NotBefore { stage: &target.name, at }, wait_until(at));
    }
    if let Some(retired) = line.retired(now) {
        add(Fact::Retired { line: &line.name, retired }, GateState::Blocks);
    }
    let hold = release.held(now);
    add(Fact::Hold { hold }, block_if(hold.is_some()));
    let paused = target.paused(now);
    add(Fact::Paused { channel: &target.channel, pause: paused }, block_if(paused.is_some()));
    let enters = barrier.and_then(|barrier| barrier.verdict.earliest(now));
    let order = match enters {
        Some(until) if now < until => GateState::Waits { until },
        _ => block_if(barrier.is_some()),
    };
    let is_due = enters.is_some_and(|until| until <= now);
    add(Fact::Order { barrier: barrier.map(|barrier| barrier.release), is_due }, order);

    let due = gates.iter().filter_map(Gate::opens).max().unwrap_or(now);
    let (until, frozen, opens) = calendar(line, target, release.urgency, due, early);
    let waived = early.filter(|early| early.during_freeze).and_then(|_| line.freeze(release.urgency, now));
    gates.push(Gate {
        fact: Fact::Freeze { freeze: waived.or(frozen), waived: waived.is_some() },
        state: frozen.map_or(GateState::Passes, |freeze| GateState::Waits { until: freeze.until }),
    });
    if let Some(window) = &target.window {
        let waived = early.is_some() && !window.is_open(now);
        gates.push(Gate {
            fact: Fact::Window { window, waived },
            state: match opens {
                None => GateState::Passes,
                Some(until) if until == Time::MAX_UTC => GateState::Blocks,
                Some(until) => GateState::Waits { until },
            },
        });
    }

    // A recorded entry takes effect at its time, whatever the gates say.
    let verdict = if let Some(recorded) = recorded {
        Verdict::Wait { until: recorded.since }
    } else if gates.iter().any(|gate| gate.state == GateState::Blocks) {
        Verdict::Blocked
    } else if gates.iter().any(|gate| gate.state != GateState::Passes) {
        Verdict::Wait { until }
    } else {
        Verdict::Promote
    };
    // A release that will never go further cannot be late.
    let overdue = overdue_from.is_some_and(|deadline| deadline <= now) && line.retired(now).is_none();
    Decision { line, release, now, stage, verdict, later: Vec::new(), gates, deadline: overdue_from, overdue }
}

/// Returns the first time at or after `due` that is outside every freeze and inside the window, together
/// with the last freeze and the last window opening that caused a delay.
fn calendar<'a>(
    line: &'a Line,
    target: &Stage,
    urgency: Urgency,
    due: Time,
    early: Option<Early>,
) -> (Time, Option<&'a Freeze>, Option<Time>) {
    let (mut until, mut frozen, mut opens) = (due, None, None);
    let minds_freezes = !early.is_some_and(|early| early.during_freeze);
    let window = target.window.as_ref().filter(|_| early.is_none());
    loop {
        if minds_freezes && let Some(freeze) = line.freeze(urgency, until) {
            until = freeze.until;
            frozen = Some(freeze);
        } else if let Some(open) = window.map(|window| window.next_open(until)).filter(|&open| until < open) {
            until = open;
            opens = Some(open);
        } else {
            return (until, frozen, opens);
        }
    }
}
