//! The work of a turn: decide and commit, then publish and swap.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::status::{Degraded, DegradedKind, PUBLICATION, Status, is_near, not_offered};
use super::{Online, Promoter, RETRY, Read, chain};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::payload::Payload;
use crate::domain::promotion::{Decision, Verdict};
use crate::domain::release::{ManifestState, PayloadState, Release};
use crate::domain::rfc3339;
use crate::domain::stop::Stop;
use crate::domain::version::Version;
use crate::publish::evidence::with_evidence;
use crate::publish::follows::{Trusted, published, trusted};
use crate::publish::{self, Decided, Inputs, Publication, PublishError, Refused};
use crate::signing::Signer;
use crate::signing::trust::Trust;
use crate::store::directory::{CommitError, Snapshot};
use crate::store::durable::WriteError;
use crate::store::payloads::PayloadError;

/// How often in one turn a commit is tried again, after it lost against another or brought
/// something else within reach.
const ROUNDS: usize = 8;

impl Promoter {
    /// Takes in what was read: looks for what stands behind each release, and copies payloads that
    /// are to be served.
    pub(super) fn take(&self, mut snapshot: Snapshot) -> Read {
        // Nobody else holds it: the catalog moves on, and is not in memory twice.
        let reading = Arc::unwrap_or_clone(std::mem::take(&mut snapshot.reading));
        if let Some(last) = self.last.as_deref() {
            let roles = published(last);
            self.setup.directory.share(
                &mut snapshot,
                |folder| Some(&last.release(&Version::parse(folder).ok()?)?.identity),
                |file| roles.get(file),
            );
        }
        let Trusted { trust, kept, unusable } = trusted(&snapshot.trust, self.last.as_deref());
        let kept = kept.as_ref().map(|why| chain(why)).or(unusable.as_ref().map(|why| chain(why)));
        let now = self.clock.now();
        let payloads = &self.setup.payloads;
        let payload =
            |release: &Release| payloads.check(release, now).unwrap_or_else(|e| unreadable(release, &e));
        let trust = trust.map(|trust| Some(trust?.with_unread(&snapshot.unread_roles)));
        let usable = trust.as_ref().map(Option::as_ref);
        let manifest = |version: &_| snapshot.found_manifest(version);
        // A clock that is doubted says another time than the turn works with: ahead of either is ahead.
        let stopped = reading.catalog.with_stops_at_once(self.at.map_or(now, |at| at.min(now)));
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
            let more =
                if faults.len() > 1 { format!(" (and {} more)", faults.len() - 1) } else { String::new() };
            Some((LineName::parse(folder).ok()?, format!("{first}{more}")))
        });
        let manifests: HashMap<_, _> = catalog
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
            trust: Arc::new(trust),
            trust_kept: kept,
            manifests: Arc::new(manifests),
            at: self.clock.monotonic(),
            catalog,
        }
    }

    /// Decides and, if this server promotes, commits; then publishes and swaps.
    pub(super) fn work(&mut self, now: Time, promote: bool, mut degraded: Vec<Degraded>) {
        let mut now = now;
        if promote && let Err(e) = self.promote(&mut now) {
            degraded.push(Degraded { kind: DegradedKind::CommitFailing, detail: e.detail() });
            // A text that no machine can edit is tried again when somebody has edited it.
            if e.may_pass {
                self.retry = Some(self.clock.monotonic() + RETRY);
            }
        }
        let Some(read) = self.read.as_ref() else { return };
        let (revision, trust) = (read.revision, Arc::clone(&read.trust));
        if let Some(why) = &read.trust_kept {
            let detail = format!(
                "`trust/` cannot follow what was published, whose keys and roles are kept: {why}; put it back, or sign its next version"
            );
            degraded.push(Degraded { kind: DegradedKind::ReadFailing, detail });
        }
        let mut refused = Refused::new();
        match trust.as_ref() {
            Err(e) => degraded.push(Degraded { kind: DegradedKind::ReadFailing, detail: chain(e) }),
            Ok(None) => degraded.push(Degraded {
                kind: DegradedKind::SigningFailing,
                detail:
                    "the catalog has no `trust/` yet, so nothing can be published: `tidegate init` makes it"
                        .to_owned(),
            }),
            Ok(Some(trust)) => match self.publish(trust, now) {
                Ok((publication, lines, withheld)) => {
                    degraded.extend(withheld);
                    tracing::info!(version = publication.version, %revision, "published");
                    refused = lines;
                    let publication = Arc::new(publication);
                    self.last = Some(Arc::clone(&publication));
                    self.shared.publication.store(Some(publication));
                }
                Err((kind, detail)) => {
                    degraded.push(Degraded { kind, detail });
                    let refused = publish::refusals(&read.catalog, &read.faulty, self.last.as_deref(), now);
                    degraded.extend(not_offered(&read.catalog, &refused, now));
                    self.retry = Some(self.clock.monotonic() + RETRY);
                }
            },
        }
        self.report(now, &trust, &refused, degraded);
    }

    /// Commits what is due, again and again until nothing is; each release by itself, so that one that
    /// cannot be written leaves the others alone. Gives the time of the last decision.
    fn promote(&mut self, now: &mut Time) -> Result<(), CommitFailed> {
        // A run moves a release at most one stage, and tries each once.
        let (mut tried, mut moved) = (HashSet::new(), HashSet::new());
        let mut failed = CommitFailed::default();
        for _ in 0..ROUNDS {
            let Some(read) = &self.read else { return failed.result() };
            let mut changes = self.due(read, *now);
            let is_in = |change: &Change, versions: &HashSet<Version>| matches!(change, Change::Enter { version, .. } if versions.contains(version));
            let goes_on = changes.iter().any(|change| is_in(change, &moved));
            changes.retain(|change| !is_in(change, &tried));
            if changes.is_empty() {
                if goes_on {
                    break;
                }
                return failed.result();
            }
            let version = |place: usize| match changes.get(place) {
                Some(Change::Enter { version, stage, .. }) => Some((version, stage)),
                _ => None,
            };
            let committed = self.setup.directory.commit_each(&read.revision, &changes, self.clock.now());
            let stopped = match committed {
                Ok(each) => {
                    for (version, stage) in each.made.into_iter().filter_map(version) {
                        tracing::info!(%version, %stage, revision = %each.revision, "promoted");
                        tried.insert(version.clone());
                        moved.insert(version.clone());
                    }
                    for (place, error) in each.failed {
                        tried.extend(version(place).map(|(version, _)| version.clone()));
                        failed.because(&error);
                    }
                    each.stopped
                }
                Err(e) => Some(e),
            };
            let is_lost = stopped.is_some();
            match stopped {
                None => {}
                // Somebody was first: what they committed is read, and decided on anew.
                Some(e) if e.is_lost() => tracing::info!("lost a commit: {}", chain(&e)),
                // What was written before is seen by the next look, once git is done.
                Some(e) => {
                    failed.because(&e);
                    return failed.result();
                }
            }
            // Half of what git brings is no catalog.
            let is_git = || self.setup.directory.work_tree().is_some_and(|tree| tree.at_work().is_some());
            if (is_lost && is_git()) || !self.reread() {
                // What was seen to change cannot be read yet.
                if is_lost {
                    self.retry = Some(self.clock.monotonic() + RETRY);
                }
                return failed.result();
            }
            // What was committed meanwhile is dated by its own moment: looked at from before that, a
            // hold that came first would not be there yet.
            *now = self.clock.now().max(*now);
        }
        // What is still due must not wait until something else happens.
        self.retry = Some(self.clock.monotonic());
        failed.result()
    }

    /// The promotions that are due, but for lines that keep their last documents.
    fn due(&self, read: &Read, now: Time) -> Vec<Change> {
        Decided::of(&read.catalog, &read.faulty, self.last.as_deref(), now).due().collect()
    }

    /// Makes and stores the next publication. Gives it, the lines that keep their last documents, and
    /// what is said of releases that are not in it and should be.
    fn publish(
        &self,
        trust: &Trust,
        now: Time,
    ) -> Result<(Publication, Refused, Option<Degraded>), (DegradedKind, String)> {
        let Some(read) = &self.read else {
            return Err((DegradedKind::ReadFailing, "the catalog has not been read yet".to_owned()));
        };
        let catalog =
            self.copied(&read.catalog, now).map_err(|e| (DegradedKind::PublishFailing, chain(&e)))?;
        let last = self.last.as_deref();
        let failed = |kind: DegradedKind| move |e: super::StateError| (kind, chain(&e));
        let version = self
            .setup
            .state
            .reserve(last.map(|last| last.version), now)
            .map_err(failed(DegradedKind::SigningFailing))?;
        let held;
        let online: &dyn Signer = match &self.setup.online {
            Online::Given(signer) => &**signer,
            Online::State => {
                let key = self.setup.state.online_key(trust).map_err(failed(DegradedKind::SigningFailing))?;
                held = key.ok_or_else(|| {
                    let detail = "no key in the state folder is the online key that the root names: bring it back, or rotate it (`tidegate root change --add online=PUBLIC.pem --drop online=KEYID`)";
                    (DegradedKind::SigningFailing, detail.to_owned())
                })?;
                &held
            }
        };
        let decided = Decided::of(&catalog, &read.faulty, last, now);
        let inputs = Inputs {
            decided: &decided,
            trust,
            manifests: &read.manifests,
            online,
            last,
            version,
            demo: self.setup.demo,
        };
        let publication = publish::publish(&inputs).map_err(|e| {
            let kind = match &e {
                PublishError::Sign(_) | PublishError::WrongKey { .. } => DegradedKind::SigningFailing,
                PublishError::Target(_)
                | PublishError::Violation(_)
                | PublishError::LastGood(_)
                | PublishError::NoRole(_) => DegradedKind::PublishFailing,
            };
            (kind, chain(&e))
        })?;
        self.setup.state.store(&publication).map_err(failed(DegradedKind::PublishFailing))?;
        let withheld = not_offered(&catalog, &decided.refused, now);
        Ok((publication, decided.refused, withheld))
    }

    /// The catalog, with a checked copy of every payload that is on offer, or listed for a release that
    /// waits for its first stage. A release whose payload cannot be copied cannot be served, and so is
    /// not offered.
    fn copied<'a>(&self, catalog: &'a Catalog, now: Time) -> Result<Cow<'a, Catalog>, WriteError> {
        let offered = |release: &Release| release.is_known(now) && release.is_deliverable();
        let waiting = |release: &Release| {
            let listed =
                matches!(release.evidence.manifest, ManifestState::Signed(_) | ManifestState::Invalid(_));
            listed && release.evidence.payload == PayloadState::Present && !offered(release)
        };
        let mut failed = self.copy(catalog, offered)?;
        // What nobody may take yet must not hold up what somebody may.
        match self.copy(catalog, waiting) {
            Ok(more) => failed.extend(more),
            Err(error) => {
                tracing::warn!("payloads of releases that wait are not served: {}", chain(&error));
                let all = catalog.lines().flat_map(|line| line.releases.values()).filter(|r| waiting(r));
                failed.extend(all.map(|release| (release.version.clone(), unreadable(release, &error))));
            }
        }
        if failed.is_empty() {
            return Ok(Cow::Borrowed(catalog));
        }
        let mut lines = catalog.clone().into_lines();
        for (version, state) in failed {
            for release in lines.values_mut().filter_map(|line| line.releases.get_mut(&version)) {
                release.evidence.payload = state.clone();
            }
        }
        Ok(Cow::Owned(Catalog::new(lines.into_values())))
    }

    /// Copies the payloads of some releases. Gives those that could not be copied, and why.
    fn copy(
        &self,
        catalog: &Catalog,
        wanted: impl Fn(&Release) -> bool,
    ) -> Result<Vec<(Version, PayloadState)>, WriteError> {
        let releases = catalog.lines().flat_map(|line| line.releases.values()).filter(|r| wanted(r));
        let all: Vec<(&Release, &Payload)> = releases
            .flat_map(|release| release.payloads.iter().map(move |payload| (release, payload)))
            .collect();
        let files: Vec<_> = all.iter().map(|(release, payload)| (&release.version, *payload)).collect();
        let failed = self.setup.payloads.ensure_copies(&files, self.clock.now())?;
        let state = |(place, error): (usize, PayloadError)| {
            let release = all[place].0;
            (release.version.clone(), unreadable(release, &error))
        };
        Ok(failed.into_iter().map(state).collect())
    }

    /// Shows how things stand, and notes when something is due by itself.
    fn report(
        &mut self,
        now: Time,
        trust: &Result<Option<Trust>, crate::signing::trust::TrustError>,
        refused: &Refused,
        mut degraded: Vec<Degraded>,
    ) {
        let Some(read) = self.read.as_ref() else { return };
        let decided = Decided::of(&read.catalog, &read.faulty, self.last.as_deref(), now);
        let decisions = &decided.decisions;
        let count =
            |wanted: fn(&Decision<'_>) -> bool| decisions.iter().filter(|decision| wanted(decision)).count();
        let overdue: Vec<&Decision<'_>> = decisions
            .iter()
            .filter(|decision| decision.overdue && decision.release.yanked(now).is_none())
            .collect();
        let oldest = overdue
            .iter()
            .filter_map(|decision| Some((decision.deadline?, decision)))
            .min_by_key(|(at, _)| *at);
        for (line, refusal) in refused {
            let detail = format!("line `{line}` keeps its last documents: {refusal}");
            degraded.push(Degraded { kind: DegradedKind::LineRefused, detail });
        }
        if let Some((since, decision)) = oldest {
            let detail = format!(
                "{} promotions are overdue; `{}` since {}: `tidegate explain {}` tells why",
                overdue.len(),
                decision.release.version,
                rfc3339(since),
                decision.release.version,
            );
            degraded.push(Degraded { kind: DegradedKind::PromotionsOverdue, detail });
        }
        let expiries = expiries(trust.as_ref().ok().and_then(Option::as_ref), self.last.as_deref());
        let near = |(name, at): &&(String, Time)| is_near(name, *at, now);
        // Each of them: a line's role that expired long ago must not hide the root that is about to.
        for (name, at) in expiries.iter().filter(near) {
            let word = if *at <= now { "expired" } else { "expires" };
            let detail = format!("`{name}` {word} at {}", rfc3339(*at));
            degraded.push(Degraded { kind: DegradedKind::ExpiryNear, detail });
        }
        let before = self.shared.status.load();
        let status = Status {
            last_good_read: if read.faults == 0 && self.unread.is_none() {
                Some(now)
            } else {
                before.last_good_read
            },
            promote: count(|decision| decision.verdict == Verdict::Promote),
            wait: count(|decision| matches!(decision.verdict, Verdict::Wait { .. })),
            blocked: count(|decision| decision.verdict == Verdict::Blocked),
            overdue: overdue.len(),
            oldest_overdue: oldest.map(|(since, _)| since),
            expiries,
            promoting: self.setup.promote,
            degraded,
        };
        self.due = decided.next_due(self.last.as_deref());
        tracing::debug!(due = ?self.due, since_read = ?self.clock.monotonic().saturating_sub(read.at), "next");
        let told = status.degraded.clone();
        self.shared.status.store(Arc::new(status));
        self.tell(&told);
    }
}

