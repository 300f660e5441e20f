//! The catalog as it was last read, with what stands behind each release.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Promoter;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::release::{PayloadState, Release};
use crate::domain::stop::Stop;
use crate::domain::version::Version;
use crate::publish::continuity::{Trusted, published, trusted};
use crate::publish::evidence::with_evidence;
use crate::signing::trust::{Trust, TrustError};
use crate::store::port::{Revision, Served, Snapshot};
use crate::words;

/// The catalog as it was last read.
pub(super) struct Read {
    pub revision: Revision,
    pub catalog: Catalog,
    pub faulty: BTreeMap<LineName, String>,
    pub faults: usize,
    pub trust: Result<Option<Trust>, TrustError>,
    /// Why the trust is that of the last publication, if it is.
    pub trust_kept: Option<String>,
    pub manifests: HashMap<Version, Bytes>,
    /// When it was read, in monotonic time.
    pub at: Duration,
}

impl Promoter {
    /// Looks for what stands behind each release that was read. `at` is the time of the turn.
    pub(super) fn take(&self, mut snapshot: Snapshot, at: Time) -> Read {
        // Nobody else holds it: the catalog moves on, and is not in memory twice.
        let reading = Arc::unwrap_or_clone(std::mem::take(&mut snapshot.reading));
        if let Some(last) = self.last.as_deref() {
            let manifest =
                |version: &str| Some(last.release(&Version::parse(version).ok()?)?.identity.clone());
            self.setup
                .catalog
                .share(&mut snapshot, &Served { manifest: &manifest, roles: &published(last).files() });
        }
        let Trusted { trust, kept } = trusted(&snapshot.trust, self.last.as_deref());
        let trust_kept = kept.as_ref().map(|why| chain(why));
        let now = self.clock.now();
        let payloads = &self.setup.payloads;
        let payload =
            |release: &Release| payloads.check(release, now).unwrap_or_else(|e| unreadable(release, &e));
        let trust = trust.map(|trust| Some(trust?.with_unread(&snapshot.unread_roles)));
        let usable = trust.as_ref().map(Option::as_ref);
        let manifest = |version: &_| snapshot.found_manifest(version);
        // A clock that is doubted shows another time than the turn works with. A stop that is dated
        // ahead of either of them counts at once.
        let stopped = reading.catalog.with_stops_at_once(at.min(now));
        for Stop { line, what, .. } in stopped.stops_at_once() {
            let version = what.release().map(tracing::field::display);
            tracing::warn!(%line, version, key = what.key(), "dated ahead of this machine's clock: it counts at once");
        }
        let catalog = with_evidence(stopped, usable, &manifest, &payload, &self.checked);
        if let Err(e) = payloads.remember() {
            tracing::warn!("{}", chain(&e));
        }
        let faulty = reading.faulty.iter().filter_map(|(folder, faults)| {
            let first = faults.first().map_or_else(
                || "it cannot be read".to_owned(),
                |fault| format!("{}:{}:{}: {}", fault.file, fault.line, fault.column, fault.message),
            );
            let more = words::and_more(faults.len().saturating_sub(1));
            Some((LineName::parse(folder).ok()?, format!("{first}{more}")))
        });
        let manifests = catalog
            .lines()
            .flat_map(|line| line.releases.keys())
            .filter_map(|version| Some((version.clone(), snapshot.manifest(version)?.clone())))
            .collect();
        let mut faulty: BTreeMap<LineName, String> = faulty.collect();
        for (line, error) in usable.ok().flatten().into_iter().flat_map(Trust::broken) {
            faulty.entry(line.clone()).or_insert_with(|| chain(error));
        }
        Read {
            revision: snapshot.revision,
            faulty,
            faults: reading.faults.len(),
            trust,
            trust_kept,
            manifests,
            at: self.clock.monotonic(),
            catalog,
        }
    }
}

/// A payload that is there and cannot be read cannot be served.
pub(super) fn unreadable(release: &Release, error: &(dyn std::error::Error + 'static)) -> PayloadState {
    let file = release.payloads.first().map(|payload| payload.file.clone()).unwrap_or_default();
    PayloadState::Differs { file, found: chain(error) }
}
