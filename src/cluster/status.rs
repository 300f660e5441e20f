//! The status of a cluster, in the form of Tectonic's `AppVersion`.

use std::cmp::Ordering;
use std::path::Path;

use serde::Serialize;

use super::folder::{Approval, Cluster, Failure, Folder, Record, Step, Told};
use super::notes::{self, Overtaken};
use super::refusal::Refusal;
pub use crate::console::cluster::State;
use crate::domain::rfc3339;

/// An `AppVersion` with more fields than Tectonic's, such as the time of the last check, and the advice.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusBody {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Debug, Serialize)]
pub struct Metadata {
    pub name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The release that the operator wants: the approved one, or, with automatic approval, the advised one.
    pub desired_version: Option<String>,
    pub paused: bool,
    pub channel: String,
    pub approval: Approval,
    /// For how many seconds `--apply` may run, if that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_timeout_seconds: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub state: State,
    pub current_version: Option<String>,
    pub target_version: Option<String>,
    pub paused: bool,
    pub pause_reason: Option<String>,
    pub failure_status: Option<FailureStatus>,
    pub task_statuses: Vec<TaskStatus>,
    /// When the step in progress began (RFC 3339).
    pub since: Option<String>,
    /// The time of the last successful check (RFC 3339).
    pub last_checked: Option<String>,
    /// When the advice expires (RFC 3339).
    pub expires: Option<String>,
    /// How many seconds ago the documents expired, if they have expired and are still accepted.
    pub expired_seconds: Option<u64>,
    pub advice: Option<Told>,
    /// The approval that no longer counts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overtaken_approval: Option<Overtaken>,
    /// Observations that do not stop the update.
    pub notes: Vec<String>,
    /// Whether an agent is running.
    pub running: bool,
}

#[derive(Debug, Serialize)]
pub struct FailureStatus {
    /// A stable name for the kind of failure.
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
    /// How to retry a release that was not applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct TaskStatus {
    pub name: Step,
    pub state: &'static str,
    pub reason: String,
}

impl StatusBody {
    /// The status of a cluster.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn of(folder: &Folder) -> Result<Self, Refusal> {
        Self::with_cluster(folder).map(|(_, status)| status)
    }

    /// The same, with what it was made from.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn with_cluster(folder: &Folder) -> Result<(Cluster, Self), Refusal> {
        let running = folder.is_run()?;
        let is_orphaned = !running && folder.applying().is_running()?;
        let cluster = folder.read()?;
        let status = Self::made(folder.name(), running, is_orphaned, cluster.clone());
        Ok((cluster, status))
    }

    /// The status of every cluster in a state folder.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn all(state: &Path) -> Result<Vec<Self>, Refusal> {
        Folder::names(state)?.iter().map(|name| Self::of(&Folder::new(state, name))).collect()
    }

    /// `is_orphaned`: no agent is running, but the `--apply` of one that was killed is.
    fn made(name: &str, running: bool, is_orphaned: bool, cluster: Cluster) -> Self {
        let overtaken = Overtaken::of(name, &cluster);
        let orphaned = is_orphaned.then(|| {
            format!("the `--apply` of an agent that was killed is still running; to stop it: `tidegate cluster pause {name}`")
        });
        let Cluster { config, orders, record } = cluster;
        // If nothing is running, the step was left behind by an agent that was killed.
        let step = record.step.filter(|_| running || is_orphaned);
        let task_statuses = tasks(step, &record);
        let target = record.target;
        let desired = match config.approval {
            Approval::Automatic => target.clone(),
            Approval::Admin => orders.approved,
        };
        let failed = record.failure.map(|failure| (failure, Some(notes::retry(name))));
        let failed = failed.or_else(|| record.trouble.map(|trouble| (trouble, None)));
        let failure_status =
            failed.map(|(Failure { kind, reason, .. }, hint)| FailureStatus { kind, reason, hint });
        let is_paused = orders.paused.is_some();
        let state = match (step, is_paused, &target) {
            (Some(_), true, _) => State::Pausing,
            (None, true, _) => State::Paused,
            (Some(_), false, _) => State::Updating,
            (None, false, _) if failure_status.is_some() => State::Failed,
            (None, false, None) => match record.advice.as_ref().map(|told| told.action.as_str()) {
                None => State::Unknown,
                Some("wait") => State::Waiting,
                Some("blocked") => State::Blocked,
                Some(_) => State::UpToDate,
            },
            (None, false, Some(_)) if desired == target && config.apply.is_some() => State::Requested,
            (None, false, Some(_)) => State::UpdateAvailable,
        };
        Self {
            api_version: "tco.coreos.com/v1",
            kind: "AppVersion",
            metadata: Metadata { name: name.to_owned() },
            spec: Spec {
                desired_version: desired.as_ref().map(ToString::to_string),
                paused: is_paused,
                channel: config.channel.to_string(),
                approval: config.approval,
                apply_timeout_seconds: config.apply_timeout,
            },
            status: Status {
                state,
                current_version: record.current.as_ref().map(ToString::to_string),
                target_version: target.as_ref().map(ToString::to_string),
                paused: is_paused && step.is_none(),
                pause_reason: orders.paused.and_then(|pause| pause.reason),
                failure_status,
                task_statuses,
                since: record.since.filter(|_| step.is_some()).map(rfc3339),
                last_checked: record.checked.map(rfc3339),
                expires: record.expires.map(rfc3339),
                expired_seconds: record.age,
                // After an update, the advice is no longer true, and the agent is about to check.
                advice: record.advice.filter(|told| told.action != "update" || target.is_some()),
                notes: record
                    .notes
                    .into_iter()
                    .chain(overtaken.as_ref().map(Overtaken::to_string))
                    .chain(orphaned)
                    .collect(),
                overtaken_approval: overtaken,
                running,
            },
        }
    }
}

