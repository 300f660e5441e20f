//! What is wrong while a server goes on serving, with its figures.

use super::Time;
use super::channel::{ChannelName, LineName};
use super::line::Prefix;
use super::release::Evidence;
use super::stepback::StepBack;
use super::version::Version;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Degraded {
    /// A line was refused: `keeps` says whether its last good documents go on being served, or it has
    /// none.
    LineRefused { line: LineName, keeps: bool, refusal: LineRefusal },
    /// The first of the releases that entered a stage and are offered in none, and how many `more`
    /// there are: a payload or a signature is not at hand.
    NotOffered { version: Version, evidence: Box<Evidence>, more: usize },
    /// How many promotions are overdue, and the one that is so for longest.
    PromotionsOverdue { count: usize, version: Version, since: Time },
    /// A signed document expires soon, or has expired.
    ExpiryNear { document: String, expires: Time, expired: bool },
    /// What a mirror took in expires soon, or has expired.
    MirrorExpiryNear { expires: Time },
    /// The machine's clock cannot be trusted: nothing is promoted.
    ClockUntrusted(ClockDoubt),
    /// The catalog has no keys yet.
    NoKeys,
    /// No key in the state folder is the one that the root names for signing online.
    NoOnlineKey,
    /// The catalog's keys and roles do not follow those that were published, which are kept.
    TrustKept { why: String },
    /// A change of the catalog cannot be read for so long that somebody should know.
    Unread { why: String },
    /// What a mirror had taken in is gone.
    MirrorGone,
    /// The loop failed by a fault of this program.
    Panicked { why: String },
    /// What could not be committed: the first reasons, and how many `more` there are.
    NotCommitted { why: Vec<String>, more: usize },
    /// An operation failed, with the error's own words.
    Failed { kind: DegradedKind, why: String },
}

/// Why a clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockDoubt {
    /// It was turned.
    Turned { now: Time, expected: Time },
    /// It is behind the last publication.
    Behind { now: Time, made: Time },
}

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineRefusal {
    /// It could not be read.
    Faulty { why: String },
    /// It would step back.
    StepsBack(Vec<StepBack>),
    /// It claims what a line that keeps its last documents has there.
    Claims { claim: Claim, of: LineName },
}

/// What two lines cannot both have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Channel(ChannelName),
    Versions(Prefix),
}

/// The kinds of being degraded: the same word in `/readyz` and in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DegradedKind {
    /// A line was refused: its last good documents go on being served.
    LineRefused,
    /// The catalog could not be read at all.
    ReadFailing,
    SigningFailing,
    /// A publication did not pass its own verification, or could not be stored.
    PublishFailing,
    CommitFailing,
    ExpiryNear,
    PromotionsOverdue,
    /// A release entered a stage and is offered in none: its payload or its signature is not at hand.
    NotOffered,
    /// The machine's clock jumped or is behind the last publication: nothing is promoted.
    ClockUntrusted,
}

impl Degraded {
    /// Its kind.
    #[must_use]
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

impl LineRefusal {
    /// The kind's name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Faulty { .. } => "faulty",
            Self::StepsBack(_) => "steps_back",
            Self::Claims { .. } => "claims",
        }
    }
}

impl DegradedKind {
    /// Every kind, for metrics.
    pub const ALL: [Self; 9] = [
        Self::LineRefused,
        Self::ReadFailing,
        Self::SigningFailing,
        Self::PublishFailing,
        Self::CommitFailing,
        Self::ExpiryNear,
        Self::PromotionsOverdue,
        Self::NotOffered,
        Self::ClockUntrusted,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LineRefused => "line_refused",
            Self::ReadFailing => "read_failing",
            Self::SigningFailing => "signing_failing",
            Self::PublishFailing => "publish_failing",
            Self::CommitFailing => "commit_failing",
            Self::ExpiryNear => "expiry_near",
            Self::PromotionsOverdue => "promotions_overdue",
            Self::NotOffered => "not_offered",
            Self::ClockUntrusted => "clock_untrusted",
        }
    }
}
