//! Adding a release to its line.

use std::sync::Arc;

use super::{Author, Difference, Note, Outcome, Refused, Subject};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::payload::{Payload, is_too_long};
use crate::domain::policy::Urgency;
use crate::domain::release::{Entries, Evidence, Release, ReleaseFile};
use crate::domain::rules::doubtful::in_line;
use crate::domain::version::Version;

/// A request to add a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    pub version: Version,
    /// The line. By default, the one that the version belongs to according to its number.
    pub line: Option<LineName>,
    pub payloads: Arc<[Payload]>,
    pub urgency: Option<Urgency>,
    pub summary: Option<String>,
    pub links: Labels,
    pub components: Labels,
    pub barrier: bool,
    /// The release that this one replaces. It is put on hold, unless it is in its last stage.
    pub replaces: Option<Version>,
    /// The author of the hold on the replaced release. Required only if the release is put on hold.
    pub by: Option<Author>,
}

/// Adds a release, and puts the one that it replaces on hold. Adding the same release again changes
/// nothing.
///
/// # Errors
/// When the line is unknown or retired, or the catalog already has the version with different content.
pub(super) fn add<'a>(catalog: &'a Catalog, ask: &'a Add, now: Time) -> Result<Outcome, Refused<'a>> {
    let version = &ask.version;
    let line = match &ask.line {
        Some(name) => catalog.line(name).ok_or(Refused::NoLine(name))?,
        None => catalog.line_of(version).ok_or(Refused::NoLineFor(version))?,
    };
    let mut outcome = Outcome::of(Subject::release(line, version), None);
    if let Some(known) = line.releases.get(version) {
        return match difference(known, ask) {
            None => Ok(outcome),
            Some(difference) => Err(Refused::Differs { version, difference }),
        };
    }
    if let Some(payload) = ask.payloads.iter().find(|payload| is_too_long(version, &payload.file)) {
        return Err(Refused::LongName { version, file: &payload.file });
    }
    if let Some(retired) = &line.retired {
        return Err(Refused::LineRetired { line: &line.name, retired });
    }
    if let Some(replaced) = ask.replaces.as_ref().and_then(|version| line.releases.get(version))
        && line.barriers(now).any(|(_, standing)| *standing == replaced.version)
        && !replaced.reaches_last_stage()
    {
        return Err(Refused::ReplacesBarrier { version, barrier: replaced.version.clone() });
    }
    // The hold is written first: if the release came first and writing stopped after it, a retry would find
    // nothing to do and never write the hold.
    if let Some(replaced) = ask.replaces.as_ref().and_then(|version| line.releases.get(version)) {
        hold_replaced(line, replaced, ask, now, &mut outcome)?;
    }
    let release = ask.release(line);
    outcome.notes.extend(in_line(line, &release).into_iter().map(Note::Doubtful));
    outcome.changes.push(Change::Add { line: line.name.clone(), release: Box::new(release) });
    Ok(outcome)
}

/// Compares only the fields that the request gives, since people may add to a release's file later.
fn difference(known: &Release, ask: &Add) -> Option<Difference> {
    let has = |known: &Labels, asked: &Labels| asked.iter().all(|(name, text)| known.get(name) == Some(text));
    [
        (Difference::Spelling, known.version.to_string() != ask.version.to_string()),
        (Difference::Payloads, known.payloads != ask.payloads),
        (Difference::Urgency, ask.urgency.is_some_and(|urgency| urgency != known.urgency)),
        (Difference::Summary, ask.summary.is_some() && ask.summary != known.summary),
        (Difference::Links, !has(&known.links, &ask.links)),
        (Difference::Components, !has(&known.components, &ask.components)),
        (Difference::Barrier, ask.barrier && !known.barrier),
        (Difference::Replaces, ask.replaces.is_some() && ask.replaces != known.replaces),
    ]
    .into_iter()
    .find_map(|(difference, differs)| differs.then_some(difference))
}

/// Puts a replaced release on hold, unless it is already on hold or in its last stage.
fn hold_replaced(
    line: &Line,
    replaced: &Release,
    ask: &Add,
    now: Time,
    outcome: &mut Outcome,
) -> Result<(), Refused<'static>> {
    let version = replaced.version.clone();
    let reason = format!("replaced by {}", ask.version);
    match (&replaced.hold, line.stages.last()) {
        (_, Some(last)) if replaced.reaches_last_stage() => {
            if replaced.yanked(now).is_none() {
                let (by, channel) = (ask.version.clone(), last.channel.clone());
                outcome.notes.push(Note::StaysOnOffer { replaced: version, by, channel });
            }
        }
        (None, _) => {
            let hold = ask.by.as_ref().ok_or(Refused::NoAuthor)?.event(now, &reason);
            outcome.changes.push(Change::Hold { version: version.clone(), hold });
            outcome.notes.push(Note::Held { replaced: version });
        }
        // An earlier attempt wrote the hold and nothing else.
        (Some(hold), _) if hold.reason == reason => outcome.notes.push(Note::Held { replaced: version }),
        (Some(_), _) => {}
    }
    Ok(())
}

