//! The evidence for each release: its signed manifest and its payload files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::manifests::{self, Manifests, Stored};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::release::{Evidence, ManifestFault, ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::formats::tuf::Signers;
use crate::signing::trust::{Checked, Trust, TrustError};

/// Adds the evidence for every release to a catalog. If the keys cannot be used, no release counts as
/// signed, and the evidence for each contains the reason.
///
/// `manifest` returns a version's `release.json` as it is stored, or why it cannot be read; `payload`
/// returns the state of a release's files. Both are called from several threads.
pub fn with_evidence(
    catalog: Catalog,
    trust: Result<Option<&Trust>, &TrustError>,
    manifest: &(dyn Fn(&Version) -> Stored + Sync),
    payload: &(dyn Fn(&Release) -> PayloadState + Sync),
    checked: &Checked,
) -> Catalog {
    let files = Files { trust, manifest, payload, checked, may_have_changed: &|_| true };
    Found::default().add_to(catalog, &files)
}

/// The files that the evidence is found in.
pub struct Files<'f> {
    pub trust: Result<Option<&'f Trust>, &'f TrustError>,
    /// Returns a version's `release.json`. Called from several threads, as is `payload`.
    pub manifest: &'f (dyn Fn(&Version) -> Stored + Sync),
    /// Returns the state of a release's payload files.
    pub payload: &'f (dyn Fn(&Release) -> PayloadState + Sync),
    pub checked: &'f Checked,
    /// Whether a release's manifest or payload files may have changed since evidence was found last.
    pub may_have_changed: &'f (dyn Fn(&Version) -> bool + Sync),
}

/// The evidence that was found last.
///
/// A line is the same one as the last time, with its evidence, if its files, the keys and its role are the
/// same. In any other line, a manifest is verified again only if the manifest or its release has changed.
#[derive(Debug, Default)]
pub struct Found {
    lines: BTreeMap<LineName, OfLine>,
}

#[derive(Debug)]
struct OfLine {
    /// The line without the evidence.
    bare: Arc<Line>,
    keys: Keys,
    manifests: manifests::OfLine,
    /// The line with the evidence.
    line: Arc<Line>,
    /// Whether the payloads of all its releases are present. One that is not is looked for each time.
    has_all_payloads: bool,
}

/// What shows whether a line's manifests are signed.
#[derive(Debug, PartialEq)]
enum Keys {
    /// The catalog has no keys.
    None,
    /// They cannot be used, for this reason.
    Unusable(String),
    /// The line's role and index, why the role cannot be used, and who may sign it.
    Role { role: Option<Bytes>, index: Option<Bytes>, broken: Option<String>, signers: Option<Signers> },
}

impl Keys {
    fn of(trust: Result<Option<&Trust>, &TrustError>, line: &LineName) -> Self {
        match trust {
            Ok(None) => Self::None,
            Ok(Some(trust)) => Self::Role {
                role: trust.line(line).map(|role| role.raw().clone()),
                index: trust.index_file(line).cloned(),
                broken: trust.broken().get(line).map(ToString::to_string),
                signers: trust.line_authority(line).map(Signers::of),
            },
            Err(error) => Self::Unusable(error.to_string()),
        }
    }
}

/// What was found for one release before.
#[derive(Clone, Copy)]
struct Before<'k> {
    manifest: &'k Stored,
    evidence: &'k Evidence,
}

/// One release whose evidence is needed.
struct Wanted<'k> {
    line: &'k Line,
    release: &'k Release,
    /// `None` if the release or its line has changed.
    before: Option<Before<'k>>,
    may_have_changed: bool,
}

impl Found {
    /// Adds the evidence for every release to a catalog, and keeps it for the next time.
    pub fn add_to(&mut self, catalog: Catalog, files: &Files<'_>) -> Catalog {
        let mut before = std::mem::take(&mut self.lines);
        let mut wanted = Vec::new();
        let mut searched = Vec::new();
        let known: Vec<_> = catalog.shared_lines().map(|line| (line, before.remove(&line.name))).collect();
        for (line, known) in &known {
            let keys = Keys::of(files.trust, &line.name);
            let known = known.as_ref().filter(|known| known.keys == keys);
            let is_same = known.is_some_and(|known| Arc::ptr_eq(&known.bare, line));
            let is_settled = known.is_some_and(|known| is_same && known.has_all_payloads);
            if is_settled && !line.releases.keys().any(|version| (files.may_have_changed)(version)) {
                searched.push(None);
                continue;
            }
            let known = known.filter(|known| known.bare.is_the_same_but_for_releases(line));
            let mut found = known.map(OfLine::found).unwrap_or_default();
            searched.push(Some(keys));
            wanted.extend(line.releases.values().map(|release| {
                Wanted {
                    line,
                    release,
                    before: found
                        .remove(&release.version)
                        .filter(|(bare, _)| is_unchanged(bare, release))
                        .map(|(_, found)| found),
                    may_have_changed: (files.may_have_changed)(&release.version),
                }
            }));
        }
        let mut evidence = shared_out(&wanted, RELEASES, |one| files.find(one)).into_iter();
        drop(wanted);
        let lines = known.into_iter().zip(searched).filter_map(|((bare, known), searched)| {
            let of_line = match searched {
                None => known?,
                Some(keys) => {
                    let found = evidence.by_ref().take(bare.releases.len());
                    let role = files.trust.ok().flatten().and_then(|trust| trust.line(&bare.name));
                    let signed_until = role.map(|role| role.signed().expires);
                    OfLine::of(bare, keys, signed_until, found, known)
                }
            };
            Some((bare.name.clone(), of_line))
        });
        self.lines = lines.collect();
        catalog.with_evidence(|line| self.lines.get(line).map(|found| Arc::clone(&found.line)))
    }

