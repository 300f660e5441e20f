//! What every role has.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::Time;

/// The version of the specification that is written. Clients require `1.0.x`.
const SPEC_VERSION: &str = "1.0.34";

/// What all roles have.
pub trait Role: Serialize + DeserializeOwned {
    /// Never goes back.
    fn version(&self) -> u64;
    /// Clients refuse it from this time on.
    fn expires(&self) -> Time;
}

/// The word under `_type`, and [`Role`]. The word is a plain token, since the schema reads no wrapped literal.
macro_rules! role {
    ($role:ident, $kind:ident :: $variant:ident, $word:tt) => {
        impl $crate::formats::tuf::Role for $role {
            fn version(&self) -> u64 {
                self.version
            }

            fn expires(&self) -> Time {
                self.expires
            }
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        enum $kind {
            #[serde(rename = $word)]
            $variant,
        }
    };
}
pub(super) use role;

/// Written as [`SPEC_VERSION`]; any `1.0.x` is read, as other tools may have made the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpecVersion;

impl Serialize for SpecVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SPEC_VERSION)
    }
}

impl<'de> Deserialize<'de> for SpecVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("1.0.") {
            return Ok(Self);
        }
        Err(serde::de::Error::custom(format!("TUF `{text}` is not supported: `1.0.x` is expected")))
    }
}

impl utoipa::PartialSchema for SpecVersion {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for SpecVersion {}

pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number == 0 {
        return Err(serde::de::Error::custom("versions and thresholds begin at `1`"));
    }
    Ok(number)
}
