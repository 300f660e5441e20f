//! What a session is told about its last order, for as long as that is true.

use crate::console::cluster::{Outcome, State, Told, View};
use crate::domain::Time;

/// What came of an order, and what was the case right after it.
#[derive(Debug, Clone)]
pub struct Message {
    told: Told,
    after: Option<Situation>,
    /// Whether a page has shown it: the agent may be faster than the browser.
    pub is_seen: bool,
}

/// What a message depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Situation {
    current: Option<String>,
    channel: String,
    /// The state, and when the last check succeeded or failed. An answer or a refusal stays true through these.
    progress: Option<(State, Option<Time>, Option<Time>)>,
}

impl Message {
    /// `view` is what the page shows right after the order, if it can be made.
    pub fn new(told: Told, view: Option<&View>) -> Self {
        let after = view.map(|view| Situation::of(view, &told.outcome));
        Self { told, after, is_seen: false }
    }

    /// What to tell beside a view. `None` once something has changed since the order.
    pub fn beside(&self, view: &View) -> Option<&Told> {
        let is_true = |after: &Situation| *after == Situation::of(view, &self.told.outcome);
        (!self.is_seen || self.after.as_ref().is_none_or(is_true)).then_some(&self.told)
    }
}

impl Situation {
    fn of(view: &View, outcome: &Outcome) -> Self {
        let View { state, current, channel, checked, failure, .. } = view;
        let is_done = matches!(outcome, Outcome::Done(_));
        let progress = is_done.then(|| (*state, *checked, failure.as_ref().map(|failure| failure.at)));
        Self { current: current.clone(), channel: channel.clone(), progress }
    }
}
