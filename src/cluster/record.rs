//! What the agent has found and done so far.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::refusal::Refusal;
use crate::domain::Time;
use crate::domain::channel::ChannelName;
use crate::domain::version::Version;

/// The agent's results so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub current: Option<Version>,
    /// The release that the cluster should install.
    pub target: Option<Version>,
    pub advice: Option<Told>,
    /// The time of the last successful check.
    pub checked: Option<Time>,
    /// When the advice expires.
    pub expires: Option<Time>,
    /// How many seconds ago the documents expired, if they have expired and are still accepted.
    pub age: Option<u64>,
    /// Why the last check failed.
    pub trouble: Option<Failure>,
    /// Why the last release was not applied.
    pub failure: Option<Failure>,
    /// The step in progress.
    pub step: Option<Step>,
    /// When that step began.
    #[serde(default)]
    pub since: Option<Time>,
    /// How far that step is.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// The `--apply` that was started last, unless an agent has seen it end.
    #[serde(default)]
    pub begun: Option<Begun>,
    /// Why the approved release is no longer on offer, if it was yanked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawn>,
    /// The release that was applied last.
    #[serde(default)]
    pub applied: Option<Version>,
    /// Observations that do not stop the update, such as skipped releases.
    pub notes: Vec<String>,
    /// The channels that there are, as of the last successful check.
    #[serde(default)]
    pub channels: Vec<ChannelName>,
    /// The channel of the next line for the same stage, to ask about.
    #[serde(default)]
    pub next: Option<ChannelName>,
    /// The latest entry comes last.
    #[serde(default)]
    pub history: Vec<Entry>,
}

/// A release that was yanked after somebody approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    pub version: Version,
    pub at: Time,
    pub reason: String,
}

/// An `--apply` whose end no agent has seen: it runs, or the agent or the machine went down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    pub version: Version,
    /// How many times in a row it was started.
    pub tries: u32,
    /// [`Orders::retries`](super::folder::Orders::retries) at that time.
    pub retries: u64,
}

/// The advice that a check gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub action: String,
    pub code: String,
    pub message: String,
    /// The channel to follow first, if another one is blocked until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow: Option<ChannelName>,
}

/// How many attempts to apply a release may fail before a person must take a look: with automatic approval,
/// five failures take half an hour.
pub const MOST_TRIES: u32 = 5;

/// A check that failed, or a release that could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The stable name of the cause, such as a [`Refusal::kind`].
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
    pub at: Time,
    /// The release that was being applied.
    pub version: Option<Version>,
    /// How many attempts have failed.
    pub tries: u32,
    /// [`Orders::retries`](super::folder::Orders::retries) at the time of the failure.
    pub retries: u64,
}

impl Failure {
    /// A failed check, or a failed update to `version`.
    pub fn of(refusal: &Refusal, version: Option<&Version>, at: Time) -> Self {
        let (kind, reason) = (refusal.kind().to_owned(), refusal.recorded());
        Self { kind, reason, at, version: version.cloned(), tries: 0, retries: 0 }
    }
}

/// The steps of an update, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    Download,
    Verify,
    Apply,
}

/// How many entries are kept: about four years of updates, or two days of a server that comes and goes each hour.
const KEPT: usize = 50;

/// The kind of an update that succeeded. Any other kind is that of a [`Failure`].
pub const APPLIED: &str = "Applied";

/// The kinds of orders.
pub const APPROVED: &str = "Approved";
pub const PAUSED: &str = "Paused";
pub const RESUMED: &str = "Resumed";
pub const FOLLOWED: &str = "Followed";
pub const STRATEGY_CHANGED: &str = "StrategyChanged";

/// An update that succeeded or failed, a check that failed, or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub at: Time,
    /// [`APPLIED`], the kind of an order, or that of the failure.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version that the cluster ran before.
    pub from: Option<Version>,
    /// The release of an update. `None` for a check.
    pub version: Option<Version>,
    /// Why it failed, or was ordered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// The setting that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// The values of a setting before and after it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub from: String,
    pub to: String,
}

