//! Names of lines, stages and channels.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::as_text::as_text;
use super::version::natural;

/// The longest name that is accepted, in bytes.
pub const MAX_NAME: usize = 64;

/// Why a string is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name is empty")]
    Empty,
    #[error("a name of {0} bytes is longer than the limit of {MAX_NAME}")]
    TooLong(usize),
    #[error(
        "`{0}` is not a valid name: lower-case letters, digits, `.`, `_` and `-` are allowed, with a letter or digit at both ends"
    )]
    Character(String),
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong(text.len()));
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let inside = bytes.iter().all(|&b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
    let ends = plain(bytes[0]) && plain(bytes[bytes.len() - 1]);
    if inside && ends && !text.contains("..") { Ok(()) } else { Err(NameError::Character(text.to_owned())) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        /// Compares digits as numbers: `1.8` comes before `1.10`.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                natural(&self.0, &other.0)
            }
        }

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            /// When the string is empty, longer than [`MAX_NAME`], or contains characters that some file
            /// systems do not allow.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        as_text!($name, NameError);
    };
}

name! {
    /// The name of a line, such as `1.8`.
    LineName
}

name! {
    /// The name of a stage, such as `production`.
    StageName
}

name! {
    /// The name of a channel, such as `1.8-production`. Names are lower case, but a client's spelling is
    /// matched regardless of case ([`ChannelName::parse_any_case`]), since existing consoles capitalise
    /// names.
    ChannelName
}

impl StageName {
    /// The names of the stages of a line if neither its file nor the policy lists them.
    pub const DEFAULT: [&str; 2] = ["preproduction", "production"];
}

impl ChannelName {
    /// The default name of a stage's channel, `LINE-STAGE`.
    ///
    /// # Errors
    /// When the combined name is longer than [`MAX_NAME`].
    pub fn of(line: &LineName, stage: &StageName) -> Result<Self, NameError> {
        Self::parse(&format!("{line}-{stage}"))
    }

    /// Parses a channel's name as a client spells it, in any case.
    ///
    /// # Errors
    /// See [`ChannelName::parse`].
    pub fn parse_any_case(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_NAME {
            return Err(NameError::TooLong(text.len()));
        }
        Self::parse(&text.to_ascii_lowercase())
    }
}

impl LineName {
    /// Whether this name is a dotted prefix of another, as `1.8` is of `1.8.4`. The path patterns in the
    /// TUF roles of two such lines would overlap.
    pub fn is_dotted_prefix_of(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_every_file_system_and_url_carries() {
        for good in ["1.8", "preproduction", "tectonic-1.8-production", "a", "x_y"] {
            assert!(ChannelName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "A", "a b", "-a", "a-", "a..b", "ä", "a\0"] {
            assert!(ChannelName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_may_capitalise_a_channel() {
        let name = ChannelName::parse_any_case("Tectonic-1.8-Production").unwrap();
        assert_eq!(name.as_str(), "tectonic-1.8-production");
    }

    #[test]
    fn names_are_ordered_number_by_number() {
        let mut names = ["1.10", "1.8", "1.9", "1.10-x", "2"].map(|name| LineName::parse(name).unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["1.8", "1.9", "1.10", "1.10-x", "2"]);
    }

    #[test]
    fn a_dotted_prefix_ends_at_a_dot() {
        let line = |text| LineName::parse(text).unwrap();
        assert!(line("1.8").is_dotted_prefix_of(&line("1.8.4")));
        assert!(!line("1.1").is_dotted_prefix_of(&line("1.10")));
        assert!(!line("1.8").is_dotted_prefix_of(&line("1.8")));
    }
}
