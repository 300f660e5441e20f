//! What every handler shares.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::domain::Time;
use crate::promoter::status::Handle;
use crate::publish::Document;
use crate::store::port::PayloadStore;

use super::metrics::Metrics;

/// What every handler shares. Made once, outside the app factory: made inside, each worker would
/// have its own and miss every swap.
pub struct State {
    pub(super) shared: Handle,
    pub(super) payloads: Arc<dyn PayloadStore>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
    pub(super) openapi: Document,
    pub(super) access_log: bool,
}

impl State {
    pub(super) const fn new(
        metrics: Metrics,
        openapi: Document,
        shared: Handle,
        payloads: Arc<dyn PayloadStore>,
        clock: SharedClock,
        access_log: bool,
    ) -> Self {
        Self { shared, payloads, clock, metrics, openapi, access_log }
    }

    /// The time by which what is published is expired or not.
    pub(super) fn now(&self) -> Time {
        self.shared.now(&*self.clock)
    }
}
