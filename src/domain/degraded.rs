//! Problems that do not stop the server from serving, with their details.

use super::Time;
use super::chain;
use super::channel::{ChannelName, LineName};
use super::line::Prefix;
use super::loosened::What;
use super::named::{named, tagged};
use super::release::Evidence;
use super::restraint::{Forgotten, Restraint};
use super::stepback::StepBack;
use super::version::Version;

/// One problem that does not stop the server from serving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Degraded {
    /// A line was refused. If `keeps` is true, its last good documents stay published; otherwise, the line
    /// is left out.
    LineRefused { line: LineName, keeps: bool, refusal: LineRefusal },
    /// Releases entered a stage but are not offered, because a payload or signature is missing. `version`
    /// is the first of them, and `more` counts the others.
    NotOffered { version: Version, evidence: Box<Evidence>, more: usize },
    /// Promotions are overdue: `count` of them, the first being that of `version`.
    PromotionsOverdue { count: usize, version: Version, since: Time },
    /// Entries are dated ahead of the clock, the first being that of `version`. `more` counts the other
    /// releases.
    DatedAhead { version: Version, channel: ChannelName, since: Time, more: usize },
    /// A signed document expires soon, or has expired.
    ExpiryNear { document: String, expires: Time, expired: bool },
    /// The content imported into this mirror expires soon, or has expired.
    MirrorExpiryNear { expires: Time },
    /// What this mirror has imported of a line cannot be read.
    MirrorLost { line: LineName, why: String },
    /// This mirror has no good copy of payload `file` of release `version`, and of `more` others.
    MirrorLacks { version: Version, file: String, more: usize },
    /// Payload `file` of release `version`, and `more` others, cannot be copied to be served.
    NotCopied { version: Version, file: String, why: String, more: usize },
    /// The catalog has lost restraints that nobody took back, so they still count. `restraint` is the first of
    /// them, a record of `what` takes it back, and `more` counts the others.
    RestraintsLost { restraint: Box<Restraint>, what: What, more: usize },
    /// What was remembered of restraints cannot be read, so nothing is promoted.
    RestraintsForgotten(Forgotten),
    /// The machine's clock cannot be trusted, so nothing is promoted.
    ClockUntrusted(ClockDoubt),
    /// Clients with the time to which the clock has jumped refuse what is served, because it expires before.
    RefusedByClock { now: Time, expires: Time },
    /// The catalog has no keys yet.
    NoKeys,
    /// The state folder does not have the online key that the root names.
    NoOnlineKey,
    /// The state no longer has the last publication of this server, which has this `version`: it has none, or that
    /// of the version `found`.
    StateAway { version: u64, found: Option<u64> },
    /// The catalog's keys and roles are not valid successors of the published ones, which stay in use.
    TrustKept { why: String, is_unread: bool },
    /// The catalog has changed, but the server has been unable to read the change for a while.
    Unread { why: String },
    /// The witness could not be reached yet, so this server may be behind what is published there.
    WitnessUnasked { why: String },
    /// The content imported into this mirror is gone.
    MirrorGone,
    /// The promoter panicked.
    Panicked { why: String },
    /// Changes could not be committed. `why` has the first reasons, and `more` counts the others.
    NotCommitted { why: Vec<String>, more: usize },
    /// An operation failed; `why` is its error message.
    Failed { kind: DegradedKind, why: String },
    /// A server has reported this about itself since that time.
    Reported { kind: DegradedKind, detail: String, since: Time },
}

/// Why the machine's clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// The clock was changed: it says `now` but should say `expected`. With `has_booted`, nothing counted the time since
    /// `expected`, so the machine may just have been off.
    Turned { now: Time, expected: Time, has_booted: bool },
    /// The clock is behind the last publication, which was made at `made`.
    Behind { now: Time, made: Time },
}

tagged! {
    /// Why a line was refused.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum LineRefusal {
        /// The line could not be read.
        Faulty { why: String } = "faulty",
        /// What was published of the line cannot be read after a restart, so nothing shows what the line would
        /// take back. If `may_pass` is true, it may still be there.
        Lost { why: String, may_pass: bool } = "lost",
        /// The line would step back from what was published.
        StepsBack(Vec<StepBack>) = "steps_back",
        /// The line claims a channel or versions of line `of`, whose last good documents are still
        /// published.
        Claims { claim: Claim, of: LineName } = "claims",
    }
}

