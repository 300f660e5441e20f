//! Times on the command line.

use chrono::TimeDelta;

use crate::domain::Time;
use crate::formats::yaml::parse_duration;

/// Parses a time, RFC 3339 in whole seconds.
pub fn parse(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| "write it as RFC 3339, as in `2018-01-02T17:30:31Z`".to_owned())?;
    if time.timestamp_subsec_nanos() != 0 {
        return Err("write it in whole seconds, as in `2018-01-02T17:30:31Z`".to_owned());
    }
    Ok(time.to_utc())
}

/// Parses a duration, as it is written in the catalog.
pub fn duration(text: &str) -> Result<TimeDelta, String> {
    parse_duration(text)
        .ok_or_else(|| "write whole days, weeks or hours, as in `30d`, `2w` or `36h`".to_owned())
}
