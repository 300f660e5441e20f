//! What was found beside the catalog, written into it before anything is decided.

use bytes::Bytes;

use crate::domain::catalog::Catalog;
use crate::domain::line::Line;
use crate::domain::release::{Evidence, ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::signing::trust::{Checked, Trust, TrustError};

/// A thread looks after at least so many releases: verifying a signature takes some 50 µs.
const SHARE: usize = 256;

/// The catalog with every release's evidence. `manifest` gives the `release.json` of a version as
/// it is stored; `payload` says how its payload files were found. Both are asked from several
/// threads. Where the keys cannot be used, no release counts as signed, and each says why.
#[must_use]
pub fn with_evidence<'a>(
    catalog: Catalog,
    trust: Result<Option<&Trust>, &TrustError>,
    checked: &Checked,
    manifest: impl Fn(&Version) -> Option<&'a Bytes> + Sync,
    payload: impl Fn(&Release) -> PayloadState + Sync,
) -> Catalog {
    let find = |line: &Line, release: &Release| Evidence {
        manifest: match trust {
            Ok(None) => ManifestState::NoTrust,
            Ok(Some(trust)) => trust.manifest_state(line, release, manifest(&release.version), checked),
            Err(error) => ManifestState::Invalid(format!("the catalog's keys cannot be used: {error}")),
        },
        payload: payload(release),
    };
    let all: Vec<(&Line, &Release)> =
        catalog.lines().flat_map(|line| line.releases.values().map(move |release| (line, release))).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = all.len().div_ceil(threads).max(SHARE);
    let found: Vec<Evidence> = std::thread::scope(|scope| {
        let find = &find;
        let look = |share: &[(&Line, &Release)]| -> Vec<Evidence> {
            share.iter().map(|(line, release)| find(line, release)).collect()
        };
        let shares: Vec<_> = all.chunks(share).map(|share| scope.spawn(move || look(share))).collect();
        let join = |share: std::thread::ScopedJoinHandle<'_, Vec<Evidence>>| {
            share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        shares.into_iter().flat_map(join).collect()
    });
    let mut lines = catalog.into_lines();
    let releases = lines.values_mut().flat_map(|line| line.releases.values_mut());
    // Both come by line and in ascending order of versions.
    for (release, evidence) in releases.zip(found) {
        release.evidence = evidence;
    }
    Catalog::new(lines.into_values())
}
