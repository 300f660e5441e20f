//! Versions: `SemVer` 2.0.0 precedence, extended to a total order.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::as_text::as_text;

/// The longest version that is accepted, in bytes. Real versions stay below 40; the limit keeps file names,
/// TUF target names and log lines short.
pub const MAX_LENGTH: usize = 128;

/// The version of a release, such as `1.8.4-tectonic.1`.
///
/// Ordered by `SemVer` precedence (section 11). `SemVer` treats versions that differ only in build metadata
/// as equal; here they are ordered naturally, number by number (`+rke2r2` comes before `+rke2r10`), so that
/// the order is total. A leading `v` is only spelling: it is kept for display and does not affect identity
/// or order.
///
/// Versions are only compared, never matched against ranges: `1.8.4-tectonic.1` is a pre-release to
/// `SemVer`, and range matching rejects those.
#[derive(Clone)]
pub struct Version {
    number: semver::Version,
    v: bool,
}

/// Why a string is not a [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    #[error("the version is empty")]
    Empty,
    #[error("a version of {0} bytes is longer than the limit of {MAX_LENGTH}")]
    TooLong(usize),
    /// `why` is the parser's message.
    #[error("`{text}` is not a version: {why}")]
    NotSemver { text: String, why: String },
}

impl Version {
    /// Parses a version, with or without a leading `v`.
    ///
    /// # Errors
    /// When the string is empty, longer than [`MAX_LENGTH`], or not valid `SemVer`.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong(text.len()));
        }
        let (v, rest) = match text.strip_prefix('v') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let wrong = |e: semver::Error| VersionError::NotSemver { text: text.to_owned(), why: e.to_string() };
        semver::Version::parse(rest).map(|number| Self { number, v }).map_err(wrong)
    }

    /// Parses a version from a decoded URL query, in which `+` has become a space.
    ///
    /// # Errors
    /// See [`Version::parse`].
    pub fn parse_query(text: &str) -> Result<Self, VersionError> {
        if text.contains(' ')
            && let Ok(version) = Self::parse(&text.replace(' ', "+"))
        {
            return Ok(version);
        }
        // An error shows the text as it was asked for.
        Self::parse(text)
    }

    /// The version without its leading `v`, which is not part of its identity.
    pub fn identity(&self) -> String {
        self.number.to_string()
    }

    /// Major, minor and patch.
    pub const fn numbers(&self) -> [u64; 3] {
        [self.number.major, self.number.minor, self.number.patch]
    }

    /// Whether this version was probably meant to come after another one, because a number in it is higher:
    /// `rc10` and `rc9`, `rc.10` and `rc9`. `SemVer` compares words with numbers in them as text, so it may
    /// sort below it.
    pub fn has_higher_number(&self, other: &Self) -> bool {
        let runs = |version: &Self| -> Vec<(String, bool)> {
            let parts = version.number.pre.split(['.', '-']).map(|part| {
                let runs = part.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
                let runs: Vec<_> = runs.map(|run| String::from_utf8_lossy(run).into_owned()).collect();
                let last = runs.len().saturating_sub(1);
                // A number in the middle of a word, as in a digest, is no number to people.
                runs.into_iter().enumerate().map(move |(place, run)| (run, place == last))
            });
            parts.flatten().collect()
        };
        let (own, others) = (runs(self), runs(other));
        let differing = own.into_iter().zip(others).find(|((own, _), (other, _))| own != other);
        let number = |(run, ends): &(String, bool)| run.parse::<u64>().ok().filter(|_| *ends);
        let numbers = differing.and_then(|(own, other)| Some((number(&own)?, number(&other)?)));
        self.numbers() == other.numbers() && numbers.is_some_and(|(own, other)| other < own)
    }

    /// Whether this version's number begins with the given components, as `1.8.4` begins with `1.8`.
    pub fn starts_with(&self, prefix: &[u64]) -> bool {
        let own = self.numbers();
        prefix.len() <= own.len() && own.iter().zip(prefix).all(|(a, b)| a == b)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v {
            f.write_str("v")?;
        }
        fmt::Display::fmt(&self.number, f)
    }
}

