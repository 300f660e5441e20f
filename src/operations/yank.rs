//! Ending the offer of a release everywhere, and restoring it.

use super::{Author, Note, Outcome, Refused, Subject, find_release};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::ChannelName;
use crate::domain::line::Line;
use crate::domain::promotion::{Verdict, decide_line};
use crate::domain::release::{self, Event, Release};
use crate::domain::version::Version;

/// End the offer of a release everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yank {
    pub version: Version,
    /// The release to take instead. A barrier needs one that is higher.
    pub to: Option<Version>,
    pub reason: String,
    pub by: Author,
}

/// Restore the offer of a yanked release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unyank {
    pub version: Version,
    /// For whoever asked; the catalog does not keep it.
    pub reason: Option<String>,
}

/// Until when a replacement is not in a channel that the yanked release was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// It is due there, and the next run promotes it.
    NextRun,
    Time(Time),
    /// Somebody must open a gate.
    SomebodyActs,
    /// It must pass this channel first.
    After(ChannelName),
}

/// Yanks a release. One that was yanked for the same reason, with the same replacement, is left as it
/// is.
///
/// The replacement need not be on offer yet, since it may be the very fix that soaks: the outcome notes
/// where clusters will wait for it.
///
/// # Errors
/// When the release is unknown or was yanked for another reason, or cannot be replaced by what is asked.
pub fn yank<'a>(catalog: &'a Catalog, ask: &'a Yank, now: Time) -> Result<Outcome, Refused<'a>> {
    let (line, release) = find_release(catalog, &ask.version)?;
    let subject = Subject::release(line, release);
    let version = &release.version;
    match &release.yank {
        Some(yank) if yank.event.reason == ask.reason && yank.to == ask.to => {
            return Ok(Outcome::unchanged(subject));
        }
        Some(yank) => return Err(Refused::Yanked { version, yank }),
        None => {}
    }
    let replacement = replacement(line, version, ask.to.as_ref())?;
    let event = Event::new(now, ask.by.to_string(), ask.reason.clone());
    let yank = release::Yank { event, to: ask.to.clone() };
    let notes =
        replacement.map(|replacement| not_yet(line, release, &yank, replacement, now)).unwrap_or_default();
    let change = Change::Yank { version: version.clone(), yank };
    Ok(Outcome { notes, ..Outcome::changed(subject, change) })
}

/// Restores the offer of a release.
///
/// # Errors
/// When the release is unknown.
pub fn unyank<'a>(catalog: &'a Catalog, ask: &'a Unyank) -> Result<Outcome, Refused<'a>> {
    let (line, release) = find_release(catalog, &ask.version)?;
    let subject = Subject::release(line, release);
    if release.yank.is_none() {
        return Ok(Outcome::unchanged(subject));
    }
    Ok(Outcome::changed(subject, Change::Unyank { version: release.version.clone() }))
}

/// The release to take instead, if it may be that.
fn replacement<'a>(
    line: &'a Line,
    version: &'a Version,
    to: Option<&'a Version>,
) -> Result<Option<&'a Release>, Refused<'a>> {
    // What replaces a yanked barrier is a barrier too, also if that yank is dated ahead.
    let is_barrier = line.barriers(Time::MAX_UTC).any(|(_, standing)| standing == version);
    let name = &line.name;
    let Some(to) = to else {
        return if is_barrier { Err(Refused::BarrierWithoutReplacement(version)) } else { Ok(None) };
    };
    match line.releases.get(to) {
        _ if to == version => Err(Refused::ReplacesItself(version)),
        None => Err(Refused::NotInLine { version: to, line: name }),
        Some(_) if is_barrier && to < version => {
            Err(Refused::BelowBarrier { barrier: version, to, line: name })
        }
        Some(release) if release.yank.is_some() => {
            Err(Refused::ReplacementYanked { version: to, line: name })
        }
        found => Ok(found),
    }
}

