//! Reads and writes times in documents: whole seconds with `Z`, and no other form.
//!
//! Use it as `#[serde(with = "seconds")]`, and `seconds::by_stage` for maps.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{Time, rfc3339};

/// Writes a time.
///
/// # Errors
/// When the serializer fails.
pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*time))
}

/// Reads a time.
///
/// # Errors
/// When the text is not in the form that [`serialize`] writes.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is not a time in whole seconds with `Z`, as in `2018-01-02T17:30:31Z`"
        ))
    })
}

/// Parses a time, but only in the form that is written, so that each time has one spelling.
fn parse(text: &str) -> Option<Time> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    // A leap second is parsed as the previous second with more than a billion nanoseconds, and fails here
    // too.
    (time.timestamp_subsec_nanos() == 0 && rfc3339(time) == text).then_some(time)
}

/// A time that is written in this form inside a list, a map or an `Option`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp(#[serde(with = "self")] pub Time);

/// Reads and writes maps from stages to times.
pub mod by_stage {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Stamp;
    use crate::domain::Time;
    use crate::domain::channel::StageName;

    /// Writes times by stage.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<S: Serializer>(
        times: &BTreeMap<StageName, Time>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(times.iter().map(|(stage, time)| (stage, Stamp(*time))))
    }

    /// Reads times by stage.
    ///
    /// # Errors
    /// When a time is not in the form that [`serialize`] writes.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<StageName, Time>, D::Error> {
        let times = BTreeMap::<StageName, Stamp>::deserialize(deserializer)?;
        Ok(times.into_iter().map(|(stage, Stamp(time))| (stage, time)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_whole_seconds_with_a_z_are_read() {
        assert!(parse("2018-01-02T17:30:31Z").is_some());
        for text in [
            "2018-01-02T17:30:31+00:00",
            "2018-01-02T17:30:31.5Z",
            "2018-01-02t17:30:31z",
            "2018-01-02 17:30:31Z",
            "2018-01-02T17:30:60Z",
            "2018-01-02",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
