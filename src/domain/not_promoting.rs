//! Why a server does not promote, although releases may be due.

use super::degraded::{ClockDoubt, Degraded, DegradedKind};

/// Why a server does not promote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPromoting {
    /// It was told not to, because somebody else promotes.
    Off,
    /// The machine's clock cannot be trusted.
    Clock(ClockDoubt),
    /// Something fails that must succeed first.
    Failing(DegradedKind),
}

impl NotPromoting {
    /// Why a server with this problem does not promote.
    pub const fn of(degraded: &Degraded) -> Self {
        match degraded {
            Degraded::ClockUntrusted(doubt) => Self::Clock(*doubt),
            degraded => Self::Failing(degraded.kind()),
        }
    }

    /// The reason's stable name in JSON: `promote_off`, or the kind of what is degraded.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "promote_off",
            Self::Clock(_) => DegradedKind::ClockUntrusted.as_str(),
            Self::Failing(kind) => kind.as_str(),
        }
    }

    /// Whether this keeps out a release that is due, or one that waits for its time. If somebody else promotes,
    /// or one release's file cannot be written, a release that still waits loses nothing.
    pub const fn concerns(self, is_due: bool) -> bool {
        is_due || !matches!(self, Self::Off | Self::Failing(DegradedKind::CommitFailing))
    }
}
