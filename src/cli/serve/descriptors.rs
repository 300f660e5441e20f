//! How many files and connections the process may have open, and how they are shared out.
//!
//! Clients must not be able to take the last one: the operator's listener, the catalog's files and the
//! last publication need theirs when everybody comes at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept for everything but clients.
const OWN: u64 = 256;

/// A client has its connection open, and may have the payload's file that it downloads.
const EACH: u64 = 2;

/// Where the limit is so low that the server's own share would leave clients next to nothing, they get
/// this part of it nevertheless.
const LEAST: u64 = 8;

/// Takes as many as the system lets the process have. The lower limit that processes start with is for
/// programs that cannot deal with more.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::debug!(?current, ?maximum, "the limit of open files could not be raised");
    }
}

/// How many the process may have open; none if there is no limit.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many clients may be connected, of those that are `wanted`.
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
