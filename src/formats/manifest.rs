//! Manifests: the signed documents that clusters act on.
//!
//! A release manifest is signed once by release keys; a channel manifest is signed by the online
//! key, daily and on change. Together they have everything that `upgrade::answer` needs, so a cluster
//! can work out its own answer without trusting the server.
//!
//! What is published never says who did something: reasons are public, people and notes are not.

mod channel;
mod line;
mod release;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use channel::{ChannelFollows, ChannelManifest, ChannelRelease, ChannelStage, ChannelYank, Notice};
pub use line::{LineError, line, release};
pub use release::ReleaseManifest;

/// The format of the manifests. A change that older readers would misread gets the next number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Format;

impl Format {
    const NUMBER: u32 = 1;
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if number == Self::NUMBER {
            return Ok(Self);
        }
        Err(serde::de::Error::custom(format!(
            "format `{number}` is unknown: this version of tidegate reads format `{}`",
            Self::NUMBER
        )))
    }
}

impl utoipa::PartialSchema for Format {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        u32::schema()
    }
}

impl utoipa::ToSchema for Format {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}
