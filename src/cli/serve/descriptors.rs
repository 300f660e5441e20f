//! How many files and connections the process may have open, and how many of them are for clients.
//!
//! However many clients connect at once, the operator's listener, the catalog's files and the last
//! publication still need some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many are kept for everything except clients.
const OWN: u64 = 256;

/// How many a client needs: its connection, and the payload's file that it downloads.
const EACH: u64 = 2;

/// If the limit is so low that the server's own share would leave clients almost nothing, they get one
/// in this many of it.
const LEAST: u64 = 8;

/// Raises the limit as far as the system allows. Processes start with a lower limit for the sake of
/// programs that cannot deal with more.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        tracing::debug!(?current, ?maximum, "cannot raise the limit of open files");
    }
}

/// How many the process may have open, or `None` if there is no limit.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many clients may be connected: `wanted`, or fewer.
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
