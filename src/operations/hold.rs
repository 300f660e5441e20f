//! Putting a release on hold, and ending the hold.

use super::{Note, Outcome, Refused, Subject};
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::release::Event;
use crate::domain::version::Version;

/// Puts a release on hold. A release that is already on hold for the same reason is left unchanged.
///
/// # Errors
/// When the release is unknown, is on hold for another reason, or is in its last stage, where a hold
/// would stop nothing.
pub(super) fn hold<'a>(
    catalog: &'a Catalog,
    version: &'a Version,
    hold: Event,
) -> Result<Outcome, Refused<'a>> {
    let (line, release) = catalog.stoppable_release(version).ok_or(Refused::NoRelease(version))?;
    let version = &release.version;
    // What looks like the last stage of a faulty line need not be the last.
    let last = line.stages.last().filter(|_| catalog.line(&line.name).is_some());
    let change = match (release.hold.as_ref().filter(|present| !present.is_unread()), last) {
        (Some(present), _) if present.reason == hold.reason => None,
        (Some(hold), _) => return Err(Refused::Held { version, hold }),
        (None, Some(last)) if release.reaches_last_stage() => {
            return Err(Refused::InLastStage { version, channel: &last.channel });
        }
        (None, _) => Some(Change::Hold { version: version.clone(), hold }),
    };
    Ok(Outcome {
        notes: Note::of_line(catalog, line),
        ..Outcome::of(Subject::release(line, version), change)
    })
}

/// Ends the hold of a release.
///
/// # Errors
/// When the release is unknown.
pub(super) fn resume<'a>(
    catalog: &'a Catalog,
    version: &'a Version,
    end: Event,
) -> Result<Outcome, Refused<'a>> {
    let (line, release) = catalog.release(version).ok_or(Refused::NoRelease(version))?;
    let version = &release.version;
    let resume = |hold: &Event| Change::Resume { version: version.clone(), ended: hold.ended(end) };
    let mut outcome = Outcome::of(Subject::release(line, version), release.hold.as_deref().map(resume));
    if line.retired.is_some()
        && !release.reaches_last_stage()
        && let Some(last) = line.stages.last()
    {
        outcome.notes.push(Note::stranded(version, &last.channel));
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, ended, event, line, release, t, v};

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
            let asked = v(version);
            let outcome = hold(&catalog, &asked, event(now, reason));
            assert_eq!(outcome.map(|outcome| outcome.changes), expected, "{version}");
        }
    }

    #[test]
    fn a_resume_ends_a_hold_if_there_is_one() {
        let catalog = three();
        let seven = v("1.8.7");
        for (version, expected) in [
            (
                "1.8.6",
                Ok(vec![Change::Resume { version: v("1.8.6"), ended: ended("2018-02-02", "2018-02-03") }]),
            ),
            ("1.8.5", Ok(vec![])),
            ("1.8.7", Err(Refused::NoRelease(&seven))),
        ] {
            let asked = v(version);
            let end = event(t("2018-02-03"), "it was the network");
            assert_eq!(resume(&catalog, &asked, end).map(|outcome| outcome.changes), expected, "{version}");
        }
    }
}
