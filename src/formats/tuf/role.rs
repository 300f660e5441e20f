//! What all roles have in common.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::Time;

/// The version of the specification that this program writes. Clients require `1.0.x`.
const SPEC_VERSION: &str = "1.0.34";

/// A role of the repository.
pub trait Role: Serialize + DeserializeOwned {
    /// The version of this document, which never decreases.
    fn version(&self) -> u64;
    /// The time from which clients reject the role.
    fn expires(&self) -> Time;
}

/// Declares a role: a struct with the fields that all roles have, and its value of `_type`. That value is a
/// plain token (`tt`), since the schema derive cannot read a wrapped literal.
macro_rules! role {
    (
        $(#[$about:meta])*
        pub struct $role:ident($kind:ident::$variant:ident, $word:tt) {
            $($(#[$doc:meta])* $vis:vis $field:ident: $of:ty,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $role {
            #[serde(rename = "_type")]
            #[schema(inline)]
            kind: $kind,
            #[schema(value_type = String)]
            spec_version: $crate::formats::tuf::role::SpecVersion,
            $($(#[$doc])* $vis $field: $of,)*
            #[serde(deserialize_with = "crate::formats::tuf::role::at_least_one")]
            #[schema(minimum = 1)]
            pub version: u64,
            #[serde(with = "crate::formats::seconds")]
            #[schema(value_type = String, format = DateTime)]
            pub expires: $crate::domain::Time,
        }

        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        enum $kind {
            #[serde(rename = $word)]
            $variant,
        }

        impl $crate::formats::tuf::Role for $role {
            fn version(&self) -> u64 {
                self.version
            }

            fn expires(&self) -> $crate::domain::Time {
                self.expires
            }
        }
    };
}
pub(super) use role;

/// The version of the specification. It is written as [`SPEC_VERSION`], but any `1.0.x` is accepted, since
/// another tool may have created the root.
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
        Err(serde::de::Error::custom(format!("TUF `{text}` is not supported: expected `1.0.x`")))
    }
}

pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number == 0 {
        return Err(serde::de::Error::custom("versions and thresholds must be at least `1`"));
    }
    Ok(number)
}
