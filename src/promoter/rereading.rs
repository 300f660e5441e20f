//! Reading the documents of lines again that could not be read before.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{RETRY, stored};
use crate::publish::Publication;
use crate::publish::part::Part;
use crate::store::port::StateStore;

/// Reads lost documents in a thread of its own. A failing disk can take minutes for that, and no stop may wait for it.
#[derive(Debug, Default)]
pub(super) struct Rereading {
    /// The attempt in progress.
    attempt: Option<JoinHandle<Vec<Arc<Part>>>>,
    /// When to start the next one, in monotonic time.
    next: Duration,
}

impl Rereading {
    /// Starts an attempt if it is time to do so. Returns the publication with what the last attempt has read, or has
    /// found to be lost for good. `None` if there is no such thing.
    pub fn look(
        &mut self,
        state: &Arc<dyn StateStore>,
        publication: &Publication,
        now: Duration,
    ) -> Option<Publication> {
        if let Some(attempt) = self.attempt.take_if(|attempt| attempt.is_finished()) {
            self.next = now + RETRY;
            return publication.with_read(attempt.join().unwrap_or_default());
        }
        if self.attempt.is_none() && self.next <= now {
            let unread = publication.unread();
            if !unread.is_empty() {
                let state = Arc::clone(state);
                let read = move || stored::read_again(&*state, unread);
                self.attempt = thread::Builder::new().name("rereading".to_owned()).spawn(read).ok();
            }
        }
        None
    }
}
