//! The releases that are awaiting a signature, and the reasons why a release is not signed.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::Refused;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::{LineName, StageName};
use crate::domain::line::Line;
use crate::domain::payload::is_too_long;
use crate::domain::release::{ManifestFault, ManifestState, PayloadState, Release, SignedFacts};
use crate::domain::version::Version;

/// A line's role is signed again this long before it expires, even if no release needs signing: some
/// clients stop updating every line once one role has expired. A role is valid for a year.
pub const RENEW_BEFORE: TimeDelta = TimeDelta::days(90);

/// A request to sign releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sign {
    /// The releases to sign. If empty, all pending ones.
    pub versions: BTreeSet<Version>,
    /// Whether to sign the named releases again with an earlier entry time.
    pub brings_forward: bool,
}

/// Access to what was signed before, as far as it is not part of a release's evidence.
pub trait SignedBefore {
    /// Returns when the role of a line expires, or `None` if the line has no role.
    ///
    /// # Errors
    /// The reason why the existing role cannot be used.
    fn role_expires(&self, line: &LineName) -> Result<Option<Time>, String>;

    /// Whether the role of a line has no index of its releases that can be used.
    fn lacks_index(&self, line: &LineName) -> bool;

    /// Whether a release has a manifest that can be read, valid or not.
    fn has_manifest(&self, version: &Version) -> bool;

    /// Returns what the release's manifest promises, if there is one that can be parsed.
    ///
    /// # Errors
    /// The reason why the existing manifest cannot be read.
    fn promised(&self, version: &Version) -> Result<Option<SignedFacts>, String>;
}

/// The releases to sign in one line, and those that are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending<'a> {
    pub line: &'a Line,
    /// The releases to sign, in ascending order.
    pub versions: Vec<Version>,
    /// The requested releases that are not signed, and why.
    pub refused: Vec<(Version, Obstacle)>,
    /// Whether the line's role must be signed again because it expires soon.
    pub renews: bool,
    /// Whether the line's role must be signed again because its index of the line cannot be used.
    pub reindexes: bool,
}

/// Why a release is not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A payload is missing or does not match the catalog.
    Payload(PayloadState),
    /// The version and the name of a payload are too long together.
    LongName { file: String },
    /// The role of the line cannot be used.
    BrokenRole { line: LineName, why: String },
    /// The existing manifest cannot be read.
    UnreadManifest(String),
    /// Somebody without a release key moved the release into the stage before its signed time. A run for
    /// all pending releases must not silently approve that.
    EnteredEarly { stage: StageName },
}

/// Returns the lines that have something to sign or to refuse.
///
/// A release is pending if it has no signed manifest, or one that differs from the catalog.
///
/// # Errors
/// When a named release is not in the catalog.
pub fn pending<'a>(
    catalog: &'a Catalog,
    ask: &'a Sign,
    before: &impl SignedBefore,
    now: Time,
) -> Result<Vec<Pending<'a>>, Refused<'a>> {
    for version in &ask.versions {
        catalog.release(version).ok_or(Refused::NoRelease(version))?;
    }
    let lines = catalog.lines().map(|line| in_line(line, ask, before, now));
    Ok(lines
        .filter(|pending| pending.signs_role() || !pending.versions.is_empty() || !pending.refused.is_empty())
        .collect())
}

fn in_line<'a>(line: &'a Line, ask: &Sign, before: &impl SignedBefore, now: Time) -> Pending<'a> {
    let (versions, refused) = Default::default();
    let mut pending = Pending { line, versions, refused, renews: false, reindexes: false };
    let mut is_asked = ask.versions.is_empty();
    for release in line.releases.values() {
        let is_named = ask.versions.contains(&release.version);
        is_asked |= is_named;
        let is_signed = is_signed(&release.evidence.manifest);
        let is_wanted =
            if is_signed { is_named && ask.brings_forward } else { is_named || ask.versions.is_empty() };
        if !is_wanted {
            continue;
        }
        match obstacle(line, release, is_named, before) {
            None => pending.versions.push(release.version.clone()),
            Some(obstacle) => pending.refused.push((release.version.clone(), obstacle)),
        }
    }
    let expires = before.role_expires(&line.name).ok().flatten();
    let expires_soon = expires.is_some_and(|at| at - RENEW_BEFORE <= now);
    pending.renews = pending.versions.is_empty() && ask.versions.is_empty() && expires_soon;
    pending.reindexes = pending.versions.is_empty() && is_asked && before.lacks_index(&line.name);
    pending
}

