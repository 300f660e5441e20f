//! Payloads: the files that a cluster applies.

use std::fmt;

use super::as_text::as_text;
use super::version::Version;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// Why a string is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest: expected 64 hexadecimal digits")]
pub struct DigestError(String);

impl Sha256 {
    /// Creates a digest from its 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses 64 hexadecimal digits in either case.
    ///
    /// # Errors
    /// When the string is anything else.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError(text.to_owned()))?;
        Ok(Self(bytes))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first half, as 32 hexadecimal digits: enough to tell one file from another in an `ETag`.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..16])
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

as_text!(Sha256, DigestError);

/// One payload file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The name of the file, without a folder. It is valid according to [`is_file_name`].
    pub file: String,
    pub sha256: Sha256,
    /// The size in bytes.
    pub size: u64,
    /// The architecture, if the release has payloads for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
}

/// Whether a string is a valid name for a payload file: no folder, no leading dot or dash, only characters
/// that are safe in file systems, URLs and TUF target names, and not the name of the signed manifest.
pub fn is_file_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    !text.is_empty()
        && text.len() <= 128
        && text.bytes().all(allowed)
        && !text.starts_with(['.', '-'])
        && text != "release.json"
}

/// The longest version and file name together, in bytes. File systems hold names of 255 bytes, and an export
/// has the file as `DIGEST.payload.VERSION.FILE`, with a digest of 64 bytes.
pub const MAX_NAMES: usize = 255 - 64 - ".payload.".len() - ".".len();

/// Whether a payload's name and the version of its release are too long together to be exported.
pub fn is_too_long(version: &Version, file: &str) -> bool {
    version.to_string().len() + file.len() > MAX_NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_file_stays_in_its_folder() {
        for good in ["payload.json", "tectonic_1.8+x-y.tar.gz"] {
            assert!(is_file_name(good), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "-rf", "release.json", "a b", "ä"] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(Sha256::parse(text).unwrap().to_string(), text);
        assert!(Sha256::parse(&text[1..]).is_err());
        assert!(Sha256::parse(&text.replace('9', "g")).is_err());
    }
}
