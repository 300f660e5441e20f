//! How a cluster stands, in the shape of Tectonic's `AppVersion`.

use serde::Serialize;

use super::folder::{Approval, Config, Failure, Folder, Orders, Record, Step, Told};
use super::refusal::Refusal;
use crate::domain::rfc3339;

/// An `AppVersion` with what Tectonic's has not: when it was looked at, and what is advised.
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
    /// The release that the operator wants: approved, or advised where nobody approves.
    pub desired_version: Option<String>,
    pub paused: bool,
    pub channel: String,
    pub approval: Approval,
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
    /// RFC 3339; the last check that succeeded.
    pub last_checked: Option<String>,
    /// RFC 3339; until when the advice holds.
    pub expires: Option<String>,
    /// By how many seconds the documents have expired, where that is allowed.
    pub expired_seconds: Option<u64>,
    pub advice: Option<Told>,
    /// What was noticed and is not an obstacle.
    pub notes: Vec<String>,
    /// Whether an agent runs.
    pub running: bool,
}

#[derive(Debug, Serialize)]
pub struct FailureStatus {
    /// A stable word.
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
}

#[derive(Debug, Serialize)]
pub struct TaskStatus {
    pub name: &'static str,
    pub state: &'static str,
    pub reason: String,
}

/// The states that Tectonic's console shows, and one for what nobody knows yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// It was never checked.
    Unknown,
    UpToDate,
    UpdateAvailable,
    Requested,
    Updating,
    Pausing,
    Paused,
    Failed,
}

impl StatusBody {
    /// How a cluster stands.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn of(folder: &Folder, name: &str) -> Result<Self, Refusal> {
        let running = folder.run_lock()?.is_none();
        Ok(Self::made(name, running, &folder.config()?, &folder.orders()?, &folder.record()?))
    }

    fn made(name: &str, running: bool, config: &Config, orders: &Orders, record: &Record) -> Self {
        let target = record.target.as_ref();
        let desired = match config.approval {
            Approval::Automatic => target,
            Approval::Admin => orders.approved.as_ref(),
        };
        // A step without an agent was left by one that was killed.
        let step = record.step.filter(|_| running);
        let failed = record.failure.as_ref().or(record.trouble.as_ref());
        let state = match (step, &orders.paused, target) {
            (Some(_), Some(_), _) => State::Pausing,
            (None, Some(_), _) => State::Paused,
            (Some(_), None, _) => State::Updating,
            (None, None, _) if failed.is_some() => State::Failed,
            (None, None, None) if record.advice.is_none() => State::Unknown,
            (None, None, None) => State::UpToDate,
            (None, None, Some(target)) if desired == Some(target) && config.apply.is_some() => {
                State::Requested
            }
            (None, None, Some(_)) => State::UpdateAvailable,
        };
        let text =
            |failure: &Failure| FailureStatus { kind: failure.kind.clone(), reason: failure.reason.clone() };
        Self {
            api_version: "tco.coreos.com/v1",
            kind: "AppVersion",
            metadata: Metadata { name: name.to_owned() },
            spec: Spec {
                desired_version: desired.map(ToString::to_string),
                paused: orders.paused.is_some(),
                channel: config.channel.to_string(),
                approval: config.approval,
            },
            status: Status {
                state,
                current_version: record.current.as_ref().map(ToString::to_string),
                target_version: target.map(ToString::to_string),
                paused: orders.paused.is_some() && step.is_none(),
                pause_reason: orders.paused.as_ref().and_then(|pause| pause.reason.clone()),
                failure_status: failed.map(text),
                task_statuses: tasks(step, record),
                last_checked: record.checked.map(|at| rfc3339(at.0)),
                expires: record.expires.map(|at| rfc3339(at.0)),
                expired_seconds: record.age,
                advice: record.advice.clone(),
                notes: record.notes.clone(),
                running,
            },
        }
    }
}

/// The steps of the update that is under way, or that failed.
fn tasks(step: Option<Step>, record: &Record) -> Vec<TaskStatus> {
    const STEPS: [(Step, &str); 3] =
        [(Step::Download, "download"), (Step::Verify, "verify"), (Step::Apply, "apply")];
    let at = |step: Step| STEPS.iter().position(|(other, _)| *other == step);
    let (at, failed) = match (step, &record.failure) {
        (Some(step), _) => (at(step), None),
        (None, Some(failure)) => (at(Step::Apply), Some(failure)),
        (None, None) => return Vec::new(),
    };
    let state = |place: usize| match at {
        Some(at) if place < at => ("Completed", String::new()),
        Some(at) if place == at => match failed {
            Some(failure) => ("Failed", failure.reason.clone()),
            None => ("Running", String::new()),
        },
        _ => ("NotStarted", String::new()),
    };
    STEPS
        .iter()
        .enumerate()
        .map(|(place, (_, name))| {
            let (state, reason) = state(place);
            TaskStatus { name, state, reason }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::folder::{Pause, Stamp};
    use crate::domain::version::Version;

    const TARGET: &str = "1.8.9";

    fn config() -> Config {
        Config {
            format: 1,
            server: "http://127.0.0.1".to_owned(),
            channel: "1.8-production".parse().unwrap(),
            current: "true".to_owned(),
            apply: Some("true".to_owned()),
            approval: Approval::Admin,
            interval: 1,
            arch: None,
            stale_ok: 0,
            demo: false,
            ca: None,
        }
    }

    fn failure() -> Failure {
        let at = Stamp(crate::domain::Time::UNIX_EPOCH);
        let (kind, reason) = ("Expired".to_owned(), "it expired".to_owned());
        Failure { kind, reason, at, version: None, tries: 0, retries: 0 }
    }

    /// The words: `checked`, `target`, `approved`, `paused`, `failed`, `apply` for the step, `agent`.
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
                action: "none".to_owned(),
                code: "up_to_date".to_owned(),
                message: "up to date".to_owned(),
            }),
            trouble: has("failed").then(failure),
            step: has("apply").then_some(Step::Apply),
            ..Record::default()
        };
        StatusBody::made("c", has("agent"), &config(), &orders, &record).status.state
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
    fn the_shape_is_that_of_an_app_version() {
        let record = Record { failure: Some(failure()), ..Record::default() };
        let body = StatusBody::made("c", false, &config(), &Orders::default(), &record);
        let json = serde_json::to_value(&body).unwrap();
        assert_eq!((&json["kind"], &json["metadata"]["name"]), (&"AppVersion".into(), &"c".into()));
        assert_eq!(json["spec"]["desiredVersion"], serde_json::Value::Null);
        assert_eq!(json["spec"]["paused"], false);
        assert_eq!(
            json["status"]["failureStatus"],
            serde_json::json!({"type": "Expired", "reason": "it expired"})
        );
        let tasks: Vec<_> = json["status"]["taskStatuses"].as_array().unwrap().iter().collect();
        assert_eq!(tasks.len(), 3);
        assert_eq!(
            tasks[2],
            &serde_json::json!({"name": "apply", "state": "Failed", "reason": "it expired"})
        );
    }
}
