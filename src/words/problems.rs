//! What each kind of problem is, what it means for clusters, and who can mend it.

use crate::domain::degraded::DegradedKind;

/// A kind of problem, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What clusters notice of it.
    pub clusters: &'static str,
    /// Who can mend it.
    pub who: &'static str,
    /// The command that shows more, or mends it.
    pub command: &'static str,
}

const ENGINEER: &str = "a release engineer";
const OPERATOR: &str = "the server's operator";
const STATUS: &str = "tidegate status";
const EXPLAIN: &str = "tidegate explain VERSION";

/// Returns what people should know of a kind of problem.
pub const fn problem(kind: DegradedKind) -> Problem {
    let (title, clusters, who, command) = match kind {
        DegradedKind::LineRefused => (
            "a line is not updated",
            "clusters of that line get what was published of it last, and nothing new",
            ENGINEER,
            STATUS,
        ),
        DegradedKind::ReadFailing => (
            "the catalog cannot be read",
            "clusters get what was published last; of what is new, only stops get through",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::SigningFailing => (
            "nothing can be signed",
            "clusters get what was published last, and refuse it once it has expired",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::PublishFailing => (
            "nothing can be published",
            "clusters get what was published last, and refuse it once it has expired",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::CommitFailing => (
            "promotions cannot be recorded",
            "clusters keep what is on offer, and wait longer for what is due",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::RestraintsLost => (
            "the catalog has lost a hold, a freeze or the like",
            "nothing changes for clusters: what was lost still counts",
            ENGINEER,
            STATUS,
        ),
        DegradedKind::RestraintsForgotten => (
            "the server has lost its record of holds, freezes and the like",
            "clusters keep what is on offer; nothing is promoted",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::ExpiryNear => (
            "a signed document expires soon, or has expired",
            "once it has expired, clusters refuse what rests on it",
            "a keeper of its keys",
            STATUS,
        ),
        DegradedKind::PromotionsOverdue => (
            "a promotion is overdue",
            "clusters wait longer for that release than was planned",
            ENGINEER,
            EXPLAIN,
        ),
        DegradedKind::NotOffered => {
            ("a release cannot be served", "clusters do not get that release", ENGINEER, EXPLAIN)
        }
        DegradedKind::DatedAhead => (
            "a promotion is dated ahead of the clock",
            "clusters get that release only at that time",
            ENGINEER,
            "tidegate promote VERSION --redate",
        ),
        DegradedKind::ClockUntrusted => (
            "the server's clock is not trusted",
            "clusters keep what is on offer; nothing is promoted",
            OPERATOR,
            STATUS,
        ),
        DegradedKind::WitnessUnasked => (
            "the witness has not been asked yet",
            "clusters may get older answers than another server gives",
            OPERATOR,
            STATUS,
        ),
    };
    Problem { title, clusters, who, command }
}
