//! A response body, in every encoding that is served.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use sha2::Digest as _;

use crate::domain::payload::Sha256;
use crate::formats::tuf::Target;

/// Bodies up to this size are not compressed, since they fit into one packet anyway.
pub const COMPRESS_ABOVE: usize = 1024;

/// Bodies up to this size are not compressed with Brotli, which takes as long as gzip and would save 10 bytes in a
/// body of 1.5 KiB, a common size. A large catalog has tens of thousands of them.
const BROTLI_ABOVE: usize = 8 * 1024;

/// Gzip's own default. Higher levels save almost nothing on documents.
pub(super) const GZIP_LEVEL: u32 = 6;

/// Quality 9 takes ten times as long for a few per cent.
const BROTLI_QUALITY: u32 = 5;

/// Brotli's largest window, in bits. Documents are far smaller, so the encoder shrinks the window to fit.
const BROTLI_WINDOW: u32 = 22;

/// The media types of the bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    Octets,
    Html,
    /// iCalendar.
    Calendar,
    Css,
    JavaScript,
}

/// How a body is encoded for transfer (RFC 9110, section 8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Brotli,
}

/// A body that is made at publication and never changes.
#[derive(Debug, Clone)]
pub struct Document {
    pub media: Media,
    pub identity: Bytes,
    /// Only for bodies over 1 KiB, and only if it is shorter than `identity`.
    pub gzip: Option<Bytes>,
    /// The same for bodies over 8 KiB.
    pub brotli: Option<Bytes>,
    /// The digest of the identity body. `ETag`s are made from its first half when they are asked for: stored
    /// as text, the three `ETag`s of a document would take more memory than some bodies.
    pub sha256: Sha256,
}

impl Document {
    /// Prepares a body: its digest, and its encodings if it is larger than [`COMPRESS_ABOVE`].
    pub fn new(media: Media, identity: Bytes) -> Self {
        let gzip = (identity.len() > COMPRESS_ABOVE).then(|| gzip(&identity)).flatten();
        let brotli = (identity.len() > BROTLI_ABOVE).then(|| brotli(&identity)).flatten();
        Self::with_encodings(media, identity, gzip, brotli)
    }

    /// A body whose encodings exist already, as in a stored publication.
    pub fn with_encodings(media: Media, identity: Bytes, gzip: Option<Bytes>, brotli: Option<Bytes>) -> Self {
        let sha256 = Sha256::new(sha2::Sha256::digest(&identity).into());
        Self { media, identity, gzip, brotli, sha256 }
    }

    /// The body in an encoding, if it exists in that encoding.
    pub fn body(&self, encoding: Encoding) -> Option<&Bytes> {
        match encoding {
            Encoding::Identity => Some(&self.identity),
            Encoding::Gzip => self.gzip.as_ref(),
            Encoding::Brotli => self.brotli.as_ref(),
        }
    }

    /// How a role lists it.
    pub fn target(&self) -> Target {
        Target::new(self.sha256, self.identity.len() as u64)
    }

    /// Returns `before` if it has these bytes, otherwise a new JSON document.
    pub fn reusing(before: Option<&Arc<Self>>, body: Bytes) -> Arc<Self> {
        Self::reusing_of(Media::Json, before, body)
    }

    /// Returns `before` if it has these bytes, otherwise a new document of this type.
    pub fn reusing_of(media: Media, before: Option<&Arc<Self>>, body: Bytes) -> Arc<Self> {
        match before {
            Some(document) if document.identity == body => Arc::clone(document),
            Some(_) | None => Arc::new(Self::new(media, body)),
        }
    }

    /// The strong `ETag` of the body in an encoding, with its quotes. Each encoding has its own,
    /// since a strong tag identifies the exact bytes (RFC 9110, section 8.8.3.3).
    pub fn etag(&self, encoding: Encoding) -> String {
        let suffix = match encoding {
            Encoding::Identity => "",
            Encoding::Gzip => "-gz",
            Encoding::Brotli => "-br",
        };
        let (half, _) = self.sha256.as_bytes().split_at(16);
        format!("\"{}{suffix}\"", hex::encode(half))
    }
}

/// Compresses a body with gzip. `None` if the result is not shorter. The gzip header contains no time or
/// file name, so the same body always gives the same bytes.
fn gzip(identity: &Bytes) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(identity).ok()?;
    shorter(encoder.finish().ok()?, identity)
}

/// Compresses a body with Brotli. `None` if the result is not shorter.
fn brotli(identity: &Bytes) -> Option<Bytes> {
    let mut encoded = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY.cast_signed(),
        lgwin: BROTLI_WINDOW.cast_signed(),
        size_hint: identity.len(),
        ..Default::default()
    };
    brotli::CompressorReader::with_params(&identity[..], 4096, &parameters).read_to_end(&mut encoded).ok()?;
    shorter(encoded, identity)
}

fn shorter(mut encoded: Vec<u8>, identity: &Bytes) -> Option<Bytes> {
    encoded.shrink_to_fit();
    (encoded.len() < identity.len()).then(|| encoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> Bytes {
        (0..).flat_map(|i: u32| i.to_string().into_bytes()).take(length).collect()
    }

    #[test]
    fn a_body_over_8_kib_is_compressed_and_comes_back_whole() {
        let body = text(BROTLI_ABOVE + 1);
        let document = Document::new(Media::Json, body.clone());
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&document.gzip.unwrap()[..]).read_to_end(&mut back).unwrap();
        assert_eq!(back, body);
        back.clear();
        brotli::Decompressor::new(&document.brotli.unwrap()[..], 4096).read_to_end(&mut back).unwrap();
        assert_eq!(back, body);
    }

    #[test]
    fn a_body_between_1_and_8_kib_is_compressed_with_gzip_only() {
        for length in [COMPRESS_ABOVE + 1, BROTLI_ABOVE] {
            let document = Document::new(Media::Json, text(length));
            assert!(document.gzip.is_some() && document.brotli.is_none(), "{length}");
        }
    }

    #[test]
    fn a_small_body_and_one_that_does_not_shrink_are_served_as_they_are() {
        let noise: Bytes = (0u32..200).flat_map(|i| sha2::Sha256::digest(i.to_le_bytes())).collect();
        for body in [text(COMPRESS_ABOVE), Bytes::new(), noise] {
            let document = Document::new(Media::Json, body);
            assert_eq!((document.gzip, document.brotli), (None, None));
        }
    }

    #[test]
    fn each_encoding_has_its_own_tag_and_the_tag_follows_the_bytes() {
        let document = Document::new(Media::Json, Bytes::from_static(b"test"));
        assert_eq!(document.etag(Encoding::Identity), "\"9f86d081884c7d659a2feaa0c55ad015\"");
        assert_eq!(document.etag(Encoding::Gzip), "\"9f86d081884c7d659a2feaa0c55ad015-gz\"");
        assert_eq!(document.etag(Encoding::Brotli), "\"9f86d081884c7d659a2feaa0c55ad015-br\"");
    }
}
