//! What a state keeps of restraints.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::seconds;
use crate::domain::Time;
use crate::domain::channel::{LineName, StageName};
use crate::domain::policy::{Freeze, Urgency, Window};
use crate::domain::release::{Event, Yank};
use crate::domain::restraint::{Forgotten, Limit, Remembered, Restraint};
use crate::domain::version::Version;

/// The format that this version reads and writes.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten: Option<ForgottenBody>,
    restraints: Vec<RestraintBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgottenBody {
    #[serde(with = "seconds")]
    stored: Time,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct RestraintBody {
    line: LineName,
    /// Left out if there is none, as in most of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    past: Vec<EventBody>,
    #[serde(flatten)]
    limit: LimitBody,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum LimitBody {
    Freeze {
        #[serde(with = "seconds")]
        from: Time,
        #[serde(with = "seconds")]
        until: Time,
        reason: String,
        except: Vec<String>,
    },
    Window {
        stage: StageName,
        window: String,
    },
    /// Lengths in seconds.
    Soak {
        stage: StageName,
        normal: i64,
        security: i64,
    },
    Pause {
        stage: StageName,
        event: EventBody,
    },
    Retired(EventBody),
    Hold {
        version: Version,
        event: EventBody,
    },
    Yank {
        version: Version,
        event: EventBody,
        to: Option<Version>,
    },
    Barrier(Version),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventBody {
    #[serde(with = "seconds")]
    at: Time,
    by: String,
    reason: String,
}

/// Writes what is remembered of restraints.
///
/// # Panics
/// Never: writing to memory cannot fail, and all keys are strings.
pub fn write(memory: &Remembered) -> Vec<u8> {
    let body = |one: &Restraint| RestraintBody {
        line: one.line.clone(),
        past: one.past.iter().map(EventBody::of).collect(),
        limit: LimitBody::of(&one.limit),
    };
    let Remembered { restraints, forgotten } = memory;
    let forgotten = forgotten.clone().map(|Forgotten { stored, why, .. }| ForgottenBody { stored, why });
    let body = Body { format: FORMAT, forgotten, restraints: restraints.iter().map(body).collect() };
    let mut bytes =
        serde_json::to_vec(&body).expect("writing to memory cannot fail, and all keys are strings");
    bytes.push(b'\n');
    bytes
}

/// Reads what [`write()`] wrote. `None` if it is something else, or of another version.
pub fn read(bytes: &[u8]) -> Option<Remembered> {
    let Body { format: FORMAT, forgotten, restraints } = serde_json::from_slice(bytes).ok()? else {
        return None;
    };
    let one = |body: RestraintBody| {
        let past = body.past.into_iter().map(EventBody::event).collect();
        Some(Restraint { line: body.line, limit: body.limit.limit()?, past, lost_in: None })
    };
    let forgotten =
        forgotten.map(|ForgottenBody { stored, why }| Forgotten { stored, why, is_denied: false });
    Some(Remembered { restraints: restraints.into_iter().map(one).collect::<Option<_>>()?, forgotten })
}

impl LimitBody {
    fn of(limit: &Limit) -> Self {
        match limit.clone() {
            Limit::Freeze(Freeze { from, until, reason, except }) => {
                let except = except.iter().map(|urgency| urgency.as_str().to_owned()).collect();
                Self::Freeze { from, until, reason, except }
            }
            Limit::Window { stage, window } => Self::Window { stage, window: window.to_string() },
            Limit::Soak { stage, normal, security } => {
                Self::Soak { stage, normal: normal.num_seconds(), security: security.num_seconds() }
            }
            Limit::Pause { stage, pause } => Self::Pause { stage, event: EventBody::of(&pause) },
            Limit::Retired(retired) => Self::Retired(EventBody::of(&retired)),
            Limit::Hold { version, hold } => Self::Hold { version, event: EventBody::of(&hold) },
            Limit::Yank { version, yank: Yank { event, to } } => {
                Self::Yank { version, event: EventBody::of(&event), to }
            }
            Limit::Barrier(version) => Self::Barrier(version),
        }
    }

    fn limit(self) -> Option<Limit> {
        let urgency = |name: String| Urgency::ALL.iter().copied().find(|urgency| urgency.as_str() == name);
        Some(match self {
            Self::Freeze { from, until, reason, except } => {
                let except = except.into_iter().map(urgency).collect::<Option<_>>()?;
                Limit::Freeze(Freeze { from, until, reason, except })
            }
            Self::Window { stage, window } => Limit::Window { stage, window: Window::parse(&window)? },
            Self::Soak { stage, normal, security } => Limit::Soak {
                stage,
                normal: TimeDelta::try_seconds(normal)?,
                security: TimeDelta::try_seconds(security)?,
            },
            Self::Pause { stage, event } => Limit::Pause { stage, pause: event.event() },
            Self::Retired(event) => Limit::Retired(event.event()),
            Self::Hold { version, event } => Limit::Hold { version, hold: event.event() },
            Self::Yank { version, event, to } => {
                Limit::Yank { version, yank: Yank { event: event.event(), to } }
            }
            Self::Barrier(version) => Limit::Barrier(version),
        })
    }
}

impl EventBody {
    fn of(Event { at, by, reason, .. }: &Event) -> Self {
        Self { at: *at, by: by.clone(), reason: reason.clone() }
    }

    fn event(self) -> Event {
        Event::new(self.at, self.by, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, release, t};

    #[test]
    fn what_is_written_is_read_again() {
        let mut line = line("1.8", None)
            .frozen("2018-03-01", "2018-04-01", &[Urgency::Security])
            .with(release("1.8.4", &["2018-01-01"]).held_at("2018-01-02"))
            .with(release("1.8.5", &["2018-01-01"]).barrier())
            .with(release("1.8.6", &["2018-01-01"]).yanked_at("2018-01-02", Some("1.8.7")))
            .with(release("1.8.7", &["2018-01-01"]));
        line.stages[0].paused = Some(event(t("2018-01-03"), "an \"outage\""));
        line.stages[1].window = Window::parse("mon-thu,sat 09:00-16:00 Europe/Berlin");
        line.retired = Some(event(t("2018-01-04"), "no fixes"));
        let restraints = Restraint::all(&catalog([line]), t("2018-02-01"));
        assert_eq!(restraints.len(), 8, "{restraints:#?}");
        let forgotten = Forgotten { stored: t("2018-01-05"), why: "it is torn".to_owned(), is_denied: false };
        for forgotten in [None, Some(forgotten)] {
            let memory = Remembered { restraints: restraints.clone(), forgotten };
            assert_eq!(read(&write(&memory)), Some(memory));
        }
        assert_eq!(read(b"{\"format\":2,\"restraints\":[]}"), None);
    }
}
