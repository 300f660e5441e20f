//! Which entries of a catalog's folder count.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// How deep below the catalog's folder files are searched. The files of a catalog are one level down.
/// Deeper ones are found so that they can be reported. This limit also ends every circle of links.
pub(super) const DEPTH: u8 = 2;

/// Whether a name is not one of a catalog's file: it is hidden, an editor's copy, or prose.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.to_ascii_lowercase().ends_with(".md")
}

/// Why an entry does not count.
#[derive(Debug)]
pub(super) enum Outside {
    /// It was removed after it was listed.
    Gone,
    /// It is not allowed in a catalog.
    Refused {
        folder: bool,
        why: &'static str,
    },
    Io(io::Error),
}

/// Returns an entry's metadata. A link is followed if it stays inside the catalog folder.
pub(super) fn inside(root: &Path, entry: &fs::DirEntry) -> Result<Metadata, Outside> {
    let metadata = entry.metadata().map_err(outside)?;
    if !metadata.is_symlink() {
        return Ok(metadata);
    }
    let path = entry.path();
    let dangling = Outside::Refused { folder: false, why: "this link points to nothing" };
    let target = fs::metadata(&path).map_err(|_| dangling)?;
    let real = path.canonicalize().map_err(outside)?;
    if real.starts_with(root) {
        return Ok(target);
    }
    Err(Outside::Refused { folder: target.is_dir(), why: "this link leaves the catalog folder" })
}

fn outside(error: io::Error) -> Outside {
    if error.kind() == io::ErrorKind::NotFound { Outside::Gone } else { Outside::Io(error) }
}