    /// The signed manifests that were found.
    pub fn manifests(&self) -> Manifests {
        self.lines.iter().map(|(line, found)| (line.clone(), Arc::clone(&found.manifests))).collect()
    }
}

impl OfLine {
    fn of(
        bare: &Arc<Line>,
        keys: Keys,
        signed_until: Option<Time>,
        found: impl Iterator<Item = (Stored, Evidence)>,
        known: Option<Self>,
    ) -> Self {
        let (manifests, evidence): (Vec<Stored>, Vec<Evidence>) = found.unzip();
        let manifests = bare.releases.keys().cloned().zip(manifests).collect();
        let has_all_payloads = evidence.iter().all(Evidence::has_payload);
        let known = known.filter(|known| {
            let before = known.line.releases.values().map(|release| &release.evidence);
            Arc::ptr_eq(&known.bare, bare) && before.eq(&evidence) && known.line.signed_until == signed_until
        });
        let line = known.map_or_else(
            || {
                let mut line = Line { signed_until, ..Line::clone(bare) };
                for (release, evidence) in line.releases.values_mut().zip(evidence) {
                    release.evidence = evidence;
                }
                Arc::new(line)
            },
            |known| known.line,
        );
        Self { bare: Arc::clone(bare), keys, manifests, line, has_all_payloads }
    }

    /// What was found for each release, with the release as it was.
    fn found(&self) -> HashMap<&Version, (&Release, Before<'_>)> {
        let releases = self.bare.releases.values().zip(self.line.releases.values()).zip(&*self.manifests);
        let found = releases.map(|((bare, release), (_, manifest))| {
            (&bare.version, (bare, Before { manifest, evidence: &release.evidence }))
        });
        found.collect()
    }
}

/// Whether a release is as it was, also in how its version is spelt: that is the name of its folder.
fn is_unchanged(before: &Release, release: &Release) -> bool {
    before == release && before.version.is_spelt_like(&release.version)
}

impl Files<'_> {
    fn find(&self, wanted: &Wanted<'_>) -> (Stored, Evidence) {
        let Wanted { line, release, before, may_have_changed } = *wanted;
        let is_settled = |before: &Before<'_>| !may_have_changed && before.evidence.has_payload();
        if let Some(Before { manifest, evidence }) = before.filter(is_settled) {
            return (manifest.clone(), evidence.clone());
        }
        let stored = (self.manifest)(&release.version);
        let known = before.filter(|before| is_same(before.manifest, &stored));
        let manifest = match known {
            Some(known) => known.evidence.manifest.clone(),
            None => self.verify(line, release, &stored),
        };
        (stored, Evidence { manifest, payload: (self.payload)(release) })
    }

    fn verify(&self, line: &Line, release: &Release, stored: &Stored) -> ManifestState {
        match (self.trust, stored) {
            (Ok(None), Ok(Some(_))) => {
                ManifestFault::Keys("`trust/` is missing, although releases are signed".to_owned()).into()
            }
            (Ok(None), _) => ManifestState::NoTrust,
            (Ok(Some(trust)), Ok(raw)) => trust.manifest_state(line, release, raw.as_ref(), self.checked),
            (Ok(Some(_)), Err(why)) => {
                ManifestFault::Unread(format!("`release.json` cannot be read: {why}")).into()
            }
            (Err(error @ TrustError::Unread { .. }), _) => ManifestFault::Unread(error.to_string()).into(),
            (Err(error), _) => ManifestFault::Keys(error.to_string()).into(),
        }
    }
}

/// Whether two stored manifests are the same. Most are the same bytes in memory.
fn is_same(one: &Stored, other: &Stored) -> bool {
    match (one, other) {
        (Ok(Some(one)), Ok(Some(other))) if one.as_ptr() == other.as_ptr() => one.len() == other.len(),
        _ => one == other,
    }
}

/// How many releases a thread gets at least. Each takes it about 50 µs, as long as verifying a signature.
pub(super) const RELEASES: usize = 256;

/// Does the same work for many items, on all processors, and returns the results in the order of the items.
/// A thread gets at least `least` items, so that it pays off.
pub(super) fn shared_out<T: Sync, R: Send>(all: &[T], least: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = all.len().div_ceil(threads).max(least);
    std::thread::scope(|scope| {
        let work = &work;
        let shares: Vec<_> = all
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let join = |share: std::thread::ScopedJoinHandle<'_, Vec<R>>| {
            share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        shares.into_iter().flat_map(join).collect()
    })
}

#[cfg(test)]
mod tests;
