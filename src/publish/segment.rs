//! What the head of a stored publication knows of the segment of a line.

use serde::{Deserialize, Serialize};

use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Sha256;

/// A segment, as the head names it. It is enough to say, without the segment, what is lost with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    pub line: LineName,
    pub(crate) prefix: Option<Prefix>,
    pub(crate) follows: Option<LineName>,
    /// The names of the line's channels, including aliases.
    pub(crate) names: Vec<ChannelName>,
    #[serde(flatten)]
    pub stored: Stored,
}

/// The digest and the length of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub sha256: Sha256,
    pub size: u64,
}
