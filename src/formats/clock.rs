//! What a state keeps about the clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::domain::Time;
use crate::domain::clock::{Accepted, KnownTime};

/// The format that this version reads and writes.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownBody {
    format: u64,
    boot: String,
    boot_seconds: u64,
    #[serde(with = "seconds")]
    time: Time,
    doubted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    before_boot: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedBody {
    format: u64,
    #[serde(with = "seconds")]
    at: Time,
    by: String,
    reason: String,
}

/// Writes the time that was last known.
pub fn write(known: &KnownTime) -> Vec<u8> {
    bytes(&KnownBody {
        format: FORMAT,
        boot: known.boot.clone(),
        boot_seconds: known.monotonic.as_secs(),
        time: known.time,
        doubted: known.is_doubted,
        before_boot: known.is_before_boot,
    })
}

/// Reads what [`write()`] wrote. `None` if it is something else, or of another version.
pub fn read(text: &[u8]) -> Option<KnownTime> {
    let KnownBody { format: FORMAT, boot, boot_seconds, time, doubted, before_boot } =
        serde_json::from_slice(text).ok()?
    else {
        return None;
    };
    let monotonic = Duration::from_secs(boot_seconds);
    Some(KnownTime { boot, monotonic, time, is_doubted: doubted, is_before_boot: before_boot })
}

/// Writes somebody's word that the clock is right.
pub fn write_accepted(accepted: &Accepted) -> Vec<u8> {
    let Accepted { at, by, reason } = accepted.clone();
    bytes(&AcceptedBody { format: FORMAT, at, by, reason })
}

/// Reads what [`write_accepted`] wrote.
pub fn read_accepted(text: &[u8]) -> Option<Accepted> {
    let AcceptedBody { format: FORMAT, at, by, reason } = serde_json::from_slice(text).ok()? else {
        return None;
    };
    Some(Accepted { at, by, reason })
}

fn bytes(body: &impl Serialize) -> Vec<u8> {
    // Writing to memory cannot fail, and all keys are strings.
    let mut bytes = serde_json::to_vec(body).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    #[test]
    fn what_is_known_of_the_clock_is_read_as_it_was_written_and_nothing_else_is() {
        let time = t("2018-01-20");
        let monotonic = Duration::from_secs(7);
        for (is_doubted, is_before_boot) in [(true, false), (false, false), (false, true)] {
            let known = KnownTime { boot: "a".to_owned(), monotonic, time, is_doubted, is_before_boot };
            assert_eq!(read(&write(&known)), Some(known));
        }
        let accepted = Accepted { at: time, by: "ada".to_owned(), reason: "it was off".to_owned() };
        assert_eq!(read_accepted(&write_accepted(&accepted)), Some(accepted.clone()));
        for other in [&b""[..], b"{}", &write_accepted(&accepted)] {
            assert_eq!(read(other), None);
        }
    }
}