/// Something that only one line can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Channel(ChannelName),
    Versions(Prefix),
}

named! {
    /// The kinds of degradation. `/readyz` and the metrics use the same names.
    pub enum DegradedKind {
        /// A line was refused. Its last good documents, if any, stay published.
        LineRefused = "line_refused",
        /// The catalog cannot be read at all.
        ReadFailing = "read_failing",
        /// Nothing can be signed.
        SigningFailing = "signing_failing",
        /// A publication failed its own verification, or could not be stored.
        PublishFailing = "publish_failing",
        /// Promotions could not be committed.
        CommitFailing = "commit_failing",
        /// The catalog has lost restraints that nobody took back, so they still count.
        RestraintsLost = "restraints_lost",
        /// What the server remembered of restraints cannot be read, so nothing is promoted.
        RestraintsForgotten = "restraints_forgotten",
        /// A signed document expires soon.
        ExpiryNear = "expiry_near",
        /// Promotions are overdue.
        PromotionsOverdue = "promotions_overdue",
        /// A release entered a stage but is not offered, because its payload or its signature is missing, or
        /// a payload cannot be served, because it cannot be copied. On a mirror: its copy is missing or
        /// damaged.
        NotOffered = "not_offered",
        /// A release has an entry that is dated ahead of the clock, and goes no further until then.
        DatedAhead = "dated_ahead",
        /// The machine's clock jumped, or is behind the last publication, so nothing is promoted.
        ClockUntrusted = "clock_untrusted",
        /// The witness could not be reached yet, so nothing shows that this server is not behind.
        WitnessUnasked = "witness_unasked",
    }
}

impl Degraded {
    /// Whether it is a problem of the server itself, which its folders do not show.
    pub const fn is_of_server(&self) -> bool {
        matches!(self, Self::NotCopied { .. })
            || matches!(
                self.kind(),
                DegradedKind::ReadFailing
                    | DegradedKind::SigningFailing
                    | DegradedKind::PublishFailing
                    | DegradedKind::CommitFailing
                    | DegradedKind::ClockUntrusted
                    | DegradedKind::WitnessUnasked
            )
    }

    /// Creates a problem of a `kind` from the error of a failed operation.
    pub fn failed(kind: DegradedKind, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { kind, why: chain(error) }
    }

    /// Creates a problem of restraints that a catalog has lost, if there are any.
    pub fn restraints_lost(lost: &[Restraint]) -> Option<Self> {
        Self::restraints_lost_to(lost.first()?.way_out(lost), lost)
    }

    /// Creates a problem of lost restraints, where a record of `what` takes back the first of them.
    pub fn restraints_lost_to(what: What, lost: &[Restraint]) -> Option<Self> {
        let restraint = Box::new(lost.first()?.clone());
        Some(Self::RestraintsLost { restraint, what, more: lost.len() - 1 })
    }

    /// The kind of problem.
    pub const fn kind(&self) -> DegradedKind {
        match self {
            Self::LineRefused { .. } | Self::MirrorLost { .. } => DegradedKind::LineRefused,
            Self::NotOffered { .. } | Self::MirrorLacks { .. } | Self::NotCopied { .. } => {
                DegradedKind::NotOffered
            }
            Self::RestraintsLost { .. } => DegradedKind::RestraintsLost,
            Self::RestraintsForgotten(_) => DegradedKind::RestraintsForgotten,
            Self::PromotionsOverdue { .. } => DegradedKind::PromotionsOverdue,
            Self::DatedAhead { .. } => DegradedKind::DatedAhead,
            Self::ExpiryNear { .. } | Self::MirrorExpiryNear { .. } | Self::RefusedByClock { .. } => {
                DegradedKind::ExpiryNear
            }
            Self::ClockUntrusted(_) => DegradedKind::ClockUntrusted,
            Self::NoKeys | Self::NoOnlineKey | Self::StateAway { .. } => DegradedKind::SigningFailing,
            Self::TrustKept { .. } | Self::Unread { .. } | Self::MirrorGone => DegradedKind::ReadFailing,
            Self::WitnessUnasked { .. } => DegradedKind::WitnessUnasked,
            Self::Panicked { .. } => DegradedKind::PublishFailing,
            Self::NotCommitted { .. } => DegradedKind::CommitFailing,
            Self::Failed { kind, .. } | Self::Reported { kind, .. } => *kind,
        }
    }
}
