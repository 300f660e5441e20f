//! Which entries of a catalog folder belong to the catalog.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// How many levels below the catalog folder are searched. Catalog files are one level down; deeper ones are
/// found only to be reported. The limit also breaks cycles of links.
pub(super) const DEPTH: u8 = 2;

/// Whether an entry is ignored because of its name: hidden files, editor backups and Markdown.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.to_ascii_lowercase().ends_with(".md")
}

/// Why an entry does not belong to the catalog.
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
    let dangling = Outside::Refused { folder: false, why: "this link is broken" };
    let target = fs::metadata(&path).map_err(|_| dangling)?;
    let real = path.canonicalize().map_err(outside)?;
    if real.starts_with(root) {
        return Ok(target);
    }
    Err(Outside::Refused { folder: target.is_dir(), why: "this link points outside the catalog folder" })
}

fn outside(error: io::Error) -> Outside {
    if error.kind() == io::ErrorKind::NotFound { Outside::Gone } else { Outside::Io(error) }
}
