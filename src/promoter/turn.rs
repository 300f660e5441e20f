//! The work of a turn: decide, commit, publish and swap.

use std::sync::Arc;

use super::promote::{Next, Run};
use super::reading::Read;
use super::status::DegradedKind::{PublishFailing, ReadFailing, SigningFailing};
use super::status::{Degraded, Status, not_offered};
use super::{Online, Promoter, RETRY, stored};
use crate::domain::Time;
use crate::domain::chain;
use crate::domain::change::Change;
use crate::publish::{self, Decided, Inputs, Publication, PublishError};
use crate::signing::Signer;
use crate::signing::trust::Trust;
use crate::store::port::PayloadError;

/// The result of a turn.
struct Turned {
    /// The next publication, if there is one.
    publication: Option<Arc<Publication>>,
    /// Whether publishing failed.
    has_failed: bool,
    status: Status,
    due: Option<Time>,
}

impl Promoter {
    /// Decides and, if this server promotes, commits what is due, until nothing is due any more. Then
    /// publishes and swaps. `degraded` is what was already wrong.
    pub(super) fn work(&mut self, at: Time, promote: bool, mut degraded: Vec<Degraded>) {
        let (mut now, mut promote, mut run) = (at, promote, Run::default());
        let (turned, goes_on) = loop {
            let Some(read) = self.read.as_ref() else { return self.fail(degraded) };
            let machine = self.clock.now();
            let copied = self.copied(&read.catalog, now, machine);
            let catalog = copied.as_deref().unwrap_or(&read.catalog);
            let decided = Decided::of(catalog, &read.faulty, self.last.as_deref(), now);
            let due: Vec<Change> = if promote { decided.due().collect() } else { Vec::new() };
            // A run promotes a release by only one stage. A further stage must wait for the next turn.
            let goes_on = due
                .iter()
                .any(|change| matches!(change, Change::Enter { version, .. } if run.moved.contains(version)));
            if run.round(&*self.setup.catalog, &read.revision, due, machine) == Next::Done {
                degraded.extend(not_committed(&run));
                break (
                    self.publish_and_report(read, &decided, copied.as_ref().map(drop), degraded),
                    goes_on,
                );
            }
            drop(decided);
            drop(copied);
            promote = self.reread(at);
            // Somebody may have committed a hold meanwhile, dated later than this turn. Judged by the
            // turn's time, it would not apply yet.
            now = self.clock.now().max(now);
        };
        let monotonic = self.clock.monotonic();
        // If a file cannot be edited automatically, a retry is useless until somebody has edited it.
        let may_pass = run.errors().any(|error| !error.is_in_the_text() && !error.is_lost());
        let is_unread = run.has_lost() && !promote;
        self.schedule.due = turned.due;
        if turned.has_failed || may_pass || is_unread {
            self.schedule.retry = Some(monotonic + RETRY);
        } else if goes_on || run.stopped.is_some() {
            self.schedule.retry = Some(monotonic);
        }
        if let Some(publication) = turned.publication {
            self.last = Some(Arc::clone(&publication));
            self.shared.publication.store(Some(publication));
        }
        self.log(&turned.status.degraded);
        self.shared.status.store(Arc::new(turned.status));
    }

    /// Publishes what was decided, and reports the status. If `copies` is an error, payloads could not be
    /// copied, and nothing is published.
    fn publish_and_report(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        copies: Result<(), &PayloadError>,
        mut degraded: Vec<Degraded>,
    ) -> Turned {
        if let Some(why) = &read.trust_kept {
            degraded.push(Degraded::TrustKept { why: why.clone() });
        }
        let (mut publication, mut has_failed) = (None, false);
        match &read.trust {
            Err(e) => degraded.push(Degraded::failed(ReadFailing, e)),
            Ok(None) => degraded.push(Degraded::NoKeys),
            Ok(Some(trust)) => {
                match self.publish(read, decided, copies, trust) {
                    Ok(published) => publication = Some(Arc::new(published)),
                    Err(failed) => {
                        degraded.push(failed);
                        has_failed = true;
                    }
                }
                degraded.extend(not_offered(decided.catalog, &decided.refused, decided.now));
            }
        }
        if let Some(publication) = &publication {
            tracing::info!(version = publication.version, revision = %read.revision, "published");
            for (line, refusal) in &decided.refused {
                let (line, refusal) = (line.clone(), refusal.clone());
                degraded.push(Degraded::LineRefused { line, keeps: true, refusal });
            }
        }
        let last = publication.as_deref().or(self.last.as_deref());
        let trust = read.trust.as_ref().ok().and_then(Option::as_ref);
        let is_good = read.faults == 0 && self.watching.unreadable().is_none();
        let status = Status {
            last_good_read: if is_good {
                Some(decided.now)
            } else {
                self.shared.status.load().last_good_read
            },
            promoting: self.setup.promote,
            ..Status::of(decided, trust, last, degraded)
        };
        let due = decided.next_due(last);
        tracing::debug!(?due, since_read = ?self.clock.monotonic().saturating_sub(read.at), "next");
        Turned { publication, has_failed, status, due }
    }

    /// Makes the next publication and stores it.
    fn publish(
        &self,
        read: &Read,
        decided: &Decided<'_>,
        copies: Result<(), &PayloadError>,
        trust: &Trust,
    ) -> Result<Publication, Degraded> {
        let publishing = |e: &(dyn std::error::Error + 'static)| Degraded::failed(PublishFailing, e);
        let signing = |e: &(dyn std::error::Error + 'static)| Degraded::failed(SigningFailing, e);
        copies.map_err(|e| publishing(e))?;
        let last = self.last.as_deref();
        let state = &*self.setup.state;
        let version = state.reserve(last.map(|last| last.version), decided.now).map_err(|e| signing(&e))?;
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
            demo: self.setup.demo,
        };
        let publication = publish::publish(&inputs).map_err(|e| match &e {
            PublishError::Sign(_) | PublishError::WrongKey => signing(&e),
            PublishError::Target(_)
            | PublishError::Violation(_)
            | PublishError::LastGood(_)
            | PublishError::NoRole(_) => publishing(&e),
        })?;
        stored::store(state, &publication).map_err(|e| publishing(&e))?;
        Ok(publication)
    }
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
