//! What time it is for the promoter, and what is kept of that for the next start.

use std::time::Duration;

use chrono::TimeDelta;

use super::clock_watch::{self, ClockWatch, Reading};
use crate::clock::Clock;
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::clock::KnownTime;
use crate::domain::degraded::ClockDoubt;
use crate::store::port::StateStore;
use crate::words;

/// How often the time is stored.
const EVERY: Duration = Duration::from_secs(60);

/// How much a jump must change before it is reported again.
const CHANGE: TimeDelta = TimeDelta::minutes(5);

/// Judges the clock at each turn.
#[derive(Debug)]
pub struct Timekeeper {
    watch: ClockWatch,
    /// The monotonic time at which the time was stored last, and whether the clock was in doubt.
    stored: Option<(Duration, bool)>,
    /// How far the clock is from what it should say, as last reported.
    jump: Option<TimeDelta>,
}

impl Timekeeper {
    /// Continues where the last process on this state ended. `made` is the time of its last publication.
    /// Without one, nothing shows what time it was.
    pub fn start(state: &dyn StateStore, clock: &dyn Clock, made: Option<Time>) -> Self {
        let watch = made.map(|made| watch(state, clock, made)).unwrap_or_default();
        Self { watch, stored: None, jump: None }
    }

    /// Judges the clock, and takes the word of whoever confirms it.
    pub fn judge(&mut self, state: &dyn StateStore, clock: &dyn Clock, made: Option<Time>) -> Reading {
        let (monotonic, now, is_synchronised) = (clock.monotonic(), clock.now(), is_synchronised(clock));
        let mut reading = self.watch.judge(now, monotonic, made, is_synchronised);
        if let Some(doubt @ ClockDoubt::Turned { .. }) = &reading.doubt
            && self.is_confirmed(state, doubt, now)
        {
            reading = self.watch.judge(now, monotonic, made, is_synchronised);
        }
        let is_doubted = reading.doubt.is_some();
        if self
            .stored
            .is_none_or(|(at, doubted)| EVERY <= monotonic.saturating_sub(at) || doubted != is_doubted)
        {
            self.store(state, clock, monotonic, is_doubted);
            self.stored = Some((monotonic, is_doubted));
        }
        let jump = reading.doubt.map(|doubt| match doubt {
            ClockDoubt::Turned { now, expected, .. } => now - expected,
            ClockDoubt::Behind { .. } => TimeDelta::zero(),
        });
        let is_same = self.jump.zip(jump).is_some_and(|(before, jump)| (jump - before).abs() <= CHANGE);
        if !is_same {
            self.jump = jump;
        }
        reading
    }

    /// How far the clock is from what it should say. It changes only if the clock jumps again.
    pub const fn jump(&self) -> Option<TimeDelta> {
        self.jump
    }

    /// Whether a person confirms the time to which the clock has jumped.
    fn is_confirmed(&mut self, state: &dyn StateStore, doubt: &ClockDoubt, now: Time) -> bool {
        let Some(accepted) = state.accepted().filter(|accepted| self.watch.settle(now, accepted.at)) else {
            return false;
        };
        let (by, reason) = (accepted.by, accepted.reason);
        tracing::warn!(by, reason, "accepted: {}", words::clock_reading(doubt));
        forget(state);
        true
    }

    fn store(&self, state: &dyn StateStore, clock: &dyn Clock, monotonic: Duration, is_doubted: bool) {
        let known = self.watch.known(clock.boot().unwrap_or_default(), monotonic);
        let Some(known) = known else { return };
        if let Err(error) = state.know_time(&known) {
            tracing::debug!("the time is not stored: {}", chain(&error));
        }
        // Somebody's word is about one jump, and none that may come later.
        if !is_doubted && state.accepted().is_some() {
            forget(state);
        }
    }
}

fn forget(state: &dyn StateStore) {
    if let Err(error) = state.accept(None) {
        tracing::warn!("the word that the clock is right stays in the state: {}", chain(&error));
    }
}

fn is_synchronised(clock: &dyn Clock) -> bool {
    clock.is_synchronised().unwrap_or(false)
}

/// Continues from what the state knows. A state of an earlier version knows when the last publication was made.
fn watch(state: &dyn StateStore, clock: &dyn Clock, made: Time) -> ClockWatch {
    let monotonic = clock.monotonic();
    let known = state.known_time().unwrap_or_else(|| KnownTime {
        boot: String::new(),
        monotonic,
        time: made,
        is_doubted: false,
        is_before_boot: false,
    });
    // An unknown boot has no name.
    let boot = clock.boot().filter(|boot| !boot.is_empty());
    let has_booted = known.is_before_boot || boot.as_deref() != Some(known.boot.as_str());
    // After a reboot, nobody but the kernel can tell a clock that is ahead from a machine that was off.
    if has_booted && !known.is_doubted && clock.is_synchronised().is_none() {
        return ClockWatch::trusting();
    }
    ClockWatch::after(&known, boot.as_deref(), monotonic)
}

/// Why a process that starts now on this state must doubt the clock, if it must. `made` is the time of the last
/// publication.
pub fn doubt(state: &dyn StateStore, clock: &dyn Clock, made: Time) -> Option<ClockDoubt> {
    let mut watch = watch(state, clock, made);
    watch.judge(clock.now(), clock.monotonic(), Some(made), is_synchronised(clock)).doubt
}

/// Why a program other than the server must not promote with this clock: it jumped forward since a server on this
/// state last knew the time, and nobody has confirmed it.
pub fn jump(state: &dyn StateStore, clock: &dyn Clock, made: Time) -> Option<ClockDoubt> {
    state.known_time()?;
    let now = clock.now();
    let is_accepted =
        state.accepted().is_some_and(|accepted| (now - accepted.at).abs() <= clock_watch::SETTLED_WITHIN);
    doubt(state, clock, made).filter(|doubt| match doubt {
        ClockDoubt::Turned { now, expected, .. } => expected < now && !is_accepted,
        // What is published says so, too.
        ClockDoubt::Behind { .. } => false,
    })
}

/// Whether what a witness shows, which was made at the time `by`, confirms the time to which a clock has jumped.
pub fn is_confirmed_by(doubt: &ClockDoubt, by: Time) -> bool {
    match doubt {
        ClockDoubt::Turned { now, expected, .. } => clock_watch::is_confirmed_by(*now, *expected, by),
        ClockDoubt::Behind { .. } => false,
    }
}
