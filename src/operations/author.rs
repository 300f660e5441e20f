//! The author of an operation, as the catalog records it.

use std::fmt;

use serde::Serialize;

use super::Refused;
use crate::domain::Time;
use crate::domain::release::{Event, SCHEDULE};

/// The name of a person, or of a program that acts for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author(String);

impl Author {
    /// Creates an author from a name, trimming surrounding whitespace.
    ///
    /// # Errors
    /// When the name is empty or is [`SCHEDULE`]: only the server may act under that name, and its entries
    /// must respect the soak.
    pub fn named(name: &str) -> Result<Self, Refused<'static>> {
        match name.trim() {
            "" => Err(Refused::NoAuthor),
            SCHEDULE => Err(Refused::ReservedAuthor),
            name => Ok(Self(name.to_owned())),
        }
    }

    /// Creates an event by this author at `now`, with this reason.
    pub fn event(&self, now: Time, reason: &str) -> Event {
        Event::new(now, self.0.clone(), reason.to_owned())
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_signs_as_the_schedule_or_with_no_name() {
        assert_eq!(Author::named(" ada ").unwrap().to_string(), "ada");
        assert_eq!(Author::named(" schedule"), Err(Refused::ReservedAuthor));
        assert_eq!(Author::named(" \t"), Err(Refused::NoAuthor));
    }
}