impl Add {
    fn release(&self, line: &Line) -> Release {
        Release::new(
            ReleaseFile {
                version: self.version.clone(),
                urgency: self.urgency.unwrap_or_default(),
                summary: self.summary.clone(),
                links: self.links.clone(),
                components: self.components.clone(),
                payloads: Arc::clone(&self.payloads),
                barrier: self.barrier,
                replaces: self.replaces.clone(),
                hold: None,
                yank: None,
                past: None,
            },
            Entries::none(line.stages.len()),
            Evidence::default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::ChangeError;
    use crate::domain::line::Prefix;
    use crate::domain::rules::{Reference, Rule};
    use crate::domain::testing::{self, catalog, event, t, v};
    use crate::operations::Operation;

    fn ask(version: &str) -> Add {
        let payloads = testing::release(version, &[]).payloads.clone();
        let (links, components) = Default::default();
        Add {
            version: v(version),
            line: None,
            payloads,
            urgency: None,
            summary: None,
            links,
            components,
            barrier: false,
            replaces: None,
            by: Author::named("ada").ok(),
        }
    }

    fn labels(name: &str, text: &str) -> Labels {
        [(name.to_owned(), text.to_owned())].into()
    }

    /// The rule of the catalog that adding a release would break.
    fn broken(catalog: &Catalog, asked: &Add) -> Rule {
        match Operation::Add(Box::new(asked.clone())).plan(catalog, t("2018-03-01")) {
            Err(Refused::Change(ChangeError::Broken { mut broken, .. })) => broken.remove(0).rule,
            other => panic!("{other:?}"),
        }
    }

    /// `1.7` is retired. Of `1.8`, one release is in production, one soaks, one is on hold, and one is
    /// yanked.
    fn lines() -> Catalog {
        let mut old = testing::line("1.7", None);
        old.retired = Some(event(t("2018-01-01"), "no fixes"));
        let both = ["2018-01-01", "2018-01-15"];
        let mut soaking = testing::release("1.8.5", &["2018-02-01"]);
        soaking.summary = Some("Kubernetes 1.8.5".to_owned());
        soaking.links = labels("notes", "https://example.com/");
        soaking.components = labels("kubernetes", "1.8.5");
        catalog([
            old.with(testing::release("1.7.1", &["2018-01-01"])),
            testing::line("1.8", Some("1.7"))
                .with(testing::release("1.8.3", &both).yanked_at("2018-02-01", None))
                .with(testing::release("1.8.4", &both))
                .with(soaking)
                .with(testing::release("1.8.6", &["2018-02-01"]).held_at("2018-02-02")),
        ])
    }

    #[test]
    fn names_that_are_too_long_to_be_exported_are_refused() {
        let catalog = catalog([testing::line("1.8", None)]);
        let named = |version: &str, file: &str| {
            let mut ask = ask(version);
            Arc::make_mut(&mut ask.payloads)[0].file = file.to_owned();
            ask
        };
        let version = format!("1.8.1-{}", "a".repeat(94));
        for (length, fits) in [(81, true), (82, false)] {
            let ask = named(&version, &"b".repeat(length));
            let planned = add(&catalog, &ask, t("2018-01-01"));
            assert_eq!(matches!(planned, Err(Refused::LongName { .. })), !fits, "{planned:?}");
        }
        let name = format!("{}.payload.{version}.{}", "0".repeat(64), "b".repeat(81));
        assert_eq!(name.len(), 255);
    }

    #[test]
    fn a_new_release_is_added_and_the_same_again_changes_nothing() {
        let (catalog, now) = (lines(), t("2018-03-01"));
        let asked = Add { line: Some("1.8".parse().unwrap()), barrier: true, ..ask("1.8.7") };
        let outcome = add(&catalog, &asked, now).unwrap();
        let [change @ Change::Add { line, release }] = &outcome.changes[..] else { panic!("{outcome:?}") };
        assert_eq!((line.as_str(), release.entries.len(), release.barrier), ("1.8", 2, true));
        let catalog = change.apply(catalog).unwrap();
        let again = add(&catalog, &asked, now).unwrap();
        assert!(!again.is_change());
        assert_eq!(again.subject, outcome.subject);
        // What is not asked for again may have been added by hand.
        assert!(!add(&catalog, &ask("1.8.7"), now).unwrap().is_change());
        let other_case = Add { line: Some("1.7".parse().unwrap()), ..ask("1.7.1") };
        assert!(!add(&catalog, &other_case, now).unwrap().is_change(), "also in a retired line");
    }

    #[test]
    fn a_version_stands_for_one_content() {
        let catalog = lines();
        let five = || ask("1.8.5");
        for (difference, asked) in [
            (Difference::Spelling, Add { version: v("v1.8.5"), ..five() }),
            (Difference::Payloads, Add { payloads: [].into(), ..five() }),
            (Difference::Urgency, Add { urgency: Some(Urgency::Security), ..five() }),
            (Difference::Summary, Add { summary: Some("Kubernetes".to_owned()), ..five() }),
            (Difference::Links, Add { links: labels("notes", "https://example.org/"), ..five() }),
            (Difference::Components, Add { components: labels("etcd", "3.2"), ..five() }),
            (Difference::Barrier, Add { barrier: true, ..five() }),
            (Difference::Replaces, Add { replaces: Some(v("1.8.4")), ..five() }),
        ] {
            let refused = Refused::Differs { version: &asked.version, difference };
            assert_eq!(add(&catalog, &asked, t("2018-03-01")), Err(refused));
        }
        let same = Add {
            urgency: Some(Urgency::Normal),
            summary: Some("Kubernetes 1.8.5".to_owned()),
            links: labels("notes", "https://example.com/"),
            components: labels("kubernetes", "1.8.5"),
            ..five()
        };
        assert!(!add(&catalog, &same, t("2018-03-01")).unwrap().is_change());
    }

    #[test]
    fn a_release_belongs_to_one_line_that_still_takes_releases() {
        let catalog = lines();
        let (seven, eight) = ("1.7".parse().unwrap(), "1.8".parse::<LineName>().unwrap());
        let retired = event(t("2018-01-01"), "no fixes");
        let elsewhere = Add { line: Some("1.8".parse().unwrap()), ..ask("1.9.0") };
        let nowhere = Add { line: Some("2.0".parse().unwrap()), ..ask("2.0.0") };
        let prefix = Prefix::parse("1.8").unwrap();
        let (unknown, new) = (v("1.9.0"), "2.0".parse().unwrap());
        for (asked, refused) in [
            (ask("1.9.0"), Refused::NoLineFor(&unknown)),
            (nowhere, Refused::NoLine(&new)),
            (ask("1.7.2"), Refused::LineRetired { line: &seven, retired: &retired }),
        ] {
            assert_eq!(add(&catalog, &asked, t("2018-03-01")), Err(refused));
        }
        let rule = Rule::ForeignVersion { line: eight, version: unknown.clone(), prefix };
        assert_eq!(broken(&catalog, &elsewhere), rule);
    }

    #[test]
    fn what_is_replaced_is_held_unless_a_hold_would_stop_nothing() {
        let (catalog, now) = (lines(), t("2018-03-01"));
        let replacing = |version: &str| Add { replaces: Some(v(version)), ..ask("1.8.7") };
        let outcome = |asked: &Add| {
            let Outcome { mut changes, notes, .. } = add(&catalog, asked, now).unwrap();
            assert!(matches!(changes.pop(), Some(Change::Add { .. })), "the release comes last");
            (changes, notes)
        };
        let hold = Change::Hold { version: v("1.8.5"), hold: event(now, "replaced by 1.8.7") };
        assert_eq!(outcome(&replacing("1.8.5")), (vec![hold], vec![Note::Held { replaced: v("1.8.5") }]));
        assert_eq!(outcome(&replacing("1.8.6")), (vec![], vec![]), "on hold for another reason");
        let channel = "1.8-production".parse().unwrap();
        let stays = Note::StaysOnOffer { replaced: v("1.8.4"), by: v("1.8.7"), channel };
        assert_eq!(outcome(&replacing("1.8.4")), (vec![], vec![stays]));
        assert_eq!(outcome(&replacing("1.8.3")), (vec![], vec![]), "it is offered nowhere");
        let nobody = Add { by: None, ..replacing("1.8.5") };
        assert_eq!(add(&catalog, &nobody, now), Err(Refused::NoAuthor));
        let reference = Reference::Replaces;
        let (line, version) = ("1.8".parse().unwrap(), v("1.7.1"));
        for (replaced, rule) in [
            ("1.8.7", Rule::NamesItself(reference)),
            ("1.7.1", Rule::NoSuchRelease { line, reference, version }),
        ] {
            assert_eq!(broken(&catalog, &replacing(replaced)), rule);
        }
        assert!(add(&catalog, &Add { by: None, ..replacing("1.8.6") }, now).is_ok(), "nothing to sign for");
    }

    #[test]
    fn a_hold_that_an_earlier_try_wrote_is_told_of() {
        let (catalog, now) = (lines(), t("2018-03-01"));
        let asked = Add { replaces: Some(v("1.8.5")), ..ask("1.8.7") };
        let first = add(&catalog, &asked, now).unwrap();
        let catalog = first.changes[0].apply(catalog).unwrap();
        let second = add(&catalog, &asked, now).unwrap();
        assert_eq!((second.changes.len(), second.notes), (1, first.notes));
    }

    #[test]
    fn a_barrier_that_is_under_way_is_not_replaced_by_a_release_that_would_wait_for_it() {
        let now = t("2018-03-01");
        let eight = |entered: &[&str]| {
            let barrier = testing::release("1.8.4", entered).barrier();
            catalog([testing::line("1.8", None).with(barrier)])
        };
        let asked = Add { replaces: Some(v("1.8.4")), ..ask("1.8.5") };
        let refused = Refused::ReplacesBarrier { version: &asked.version, barrier: v("1.8.4") };
        assert_eq!(add(&eight(&["2018-02-20"]), &asked, now), Err(refused));
        assert!(add(&eight(&["2018-01-01", "2018-01-15"]), &asked, now).unwrap().is_change());
    }
}
