//! Copying the payloads that are served.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Promoter;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::payload::Payload;
use crate::domain::release::{ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::store::port::PayloadError;

impl Promoter {
    /// Makes sure that there is a checked copy of every payload that is offered, or listed for a release
    /// that is waiting for its first stage. Returns the catalog, changed so that a release whose payload
    /// cannot be copied is not offered.
    pub(super) fn copied<'a>(
        &self,
        catalog: &'a Catalog,
        now: Time,
    ) -> Result<Cow<'a, Catalog>, PayloadError> {
        let offered = |release: &Release| release.is_known(now) && release.is_deliverable();
        let waiting = |release: &Release| {
            let listed =
                matches!(release.evidence.manifest, ManifestState::Signed(_) | ManifestState::Invalid(_));
            listed && release.evidence.payload == PayloadState::Present && !offered(release)
        };
        let mut failed = self.copy(catalog, offered)?;
        // A release that nobody may install yet must not delay one that some clusters may install.
        match self.copy(catalog, waiting) {
            Ok(more) => failed.extend(more),
            Err(error) => {
                tracing::warn!("payloads of waiting releases are not served: {}", chain(&error));
                let all = catalog.lines().flat_map(|line| line.releases.values()).filter(|r| waiting(r));
                failed.extend(all.map(|release| (release.version.clone(), error.state(release))));
            }
        }
        if failed.is_empty() {
            return Ok(Cow::Borrowed(catalog));
        }
        let failed: HashMap<Version, PayloadState> = failed.into_iter().collect();
        Ok(Cow::Owned(catalog.clone().map_evidence(|release| {
            let mut evidence = release.evidence.clone();
            evidence.payload = failed.get(&release.version).cloned().unwrap_or(evidence.payload);
            evidence
        })))
    }

    /// Copies the payloads of the `wanted` releases. Returns the releases that failed, and why.
    fn copy(
        &self,
        catalog: &Catalog,
        wanted: impl Fn(&Release) -> bool,
    ) -> Result<Vec<(Version, PayloadState)>, PayloadError> {
        let releases = catalog.lines().flat_map(|line| line.releases.values()).filter(|r| wanted(r));
        let all: Vec<(&Release, &Payload)> = releases
            .flat_map(|release| release.payloads.iter().map(move |payload| (release, payload)))
            .collect();
        let files: Vec<_> = all.iter().map(|(release, payload)| (&release.version, *payload)).collect();
        let failed = self.setup.payloads.ensure_copies(&files)?;
        let state = |(place, error): (usize, PayloadError)| {
            let release = all[place].0;
            (release.version.clone(), error.state(release))
        };
        Ok(failed.into_iter().map(state).collect())
    }
}
