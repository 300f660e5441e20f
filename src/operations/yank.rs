//! Yanking a release from every channel, and restoring it.

use super::{Note, Outcome, Refused, Subject};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::ChannelName;
use crate::domain::line::Line;
use crate::domain::promotion::{Verdict, decide_line};
use crate::domain::release::{Event, Release, Yank};
use crate::domain::version::Version;

/// How long a channel that had the yanked release waits for its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// The replacement is due in the channel, and the next run promotes it.
    NextRun,
    Time(Time),
    /// Somebody must open a gate.
    SomebodyActs,
    /// The replacement must go through this channel first.
    After(ChannelName),
}

/// Yanks a release. A release that was already yanked for the same reason and with the same replacement is
/// left unchanged.
///
/// The replacement need not be on offer yet, since it may be the fix that is still soaking. The outcome
/// notes where clusters will wait for it.
///
/// # Errors
/// When the release is unknown, was yanked for another reason or with another replacement, or its
/// replacement was yanked.
pub(super) fn yank<'a>(
    catalog: &'a Catalog,
    version: &'a Version,
    to: Option<&'a Version>,
    event: Event,
) -> Result<Outcome, Refused<'a>> {
    let (line, release) = catalog.stoppable_release(version).ok_or(Refused::NoRelease(version))?;
    let subject = Subject::release(line, &release.version);
    match &release.yank {
        Some(yank) if yank.event.reason == event.reason && yank.to.as_ref() == to => {
            return Ok(Outcome::of(subject, None));
        }
        Some(yank) if !yank.event.is_unread() => {
            return Err(Refused::Yanked { version: &release.version, yank });
        }
        _ => {}
    }
    let now = event.at;
    let yank = Yank { event, to: to.cloned() };
    let notes = match to.and_then(|to| line.releases.get(to)) {
        // Nothing is decided about a faulty line.
        _ if catalog.line(&line.name).is_none() => Note::of_line(catalog, line),
        Some(replacement) if replacement.yank.is_some() => {
            return Err(Refused::ReplacementYanked { version: &replacement.version, line: &line.name });
        }
        Some(replacement) => not_yet(line, release, &yank, replacement, now),
        None => Vec::new(),
    };
    let change = Change::Yank { version: release.version.clone(), yank };
    Ok(Outcome { notes, ..Outcome::of(subject, Some(change)) })
}

/// Offers a yanked release again.
///
/// # Errors
/// When the release is unknown.
pub(super) fn unyank<'a>(
    catalog: &'a Catalog,
    version: &'a Version,
    end: Event,
) -> Result<Outcome, Refused<'a>> {
    let (line, release) = catalog.release(version).ok_or(Refused::NoRelease(version))?;
    let version = &release.version;
    let unyank = |yank: &Yank| Change::Unyank { version: version.clone(), ended: yank.event.ended(end) };
    Ok(Outcome::of(Subject::release(line, version), release.yank.as_deref().map(unyank)))
}

