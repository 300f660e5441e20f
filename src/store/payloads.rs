//! Payload files: [measured](measure), [copied](copy), and [kept in a folder](PayloadFolder).

mod copying;
mod folder;
mod scrub;

use std::io::{self, Read};
use std::path::Path;

use sha2::Digest as _;

use super::plain;
use super::port::PayloadError;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::release::Altered;

pub use copying::{copy, stage};
pub use folder::PayloadFolder;

/// A text that git may have altered is smaller than this.
const MAX_ALTERED: u64 = 16 * 1024 * 1024;

/// How every pointer of Git LFS begins: <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The chunk size for reading payload files.
const CHUNK: usize = 128 * 1024;

/// Measures the digest and size of a file, as `release add` records them.
///
/// # Errors
/// When the file cannot be read.
pub fn measure(path: &Path) -> Result<(Sha256, u64), PayloadError> {
    plain::open(path).and_then(|mut file| digest(&mut file)).map_err(unreadable(path))
}

/// Whether a file is a pointer of Git LFS, which stands for another file.
///
/// # Errors
/// When the file cannot be read.
pub fn is_lfs_pointer(path: &Path) -> Result<bool, PayloadError> {
    let mut start = Vec::new();
    let read = plain::open(path).and_then(|file| file.take(LFS_POINTER.len() as u64).read_to_end(&mut start));
    read.map_err(unreadable(path))?;
    Ok(start == LFS_POINTER)
}

/// Finds out how a file that does not match the catalog was altered, if git altered it.
fn altered(path: &Path, payload: &Payload) -> Option<Altered> {
    if is_lfs_pointer(path).ok()? {
        return Some(Altered::LfsPointer);
    }
    let mut bytes = Vec::new();
    plain::open(path).ok()?.take(MAX_ALTERED).read_to_end(&mut bytes).ok()?;
    let lines = |end: &[u8]| {
        let mut lines = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    lines.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                    lines.extend_from_slice(end);
                }
                None => lines.extend_from_slice(line),
            }
        }
        lines
    };
    let is_payload = |bytes: Vec<u8>| {
        bytes.len() as u64 == payload.size
            && Sha256::new(sha2::Sha256::digest(&bytes).into()) == payload.sha256
    };
    let has_other_ends = is_payload(lines(b"\n")) || is_payload(lines(b"\r\n"));
    has_other_ends.then_some(Altered::LineEndings)
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> PayloadError {
    move |source| PayloadError::Read { payload: path.display().to_string(), source }
}

/// Computes the digest and size of what is still to be read.
///
/// # Errors
/// When it cannot be read.
pub fn digest(file: &mut dyn Read) -> io::Result<(Sha256, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok((Sha256::new(hasher.finalize().into()), size)),
            Ok(n) => {
                hasher.update(&chunk[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_payload_that_git_altered_says_how() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload.json");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 7\n";
        for (signed, found, expected) in [
            ("a\nb\n", "a\r\nb\r\n", Some(Altered::LineEndings)),
            ("a\r\nb", "a\nb", Some(Altered::LineEndings)),
            // A file whose lines ended in two ways cannot be told apart from another file.
            ("a\r\nb\n", "a\nb\n", None),
            ("a\nb\n", "something else\r\n", None),
            ("a\nb\n", pointer, Some(Altered::LfsPointer)),
        ] {
            fs::write(&path, signed).unwrap();
            let (sha256, size) = measure(&path).unwrap();
            let payload = Payload { file: "payload.json".to_owned(), sha256, size, arch: None };
            fs::write(&path, found).unwrap();
            assert_eq!(altered(&path, &payload), expected, "{signed:?} {found:?}");
        }
    }
}
