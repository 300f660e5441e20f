//! A mirror: it serves what another server signed, once it is imported.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::PERIOD;
use super::status::{Degraded, DegradedKind, Handle, PUBLICATION, Status, is_near};
use super::stored::{self, StoredError};
use crate::clock::SharedClock;
use crate::store::port::{Revision, StateStore};
use crate::words;

/// Serves the publication in a state, and each one that replaces it there.
pub struct Mirror {
    state: Arc<dyn StateStore>,
    clock: SharedClock,
    shared: Handle,
    /// The revision of the publication that is served, or that could not be read.
    head: Option<Revision>,
    unread: Option<Degraded>,
}

impl Mirror {
    /// Makes a mirror, and serves the last import if there is one.
    ///
    /// # Errors
    /// When there is one, but it cannot be used.
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

    /// Runs until a message arrives on `stop`, or its sender is dropped.
    pub fn run(&mut self, stop: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(PERIOD) {
            self.turn();
        }
    }

    /// Checks whether something new was imported, and serves it.
    pub fn turn(&mut self) {
        let head = self.state.head();
        if head != self.head {
            self.head = head;
            self.unread = match stored::publication(&*self.state) {
                Ok(Some(publication)) => {
                    tracing::info!(version = publication.version, made = %publication.made, "serving a new import");
                    self.shared.publication.store(Some(Arc::new(publication)));
                    None
                }
                Ok(None) => Some(Degraded::MirrorGone),
                Err(error) => Some(Degraded::failed(DegradedKind::ReadFailing, &error)),
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
