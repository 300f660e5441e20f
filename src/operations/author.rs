//! Who asks for something: the name that the catalog keeps.

use std::fmt;

use super::Refused;
use crate::domain::release::SCHEDULE;

/// The name of a person, or of a program that acts for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author(String);

impl Author {
    /// Takes a name, without the spaces around it.
    ///
    /// # Errors
    /// When nothing is left, or the name is [`SCHEDULE`]: entries by it are held to the soak, and a
    /// person who signed as it would pass for the server.
    pub fn named(name: &str) -> Result<Self, Refused<'static>> {
        match name.trim() {
            "" => Err(Refused::NoAuthor),
            SCHEDULE => Err(Refused::ReservedAuthor),
            name => Ok(Self(name.to_owned())),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
        assert_eq!(Author::named(" ada ").unwrap().as_str(), "ada");
        assert_eq!(Author::named(" schedule"), Err(Refused::ReservedAuthor));
        assert_eq!(Author::named(" \t"), Err(Refused::NoAuthor));
    }
}
