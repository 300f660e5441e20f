//! A mirror: serves what others signed, as it is taken in.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::PERIOD;
use super::status::{Degraded, DegradedKind, Handle, PUBLICATION, Status, is_near};
use super::stored::{self, StoredError};
use crate::clock::SharedClock;
use crate::domain::chain;
use crate::store::port::{Revision, StateStore};
use crate::words;

/// Serves the publication in a state, and each one that takes its place there.
pub struct Mirror {
    state: Arc<dyn StateStore>,
    clock: SharedClock,
    shared: Handle,
    /// Of the publication that is served, or that could not be read.
    head: Option<Revision>,
    unread: Option<Degraded>,
}

impl Mirror {
    /// Takes up what was taken in last, if anything was.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn start(
        state: Arc<dyn StateStore>,
        clock: SharedClock,
        shared: Handle,
    ) -> Result<Self, StoredError> {
        let mirror = Self { head: state.head(), state, clock, shared, unread: None };
        mirror.shared.publication.store(stored::publication(&*mirror.state)?.map(Arc::new));
        mirror.report();
        Ok(mirror)
    }

    /// Runs until told to stop, or until whoever would tell is gone.
    pub fn run(&mut self, stop: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(PERIOD) {
            self.turn();
        }
    }

    /// Looks whether something new was taken in.
    pub fn turn(&mut self) {
        let head = self.state.head();
        if head != self.head {
            self.head = head;
            self.unread = match stored::publication(&*self.state) {
                Ok(Some(publication)) => {
                    tracing::info!(version = publication.version, made = %publication.made, "serving what was taken in");
                    self.shared.publication.store(Some(Arc::new(publication)));
                    None
                }
                Ok(None) => Some(Degraded::MirrorGone),
                Err(error) => Some(Degraded::Failed { kind: DegradedKind::ReadFailing, why: chain(&error) }),
            };
            if let Some(unread) = &self.unread {
                tracing::error!("{}", words::degraded(unread));
            }
        }
        self.report();
    }

    fn report(&self) {
        let now = self.clock.now();
        let mut status = Status::default();
        status.degraded.extend(self.unread.clone());
        if let Some(publication) = self.shared.publication.load().as_deref() {
            status.expiries.push((PUBLICATION.to_owned(), publication.expires));
            if is_near(PUBLICATION, publication.expires, now) {
                status.degraded.push(Degraded::MirrorExpiryNear { expires: publication.expires });
            }
        }
        self.shared.status.store(Arc::new(status));
    }
}