as_text!(Version, VersionError);

impl Version {
    /// Whether an equal version is also written with, or without, the leading `v`.
    pub fn is_spelt_like(&self, other: &Self) -> bool {
        (self.v, &self.number) == (other.v, &other.number)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number
            .cmp_precedence(&other.number)
            .then_with(|| natural(&self.number.build, &other.number.build))
    }
}

/// Orders strings naturally: runs of digits by their numeric value, the rest by their bytes. Strings that
/// differ only in leading zeros (`r01` and `r1`) are ordered by their bytes, so that the order is total.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let runs = |text| <[u8]>::chunk_by(text, |a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let (mut left, mut right) = (runs(a.as_bytes()), runs(b.as_bytes()));
    loop {
        let order = match (left.next(), right.next()) {
            (Some(left), Some(right)) if left[0].is_ascii_digit() && right[0].is_ascii_digit() => {
                let (left, right) = (without_zeros(left), without_zeros(right));
                left.len().cmp(&right.len()).then_with(|| left.cmp(right))
            }
            (None, None) => return a.cmp(b),
            (left, right) => left.cmp(&right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_ordered_by_semver_precedence_and_then_by_build_number() {
        let ascending = [
            "1.7.5-tectonic.1",
            "1.7.5-tectonic.9",
            "1.7.5-tectonic.1-rc.5",
            "1.7.9-tectonic.1",
            "1.7.14-tectonic.2",
            "1.8.4-tectonic.1",
            "1.8.4",
            "1.8.4+rke2r2",
            "1.8.4+rke2r10",
            "1.10.0",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(v(a).cmp(&v(b)), i.cmp(&j), "{a} against {b}");
            }
        }
    }

    #[test]
    fn a_leading_v_is_spelling_and_is_echoed() {
        assert_eq!(v("v1.8.4"), v("1.8.4"));
        assert_eq!(v("v1.8.4").to_string(), "v1.8.4");
        assert_eq!(v("v1.8.4").identity(), "1.8.4");
    }

    #[test]
    fn a_space_in_a_query_stands_for_a_plus() {
        assert_eq!(Version::parse_query("1.8.4 rke2r1"), Ok(v("1.8.4+rke2r1")));
        assert!(Version::parse("1.8.4 rke2r1").is_err());
        let said = Version::parse_query("1.8.4 and more").unwrap_err().to_string();
        assert!(said.starts_with("`1.8.4 and more` is not a version"), "{said}");
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in ["", "1.8", "vv1.8.4", "V1.8.4", "01.8.4", "1.8.4-", " 1.8.4", "1.8.4-tectonic.01"] {
            assert!(Version::parse(text).is_err(), "{text:?}");
        }
        let long = format!("1.8.4-{}", "a".repeat(MAX_LENGTH));
        assert_eq!(Version::parse(&long), Err(VersionError::TooLong(long.len())));
    }

    #[test]
    fn a_version_belongs_to_a_prefix_by_whole_components() {
        assert!(v("1.8.4-tectonic.1").starts_with(&[1, 8]));
        assert!(!v("1.80.4").starts_with(&[1, 8]));
        assert!(v("1.80.4").starts_with(&[1]));
    }

    fn any_version() -> impl Strategy<Value = Version> {
        "v?[0-3]\\.[0-3]\\.[0-3](-(0|[1-9a-z][0-9a-z]{0,2})(\\.(0|[1-9a-z][0-9a-z]?))?)?(\\+[a-b0-2]{1,4}(\\.[a-b0-2]{1,3})?)?"
            .prop_map(|text| Version::parse(&text).unwrap())
    }

    proptest! {
        #[test]
        fn parsing_and_display_are_inverse(version in any_version()) {
            let again = Version::parse(&version.to_string()).unwrap();
            prop_assert_eq!(again.to_string(), version.to_string());
            prop_assert_eq!(again, version);
        }

        #[test]
        fn the_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused_without_a_panic(text in ".{0,40}") {
            let _ = Version::parse(&text);
            let _ = Version::parse_query(&text);
        }
    }
}