/// What could not be committed in a turn.
#[derive(Debug, Default)]
struct CommitFailed {
    why: Vec<String>,
    /// Whether it may pass by itself.
    may_pass: bool,
}

impl CommitFailed {
    fn because(&mut self, error: &CommitError) {
        self.why.push(chain(error));
        self.may_pass |= !error.is_in_the_text();
    }

    fn result(self) -> Result<(), Self> {
        if self.why.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The first of the reasons: a whole line whose folder cannot be written says the same again and
    /// again.
    fn detail(&self) -> String {
        let told = &self.why[..self.why.len().min(3)];
        let more = self.why.len() - told.len();
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        format!("{}{more}", told.join("; "))
    }
}

fn expiries(trust: Option<&Trust>, last: Option<&crate::publish::Publication>) -> Vec<(String, Time)> {
    let mut expiries = Vec::new();
    if let Some(trust) = trust {
        expiries.push(("root".to_owned(), trust.root().signed().expires));
        expiries.push(("targets".to_owned(), trust.targets().signed().expires));
        expiries.extend(trust.releases().iter().map(|(name, role)| (name.clone(), role.signed().expires)));
    }
    expiries.extend(last.map(|last| (PUBLICATION.to_owned(), last.expires)));
    expiries
}

fn unreadable(release: &Release, error: &(dyn std::error::Error + 'static)) -> PayloadState {
    let file = release.payloads.first().map(|payload| payload.file.clone()).unwrap_or_default();
    PayloadState::Differs { file, found: chain(error) }
}
