//! The gates of a promotion, and the words for them.

use std::fmt;

use super::super::channel::{ChannelName, LineName, StageName};
use super::super::policy::{Freeze, Soak, Window};
use super::super::release::{Event, ManifestState, PayloadState, Release, Yank};
use super::super::span::Span;
use super::super::version::Version;
use super::super::{Time, rfc3339};

/// One condition of a promotion: what was looked at, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate<'a> {
    pub fact: Fact<'a>,
    pub state: GateState,
}

/// Whether a gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    Passes,
    /// Opens by itself at `until`.
    Waits {
        until: Time,
    },
    /// Opens only when somebody does something.
    Blocks,
}

/// What a gate looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact<'a> {
    /// The catalog has an entry for the stage or a later one, dated ahead.
    Recorded {
        since: Time,
    },
    Yanked {
        yank: &'a Yank,
    },
    /// A release key stands behind the release.
    Signed {
        manifest: &'a ManifestState,
    },
    /// The payload files are there and are what the catalog says.
    Payload {
        payload: &'a PayloadState,
    },
    /// The time in the stage before; `waived` when an early promotion passes over it.
    Soak {
        since: Time,
        soak: Soak,
        due: Time,
        waived: bool,
    },
    /// The earliest time that the signed release manifest allows.
    NotBefore {
        stage: &'a StageName,
        at: Time,
    },
    /// Nothing new comes in the line; looked at only where that is so.
    Retired {
        line: &'a LineName,
        retired: &'a Event,
    },
    Hold {
        hold: Option<&'a Event>,
    },
    /// The freeze that is on now, or that would be on when everything else passes.
    Freeze {
        freeze: Option<&'a Freeze>,
        waived: bool,
    },
    Window {
        window: &'a Window,
        waived: bool,
    },
    /// An older barrier goes first.
    Order {
        barrier: Option<&'a Release>,
    },
    Paused {
        channel: &'a ChannelName,
        pause: Option<&'a Event>,
    },
}

impl Fact<'_> {
    /// The gate's name in JSON and tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Recorded { .. } => "recorded",
            Self::Yanked { .. } => "yanked",
            Self::Signed { .. } => "signed",
            Self::Payload { .. } => "payload",
            Self::Soak { .. } => "soak",
            Self::NotBefore { .. } => "not_before",
            Self::Retired { .. } => "retired",
            Self::Hold { .. } => "hold",
            Self::Freeze { .. } => "freeze",
            Self::Window { .. } => "window",
            Self::Order { .. } => "order",
            Self::Paused { .. } => "paused",
        }
    }
}

impl Fact<'_> {
    /// Whether something is to be done about it in a retired line, too: what is wrong with a release
    /// itself keeps it from being offered where it is.
    pub(super) const fn outlasts_retirement(&self) -> bool {
        matches!(
            self,
            Self::Yanked { .. } | Self::Signed { .. } | Self::Payload { .. } | Self::Retired { .. }
        )
    }
}

impl GateState {
    /// The state's name in JSON and tables.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Waits { .. } => "waits",
            Self::Blocks => "blocks",
        }
    }
}

impl<'a> Gate<'a> {
    /// The gate that keeps a release off offer though it has entered a stage by `now`: its payload or
    /// its signature is not at hand any more, or never was. Nothing does if it was yanked.
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

    /// Whether an early promotion passes over it.
    #[must_use]
    pub const fn is_waived(&self) -> bool {
        matches!(
            self.fact,
            Fact::Soak { waived: true, .. }
                | Fact::Freeze { waived: true, .. }
                | Fact::Window { waived: true, .. }
        )
    }

    /// What a person can do about a gate that does not pass, and who that person is.
    #[must_use]
    pub fn remedy(&self, version: &Version) -> Option<String> {
        if self.state == GateState::Passes {
            return None;
        }
        Some(match self.fact {
            // These are passed over together, by an early promotion: `Decision::early_remedy`.
            Fact::Soak { .. } | Fact::Window { .. } | Fact::Freeze { .. } | Fact::Recorded { .. } => {
                return None;
            }
            Fact::Yanked { .. } => format!(
                "whoever may change the catalog can restore it: `tidegate release unyank {version} --reason TEXT`"
            ),
            Fact::Signed { manifest: ManifestState::NoTrust } => {
                "the owner of the catalog makes a root and keys: `tidegate init`".to_owned()
            }
            Fact::Signed { manifest: ManifestState::Invalid(_) } => format!(
                "whoever changed it can put back what was signed; if the change is meant, a holder of a release key can sign it: `tidegate release sign {version} --key FILE`"
            ),
            Fact::Signed { .. } => {
                format!("a holder of a release key can sign it: `tidegate release sign {version} --key FILE`")
            }
            Fact::Payload { .. } => format!(
                "a release engineer can put the right file into `payloads/{version}/`, or add the changed one as a new version"
            ),
            Fact::NotBefore { stage, .. } => format!(
                "only a holder of a release key can bring this forward, by signing it anew: `tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE`"
            ),
            Fact::Retired { line, .. } => {
                format!("nobody can take this back: bring the change into the line that follows `{line}`")
            }
            Fact::Hold { .. } => {
                format!(
                    "whoever may change the catalog can let it go on: `tidegate release resume {version}`"
                )
            }
            Fact::Order { barrier } => {
                let barrier = &barrier?.version;
                format!("see what keeps the barrier: `tidegate explain {barrier}`")
            }
            Fact::Paused { channel, .. } => {
                format!(
                    "whoever may change the catalog can let the channel go on: `tidegate channel resume {channel}`"
                )
            }
        })
    }
}

