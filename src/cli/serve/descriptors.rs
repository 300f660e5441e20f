//! The limit of open files and connections, and the share of it that clients get.
//!
//! Clients must not use up the limit: the operator's listener, the catalog's files and the last publication
//! need a part of it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors are reserved for everything except clients.
const OWN: u64 = 256;

/// How many descriptors a client needs: its connection, and the file of the payload that it downloads.
const EACH: u64 = 2;

/// If the limit is so low that the reserve would leave clients almost nothing, one client may connect for
/// each of this many descriptors.
const LEAST: u64 = 8;

/// Raises the limit of open files as far as the system allows. Processes start with a lower limit because
/// some programs cannot handle more.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::debug!(?current, ?maximum, "cannot raise the limit of open files");
    }
}

/// Returns how many files the process may have open, or `None` if there is no limit.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Returns how many clients may connect at once: `wanted`, or fewer if the limit is low.
pub fn connections(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let room = (limit.saturating_sub(OWN) / EACH).max(limit / LEAST).max(1);
    usize::try_from(room).map_or(wanted, |room| room.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_is_left_after_the_servers_own_and_never_nothing() {
        for (limit, expected) in [
            (None, 10_000),
            (Some(1_048_576), 10_000),
            (Some(20_256), 10_000),
            (Some(20_254), 9_999),
            (Some(4096), 1920),
            (Some(1024), 384),
            (Some(256), 32),
            (Some(64), 8),
            (Some(4), 1),
        ] {
            assert_eq!(connections(limit, 10_000), expected, "{limit:?}");
        }
    }
}
