//! Times on the command line.

use crate::domain::Time;

/// Parses a time, RFC 3339 in whole seconds.
pub fn parse(text: &str) -> Result<Time, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|_| "write it as RFC 3339, as in `2018-01-02T17:30:31Z`".to_owned())?;
    if time.timestamp_subsec_nanos() != 0 {
        return Err("write it in whole seconds, as in `2018-01-02T17:30:31Z`".to_owned());
    }
    Ok(time.to_utc())
}
