//! What a server last reported about itself, as a state keeps it.

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::domain::Time;
use crate::domain::degraded::{ClockDoubt, DegradedKind};
use crate::domain::not_promoting::NotPromoting;
use crate::domain::report::Report;

/// The format that this version reads and writes.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u64,
    #[serde(with = "seconds")]
    since: Time,
    not_promoting: Option<ReasonBody>,
    problems: Vec<ProblemBody>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ReasonBody {
    Off,
    Turned(Clock),
    Booted(Clock),
    Behind(Clock),
    Failing(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    #[serde(with = "seconds")]
    now: Time,
    #[serde(with = "seconds")]
    expected: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProblemBody {
    kind: String,
    detail: String,
}

/// Writes a report.
///
/// # Panics
/// Never: writing to memory cannot fail, and all keys are strings.
pub fn write(report: &Report) -> Vec<u8> {
    let problems = report
        .problems
        .iter()
        .map(|(kind, detail)| ProblemBody { kind: kind.as_str().to_owned(), detail: detail.clone() });
    let body = Body {
        format: FORMAT,
        since: report.since,
        not_promoting: report.not_promoting.map(ReasonBody::of),
        problems: problems.collect(),
    };
    let mut bytes =
        serde_json::to_vec(&body).expect("writing to memory cannot fail, and all keys are strings");
    bytes.push(b'\n');
    bytes
}

/// Reads what [`write()`] wrote. `None` if it is something else, or of another version.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let Body { format: FORMAT, since, not_promoting, problems } = serde_json::from_slice(bytes).ok()? else {
        return None;
    };
    let not_promoting = match not_promoting {
        Some(reason) => Some(reason.reason()?),
        None => None,
    };
    let problems = problems.into_iter().map(|problem| Some((kind(&problem.kind)?, problem.detail)));
    Some(Report { since, not_promoting, problems: problems.collect::<Option<_>>()? })
}

fn kind(name: &str) -> Option<DegradedKind> {
    DegradedKind::ALL.iter().copied().find(|kind| kind.as_str() == name)
}

impl ReasonBody {
    fn of(reason: NotPromoting) -> Self {
        match reason {
            NotPromoting::Off => Self::Off,
            NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: false }) => {
                Self::Turned(Clock { now, expected })
            }
            NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: true }) => {
                Self::Booted(Clock { now, expected })
            }
            NotPromoting::Clock(ClockDoubt::Behind { now, made }) => {
                Self::Behind(Clock { now, expected: made })
            }
            NotPromoting::Failing(kind) => Self::Failing(kind.as_str().to_owned()),
        }
    }

    fn reason(self) -> Option<NotPromoting> {
        Some(match self {
            Self::Off => NotPromoting::Off,
            Self::Turned(Clock { now, expected }) => {
                NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: false })
            }
            Self::Booted(Clock { now, expected }) => {
                NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: true })
            }
            Self::Behind(Clock { now, expected: made }) => {
                NotPromoting::Clock(ClockDoubt::Behind { now, made })
            }
            Self::Failing(name) => NotPromoting::Failing(kind(&name)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    #[test]
    fn a_report_is_read_as_it_was_written_and_nothing_else_is() {
        let (now, expected) = (t("2018-01-20"), t("2018-01-01"));
        for not_promoting in [
            None,
            Some(NotPromoting::Off),
            Some(NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: false })),
            Some(NotPromoting::Clock(ClockDoubt::Turned { now, expected, has_booted: true })),
            Some(NotPromoting::Clock(ClockDoubt::Behind { now: expected, made: now })),
            Some(NotPromoting::Failing(DegradedKind::CommitFailing)),
        ] {
            let problems = vec![(DegradedKind::WitnessUnasked, "it is down".to_owned())];
            let report = Report { since: now, not_promoting, problems };
            assert_eq!(read(&write(&report)), Some(report));
        }
        for other in
            ["", "{}", r#"{"format":2,"since":"2018-01-20T00:00:00Z","not_promoting":null,"problems":[]}"#]
        {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }
}