/// Notes the channels that had the yanked release and do not have its replacement yet: clusters there wait.
fn not_yet(line: &Line, yanked: &Release, yank: &Yank, replacement: &Release, now: Time) -> Vec<Note> {
    let mut notes = Vec::new();
    if !replacement.is_deliverable() {
        notes.push(Note::Withheld(Box::new(replacement.clone())));
    }
    // From now on, the replacement of a barrier is promoted as a barrier.
    let mut after = line.clone();
    let mut other = yanked.clone();
    other.yank = Some(Box::new(yank.clone()));
    after.releases.insert(yanked.version.clone(), other);
    let decisions = decide_line(&after, now);
    let version = &replacement.version;
    let Some(decision) = decisions.iter().find(|decision| decision.release.version == *version) else {
        return notes;
    };
    for (index, stage) in line.stages.iter().enumerate() {
        if !yanked.is_in(index, now) || replacement.is_in(index, now) {
            continue;
        }
        let until = match decision.verdict {
            _ if decision.stage != index => Until::After(decision.target().channel.clone()),
            Verdict::Promote => Until::NextRun,
            Verdict::Wait { until } => Until::Time(until),
            Verdict::Blocked => Until::SomebodyActs,
        };
        notes.push(Note::NotYet { version: version.clone(), channel: stage.channel.clone(), until });
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::ChangeError;
    use crate::domain::channel::LineName;
    use crate::domain::release::PayloadState;
    use crate::domain::rules::{Reference, Rule};
    use crate::domain::testing::{catalog, ended, event, line, release, t, v};
    use crate::operations::{Author, Operation};

    const NOW: &str = "2018-03-01";
    const BOTH: &[&str] = &["2018-01-01", "2018-01-15"];

    fn ask(version: &str, to: Option<&str>) -> Operation {
        let (reason, by) = ("breaks DNS".to_owned(), Author::named("ada").unwrap());
        Operation::Yank { version: v(version), to: to.map(v), reason, by }
    }

    fn changes(catalog: &Catalog, ask: &Operation) -> Vec<Change> {
        ask.plan(catalog, t(NOW)).unwrap().changes
    }

    /// The rule of the catalog that a yank would break.
    fn broken(catalog: &Catalog, version: &str, to: Option<&str>) -> Rule {
        match ask(version, to).plan(catalog, t(NOW)) {
            Err(Refused::Change(ChangeError::Broken { mut broken, .. })) => broken.remove(0).rule,
            other => panic!("{other:?}"),
        }
    }

    /// `1.8.5` is a barrier; `1.8.7` was yanked and is replaced by `1.8.8`.
    fn five() -> Catalog {
        catalog([line("1.8", None)
            .with(release("1.8.4", BOTH))
            .with(release("1.8.5", BOTH).barrier())
            .with(release("1.8.6", BOTH))
            .with(release("1.8.7", BOTH).yanked_at("2018-02-01", Some("1.8.8")))
            .with(release("1.8.8", BOTH))])
    }

    #[test]
    fn a_release_is_yanked_once_and_for_one_reason() {
        let catalog = five();
        let yank_of = |version: &str, to: Option<&str>| Change::Yank {
            version: v(version),
            yank: Yank { event: event(t(NOW), "breaks DNS"), to: to.map(v) },
        };
        for (version, to, expected) in [
            ("1.8.4", None, vec![yank_of("1.8.4", None)]),
            ("1.8.6", Some("1.8.4"), vec![yank_of("1.8.6", Some("1.8.4"))]),
            ("1.8.5", Some("1.8.6"), vec![yank_of("1.8.5", Some("1.8.6"))]),
            ("1.8.7", Some("1.8.8"), vec![]),
        ] {
            assert_eq!(changes(&catalog, &ask(version, to)), expected, "{version}");
        }
        let before = Yank { event: event(t("2018-02-01"), "breaks DNS"), to: Some(v("1.8.8")) };
        let refused = Refused::Yanked { version: &v("1.8.7"), yank: &before };
        assert_eq!(ask("1.8.7", None).plan(&catalog, t(NOW)), Err(refused));
    }

    #[test]
    fn a_replacement_is_another_release_of_the_line_that_is_not_yanked() {
        let catalog = five();
        let (seven, nine) = (v("1.8.7"), v("1.8.9"));
        let line: LineName = "1.8".parse().unwrap();
        for (version, to, refused) in [
            ("1.8.9", None, Refused::NoRelease(&nine)),
            ("1.8.4", Some("1.8.7"), Refused::ReplacementYanked { version: &seven, line: &line }),
        ] {
            assert_eq!(ask(version, to).plan(&catalog, t(NOW)), Err(refused), "{version} to {to:?}");
        }
        let (barrier, reference) = (v("1.8.5"), Reference::YankTo);
        for (version, to, rule) in [
            ("1.8.4", Some("1.8.4"), Rule::NamesItself(reference)),
            ("1.8.4", Some("1.8.9"), Rule::NoSuchRelease { line, reference, version: nine.clone() }),
            ("1.8.5", None, Rule::NoReplacement { version: v("1.8.5"), barrier: barrier.clone() }),
            ("1.8.5", Some("1.8.4"), Rule::LowerReplacement { version: v("1.8.5"), barrier, to: v("1.8.4") }),
        ] {
            assert_eq!(broken(&catalog, version, to), rule, "{version} to {to:?}");
        }
    }

    #[test]
    fn what_replaces_a_yanked_barrier_is_a_barrier() {
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", BOTH).barrier().yanked_at("2018-02-01", Some("1.8.5")))
            .with(release("1.8.5", BOTH))
            .with(release("1.8.6", BOTH))]);
        let rule = Rule::NoReplacement { version: v("1.8.5"), barrier: v("1.8.4") };
        assert_eq!(broken(&catalog, "1.8.5", None), rule);
        assert_eq!(changes(&catalog, &ask("1.8.5", Some("1.8.6"))).len(), 1);
    }

    #[test]
    fn it_is_noted_where_clusters_wait_for_a_replacement() {
        let channel = |stage: &str| format!("1.8-{stage}").parse().unwrap();
        let not_yet =
            |stage: &str, until: Until| Note::NotYet { version: v("1.8.5"), channel: channel(stage), until };
        let mut missing = release("1.8.5", BOTH);
        missing.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
        let withheld = Note::Withheld(Box::new(missing.clone()));
        for (replacement, expected) in [
            (release("1.8.5", BOTH), vec![]),
            (release("1.8.5", &["2018-01-01"]), vec![not_yet("production", Until::NextRun)]),
            (release("1.8.5", &["2018-02-28"]), vec![not_yet("production", Until::Time(t("2018-03-14")))]),
            (
                release("1.8.5", &["2018-01-01"]).held_at("2018-01-02"),
                vec![not_yet("production", Until::SomebodyActs)],
            ),
            (
                release("1.8.5", &[]),
                vec![
                    not_yet("preproduction", Until::NextRun),
                    not_yet("production", Until::After(channel("preproduction"))),
                ],
            ),
            (missing, vec![withheld]),
        ] {
            let catalog = catalog([line("1.8", None).with(release("1.8.4", BOTH)).with(replacement)]);
            let asked = ask("1.8.4", Some("1.8.5"));
            let outcome = asked.plan(&catalog, t(NOW)).unwrap();
            assert_eq!(outcome.notes, expected);
        }
    }

    #[test]
    fn an_offer_is_restored_if_it_was_ended() {
        let catalog = five();
        let unyank = |version| unyank(&catalog, version, event(t(NOW), "it was the network"));
        let [six, seven, nine] = ["1.8.6", "1.8.7", "1.8.9"].map(v);
        let ended = ended("2018-02-01", NOW);
        assert_eq!(unyank(&seven).unwrap().changes, [Change::Unyank { version: seven.clone(), ended }]);
        assert!(!unyank(&six).unwrap().is_change());
        assert_eq!(unyank(&nine), Err(Refused::NoRelease(&nine)));
    }
}
