//! What a server last reported about itself. Commands that read the folders cannot see these problems.

use super::Time;
use super::degraded::DegradedKind;
use super::not_promoting::NotPromoting;

/// What a server last reported about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Since when it has reported this.
    pub since: Time,
    /// Why it does not promote, if it does not.
    pub not_promoting: Option<NotPromoting>,
    /// What is [its own](super::degraded::Degraded::is_of_server) problem, each with its description.
    pub problems: Vec<(DegradedKind, String)>,
}

impl Report {
    /// Whether another report differs only in its time.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        (self.not_promoting, &self.problems) == (other.not_promoting, &other.problems)
    }
}
