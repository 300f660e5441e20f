//! The work of a turn: decide, commit, publish and swap.

use std::sync::Arc;

use super::promote::{Next, Run};
use super::reading::Read;
use super::status::DegradedKind::{PublishFailing, ReadFailing, SigningFailing};
use super::status::{Degraded, Status, not_offered};
use super::{Online, Promoter, RETRY, stored};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::change::Change;
use crate::domain::degraded::ClockDoubt;
use crate::domain::not_promoting::NotPromoting;
use crate::publish::{self, Changes, Decided, Inputs, Publication, PublishError};
use crate::signing::Signer;
use crate::signing::trust::Trust;
use crate::signing::verify::Violation;
use crate::store::port::PayloadError;
use crate::words;

/// The result of a turn.
struct Turned {
    /// The next publication, if there is one.
    publication: Option<Arc<Publication>>,
    /// What it is made from, without the refused lines.
    catalog: Catalog,
    /// The whole catalog, with the names of people.
    whole: Arc<Catalog>,
    /// The last publication with other answers about promotions, if publishing failed.
    amended: Option<Publication>,
    /// Whether publishing failed.
    has_failed: bool,
    status: Status,
    due: Option<Time>,
}

/// Why promotions that are due are not committed.
enum Withheld {
    /// The last publication failed. The next one must succeed first.
    UntilPublished,
    /// They could not be published.
    Failed(Degraded),
}

impl Withheld {
    const fn failure(&self) -> Option<&Degraded> {
        match self {
            Self::UntilPublished => None,
            Self::Failed(why) => Some(why),
        }
    }
}

impl Promoter {
    /// Decides and, if this server promotes, commits what is due, until nothing is due any more. Then
    /// publishes and swaps. `degraded` is what was already wrong, and `not_promoting` why nothing or not
    /// everything can be promoted.
    ///
    /// Nothing is committed while nothing can be published: a release would soak, and be promoted again,
    /// without ever having been offered to anybody.
    pub(super) fn work(
        &mut self,
        at: Time,
        (mut promote, not_promoting): (bool, Option<NotPromoting>),
        mut degraded: Vec<Degraded>,
    ) {
        let (mut now, mut run) = (at, Run::default());
        let (mut reserved, mut withheld) = (None, None);
        let (turned, goes_on) = loop {
            // Everything that is due is found again at the next start.
            if self.stops() {
                return;
            }
            let Some(read) = self.read.as_ref() else { return self.fail(degraded) };
            let machine = self.clock.now();
            let payloads = &*self.setup.payloads;
            let offer = match self.check_state() {
                Ok(()) => self.copies.made_for(&read.catalog, payloads, now),
                // The copies are in the state.
                Err(why) => Err(PayloadError::Failed(words::degraded(&why).into())),
            };
            let (catalog, copies) = (offer.as_deref().unwrap_or(&read.catalog), offer.as_ref().map(drop));
            let nameless = (!self.setup.names).then(|| self.nameless.of(catalog));
            let catalog = nameless.as_ref().unwrap_or(catalog);
            let last = (self.last.as_deref(), &self.published);
            let mut decided = Decided::after(catalog, &read.faulty, last, now);
            let mut due: Vec<Change> =
                if promote { decided.outages().chain(decided.due()).collect() } else { Vec::new() };
            if !due.is_empty() && run.moved.is_empty() {
                withheld = self.rehearse(read, &decided, &due, copies, &mut reserved).err();
            }
            // Promotions of a later round, and whatever went away while the first one was rehearsed.
            if !due.is_empty() && withheld.is_none() {
                withheld = self.check_signing(read, reserved).err();
            }
            if withheld.is_some() {
                due.clear();
            }
            // A run promotes a release by only one stage. A further stage must wait for the next turn.
            let goes_on = due
                .iter()
                .any(|change| matches!(change, Change::Enter { version, .. } if run.moved.contains(version)));
            if run.round(&*self.setup.catalog, &read.revision, due, machine) == Next::Done {
                let not_written = not_committed(&run);
                let failed = withheld.as_ref().and_then(Withheld::failure).or(not_written.as_ref());
                decided.flags = self.setup.demo.as_deref().unwrap_or_default();
                decided.not_promoting = not_promoting.or(failed.map(NotPromoting::of));
                degraded.extend(not_written);
                degraded.extend(self.copies.degraded());
                let mut turned = self.publish_and_report(read, &decided, copies, &mut reserved, degraded);
                // That is no failure: everything is found again at the next start.
                if turned.publication.is_none() && self.stops() {
                    return;
                }
                // If nothing can be published at all, that is what people are told.
                let failed = withheld.as_ref().and_then(Withheld::failure);
                turned.status.degraded.extend(failed.filter(|_| turned.publication.is_some()).cloned());
                break (turned, goes_on);
            }
            drop(decided);
            drop(nameless);
            drop(offer);
            promote = self.reread(at) && self.promotes();
            // Somebody may have committed a hold meanwhile, dated later than this turn. Judged by the
            // turn's time, it would not apply yet.
            now = self.clock.now().max(now);
        };
        // They take more memory than anything else in the roles, and are needed again only for lines that change.
        if let Some(Ok(Some(trust))) = self.read.as_mut().map(|read| &mut read.trust) {
            trust.forget_indexes();
        }
        let monotonic = self.clock.monotonic();
        // If a file cannot be edited automatically, a retry is useless until somebody has edited it.
        let may_pass = run.errors().any(|error| !error.is_in_the_text() && !error.is_lost());
        let is_unread = run.has_lost() && !promote;
        self.schedule.due = turned.due;
        let is_refused = matches!(withheld, Some(Withheld::Failed(_)));
        if turned.has_failed || may_pass || is_unread || is_refused {
            self.schedule.retry = Some(monotonic + RETRY);
        } else if goes_on || run.stopped.is_some() || withheld.is_some() {
            self.schedule.retry = Some(monotonic);
        }
        self.is_failing = turned.has_failed;
        if let Some(publication) = turned.publication {
            self.shared.catalog.store(Some(turned.whole));
            self.last = Some(Arc::clone(&publication));
            self.published = turned.catalog;
            self.shared.publication.store(Some(publication));
        } else if let Some(amended) = turned.amended {
            self.shared.publication.store(Some(Arc::new(amended)));
        }
        self.report(turned.status);
        // The digests of payloads and their copies. Without them, the next start reads all files again.
        if let Err(e) = self.setup.payloads.remember() {
            tracing::warn!("{}", chain(&e));
        }
    }

