//! What of a catalog's folder is looked at: by who reads it and by who watches it alike, so that
//! nothing is served whose change would not be seen.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

/// So deep below the catalog's folder are files looked for. Those of a catalog lie one deep;
/// deeper ones are found to be told of. Also the end of every circle of links.
pub(super) const DEPTH: u8 = 2;

/// Whether a name is none of a catalog's: hidden, an editor's copy, or prose.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.to_ascii_lowercase().ends_with(".md")
}

/// Why an entry is not looked into.
#[derive(Debug)]
pub(super) enum Outside {
    /// Gone since it was listed.
    Gone,
    /// What the catalog cannot have there.
    Refused {
        folder: bool,
        why: &'static str,
    },
    Io(io::Error),
}

/// What an entry is, through links that stay inside the catalog's folder.
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
    Err(Outside::Refused { folder: target.is_dir(), why: "this link leaves the catalog's folder" })
}

fn outside(error: io::Error) -> Outside {
    if error.kind() == io::ErrorKind::NotFound { Outside::Gone } else { Outside::Io(error) }
}
