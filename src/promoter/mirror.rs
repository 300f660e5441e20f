//! A mirror: it serves what another server signed, once it is imported.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::rereading::Rereading;
use super::signals::{Signal, Signals};
use super::status::{Degraded, DegradedKind, Handle, PUBLICATION, Status, is_near};
use super::stored::{self, StoredError};
use super::{PERIOD, RETRY};
use crate::clock::SharedClock;
use crate::domain::chain;
use crate::publish::{Changes, Publication};
use crate::store::port::{PayloadStore, Revision, StateStore};
use crate::words;

/// Serves the publication in a state, and each one that replaces it there.
pub struct Mirror {
    state: Arc<dyn StateStore>,
    payloads: Arc<dyn PayloadStore>,
    clock: SharedClock,
    shared: Handle,
    /// The revision of the publication that is served, or that could not be read.
    head: Option<Revision>,
    unread: Option<Degraded>,
    /// When to read it again, in monotonic time, if that may help.
    retry: Option<Duration>,
    rereading: Rereading,
    /// Whether the payloads of the publication were looked for.
    searched: bool,
    /// The payloads that have no good copy here.
    lacking: Option<Degraded>,
}

impl Mirror {
    /// Makes a mirror, and serves the last import if there is one.
    ///
    /// # Errors
    /// When there is one, but it cannot be used.
    pub fn start(
        state: Arc<dyn StateStore>,
        payloads: Arc<dyn PayloadStore>,
        clock: SharedClock,
        shared: Handle,
    ) -> Result<Self, StoredError> {
        let head = state.head();
        let (unread, retry, lacking) = (None, None, None);
        let (rereading, searched) = (Rereading::default(), false);
        let mirror =
            Self { state, payloads, clock, shared, head, unread, retry, rereading, searched, lacking };
        mirror.shared.publication.store(stored::publication(&*mirror.state)?.map(Arc::new));
        mirror.report();
        Ok(mirror)
    }

    /// Runs until it is told to stop.
    pub fn run(&mut self, signals: &Signals) {
        loop {
            self.turn();
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            if signals.wait(PERIOD) == Some(Signal::Stop) {
                return;
            }
        }
    }

    /// Checks whether something new was imported, and serves it. Checks the copies of payloads.
    pub fn turn(&mut self) {
        let head = self.state.head();
        let is_retried = self.retry.is_some_and(|retry| retry <= self.clock.monotonic());
        if head != self.head || is_retried {
            (self.head, self.searched) = (head, false);
            let mut may_pass = false;
            let is_served = self.shared.publication.load().is_some();
            let unread = match stored::publication(&*self.state) {
                // What is served is whole, also if it is older.
                Ok(Some(publication)) if is_served && lost(&publication).next().is_some() => {
                    may_pass = !publication.unread().is_empty();
                    lost(&publication).next()
                }
                Ok(Some(publication)) => {
                    let changes = Changes::between(self.shared.publication.load().as_deref(), &publication);
                    let (version, count) = (publication.version, changes.count());
                    let what = (0 < count).then(|| changes.to_string());
                    tracing::info!(version, made = %publication.made, changes = count, what, "serving a new import");
                    self.shared.publication.store(Some(Arc::new(publication)));
                    None
                }
                Ok(None) => Some(Degraded::MirrorGone),
                Err(error) => {
                    may_pass = error.may_pass();
                    Some(Degraded::failed(DegradedKind::ReadFailing, &error))
                }
            };
            self.retry = may_pass.then(|| self.clock.monotonic() + RETRY);
            if let Some(unread) = unread.as_ref().filter(|unread| self.unread.as_ref() != Some(*unread)) {
                tracing::error!("{}", words::degraded(unread));
            }
            self.unread = unread;
        }
        if let Some(publication) = self.shared.publication.load().as_deref()
            && let Some(read) = self.rereading.look(&self.state, publication, self.clock.monotonic())
        {
            self.shared.publication.store(Some(Arc::new(read)));
            self.searched = false;
        }
        let damaged = self.payloads.scrub(self.clock.monotonic());
        // An import can restore copies without storing a publication, so keep looking for what is lacking.
        if damaged || !self.searched || self.lacking.is_some() {
            (self.lacking, self.searched) = (self.search(), true);
        }
        if let Err(error) = self.payloads.remember() {
            tracing::debug!("{}", chain(&error));
        }
        self.report();
    }

    /// Looks for the payloads that have no good copy here.
    fn search(&self) -> Option<Degraded> {
        let publication = self.shared.publication.load();
        let wanted: Vec<_> = publication.as_deref()?.payloads().collect();
        match self.payloads.ensure_copies(&wanted) {
            Ok(lacking) => {
                let (version, payload) = wanted[lacking.first()?.0];
                let (version, file) = (version.clone(), payload.file.clone());
                Some(Degraded::MirrorLacks { version, file, more: lacking.len() - 1 })
            }
            Err(error) => Some(Degraded::failed(DegradedKind::ReadFailing, &error)),
        }
    }

    fn report(&self) {
        let now = self.clock.now();
        let mut status = Status::default();
        status.degraded.extend(self.unread.iter().chain(&self.lacking).cloned());
        if let Some(publication) = self.shared.publication.load().as_deref() {
            status.degraded.extend(lost(publication));
            status.expiries.push((PUBLICATION.to_owned(), publication.expires));
            if is_near(PUBLICATION, publication.expires, now) {
                status.degraded.push(Degraded::MirrorExpiryNear { expires: publication.expires });
            }
        }
        self.shared.report(status, now);
    }
}

/// The lines that are lost in a publication.
fn lost(publication: &Publication) -> impl Iterator<Item = Degraded> {
    let lost = publication.lost_lines();
    lost.map(|(line, why)| Degraded::MirrorLost { line: line.clone(), why: why.to_owned() })
}