    /// Makes the publication that would follow the promotions in `due`, as a test that it can be made, and
    /// discards it.
    fn rehearse(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        due: &[Change],
        copies: Result<(), &PayloadError>,
        reserved: &mut Option<u64>,
    ) -> Result<(), Withheld> {
        let trust = match &read.trust {
            // A catalog without keys cannot be published, but its history can be recorded.
            Ok(None) => return Ok(()),
            Ok(Some(trust)) => trust,
            Err(e) => return Err(Withheld::Failed(Degraded::failed(ReadFailing, e))),
        };
        // A publication can also fail after it is made, for example because the disk is full.
        if self.is_failing {
            return Err(Withheld::UntilPublished);
        }
        let promoted = due.iter().try_fold(decided.catalog.clone(), |after, change| change.apply(after));
        // A change that cannot be made fails by itself, and is reported then.
        let after = promoted.unwrap_or_else(|_| decided.catalog.clone());
        let last = (self.last.as_deref(), &self.published);
        let decided = Decided::after(&after, &read.faulty, last, decided.now);
        self.make(read, &decided, copies, trust, reserved).map(drop).map_err(Withheld::Failed)
    }

    /// Checks right before promotions are committed that the state can still be written and has the key.
    fn check_signing(&self, read: &Read, reserved: Option<u64>) -> Result<(), Withheld> {
        let Ok(Some(trust)) = &read.trust else { return Ok(()) };
        let state = &*self.setup.state;
        let failed =
            |e: &(dyn std::error::Error + 'static)| Withheld::Failed(Degraded::failed(SigningFailing, e));
        self.check_state().map_err(Withheld::Failed)?;
        // This writes only if the state no longer has the version.
        reserved.map_or(Ok(()), |version| state.raise(version)).map_err(|e| failed(&e))?;
        match &self.setup.online {
            Online::Given(_) => Ok(()),
            Online::State => {
                let key = stored::online_key(state, trust).map_err(|e| failed(&e))?;
                key.map(drop).ok_or(Withheld::Failed(Degraded::NoOnlineKey))
            }
        }
    }

    /// Publishes what was decided, and reports the status. If `copies` is an error, payloads could not be
    /// copied, and nothing is published.
    fn publish_and_report(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        copies: Result<(), &PayloadError>,
        reserved: &mut Option<u64>,
        mut degraded: Vec<Degraded>,
    ) -> Turned {
        degraded.extend(read.trust_kept.clone());
        degraded.extend(self.memory.forgotten.clone().map(Degraded::RestraintsForgotten));
        degraded.extend(Degraded::restraints_lost(&read.lost));
        let (mut publication, mut has_failed) = (None, false);
        let (mut not_promoting, mut amended) = (decided.not_promoting, None);
        match &read.trust {
            Err(e) => degraded.push(Degraded::failed(ReadFailing, e)),
            Ok(None) => degraded.push(Degraded::NoKeys),
            Ok(Some(trust)) => {
                match self.publish(read, decided, copies, trust, reserved) {
                    Ok(published) => publication = Some(Arc::new(published)),
                    Err(failed) => {
                        not_promoting = not_promoting.or(Some(NotPromoting::of(&failed)));
                        let last = self.last.as_deref().filter(|_| !self.stops());
                        amended = last.map(|last| {
                            publish::amended(last, decided, not_promoting, self.setup.demo.as_deref())
                        });
                        degraded.push(failed);
                        has_failed = true;
                    }
                }
                degraded.extend(not_offered(decided.catalog, &decided.refused, decided.now));
            }
        }
        if let Some(publication) = &publication {
            let before = self.last.as_deref();
            let mut changes = Changes::between(before, publication);
            if let Some(before) = before {
                let known = (&self.published, before.made);
                changes = changes.with_holds(known, (decided.catalog, decided.now));
            }
            let (version, count) = (publication.version, changes.count());
            let what = (0 < count).then(|| changes.to_string());
            tracing::info!(version, revision = %read.revision, changes = count, what, "published");
        }
        let last = publication.as_deref().or(self.last.as_deref());
        if let Some(last) = last {
            degraded.extend(decided.refused.iter().map(|(line, refusal)| {
                let (line, refusal) = (line.clone(), refusal.clone());
                Degraded::LineRefused { keeps: last.has_line(&line), line, refusal }
            }));
            degraded.extend(refused_by_clock(&degraded, last.expires));
        }
        let trust = read.trust.as_ref().ok().and_then(Option::as_ref);
        let is_good = read.faults == 0 && self.watching.unreadable().is_none();
        let status = Status {
            last_good_read: if is_good {
                Some(decided.now)
            } else {
                self.shared.status.load().last_good_read
            },
            promoting: self.setup.promote,
            not_promoting,
            ..Status::of(decided, trust, last, degraded)
        };
        let due = decided.next_due(last);
        tracing::debug!(?due, since_read = ?self.clock.monotonic().saturating_sub(read.at), "next");
        let whole = Arc::new(read.catalog.clone());
        let catalog = decided.catalog.clone().with_lines(|line| !decided.refused.contains_key(line));
        Turned { publication, catalog, whole, amended, has_failed, status, due }
    }

    /// Makes the next publication and stores it.
    fn publish(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        copies: Result<(), &PayloadError>,
        trust: &Trust,
        reserved: &mut Option<u64>,
    ) -> Result<Publication, Degraded> {
        let publication = self.make(read, decided, copies, trust, reserved)?;
        // Signing can take a while.
        self.check_state()?;
        let stored = stored::store(&*self.setup.state, &publication);
        // The new head may be in place despite an error.
        self.head.set(self.setup.state.head().or(self.head.get()));
        stored.map_err(|e| Degraded::failed(PublishFailing, &e))?;
        Ok(publication)
    }

    /// Makes a publication. It gets the version in `reserved`, which is reserved first if there is none: a
    /// turn stores only one publication, so it uses up only one version.
    fn make(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        copies: Result<(), &PayloadError>,
        trust: &Trust,
        reserved: &mut Option<u64>,
    ) -> Result<Publication, Degraded> {
        let publishing = |e: &(dyn std::error::Error + 'static)| Degraded::failed(PublishFailing, e);
        let signing = |e: &(dyn std::error::Error + 'static)| Degraded::failed(SigningFailing, e);
        self.check_state()?;
        copies.map_err(|e| publishing(e))?;
        // A clock that is years ahead must not use up the versions until then.
        if let Some((role, expires)) = trust.expired(decided.now) {
            let path = format!("trust/{role}");
            return Err(publishing(&PublishError::Violation(Violation::Expired { path, expires })));
        }
        let last = self.last.as_deref();
        let state = &*self.setup.state;
        let version = match *reserved {
            Some(version) => version,
            None => state
                .reserve(last.map(|last| last.version), self.exact(decided.now))
                .map_err(|e| signing(&e))?,
        };
        *reserved = Some(version);
        let held;
        let online: &dyn Signer = match &self.setup.online {
            Online::Given(signer) => &**signer,
            Online::State => {
                let key = stored::online_key(state, trust).map_err(|e| signing(&e))?;
                held = key.ok_or(Degraded::NoOnlineKey)?;
                &held
            }
        };
        let inputs = Inputs {
            decided,
            trust,
            manifests: &read.manifests,
            online,
            last,
            version,
            demo: self.setup.demo.as_deref(),
            stopping: &self.shared.stopping,
        };
        publish::publish(&inputs).map_err(|e| match &e {
            PublishError::Sign(_) | PublishError::WrongKey => signing(&e),
            PublishError::Target(_)
            | PublishError::Violation(_)
            | PublishError::LastGood(_)
            | PublishError::NoRole { .. }
            | PublishError::Stopping => publishing(&e),
        })
    }
}

/// Reports that clients refuse what is served, if they have the time to which this machine's clock has jumped.
fn refused_by_clock(degraded: &[Degraded], expires: Time) -> Option<Degraded> {
    degraded.iter().find_map(|one| match one {
        Degraded::ClockUntrusted(ClockDoubt::Turned { now, .. }) if expires <= *now => {
            Some(Degraded::RefusedByClock { now: *now, expires })
        }
        _ => None,
    })
}

/// Reports what could not be committed, with only the first reasons: a line whose folder cannot be written
/// gives the same reason for each release.
fn not_committed(run: &Run) -> Option<Degraded> {
    let errors = run.errors().filter(|error| !error.is_lost());
    let mut why: Vec<String> = errors.map(|error| chain(error)).collect();
    let more = why.len().saturating_sub(3);
    why.truncate(3);
    (!why.is_empty()).then_some(Degraded::NotCommitted { why, more })
}
