//! Copying the payloads that are served.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::RETRY;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::degraded::Degraded;
use crate::domain::line::Line;
use crate::domain::payload::Payload;
use crate::domain::release::{ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::store::port::{PayloadError, PayloadStore};

/// The lines whose payloads were copied, and the payloads that could not be.
#[derive(Debug, Default)]
pub(super) struct Copies {
    lines: BTreeMap<LineName, Arc<Line>>,
    failed: Vec<Failed>,
    /// When to try the failed ones again, in monotonic time.
    retry: Duration,
}

/// A payload that could not be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    version: Version,
    payload: Payload,
    state: PayloadState,
    why: String,
}

impl Failed {
    fn new(version: &Version, payload: &Payload, error: &PayloadError) -> Self {
        let (version, payload) = (version.clone(), payload.clone());
        Self { version, state: error.state(&payload.file), payload, why: chain(error) }
    }

    /// Whether another try may succeed, although nothing in the catalog and the payload folder changes.
    const fn may_pass(&self) -> bool {
        !matches!(self.state, PayloadState::Differs { .. })
    }
}

impl Copies {
    /// Makes sure that there is a checked copy of every payload that is offered, or listed for a release
    /// that is waiting for its first stage. Returns the catalog, changed so that a release whose payload
    /// cannot be copied is not offered.
    ///
    /// Does nothing for a line that is the same one as the last time.
    pub fn made_for<'a>(
        &mut self,
        catalog: &'a Catalog,
        payloads: &dyn PayloadStore,
        now: Time,
    ) -> Result<Cow<'a, Catalog>, PayloadError> {
        let offered = |release: &Release| release.is_known(now) && release.is_deliverable();
        let waiting = |release: &Release| {
            let listed =
                matches!(release.evidence.manifest, ManifestState::Signed(_) | ManifestState::Invalid(_));
            listed && release.evidence.payload == PayloadState::Present && !offered(release)
        };
        let is_done =
            |line: &&Arc<Line>| self.lines.get(&line.name).is_some_and(|done| Arc::ptr_eq(done, line));
        let (done, open): (Vec<&Arc<Line>>, Vec<_>) = catalog.shared_lines().partition(is_done);
        self.failed = copy(&open, payloads, offered)?;
        // A release that nobody may install yet must not delay one that some clusters may install.
        match copy(&open, payloads, waiting) {
            Ok(more) => self.failed.extend(more),
            Err(error) => {
                let all = wanted(&open, waiting);
                self.failed.extend(all.map(|(version, payload)| Failed::new(version, payload, &error)));
            }
        }
        let failed: BTreeMap<_, _> = self.failed.iter().map(|one| (&one.version, &one.state)).collect();
        // Without keys, a release that waits is copied once it is offered.
        let is_copied = |release: &Release| {
            !failed.contains_key(&release.version) && release.evidence.manifest != ManifestState::NoTrust
        };
        let copied = open.into_iter().filter(|line| line.releases.values().all(is_copied));
        self.lines =
            done.into_iter().chain(copied).map(|line| (line.name.clone(), Arc::clone(line))).collect();
        if failed.is_empty() {
            return Ok(Cow::Borrowed(catalog));
        }
        Ok(Cow::Owned(catalog.clone().map_evidence(|release| {
            let mut evidence = release.evidence.clone();
            evidence.payload = failed.get(&release.version).copied().cloned().unwrap_or(evidence.payload);
            evidence
        })))
    }

    /// Tries again to copy what could not be copied, at `now`, in monotonic time. Returns whether that went otherwise
    /// than before.
    pub fn try_again(&mut self, payloads: &dyn PayloadStore, now: Duration) -> bool {
        let open: Vec<&Failed> = self.failed.iter().filter(|one| one.may_pass()).collect();
        if open.is_empty() || now < self.retry {
            return false;
        }
        self.retry = now + RETRY;
        let files: Vec<_> = open.iter().map(|one| (&one.version, &one.payload)).collect();
        let again = failed(&files, payloads);
        again.is_ok_and(|again| again.iter().ne(open))
    }

    /// Reports what cannot be copied.
    pub fn degraded(&self) -> Option<Degraded> {
        let mut failed = self.failed.iter().filter(|one| one.may_pass());
        let Failed { version, payload, why, .. } = failed.next()?;
        let (version, file, why) = (version.clone(), payload.file.clone(), why.clone());
        Some(Degraded::NotCopied { version, file, why, more: failed.count() })
    }
}

