//! What all handlers share.

use std::rc::Rc;
use std::sync::Arc;

use super::access::AccessWriter;
use super::listener::Listener;
use super::places::Places;
use super::route::Route;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::promoter::status::Handle;
use crate::publish::Document;
use crate::store::port::PayloadStore;

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
}

impl State {
    /// The current time, for checking whether the publication has expired.
    pub(super) fn now(&self) -> Time {
        self.shared.now(&*self.clock)
    }
}

/// What one worker answers requests with.
pub struct Worker {
    pub(super) state: Arc<State>,
    pub(super) routes: &'static [Route],
    pub(super) listener: Listener,
    /// Where this worker logs requests, if they are logged.
    pub(super) log: Option<Arc<dyn AccessWriter>>,
    pub(super) places: Rc<Places>,
}
