//! Which entries of a catalog folder belong to the catalog.

use std::borrow::Cow;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use crate::store::denied::Denied;

/// How many levels below the catalog folder are searched. Catalog files are one level down; deeper ones are
/// found only to be reported. The limit also breaks cycles of links.
pub(super) const DEPTH: u8 = 2;

/// Whether an entry is ignored because of its name: hidden files, editor backups and Markdown.
pub(super) fn is_passed_over(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || name.to_ascii_lowercase().ends_with(".md")
}

/// Why a file cannot be used, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Unusable {
    pub why: Cow<'static, str>,
    pub hint: &'static str,
}

/// What to do about a file that this process must not read.
pub(super) const PERMIT: &str = "make the file readable by this process";
const PERMIT_FOLDER: &str = "make the folder readable by this process";

impl Unusable {
    const BROKEN_LINK: Self =
        Self::new("this link is broken", "remove the link, or put the file itself in its place");
    const OUTSIDE: Self = Self::new(
        "this link points outside the catalog folder",
        "put the file or the folder itself in its place",
    );
    pub const FOLDER: Self =
        Self::new("this is a folder, but must be a file", "remove it, or put the file in its place");
    pub const NOT_A_FILE: Self =
        Self::new("this is not a regular file", "remove it, or put a regular file in its place");

    const fn new(why: &'static str, hint: &'static str) -> Self {
        Self { why: Cow::Borrowed(why), hint }
    }

    /// A folder that cannot be read.
    pub fn folder(path: &Path, error: &io::Error) -> Self {
        Self::failed("this process cannot read the folder", path, error)
    }

    /// The payload folder, if it cannot be read.
    pub fn payloads(path: &Path, error: &io::Error) -> Self {
        Self::failed("the payload folder cannot be read", path, error)
    }

    /// A file or folder that cannot be examined.
    pub fn entry(path: &Path, error: &io::Error) -> Self {
        Self::failed("this process cannot examine it", path, error)
    }

    fn failed(what: &str, path: &Path, error: &io::Error) -> Self {
        let why = match Denied::reading(path, error) {
            Some(denied) => format!("{what}: {denied}"),
            None => format!("{what}: {error}"),
        };
        Self { why: why.into(), hint: PERMIT_FOLDER }
    }
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

/// Returns the metadata of the entry at `path`, given its own. A link is followed if it stays inside the catalog
/// folder.
pub(super) fn inside(root: &Path, path: &Path, own: io::Result<Metadata>) -> Result<Metadata, Outside> {
    let metadata = own.map_err(outside)?;
    if !metadata.is_symlink() {
        return Ok(metadata);
    }
    let dangling = Outside::Refused { folder: false, why: Unusable::BROKEN_LINK };
    let target = fs::metadata(path).map_err(|_| dangling)?;
    let real = path.canonicalize().map_err(outside)?;
    if real.starts_with(root) {
        return Ok(target);
    }
    Err(Outside::Refused { folder: target.is_dir(), why: Unusable::OUTSIDE })
}

fn outside(error: io::Error) -> Outside {
    if error.kind() == io::ErrorKind::NotFound { Outside::Gone } else { Outside::Io(error) }
}
