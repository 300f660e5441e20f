//! What ends the wait between two turns early.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What a loop is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The catalog may have changed.
    Look,
    /// There is no next turn.
    Stop,
}

/// The signals to one loop.
#[derive(Debug)]
pub struct Signals {
    sender: Sender<Signal>,
    receiver: Receiver<Signal>,
}

impl Default for Signals {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver }
    }
}

impl Signals {
    /// Sends to the loop.
    pub fn sender(&self) -> Sender<Signal> {
        self.sender.clone()
    }

    /// Waits for a signal, but no longer than `most`.
    pub fn wait(&self, most: Duration) -> Option<Signal> {
        self.receiver.recv_timeout(most).ok()
    }
}