/// The payloads of the releases that are wanted.
fn wanted<'a>(
    lines: &[&'a Arc<Line>],
    is_wanted: impl Fn(&Release) -> bool,
) -> impl Iterator<Item = (&'a Version, &'a Payload)> {
    let releases = lines.iter().flat_map(|line| line.releases.values());
    let releases = releases.filter(move |release| is_wanted(release));
    releases.flat_map(|release| release.payloads.iter().map(move |payload| (&release.version, payload)))
}

/// Copies the payloads of the releases that are wanted. Returns those that failed.
fn copy(
    lines: &[&Arc<Line>],
    payloads: &dyn PayloadStore,
    is_wanted: impl Fn(&Release) -> bool,
) -> Result<Vec<Failed>, PayloadError> {
    failed(&wanted(lines, is_wanted).collect::<Vec<_>>(), payloads)
}

/// Copies files. Returns those that failed.
fn failed(files: &[(&Version, &Payload)], payloads: &dyn PayloadStore) -> Result<Vec<Failed>, PayloadError> {
    let failed = payloads.ensure_copies(files)?;
    let failed = failed.iter().map(|(place, error)| Failed::new(files[*place].0, files[*place].1, error));
    Ok(failed.collect())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Range;
    use std::sync::Mutex;

    use super::*;
    use crate::domain::payload::Sha256;
    use crate::domain::testing::{catalog, line, release, t, v};
    use crate::store::port::{Blob, Incoming};

    /// Records whose payloads it was asked for. Those of one release cannot be copied.
    #[derive(Debug, Default)]
    struct Asked {
        versions: Mutex<Vec<String>>,
        broken: Mutex<Option<Version>>,
    }

    impl PayloadStore for Asked {
        fn check(&self, _release: &Release, _now: Time) -> PayloadState {
            PayloadState::Present
        }

        fn ensure_copies(
            &self,
            wanted: &[(&Version, &Payload)],
        ) -> Result<Vec<(usize, PayloadError)>, PayloadError> {
            let mut asked = self.versions.lock().unwrap();
            asked.extend(wanted.iter().map(|(version, _)| version.to_string()));
            let broken = self.broken.lock().unwrap();
            let is_broken =
                |(_, (version, _)): &(usize, &(&Version, &Payload))| Some(*version) == broken.as_ref();
            let failed = wanted.iter().enumerate().filter(is_broken);
            let failed = failed.map(|(place, (_, payload))| {
                let (payload, source) = (payload.file.clone(), io::ErrorKind::PermissionDenied.into());
                (place, PayloadError::Read { payload, source })
            });
            Ok(failed.collect())
        }

        fn put(&self, _files: &[Incoming]) -> Result<usize, PayloadError> {
            Ok(0)
        }

        fn open(&self, _sha256: &Sha256, _range: Range<u64>) -> io::Result<Blob> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn only_payloads_of_lines_that_changed_are_looked_at() {
        let first = catalog([
            line("1.8", None).with(release("1.8.4", &["2018-01-01"])),
            line("1.9", None).with(release("1.9.1", &["2018-01-01"])).with(release("1.9.2", &[])),
        ]);
        let later = catalog([line("1.9", None).with(release("1.9.1", &["2018-01-01"]))]);
        let later = later.shared_line(&"1.9".parse().unwrap()).unwrap();
        let edited = first.clone().with_evidence(|name| (*name == later.name).then(|| Arc::clone(later)));
        let (store, mut copies) = (Asked::default(), Copies::default());
        let mut ask = |catalog: &Catalog, broken: Option<&str>| {
            *store.broken.lock().unwrap() = broken.map(v);
            let after = copies.made_for(catalog, &store, t("2018-02-01")).unwrap();
            let withheld =
                after.lines().flat_map(|line| line.releases.values()).filter(|r| !r.is_deliverable());
            let withheld: Vec<String> = withheld.map(|release| release.version.to_string()).collect();
            (std::mem::take(&mut *store.versions.lock().unwrap()), withheld)
        };
        let strings = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (what, catalog, broken, asked, withheld) in [
            ("the first time", &first, Some("1.9.2"), &["1.8.4", "1.9.1", "1.9.2"][..], &["1.9.2"][..]),
            ("one failed", &first, None, &["1.9.1", "1.9.2"], &[]),
            ("nothing changed", &first, None, &[], &[]),
            ("a line changed", &edited, None, &["1.9.1"], &[]),
        ] {
            assert_eq!(ask(catalog, broken), (strings(asked), strings(withheld)), "{what}");
        }
    }
}
