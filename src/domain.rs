//! The vocabulary of an update channel server and the two questions it answers: *what is promoted*
//! ([`promotion::decide`]) and *what should this cluster do* ([`upgrade::answer`]).
//!
//! Everything here is pure: no files, no network, no environment, no clock, no YAML. The time is
//! always an argument.

pub mod version;

pub mod channel;
pub mod labels;
pub mod line;
pub mod loosened;
pub mod payload;
pub mod policy;
pub mod release;

pub mod rules;

pub mod ahead;
pub mod catalog;
pub mod change;
pub mod restraint;
pub mod stop;
pub mod topic;

pub mod early;
pub mod on_offer;
pub mod promotion;
pub mod soak_record;
pub mod upgrade;

pub mod clock;
pub mod degraded;
pub mod explain;
pub mod foresee;
pub mod history;
pub mod nameless;
pub mod not_promoting;
pub mod report;
pub mod stepback;

mod as_text;
mod chain;
pub(crate) mod named;
pub mod span;
pub(crate) mod steps;
pub mod suggest;

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod testing;

use chrono::Datelike as _;

pub use chain::chain;

/// An instant in UTC. The catalog and the documents carry whole seconds.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Formats a time as RFC 3339 in whole seconds with `Z`, the only form that every TUF client accepts. A time
/// after the year 9999, such as one beyond a freeze that lasts until then, is written as the last second of
/// that year, because RFC 3339 has no longer years.
pub fn rfc3339(time: Time) -> String {
    let [first, last] = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"];
    match time.year() {
        ..0 => first.to_owned(),
        0..=9999 => time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        10_000.. => last.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Time, rfc3339};

    #[test]
    fn a_time_is_written_with_a_year_of_four_digits_whatever_its_year() {
        for (read, written) in [
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00+08:00", "0000-01-01T00:00:00Z"),
            ("2018-01-02T17:30:31Z", "2018-01-02T17:30:31Z"),
        ] {
            assert_eq!(rfc3339(read.parse().unwrap()), written);
        }
        assert_eq!(rfc3339(Time::MAX_UTC), "9999-12-31T23:59:59Z");
    }
}
