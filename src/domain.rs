//! The vocabulary of an update channel server and the two questions it answers: *what is promoted*
//! ([`promotion::decide`]) and *what should this cluster do* ([`upgrade::answer`]).
//!
//! Everything here is pure: no files, no network, no environment, no clock, no YAML. The time is
//! always an argument.

pub mod version;

pub mod channel;
pub mod labels;
pub mod line;
pub mod payload;
pub mod policy;
pub mod release;
pub mod rules;

pub mod catalog;
pub mod change;
pub mod stop;

pub mod early;
pub mod on_offer;
pub mod promotion;
pub mod soak_record;
pub mod upgrade;

pub mod degraded;
pub mod explain;
pub mod stepback;

mod as_text;
mod chain;
pub(crate) mod named;
pub mod span;
pub mod suggest;

#[cfg(test)]
pub(crate) mod properties;
#[cfg(test)]
pub(crate) mod testing;

pub use chain::chain;

/// An instant in UTC. The catalog and the documents carry whole seconds.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Formats a time as RFC 3339 in whole seconds with `Z`, the only form that every TUF client accepts.
pub fn rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
