//! Collects the faults of one file.

use crate::domain::rules::Rule;
use crate::formats::fault::{Fault, Spot};
use crate::words::rules::message_and_hint;

/// The maximum number of faults that are reported for one file. A file with more is probably not a catalog
/// file, and more messages would not help.
pub(super) const MAX_FAULTS: usize = 100;

/// The faults of one file, in the order in which they are found.
#[derive(Debug)]
pub(super) struct Faults<'a> {
    path: &'a str,
    text: &'a str,
    list: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub const fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, list: Vec::new() }
    }

    pub fn push(&mut self, spot: Spot, message: impl AsRef<str>, hint: impl AsRef<str>) {
        if self.list.len() < MAX_FAULTS {
            self.list.push(Fault::new(self.path, self.text, spot, message.as_ref(), hint.as_ref()));
        }
    }

    /// Reports a broken rule of the catalog.
    pub fn broken(&mut self, spot: Spot, rule: &Rule) {
        let (message, hint) = message_and_hint(rule);
        self.push(spot, message, hint);
    }

    /// Reports a rule that a duplicate breaks. `other` is the spot of the first occurrence.
    pub fn broken_beside(&mut self, spot: Spot, rule: &Rule, other: Spot) {
        let (message, hint) = message_and_hint(rule);
        self.push(spot, format!("{message}, first on line {}", other.line), hint);
    }

    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn into_list(self) -> Vec<Fault> {
        self.list
    }
}