impl fmt::Display for Gate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fact {
            Fact::Recorded { since } => {
                write!(f, "the catalog has an entry dated {} already", rfc3339(since))
            }
            Fact::Yanked { yank: Yank { event, to } } => {
                write!(f, "yanked {} by {}: {}", event.since(), event.by, event.reason)?;
                to.as_ref().map_or(Ok(()), |to| write!(f, "; `{to}` replaces it"))
            }
            Fact::Signed { manifest } => match manifest {
                ManifestState::NoTrust if self.state == GateState::Passes => {
                    f.write_str("not asked for: the catalog has no keys yet")
                }
                ManifestState::NoTrust => f.write_str("not signed, and the catalog has no keys yet"),
                ManifestState::Unsigned => f.write_str("not signed by a release key yet"),
                ManifestState::Invalid(why) => write!(f, "its signed manifest cannot be used: {why}"),
                ManifestState::Signed(_) => f.write_str("signed by a release key"),
            },
            Fact::Payload { payload } => match payload {
                PayloadState::Present => f.write_str("every payload is there and has its digest"),
                PayloadState::Missing { file } => write!(f, "payload `{file}` is missing"),
                PayloadState::Differs { file, found } => {
                    write!(f, "payload `{file}` is not what the catalog says: {found}")
                }
            },
            Fact::Soak { since, soak, due, waived } => {
                let min = Span(soak.min);
                match self.state {
                    GateState::Passes if waived => {
                        write!(f, "passed over: {min} since {} would end {}", rfc3339(since), rfc3339(due))
                    }
                    GateState::Passes => write!(f, "{min} since {} have passed", rfc3339(since)),
                    _ => write!(f, "soaks for {min} since {}: until {}", rfc3339(since), rfc3339(due)),
                }
            }
            Fact::NotBefore { at, .. } => write!(f, "signed for {} or later", rfc3339(at)),
            Fact::Retired { line, retired: retired @ Event { by, reason, .. } } => {
                write!(f, "line `{line}` is retired {} by {by}: {reason}", retired.since())
            }
            Fact::Hold { hold: None } => f.write_str("not held"),
            Fact::Hold { hold: Some(hold @ Event { by, reason, .. }) } => {
                write!(f, "held {} by {by}: {reason}", hold.since())
            }
            Fact::Freeze { freeze: None, .. } => f.write_str("no freeze"),
            Fact::Freeze { freeze: Some(freeze), waived } => {
                let over = if waived { "passed over: " } else { "" };
                let (from, until) = (rfc3339(freeze.from), rfc3339(freeze.until));
                write!(f, "{over}frozen from {from} until {until}: {}", freeze.reason)
            }
            Fact::Window { window, waived } => match self.state {
                GateState::Passes if waived => write!(f, "passed over: promotions happen {window}"),
                GateState::Waits { until } => {
                    write!(f, "promotions happen {window}: next {}", rfc3339(until))
                }
                _ => write!(f, "promotions happen {window}"),
            },
            Fact::Order { barrier: None } => f.write_str("no older barrier is behind"),
            Fact::Order { barrier: Some(barrier) } => {
                write!(f, "barrier `{}` goes first", barrier.version)?;
                match self.state {
                    GateState::Waits { until } => write!(f, ", at {} at the earliest", rfc3339(until)),
                    _ => f.write_str(", and is blocked itself"),
                }
            }
            Fact::Paused { pause: None, .. } => f.write_str("the channel is not paused"),
            Fact::Paused { channel, pause: Some(pause @ Event { by, reason, .. }) } => {
                write!(f, "channel `{channel}` is paused {} by {by}: {reason}", pause.since())
            }
        }
    }
}
