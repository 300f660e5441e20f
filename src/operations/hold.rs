//! Stopping one release from going further, and letting it go on.

use super::{Author, Outcome, Refused, Subject, find_release};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::release::Event;
use crate::domain::version::Version;

/// Stop a release from entering further stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub version: Version,
    pub reason: String,
    pub by: Author,
}

/// End a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    pub version: Version,
}

/// Holds a release. One that is on hold for the same reason is left as it is.
///
/// # Errors
/// When the release is unknown, is on hold for another reason, or is in its last stage, where a hold
/// would stop nothing.
pub fn hold<'a>(catalog: &'a Catalog, ask: &'a Hold, now: Time) -> Result<Outcome, Refused<'a>> {
    let (line, release) = find_release(catalog, &ask.version)?;
    let subject = Subject::release(line, release);
    let version = &release.version;
    match &release.hold {
        Some(hold) if hold.reason == ask.reason => return Ok(Outcome::unchanged(subject)),
        Some(hold) => return Err(Refused::Held { version, hold }),
        None => {}
    }
    if let Some(last) = line.stages.last().filter(|_| release.entries.last().is_some_and(Option::is_some)) {
        return Err(Refused::InLastStage { version, channel: &last.channel });
    }
    let hold = Event::new(now, ask.by.to_string(), ask.reason.clone());
    Ok(Outcome::changed(subject, Change::Hold { version: version.clone(), hold }))
}

/// Lets a release go on.
///
/// # Errors
/// When the release is unknown.
pub fn resume<'a>(catalog: &'a Catalog, ask: &'a Resume) -> Result<Outcome, Refused<'a>> {
    let (line, release) = find_release(catalog, &ask.version)?;
    let subject = Subject::release(line, release);
    if release.hold.is_none() {
        return Ok(Outcome::unchanged(subject));
    }
    Ok(Outcome::changed(subject, Change::Resume { version: release.version.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, release, t, v};

    fn ask(version: &str, reason: &str) -> Hold {
        Hold { version: v(version), reason: reason.to_owned(), by: Author::named("ada").unwrap() }
    }

    fn three() -> Catalog {
        catalog([line("1.8", None)
            .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.5", &["2018-02-01"]))
            .with(release("1.8.6", &["2018-02-01"]).held_at("2018-02-02"))])
    }

    #[test]
    fn a_hold_stops_what_can_go_further_and_is_refused_where_it_would_stop_nothing() {
        let (catalog, now) = (three(), t("2018-02-03"));
        let held = event(t("2018-02-02"), "etcd loses quorum");
        let (four, six) = (v("1.8.4"), v("1.8.6"));
        let channel = "1.8-production".parse().unwrap();
        for (version, reason, expected) in [
            ("1.8.5", "slow", Ok(vec![Change::Hold { version: v("1.8.5"), hold: event(now, "slow") }])),
            ("1.8.6", "etcd loses quorum", Ok(vec![])),
            ("1.8.6", "slow", Err(Refused::Held { version: &six, hold: &held })),
            ("1.8.4", "slow", Err(Refused::InLastStage { version: &four, channel: &channel })),
            ("1.8.7", "slow", Err(Refused::NoRelease(&v("1.8.7")))),
        ] {
            let ask = ask(version, reason);
            assert_eq!(hold(&catalog, &ask, now).map(|outcome| outcome.changes), expected, "{version}");
        }
    }

    #[test]
    fn a_resume_ends_a_hold_if_there_is_one() {
        let catalog = three();
        let seven = v("1.8.7");
        for (version, expected) in [
            ("1.8.6", Ok(vec![Change::Resume { version: v("1.8.6") }])),
            ("1.8.5", Ok(vec![])),
            ("1.8.7", Err(Refused::NoRelease(&seven))),
        ] {
            let ask = Resume { version: v(version) };
            assert_eq!(resume(&catalog, &ask).map(|outcome| outcome.changes), expected, "{version}");
        }
    }
}