/// The steps of the update that is in progress, or that failed.
fn tasks(step: Option<Step>, record: &Record) -> Vec<TaskStatus> {
    let (at, state, why) = match (step, &record.failure) {
        (Some(step), _) => {
            (step, "Running", record.progress.as_ref().map_or_else(String::new, notes::progress))
        }
        (None, Some(failure)) => (Step::Apply, "Failed", failure.reason.clone()),
        (None, None) => return Vec::new(),
    };
    let task = |name: Step| {
        let (state, reason) = match name.cmp(&at) {
            Ordering::Less => ("Completed", String::new()),
            Ordering::Equal => (state, why.clone()),
            Ordering::Greater => ("NotStarted", String::new()),
        };
        TaskStatus { name, state, reason }
    };
    [Step::Download, Step::Verify, Step::Apply].map(task).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::folder::{Config, Orders, Pause};
    use crate::cluster::record::{APPROVED, By, Entry, Withdrawn};
    use crate::domain::version::Version;

    const TARGET: &str = "1.8.9";

    fn config() -> Config {
        Config {
            format: 1,
            server: "http://127.0.0.1".parse().unwrap(),
            channel: "1.8-production".parse().unwrap(),
            current: "true".to_owned(),
            apply: Some("true".to_owned()),
            apply_timeout: None,
            approval: Approval::Admin,
            interval: 1,
            arch: None,
            stale_ok: 0,
            demo: false,
            ca: None,
        }
    }

    fn failure() -> Failure {
        let at = crate::domain::Time::UNIX_EPOCH;
        let (kind, reason) = ("Expired".to_owned(), "it expired".to_owned());
        Failure { kind, reason, at, version: None, tries: 0, retries: 0 }
    }

    /// `words` may contain `checked`, `wait` or `blocked` for the advice, `target`, `approved`, `paused`,
    /// `failed`, `apply` for the step, and `agent` or `orphan`.
    fn state(words: &str) -> State {
        let has = |word| words.split(' ').any(|one| one == word);
        let target = Version::parse(TARGET).ok();
        let pause = Pause { at: crate::domain::Time::UNIX_EPOCH, reason: None };
        let orders = Orders {
            paused: has("paused").then_some(pause),
            approved: target.clone().filter(|_| has("approved")),
            ..Orders::default()
        };
        let record = Record {
            target: target.filter(|_| has("target")),
            advice: has("checked").then(|| Told {
                action: ["wait", "blocked"]
                    .into_iter()
                    .find(|action| has(action))
                    .unwrap_or("none")
                    .to_owned(),
                code: "up_to_date".to_owned(),
                message: "up to date".to_owned(),
                follow: None,
            }),
            trouble: has("failed").then(failure),
            step: has("apply").then_some(Step::Apply),
            ..Record::default()
        };
        StatusBody::made("c", has("agent"), has("orphan"), Cluster { config: config(), orders, record })
            .status
            .state
    }

    #[test]
    fn the_states_are_those_of_the_console() {
        for (words, expected) in [
            ("", State::Unknown),
            ("checked", State::UpToDate),
            ("target", State::UpdateAvailable),
            ("target approved", State::Requested),
            ("target approved agent apply", State::Updating),
            ("target approved apply", State::Requested),
            ("target approved agent apply paused", State::Pausing),
            ("target approved orphan apply", State::Updating),
            ("target approved orphan apply paused", State::Pausing),
            ("checked wait", State::Waiting),
            ("checked blocked", State::Blocked),
            ("target approved apply paused", State::Paused),
            ("target paused", State::Paused),
            ("target failed", State::Failed),
            ("failed", State::Failed),
            ("approved", State::Unknown),
            ("checked approved", State::UpToDate),
        ] {
            assert_eq!(state(words), expected, "{words}");
        }
    }

    #[test]
    fn an_approval_that_was_overtaken_is_told() {
        let version = |text| Version::parse(text).ok();
        let note = |target: Option<Version>| {
            let [action, code, message] = [const { String::new() }; 3];
            let told = Told { action, code, message, follow: None };
            let record = Record { target, advice: Some(told), ..Record::default() };
            let orders = Orders { approved: version("1.8.8"), ..Orders::default() };
            StatusBody::made("c", true, false, Cluster { config: config(), orders, record }).status.notes
        };
        let notes = note(version("1.8.9"));
        assert!(notes[0].contains("`1.8.8` is approved, but"), "{notes:?}");
        assert!(notes[0].contains("`tidegate cluster approve c 1.8.9`"), "{notes:?}");
        assert!(note(None)[0].contains("no longer advises"));
        assert!(note(version("1.8.8")).is_empty());
    }

    #[test]
    fn an_approval_that_was_overtaken_is_told_with_its_author_and_what_became_of_the_release() {
        let approved = Version::parse("1.8.8").unwrap();
        let at = |second| crate::domain::Time::from_timestamp(second, 0).unwrap();
        let order = Entry::order(APPROVED, By::Command(Some("ada".to_owned())), at(60));
        let [action, code, message] = [const { String::new() }; 3];
        let record = Record {
            advice: Some(Told { action, code, message, follow: None }),
            history: vec![Entry { version: Some(approved.clone()), ..order }],
            withdrawn: Some(Withdrawn {
                version: approved.clone(),
                at: at(120),
                reason: "breaks DNS".to_owned(),
            }),
            ..Record::default()
        };
        let orders = Orders { approved: Some(approved), ..Orders::default() };
        let status = StatusBody::made("c", true, false, Cluster { config: config(), orders, record }).status;
        let expected = "`1.8.8` is approved since `1970-01-01T00:01:00Z` by `ada`, but was yanked at `1970-01-01T00:02:00Z` (breaks DNS), so nothing is applied";
        assert_eq!(status.notes, [expected]);
        let overtaken = serde_json::to_value(status.overtaken_approval).unwrap();
        assert_eq!(
            (&overtaken["approvedBy"], &overtaken["yanked"]["reason"]),
            (&"by `ada`".into(), &"breaks DNS".into())
        );
    }

    #[test]
    fn the_shape_is_that_of_an_app_version() {
        let record = Record { failure: Some(failure()), ..Record::default() };
        let cluster = Cluster { config: config(), orders: Orders::default(), record };
        let body = StatusBody::made("c", false, false, cluster);
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!((&json["kind"], &json["metadata"]["name"]), (&"AppVersion".into(), &"c".into()));
        assert_eq!(json["spec"]["desiredVersion"], serde_json::Value::Null);
        assert_eq!(json["spec"]["paused"], false);
        assert_eq!(
            json["status"]["failureStatus"],
            serde_json::json!({
                "type": "Expired",
                "reason": "it expired",
                "hint": "to retry it: `tidegate cluster check c --retry`",
            })
        );
        let tasks: Vec<_> = json["status"]["taskStatuses"].as_array().unwrap().iter().collect();
        assert_eq!(tasks.len(), 3);
        assert_eq!(
            tasks[2],
            &serde_json::json!({"name": "apply", "state": "Failed", "reason": "it expired"})
        );
    }
}
