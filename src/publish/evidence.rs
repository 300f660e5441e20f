//! The evidence for each release: its signed manifest and its payload files.

use bytes::Bytes;

use crate::domain::catalog::Catalog;
use crate::domain::line::Line;
use crate::domain::release::{Evidence, ManifestFault, ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::signing::trust::{Checked, Trust, TrustError};

/// Adds the evidence for every release to a catalog. If the keys cannot be used, no release counts as
/// signed, and the evidence for each contains the reason.
///
/// `manifest` returns a version's `release.json` as it is stored, or why it cannot be read; `payload`
/// returns the state of a release's files. Both are called from several threads.
pub fn with_evidence(
    catalog: Catalog,
    trust: Result<Option<&Trust>, &TrustError>,
    manifest: &(dyn Fn(&Version) -> Result<Option<Bytes>, String> + Sync),
    payload: &(dyn Fn(&Release) -> PayloadState + Sync),
    checked: &Checked,
) -> Catalog {
    let find = |line: &Line, release: &Release| Evidence {
        manifest: match trust {
            Ok(None) => ManifestState::NoTrust,
            Ok(Some(trust)) => match manifest(&release.version) {
                Ok(raw) => trust.manifest_state(line, release, raw.as_ref(), checked),
                Err(why) => ManifestFault::Unreadable(why).into(),
            },
            Err(error) => ManifestFault::Keys(error.to_string()).into(),
        },
        payload: payload(release),
    };
    let all: Vec<(&Line, &Release)> =
        catalog.lines().flat_map(|line| line.releases.values().map(move |release| (line, release))).collect();
    // `map_evidence` visits releases in the same order: by line and by version.
    let mut found = shared_out(&all, |(line, release)| find(line, release)).into_iter();
    catalog.map_evidence(|_| found.next().unwrap_or_default())
}

/// Does the same work for many items, on all processors, and returns the results in the order of the items.
/// This pays off for work that takes about 50 µs per item, such as verifying a signature. Up to a few
/// hundred items are processed on one thread.
pub(super) fn shared_out<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = all.len().div_ceil(threads).max(256);
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
