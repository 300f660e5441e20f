//! The gates of a promotion.

use super::super::Time;
use super::super::channel::{ChannelName, LineName, StageName};
use super::super::named::tagged;
use super::super::policy::{Freeze, Soak, Window};
use super::super::release::{Event, ManifestState, PayloadState, Release, Yank};

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
        /// Is open.
        Passes = "passes",
        /// Opens by itself at `until`.
        Waits { until: Time } = "waits",
        /// Opens only when somebody does something.
        Blocks = "blocks",
    }
}

tagged! {
    /// What a gate is about, and what was found.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Fact<'a> {
        /// The catalog has an entry for the stage or a later one, dated ahead.
        Recorded { since: Time } = "recorded",
        /// The release was yanked. Only there if it was.
        Yanked { yank: &'a Yank } = "yanked",
        /// A release key has signed the release.
        Signed { manifest: &'a ManifestState } = "signed",
        /// The payload files are there, and match their digests.
        Payload { payload: &'a PayloadState } = "payload",
        /// The time in the stage before. `waived` if an early promotion skips it.
        Soak { since: Time, soak: Soak, due: Time, waived: bool } = "soak",
        /// The earliest time that the signed release manifest allows.
        NotBefore { stage: &'a StageName, at: Time } = "not_before",
        /// The line takes no new releases. Only there if it is retired.
        Retired { line: &'a LineName, retired: &'a Event } = "retired",
        /// Somebody holds the release.
        Hold { hold: Option<&'a Event> } = "hold",
        /// The freeze that is on now, or that will be on when every other gate passes.
        Freeze { freeze: Option<&'a Freeze>, waived: bool } = "freeze",
        /// The hours of the week in which promotions happen.
        Window { window: &'a Window, waived: bool } = "window",
        /// The older barrier that must enter first.
        Order { barrier: Option<&'a Release> } = "order",
        /// Somebody paused the channel.
        Paused { channel: &'a ChannelName, pause: Option<&'a Event> } = "paused",
    }
}

impl Fact<'_> {
    /// Whether it matters in a retired line too: the line still offers its releases, and a fault of a
    /// release keeps it from being offered.
    #[must_use]
    pub const fn outlasts_retirement(&self) -> bool {
        matches!(
            self,
            Self::Yanked { .. } | Self::Signed { .. } | Self::Payload { .. } | Self::Retired { .. }
        )
    }
}

impl<'a> Gate<'a> {
    /// The gate that keeps a release from being offered although it has entered a stage by `now`: its
    /// payload or its signature is missing. `None` for a yanked release.
    #[must_use]
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

    /// When the gate opens by itself, if it is one that waits.
    #[must_use]
    pub const fn opens(&self) -> Option<Time> {
        match self.state {
            GateState::Waits { until } => Some(until),
            GateState::Passes | GateState::Blocks => None,
        }
    }

    /// Whether an early promotion skips it.
    #[must_use]
    pub const fn is_waived(&self) -> bool {
        matches!(
            self.fact,
            Fact::Soak { waived: true, .. }
                | Fact::Freeze { waived: true, .. }
                | Fact::Window { waived: true, .. }
        )
    }
}