impl Pending<'_> {
    /// Whether the line's role must be signed again although no release of the line is signed.
    pub const fn signs_role(&self) -> bool {
        self.renews || self.reindexes
    }
}

/// Whether a release is signed, maybe in a line whose index cannot be used.
fn is_signed(manifest: &ManifestState) -> bool {
    match manifest {
        ManifestState::Signed(_) => true,
        ManifestState::Invalid(fault) => matches!(**fault, ManifestFault::Index(_)),
        _ => false,
    }
}

fn obstacle(line: &Line, release: &Release, is_named: bool, before: &impl SignedBefore) -> Option<Obstacle> {
    match &release.evidence.payload {
        PayloadState::Present => {}
        // When keys change, a withdrawn release is signed again although its payload is gone.
        PayloadState::Missing { .. } if release.yank.is_some() && before.has_manifest(&release.version) => {}
        wrong => return Some(Obstacle::Payload(wrong.clone())),
    }
    let long = release.payloads.iter().find(|payload| is_too_long(&release.version, &payload.file));
    // What was signed before is already published.
    if let Some(payload) = long.filter(|_| !before.has_manifest(&release.version)) {
        return Some(Obstacle::LongName { file: payload.file.clone() });
    }
    if let Err(why) = before.role_expires(&line.name) {
        return Some(Obstacle::BrokenRole { line: line.name.clone(), why });
    }
    let promised = match before.promised(&release.version) {
        Ok(promised) => promised.filter(|_| !is_named)?,
        Err(why) => return Some(Obstacle::UnreadManifest(why)),
    };
    let early = |since: Time, stage: &StageName| promised.not_before(stage).is_some_and(|at| since < at);
    let mut entered = line.stages.iter().zip(&release.entries);
    let (stage, _) =
        entered.find(|(stage, entry)| entry.as_ref().is_some_and(|entry| early(entry.since, &stage.name)))?;
    Some(Obstacle::EnteredEarly { stage: stage.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, line, release, t, v};

    /// What was signed before, as a test sets it.
    #[derive(Default)]
    struct Before {
        broken: Option<&'static str>,
        lacks_index: bool,
        expires: Option<Time>,
        unread: Option<&'static str>,
        promised: Option<SignedFacts>,
    }

    impl SignedBefore for Before {
        fn role_expires(&self, _: &LineName) -> Result<Option<Time>, String> {
            self.broken.map_or_else(|| Ok(self.expires), |why| Err(why.to_owned()))
        }

        fn lacks_index(&self, _: &LineName) -> bool {
            self.lacks_index
        }

        fn has_manifest(&self, _: &Version) -> bool {
            self.promised.is_some()
        }

        fn promised(&self, _: &Version) -> Result<Option<SignedFacts>, String> {
            self.unread.map_or_else(|| Ok(self.promised.clone()), |why| Err(why.to_owned()))
        }
    }

    const NOW: &str = "2018-03-01";

    fn unsigned(version: &str) -> Release {
        let mut release = release(version, &["2018-01-01", "2018-01-15"]);
        release.evidence.manifest = ManifestState::Unsigned;
        release
    }

    fn named(versions: &[&str]) -> BTreeSet<Version> {
        versions.iter().map(|version| v(version)).collect()
    }

    #[test]
    fn what_has_no_valid_signature_is_pending_and_what_has_one_only_if_it_is_brought_forward() {
        let mut edited = release("1.8.5", &[]);
        edited.evidence.manifest = ManifestFault::Differs.into();
        let catalog =
            catalog([line("1.8", None).with(unsigned("1.8.4")).with(edited).with(release("1.8.6", &[]))]);
        for (versions, brings_forward, expected) in [
            (&[][..], false, &["1.8.4", "1.8.5"][..]),
            (&["1.8.5"], false, &["1.8.5"]),
            (&["1.8.6"], false, &[]),
            (&["1.8.5", "1.8.6"], true, &["1.8.5", "1.8.6"]),
        ] {
            let ask = Sign { versions: named(versions), brings_forward };
            let found = pending(&catalog, &ask, &Before::default(), t(NOW)).unwrap();
            let found: Vec<Version> = found.into_iter().flat_map(|pending| pending.versions).collect();
            assert_eq!(found, expected.iter().map(|version| v(version)).collect::<Vec<_>>());
        }
        let ask = Sign { versions: named(&["1.8.7"]), brings_forward: false };
        let refused = pending(&catalog, &ask, &Before::default(), t(NOW));
        assert_eq!(refused, Err(Refused::NoRelease(&v("1.8.7"))));
    }

    #[test]
    fn a_line_without_an_index_signs_its_role_again_and_none_of_its_releases() {
        let without = |version: &str| {
            let mut release = release(version, &[]);
            release.evidence.manifest = ManifestFault::Index("it has none".to_owned()).into();
            release
        };
        let with = catalog([line("1.8", None).with(without("1.8.4")).with(without("1.8.5"))]);
        let empty = catalog([line("1.8", None)]);
        let before = Before { lacks_index: true, ..Before::default() };
        for (catalog, versions) in [(&with, &[][..]), (&with, &["1.8.5"]), (&empty, &[])] {
            let ask = Sign { versions: named(versions), brings_forward: false };
            let found = pending(catalog, &ask, &before, t(NOW)).unwrap();
            let found: Vec<_> = found.iter().map(|line| (line.versions.len(), line.reindexes)).collect();
            assert_eq!(found, [(0, true)], "{versions:?}");
        }
    }

    #[test]
    fn a_release_is_not_signed_over_what_is_wrong_with_it() {
        let missing = || PayloadState::Missing { file: "payload.json".to_owned() };
        let differs = || PayloadState::Differs {
            file: "payload.json".to_owned(),
            found: "7 bytes".to_owned(),
            altered: None,
        };
        let promised = || {
            let early = ("production".parse().unwrap(), t("2018-01-16"));
            Before { promised: Some(SignedFacts::new([early].into())), ..Before::default() }
        };
        let with = |payload: PayloadState| {
            let mut release = unsigned("1.8.4");
            release.evidence.payload = payload;
            release
        };
        let long_name = "x".repeat(128);
        let long = || {
            let mut release = unsigned(&format!("1.8.4-{}", "y".repeat(60)));
            std::sync::Arc::make_mut(&mut release.payloads)[0].file.clone_from(&long_name);
            release
        };
        let too_long = Some(Obstacle::LongName { file: long_name.clone() });
        let entered_early = Obstacle::EnteredEarly { stage: "production".parse().unwrap() };
        let broken = Obstacle::BrokenRole { line: "1.8".parse().unwrap(), why: "it is cut".to_owned() };
        let named = &["1.8.4"][..];
        for (what, release, before, versions, expected) in [
            ("good", unsigned("1.8.4"), Before::default(), &[][..], None),
            ("missing", with(missing()), Before::default(), named, Some(Obstacle::Payload(missing()))),
            ("withdrawn", with(missing()).yanked_at("2018-02-01", None), promised(), named, None),
            ("long", long(), Before::default(), &[], too_long),
            ("long, but published", long(), promised(), &[], Some(entered_early.clone())),
            ("other", with(differs()), Before::default(), named, Some(Obstacle::Payload(differs()))),
            (
                "role",
                unsigned("1.8.4"),
                Before { broken: Some("it is cut"), ..Before::default() },
                named,
                Some(broken),
            ),
            (
                "manifest",
                unsigned("1.8.4"),
                Before { unread: Some("no file"), ..Before::default() },
                named,
                Some(Obstacle::UnreadManifest("no file".to_owned())),
            ),
            ("early", unsigned("1.8.4"), promised(), &[], Some(entered_early)),
            ("early and named", unsigned("1.8.4"), promised(), named, None),
        ] {
            let catalog = catalog([line("1.8", None).with(release)]);
            let ask = Sign { versions: self::named(versions), brings_forward: false };
            let mut found = pending(&catalog, &ask, &before, t(NOW)).unwrap();
            assert_eq!(
                found.pop().and_then(|mut found| found.refused.pop()).map(|(_, why)| why),
                expected,
                "{what}"
            );
        }
    }

    #[test]
    fn a_role_that_expires_soon_is_renewed_even_if_no_release_is_signed() {
        let near = t(NOW) + RENEW_BEFORE;
        let catalog = catalog([line("1.8", None).with(release("1.8.4", &[]))]);
        for (expires, versions, renews) in
            [(near, &[][..], true), (near + TimeDelta::seconds(1), &[], false), (near, &["1.8.4"], false)]
        {
            let ask = Sign { versions: named(versions), brings_forward: false };
            let before = Before { expires: Some(expires), ..Before::default() };
            let found = pending(&catalog, &ask, &before, t(NOW)).unwrap();
            assert_eq!(found.iter().any(|pending| pending.renews), renews, "{expires} {versions:?}");
        }
    }
}
