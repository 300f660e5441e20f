//! One body that the server answers with, in every encoding that is served.

use bytes::Bytes;

/// The media types of what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    Octets,
}

/// A body made once, at publication, and never changed after.
#[derive(Debug, Clone)]
pub struct Document {
    pub media: Media,
    pub identity: Bytes,
    /// Made for bodies over 1 KiB.
    pub gzip: Option<Bytes>,
    pub brotli: Option<Bytes>,
    /// The first 16 bytes of the identity body's SHA-256, in hexadecimal: what ETags are made of.
    pub tag: [u8; 32],
}
