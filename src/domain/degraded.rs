//! What is wrong while the server keeps serving, with the figures.

use super::Time;
use super::chain;
use super::channel::{ChannelName, LineName};
use super::line::Prefix;
use super::named::{named, tagged};
use super::release::Evidence;
use super::stepback::StepBack;
use super::version::Version;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Degraded {
    /// A line was refused. `keeps` says whether it has last good documents, which then stay published.
    LineRefused { line: LineName, keeps: bool, refusal: LineRefusal },
    /// Releases entered a stage but are not offered, because a payload or signature is missing: the first
    /// one, and how many `more` there are.
    NotOffered { version: Version, evidence: Box<Evidence>, more: usize },
    /// How many promotions are overdue, and the first of them.
    PromotionsOverdue { count: usize, version: Version, since: Time },
    /// A signed document expires soon, or has expired.
    ExpiryNear { document: String, expires: Time, expired: bool },
    /// The content of a mirror expires soon, or has expired.
    MirrorExpiryNear { expires: Time },
    /// The machine's clock cannot be trusted: nothing is promoted.
    ClockUntrusted(ClockDoubt),
    /// The catalog has no keys yet.
    NoKeys,
    /// The state folder does not have the online key that the root names.
    NoOnlineKey,
    /// The catalog's keys and roles are not valid successors of the published ones, which stay in use.
    TrustKept { why: String },
    /// The catalog has changed, but the change has been unreadable for a while.
    Unread { why: String },
    /// The content of a mirror is gone.
    MirrorGone,
    /// The promoter panicked.
    Panicked { why: String },
    /// Why changes could not be committed: the first reasons, and how many `more` there are.
    NotCommitted { why: Vec<String>, more: usize },
    /// An operation failed; `why` is its error message.
    Failed { kind: DegradedKind, why: String },
}

/// Why a clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// It was changed.
    Turned { now: Time, expected: Time },
    /// It is behind the time of the last publication.
    Behind { now: Time, made: Time },
}

tagged! {
    /// Why a line was refused.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum LineRefusal {
        /// It could not be read.
        Faulty { why: String } = "faulty",
        /// It would step back.
        StepsBack(Vec<StepBack>) = "steps_back",
        /// It claims what belongs to a line that keeps its last good documents.
        Claims { claim: Claim, of: LineName } = "claims",
    }
}

/// What two lines cannot both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Channel(ChannelName),
    Versions(Prefix),
}

named! {
    /// The kinds of degradation, with the same names in `/readyz` and in the metrics.
    pub enum DegradedKind {
        /// A line was refused: its last good documents stay published.
        LineRefused = "line_refused",
        /// The catalog cannot be read at all.
        ReadFailing = "read_failing",
        /// Nothing can be signed.
        SigningFailing = "signing_failing",
        /// A publication failed its own verification, or could not be stored.
        PublishFailing = "publish_failing",
        /// Promotions could not be committed.
        CommitFailing = "commit_failing",
        /// A signed document expires soon.
        ExpiryNear = "expiry_near",
        /// Promotions are overdue.
        PromotionsOverdue = "promotions_overdue",
        /// A release entered a stage and is not offered: its payload or its signature is missing.
        NotOffered = "not_offered",
        /// The machine's clock jumped, or is behind the last publication: nothing is promoted.
        ClockUntrusted = "clock_untrusted",
    }
}

impl Degraded {
    /// An operation failed with this error.
    pub fn failed(kind: DegradedKind, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed { kind, why: chain(error) }
    }

    /// The kind of problem.
    pub const fn kind(&self) -> DegradedKind {
        match self {
            Self::LineRefused { .. } => DegradedKind::LineRefused,
            Self::NotOffered { .. } => DegradedKind::NotOffered,
            Self::PromotionsOverdue { .. } => DegradedKind::PromotionsOverdue,
            Self::ExpiryNear { .. } | Self::MirrorExpiryNear { .. } => DegradedKind::ExpiryNear,
            Self::ClockUntrusted(_) => DegradedKind::ClockUntrusted,
            Self::NoKeys | Self::NoOnlineKey => DegradedKind::SigningFailing,
            Self::TrustKept { .. } | Self::Unread { .. } | Self::MirrorGone => DegradedKind::ReadFailing,
            Self::Panicked { .. } => DegradedKind::PublishFailing,
            Self::NotCommitted { .. } => DegradedKind::CommitFailing,
            Self::Failed { kind, .. } => *kind,
        }
    }
}
