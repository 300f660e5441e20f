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

/// Why a file cannot be used, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Unusable {
    pub why: &'static str,
    pub hint: &'static str,
}

/// What to do about a file that this process must not read.
pub(super) const PERMIT: &str = "make the file readable by this process";

impl Unusable {
    const BROKEN_LINK: Self =
        Self { why: "this link is broken", hint: "remove the link, or put the file itself in its place" };
    const OUTSIDE: Self = Self {
        why: "this link points outside the catalog folder",
        hint: "put the file or the folder itself in its place",
    };
    pub const FOLDER: Self =
        Self { why: "this is a folder, but must be a file", hint: "remove it, or put the file in its place" };
    pub const NOT_A_FILE: Self =
        Self { why: "this is not a regular file", hint: "remove it, or put a regular file in its place" };
    pub const NO_FOLDER: Self = Self {
        why: "this process has no permission to read the folder",
        hint: "make the folder readable by this process",
    };
    pub const NO_ACCESS: Self = Self {
        why: "this process has no access to its folder",
        hint: "make the folder readable by this process",
    };
}

/// Why an entry does not belong to the catalog.
#[derive(Debug)]
pub(super) enum Outside {
    /// It was removed after it was listed.
    Gone,
    /// It is not allowed in a catalog.
    Refused {
        folder: bool,
        why: Unusable,
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
    let dangling = Outside::Refused { folder: false, why: Unusable::BROKEN_LINK };
    let target = fs::metadata(&path).map_err(|_| dangling)?;
    let real = path.canonicalize().map_err(outside)?;
    if real.starts_with(root) {
        return Ok(target);
    }
    Err(Outside::Refused { folder: target.is_dir(), why: Unusable::OUTSIDE })
}

fn outside(error: io::Error) -> Outside {
    if error.kind() == io::ErrorKind::NotFound { Outside::Gone } else { Outside::Io(error) }
}