/// Where the replacement is missing though the yanked release was there: clusters wait for it there.
fn not_yet(
    line: &Line,
    yanked: &Release,
    yank: &release::Yank,
    replacement: &Release,
    now: Time,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if !replacement.is_deliverable() {
        notes.push(Note::Withheld(Box::new(replacement.clone())));
    }
    // The replacement of a barrier is promoted as a barrier from now on.
    let mut after = line.clone();
    after.releases.insert(yanked.version.clone(), Release { yank: Some(yank.clone()), ..yanked.clone() });
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
    use crate::domain::release::PayloadState;
    use crate::domain::testing::{catalog, event, line, release, t, v};

    const NOW: &str = "2018-03-01";
    const BOTH: &[&str] = &["2018-01-01", "2018-01-15"];

    fn ask(version: &str, to: Option<&str>) -> Yank {
        let (reason, by) = ("breaks DNS".to_owned(), Author::named("ada").unwrap());
        Yank { version: v(version), to: to.map(v), reason, by }
    }

    fn changes(catalog: &Catalog, ask: &Yank) -> Vec<Change> {
        yank(catalog, ask, t(NOW)).unwrap().changes
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
            yank: release::Yank { event: event(t(NOW), "breaks DNS"), to: to.map(v) },
        };
        for (version, to, expected) in [
            ("1.8.4", None, vec![yank_of("1.8.4", None)]),
            ("1.8.6", Some("1.8.4"), vec![yank_of("1.8.6", Some("1.8.4"))]),
            ("1.8.5", Some("1.8.6"), vec![yank_of("1.8.5", Some("1.8.6"))]),
            ("1.8.7", Some("1.8.8"), vec![]),
        ] {
            assert_eq!(changes(&catalog, &ask(version, to)), expected, "{version}");
        }
        let before = release::Yank { event: event(t("2018-02-01"), "breaks DNS"), to: Some(v("1.8.8")) };
        let refused = Refused::Yanked { version: &v("1.8.7"), yank: &before };
        assert_eq!(yank(&catalog, &ask("1.8.7", None), t(NOW)), Err(refused));
    }

    #[test]
    fn a_replacement_is_another_release_of_the_line_that_is_not_yanked() {
        let catalog = five();
        let (four, five, seven, nine) = (v("1.8.4"), v("1.8.5"), v("1.8.7"), v("1.8.9"));
        let name = "1.8".parse().unwrap();
        for (version, to, refused) in [
            ("1.8.9", None, Refused::NoRelease(&nine)),
            ("1.8.4", Some("1.8.4"), Refused::ReplacesItself(&four)),
            ("1.8.4", Some("1.8.9"), Refused::NotInLine { version: &nine, line: &name }),
            ("1.8.4", Some("1.8.7"), Refused::ReplacementYanked { version: &seven, line: &name }),
            ("1.8.5", None, Refused::BarrierWithoutReplacement(&five)),
            ("1.8.5", Some("1.8.4"), Refused::BelowBarrier { barrier: &five, to: &four, line: &name }),
        ] {
            assert_eq!(yank(&catalog, &ask(version, to), t(NOW)), Err(refused), "{version} to {to:?}");
        }
    }

    #[test]
    fn what_replaces_a_yanked_barrier_is_a_barrier() {
        let catalog = catalog([line("1.8", None)
            .with(release("1.8.4", BOTH).barrier().yanked_at("2018-02-01", Some("1.8.5")))
            .with(release("1.8.5", BOTH))
            .with(release("1.8.6", BOTH))]);
        let refused = Refused::BarrierWithoutReplacement(&v("1.8.5"));
        assert_eq!(yank(&catalog, &ask("1.8.5", None), t(NOW)), Err(refused));
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
            let outcome = yank(&catalog, &ask("1.8.4", Some("1.8.5")), t(NOW)).unwrap();
            assert_eq!(outcome.notes, expected);
        }
    }

    #[test]
    fn an_offer_is_restored_if_it_was_ended() {
        let catalog = five();
        let ask = |version: &str| Unyank { version: v(version), reason: None };
        assert_eq!(
            unyank(&catalog, &ask("1.8.7")).unwrap().changes,
            [Change::Unyank { version: v("1.8.7") }]
        );
        assert!(!unyank(&catalog, &ask("1.8.6")).unwrap().is_change());
        assert_eq!(unyank(&catalog, &ask("1.8.9")), Err(Refused::NoRelease(&v("1.8.9"))));
    }
}
