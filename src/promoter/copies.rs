//! Copying the payloads that are served.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::payload::Payload;
use crate::domain::release::{ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::store::port::{PayloadError, PayloadStore};

/// The lines whose payloads were copied.
#[derive(Debug, Default)]
pub(super) struct Copies {
    lines: BTreeMap<LineName, Arc<Line>>,
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
        let mut failed = copy(&open, payloads, offered)?;
        // A release that nobody may install yet must not delay one that some clusters may install.
        match copy(&open, payloads, waiting) {
            Ok(more) => failed.extend(more),
            Err(error) => {
                tracing::warn!("payloads of waiting releases are not served: {}", chain(&error));
                let all = open.iter().flat_map(|line| line.releases.values()).filter(|r| waiting(r));
                failed.extend(all.map(|release| (release.version.clone(), error.state(release))));
            }
        }
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
            evidence.payload = failed.get(&release.version).cloned().unwrap_or(evidence.payload);
            evidence
        })))
    }
}

/// Copies the payloads of the `wanted` releases. Returns the releases that failed, and why.
fn copy(
    lines: &[&Arc<Line>],
    payloads: &dyn PayloadStore,
    wanted: impl Fn(&Release) -> bool,
) -> Result<HashMap<Version, PayloadState>, PayloadError> {
    let releases = lines.iter().flat_map(|line| line.releases.values()).filter(|release| wanted(release));
    let all: Vec<(&Release, &Payload)> =
        releases.flat_map(|release| release.payloads.iter().map(move |payload| (release, payload))).collect();
    let files: Vec<_> = all.iter().map(|(release, payload)| (&release.version, *payload)).collect();
    let failed = payloads.ensure_copies(&files)?;
    let state = |(place, error): (usize, PayloadError)| {
        let release = all[place].0;
        (release.version.clone(), error.state(release))
    };
    Ok(failed.into_iter().map(state).collect())
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
