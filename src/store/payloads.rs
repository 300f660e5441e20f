//! Payload files: [measured](measure), and [kept in a folder](PayloadFolder).

mod folder;
mod scrub;

use std::io::{self, Read};
use std::path::Path;

use sha2::Digest as _;

use super::plain;
use super::port::PayloadError;
use crate::domain::payload::Sha256;

pub use folder::PayloadFolder;

/// The chunk size for reading payload files.
const CHUNK: usize = 128 * 1024;

/// Measures the digest and size of a file, as `release add` records them.
///
/// # Errors
/// When the file cannot be read.
pub fn measure(path: &Path) -> Result<(Sha256, u64), PayloadError> {
    plain::open(path).and_then(|mut file| digest(&mut file)).map_err(unreadable(path))
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
