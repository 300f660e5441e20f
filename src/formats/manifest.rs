//! Manifests: the signed documents that clusters act on.
//!
//! Release keys sign a release manifest once; the online key signs a channel manifest daily and whenever it
//! changes. Together, they contain everything that `upgrade::answer` needs, so a cluster can work out its
//! own answer without trusting the server. The index of a line sums up its release manifests, so that a
//! cluster needs only those of the releases that it installs.
//!
//! Manifests publish reasons, but never authors or notes.

mod channel;
mod index;
mod line;
mod release;

use serde::{Deserialize, Deserializer};

pub use channel::{ChannelFollows, ChannelManifest, ChannelRelease, ChannelStage, ChannelYank, Notice};
pub use index::{IndexEntry, IndexError, LineIndex};
pub use line::{LineError, line, line_of, release, undelegated_prefix};
pub use release::ReleaseManifest;

/// The format of the manifests. Increase it with any change that older readers would misread.
const FORMAT: u32 = 1;

fn known_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if number == FORMAT {
        return Ok(number);
    }
    let message = format!("format `{number}` is unknown: this version of tidegate reads format `{FORMAT}`");
    Err(serde::de::Error::custom(message))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
fn is_false(value: &bool) -> bool {
    !value
}
