//! What was found beside the catalog, written into it before anything is decided.

use bytes::Bytes;

use crate::domain::catalog::Catalog;
use crate::domain::release::{Evidence, ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::signing::trust::{Checked, Trust, TrustError};

/// The catalog with every release's evidence. `manifest` gives the `release.json` of a version as
/// it is stored; `payload` says how its payload files were found. Where the keys cannot be used,
/// no release counts as signed, and each says why.
#[must_use]
pub fn with_evidence<'a>(
    catalog: Catalog,
    trust: Result<Option<&Trust>, &TrustError>,
    checked: &Checked,
    manifest: impl Fn(&Version) -> Option<&'a Bytes>,
    payload: impl Fn(&Release) -> PayloadState,
) -> Catalog {
    let mut lines = catalog.into_lines();
    for line in lines.values_mut() {
        let mut releases = std::mem::take(&mut line.releases);
        for release in releases.values_mut() {
            let manifest = match trust {
                Ok(None) => ManifestState::NoTrust,
                Ok(Some(trust)) => trust.manifest_state(line, release, manifest(&release.version), checked),
                Err(error) => ManifestState::Invalid(format!("the catalog's keys cannot be used: {error}")),
            };
            release.evidence = Evidence { manifest, payload: payload(release) };
        }
        line.releases = releases;
    }
    Catalog::new(lines.into_values())
}
