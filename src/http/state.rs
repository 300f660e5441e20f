//! What all handlers share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::clock::SharedClock;
use crate::domain::Time;
use crate::promoter::status::Handle;
use crate::publish::Document;
use crate::store::port::PayloadStore;

use super::forwarded::Proxies;
use super::logged::Salt;
use super::metrics::Metrics;
use super::payload_cache::PayloadCache;

/// What all handlers share. It is made once, outside the app factory. If the factory made it, each worker
/// would have its own and miss every new publication.
pub struct State {
    pub(super) shared: Handle,
    pub(super) payloads: Arc<dyn PayloadStore>,
    pub(super) payload_cache: PayloadCache,
    pub(super) clock: SharedClock,
    pub(super) metrics: Metrics,
    pub(super) openapi: Document,
    /// The stylesheet and the script of the console.
    pub(super) styles: Document,
    pub(super) script: Document,
    /// Whose turn it is to ask what will be promoted.
    pub(super) foreseeing: Arc<Semaphore>,
    /// Whose turn it is to read what has happened.
    pub(super) telling: Arc<Semaphore>,
    /// Whether the console's pages are served.
    pub(super) console: bool,
    /// Whether pages say who did something.
    pub(super) names: bool,
    /// What the access log needs to know whom it is about.
    pub(super) proxies: Proxies,
    pub(super) salt: Salt,
}

impl State {
    /// The current time, for checking whether the publication has expired.
    pub(super) fn now(&self) -> Time {
        self.shared.now(&*self.clock)
    }
}
