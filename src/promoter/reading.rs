//! The catalog as it was last read, with the evidence for each release.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Promoter;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::degraded::Degraded;
use crate::domain::release::PayloadState;
use crate::domain::restraint::{Remembered, Restraint};
use crate::domain::stop::Stop;
use crate::domain::version::Version;
use crate::publish::continuity::{published, trusted};
use crate::publish::evidence::Files;
use crate::publish::manifests::Manifests;
use crate::signing::trust::{Trust, TrustError};
use crate::store::port::{Revision, Snapshot};

/// The catalog as it was last read.
pub(super) struct Read {
    pub revision: Revision,
    /// With what it has lost.
    pub catalog: Catalog,
    /// The restraints that it has lost, although nobody took them back.
    pub lost: Vec<Restraint>,
    pub faulty: BTreeMap<LineName, String>,
    pub faults: usize,
    pub trust: Result<Option<Trust>, TrustError>,
    /// Why the keys of the last publication are used instead of the catalog's, if they are.
    pub trust_kept: Option<Degraded>,
    pub manifests: Manifests,
    /// When it was read, in monotonic time.
    pub at: Duration,
}

impl Promoter {
    /// Puts back what the catalog of a snapshot has lost, and gathers the evidence for each release. `at` is the
    /// time of the turn. Also returns the new stops, if only these may be taken from it, and what the next catalog is
    /// compared with.
    pub(super) fn take(&mut self, mut snapshot: Snapshot, at: Time) -> (Read, Vec<Restraint>, Remembered) {
        // Nobody else holds the reading, so this moves the catalog instead of copying it.
        let mut reading = Arc::unwrap_or_clone(std::mem::take(&mut snapshot.reading));
        if let Some(last) = self.last.as_deref() {
            let roles = published(last).files();
            self.setup.catalog.share(&mut snapshot, &|name| {
                let manifest = || Some(last.release(&Version::parse(name).ok()?)?.identity.clone());
                roles.get(name).cloned().or_else(manifest)
            });
        }
        let trusted = trusted(&snapshot.trust, &snapshot.unread_roles, self.last.as_deref(), &self.checked);
        let (trust_kept, trust) = (trusted.degraded(), trusted.trust);
        let now = self.clock.now();
        let payloads = &self.setup.payloads;
        // Once the process must stop, what is found is discarded.
        let goes_on = || !self.shared.stopping.load(Ordering::Relaxed);
        let files = Files {
            trust: trust.as_ref().map(Option::as_ref),
            manifest: &|version| if goes_on() { snapshot.manifest(version) } else { Ok(None) },
            payload: &|release| if goes_on() { payloads.check(release, now) } else { PayloadState::Present },
            checked: &self.checked,
            may_have_changed: &|version| snapshot.may_have_changed(version),
        };
        let lost = Restraint::lost(&self.memory.restraints, &reading.catalog, at);
        let memory = self.memory.clone();
        let (stops, memory) = if self.watching.is_unsettled() {
            let stops = memory.new_stops(&reading.catalog, at);
            (stops.clone(), memory.with_stops(stops))
        } else {
            (Vec::new(), memory.after(&reading.catalog, at))
        };
        let restrained = std::mem::take(&mut reading.catalog).with_restraints(&lost);
        // While the clock is in doubt, its time differs from that of the turn. A stop that is dated later
        // than either takes effect at once.
        let stopped = restrained.judged_by(at.min(now));
        for Stop { line, what, .. } in stopped.stops_at_once() {
            let version = what.release().map(tracing::field::display);
            tracing::warn!(%line, version, key = what.key(), "a stop is dated ahead of this machine's clock, so it takes effect at once");
        }
        let catalog = self.found.add_to(stopped, &files);
        let manifests = self.found.manifests();
        let mut faulty = reading.faulty_lines(Path::new(""));
        for (line, error) in files.trust.ok().flatten().into_iter().flat_map(Trust::broken) {
            faulty.entry(line.clone()).or_insert_with(|| chain(error));
        }
        let read = Read {
            revision: snapshot.revision,
            lost,
            faulty,
            faults: reading.faults.len(),
            trust,
            trust_kept,
            manifests,
            at: self.clock.monotonic(),
            catalog,
        };
        (read, stops, memory)
    }
}