/// Who gave an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Somebody with a session of the cluster's page.
    Page,
    /// A command, by the name of the user who ran it if there is one.
    Command(Option<String>),
}

impl Display for By {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page => f.write_str("on the cluster's page"),
            Self::Command(Some(name)) => write!(f, "by `{name}`"),
            Self::Command(None) => f.write_str("with a command"),
        }
    }
}

impl Entry {
    /// An order of the given kind.
    pub fn order(kind: &str, by: By, at: Time) -> Self {
        let (kind, reason) = (kind.to_owned(), String::new());
        Self { at, kind, from: None, version: None, reason, by: Some(by), change: None }
    }
}

impl Record {
    /// Records that the cluster runs a release that was applied.
    pub fn applied(&mut self, version: Version, at: Time) {
        let (kind, reason) = (APPLIED.to_owned(), String::new());
        let (from, done) = (self.current.clone(), Some(version.clone()));
        self.remember(Entry { at, kind, from, version: done, reason, by: None, change: None });
        self.applied = Some(version);
    }

    /// Records that a setting was changed, if it was.
    pub fn changed(&mut self, kind: &str, by: &By, at: Time, from: impl Display, to: impl Display) {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            self.remember(Entry { change: Some(Change { from, to }), ..Entry::order(kind, by.clone(), at) });
        }
    }

    /// Records that an update has failed.
    pub fn failed(&mut self, failure: Failure) {
        self.remember(self.entry(&failure));
        self.failure = Some(failure);
    }

    /// Records that a check or a download has failed. One that fails like the last one is not remembered again: the
    /// agent retries for as long as an outage lasts.
    pub fn troubled(&mut self, trouble: Failure) {
        let entry = self.entry(&trouble);
        let is_again = |last: &Entry| Entry { at: entry.at, ..last.clone() } == entry;
        if !self.history.last().is_some_and(is_again) {
            self.remember(entry);
        }
        self.trouble = Some(trouble);
    }

    /// Records that the agent is at a step since a time, or that no update is in progress.
    pub fn at_step(&mut self, at: Option<(Step, Time)>) {
        (self.step, self.since) = at.unzip();
        self.progress = None;
    }

    fn entry(&self, Failure { kind, reason, at, version, .. }: &Failure) -> Entry {
        let (from, version) = (self.current.clone(), version.clone());
        Entry { at: *at, kind: kind.clone(), from, version, reason: reason.clone(), by: None, change: None }
    }

    /// Adds to the history.
    pub fn remember(&mut self, entry: Entry) {
        let surplus = (self.history.len() + 1).saturating_sub(KEPT);
        self.history.drain(..surplus);
        self.history.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: &str, second: i64) -> Failure {
        let at = Time::from_timestamp(second, 0).unwrap();
        Failure { kind: kind.to_owned(), reason: "why".to_owned(), at, version: None, tries: 0, retries: 0 }
    }

    #[test]
    fn a_check_that_keeps_failing_is_remembered_once() {
        let mut record = Record::default();
        for (kind, second) in [("Unreachable", 1), ("Unreachable", 2), ("Expired", 3), ("Unreachable", 4)] {
            record.troubled(failure(kind, second));
        }
        let kinds: Vec<_> = record.history.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["Unreachable", "Expired", "Unreachable"]);
        assert_eq!(record.trouble.unwrap().at.timestamp(), 4);
    }

    #[test]
    fn an_entry_of_an_older_agent_is_read() {
        let old = r#"{"at":"2026-01-01T00:00:00Z","type":"Applied","from":null,"version":"1.8.9"}"#;
        let entry: Entry = serde_json::from_str(old).unwrap();
        assert_eq!((entry.by, entry.reason.as_str(), entry.change), (None, "", None));
    }

    #[test]
    fn the_oldest_entries_are_dropped() {
        let mut record = Record::default();
        for second in 0..120 {
            record.failed(failure("ApplyFailed", second));
        }
        let seconds: Vec<_> = record.history.iter().map(|entry| entry.at.timestamp()).collect();
        assert_eq!(seconds, (70..120).collect::<Vec<_>>());
    }
}
