//! Reads a catalog's YAML files into checked lines, and reports all faults at once.
//!
//! There are two steps. [`parse`] reads one file on its own. This step is expensive, so callers can cache
//! its result until the file changes, and can parse several files in parallel. [`assemble()`] merges
//! policy, lines and releases, and checks them against each other; an [`Assembler`] does so again and again,
//! and only for lines whose files have changed. [`read`] does both steps.
//!
//! Lines fail alone: a fault in one line's folder does not affect the other lines. If two lines contradict
//! each other, for example by using the same channel name, both are faulty. The stops of a faulty line still
//! count: each file that is YAML contributes what can be read of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::release::ReleaseFile;
use crate::domain::rules::doubtful::Doubtful;
use crate::domain::version::Version;
use crate::formats::fault::{Fault, Spot};
use crate::words::and_more;

mod assemble;
mod build;
mod event;
mod faults;
mod fields;
pub(super) mod keys;
mod line;
pub(super) mod node;
mod place;
mod release;
mod scalar;
mod soak;
mod spots;
mod stage;
mod stops;
mod when;

pub use assemble::{Assembler, assemble};
use faults::Faults;
pub(super) use line::{LINE, POLICY};
use line::{RawLine, RawPolicy};
use node::{Node, Value};
use place::Place;
use release::RawRelease;

/// The format of catalog files that this version reads and writes.
pub const FORMAT: u64 = 1;

/// One file in a catalog's folder.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Relative to the catalog's folder, with `/` on every system, as in `1.8/line.yaml`.
    pub path: &'a str,
    pub bytes: &'a [u8],
}

/// The result of reading a catalog's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The catalog of the lines without faults. The others are in it as far as they can be read, so that
    /// they can be stopped ([`Catalog::salvaged`]).
    pub catalog: Catalog,
    /// The faults of each faulty line, by folder name. A fault in the policy counts as a fault of every
    /// line.
    pub faulty: BTreeMap<String, Vec<Fault>>,
    /// What the policy and the lines say that is probably a mistake, and cannot be seen in the catalog.
    pub doubtful: Vec<Doubtful>,
    /// Every fault, ordered by its place in the files, including faults in files outside the lines'
    /// folders.
    pub faults: Vec<Fault>,
    /// The files that an editor, a merge or a file manager left behind, and that are ignored.
    pub leftovers: Vec<String>,
    /// What a new line inherits from the policy.
    inherited: Option<Arc<assemble::Inherited>>,
}

impl Reading {
    /// Creates what reading a catalog without faults results in.
    #[cfg(test)]
    pub fn of(catalog: Catalog) -> Self {
        Self { catalog, ..Self::default() }
    }

    /// Returns a message for each faulty line, which describes its first fault. File paths in the messages
    /// begin with `folder`.
    pub fn faulty_lines(&self, folder: &Path) -> BTreeMap<LineName, String> {
        let faulty = self.faulty.iter().filter_map(|(line, faults)| {
            let Fault { file, line: row, column, message, .. } = faults.first()?;
            let (file, more) = (folder.join(file), and_more(faults.len() - 1));
            Some((LineName::parse(line).ok()?, format!("{}:{row}:{column}: {message}{more}", file.display())))
        });
        faulty.collect()
    }
}

/// A file that was parsed on its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ParsedFile(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    path: Box<str>,
    /// The file's text, to locate and quote faults that only show up in combination with other files.
    text: OnceLock<Box<str>>,
    place: Place,
    /// The content, as far as it could be read. If the file has faults, it is good enough only to stop
    /// something.
    content: Option<Content>,
    faults: Box<[Fault]>,
}

#[derive(Debug)]
enum Content {
    Policy(RawPolicy),
    Line(Box<RawLine>),
    Release(Box<RawRelease>),
    /// A harmless file that is not part of the catalog.
    Ignored,
}

impl ParsedFile {
    /// Creates the entry for a file that exists but cannot be read. That is a fault in its release line.
    pub fn unreadable(path: &str, why: &str, hint: &str) -> Self {
        let fault = Fault::new(path, "", Spot::START, why, hint);
        Self::of(path, "", Place::of(path), None, vec![fault])
    }

    /// Returns the file's path, relative to the catalog's folder.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Returns the faults of the file on its own.
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// Returns the content of a file without faults.
    fn good(&self) -> Option<&Content> {
        self.0.content.as_ref().filter(|_| self.0.faults.is_empty())
    }

    /// Whether it is about a release that was never held, yanked or made a barrier, so that no
    /// [restraint](crate::domain::restraint) depends on it.
    pub fn is_unrestrained(&self) -> bool {
        let Some(Content::Release(raw)) = self.good() else { return false };
        let ReleaseFile { hold, yank, past, barrier, .. } = &*raw.release;
        hold.is_none() && yank.is_none() && past.is_none() && !barrier
    }

    /// Drops the file's text, to save memory for callers that keep thousands of files. Until the text is
    /// [recalled](Self::recall), [`assemble()`] cannot locate the faults that it finds in the file.
    pub fn without_text(self) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(parsed) => Self(Arc::new(Parsed { text: OnceLock::new(), ..parsed })),
            Err(shared) => Self(shared),
        }
    }

    /// Whether [`assemble()`] lacks the text that it needs to locate faults in this file.
    pub fn lacks_text(&self) -> bool {
        self.0.text.get().is_none() && self.0.faults.is_empty()
    }

    /// Restores the dropped text, which must be the text that was parsed.
    pub fn recall(&self, text: &str) {
        self.0.text.get_or_init(|| text.into());
    }

    fn of(path: &str, text: &str, place: Place, content: Option<Content>, faults: Vec<Fault>) -> Self {
        let text = OnceLock::from(Box::from(text));
        Self(Arc::new(Parsed { path: path.into(), text, place, content, faults: faults.into() }))
    }

    fn fault(&self, spot: Spot, message: &str, hint: &str) -> Fault {
        let text = self.0.text.get().map_or("", |text| text);
        Fault::new(&self.0.path, text, spot, message, hint)
    }
}

/// Returns the path of a release's file. The version must be spelt as in the catalog, with or without `v`.
pub fn release_path(line: &LineName, version: &Version) -> String {
    format!("{line}/{version}.yaml")
}

/// Returns the name of a release's file, without its ending, if a path is that of such a file.
pub fn release_stem(path: &str) -> Option<&str> {
    matches!(Place::of(path), Place::Release { .. })
        .then(|| path.rsplit_once('/')?.1.strip_suffix(".yaml"))?
}

/// Whether a fault in a file next to the lines' folders counts as a fault in every line, since it is the policy
/// or may be meant as the policy.
pub fn is_meant_as_policy(path: &str) -> bool {
    Place::of(path).is_policy()
}

/// Returns the path of a line's own file.
pub fn line_path(line: &LineName) -> String {
    format!("{line}/line.yaml")
}

/// The path of the policy.
pub const POLICY_PATH: &str = "policy.yaml";

/// Reads a catalog from its files.
pub fn read<'a>(sources: impl IntoIterator<Item = Source<'a>>) -> Reading {
    let files: Vec<ParsedFile> = sources.into_iter().map(parse).collect();
    assemble(&files)
}

/// Whether only a file may have this path, so that a folder there is a fault.
pub fn is_for_a_file(path: &str) -> bool {
    let place = Place::of(path);
    let is_catalog_file = place.is_policy() || matches!(place, Place::Line { .. } | Place::Release { .. });
    is_catalog_file && place::is_yaml(&path.to_ascii_lowercase())
}

/// Whether a file with this path is ignored, whatever is in it.
pub fn is_ignored(path: &str) -> bool {
    matches!(Place::of(path), Place::Ignored | Place::Leftover)
}

/// Whether what a file says counts: it is the policy, or the file of a line or a release.
pub fn is_content(path: &str) -> bool {
    matches!(Place::of(path), Place::Policy | Place::Line { .. } | Place::Release { .. })
}

/// Reads one file on its own.
pub fn parse(source: Source<'_>) -> ParsedFile {
    let Source { path, bytes } = source;
    let place = Place::of(path);
    let of_all = |message: &str, hint: &str| Err(Fault::new(path, "", Spot::START, message, hint));
    let read = match &place {
        Place::Ignored | Place::Leftover => {
            return ParsedFile::of(path, "", place, Some(Content::Ignored), Vec::new());
        }
        Place::Stray { .. } if is_private_key(bytes) => of_all(
            &format!("`{path}` is a private key"),
            "move it out of the catalog, which everybody can read; if it was committed or copied with the catalog, replace the key: `tidegate root change`",
        ),
        Place::Stray { hint, .. } => of_all(&format!("`{path}` is not a catalog file"), hint),
        Place::Policy | Place::Line { .. } | Place::Release { .. } => node::text(path, bytes),
    };
    let text = match read {
        Ok(text) => text,
        Err(fault) => {
            let content = stops::added(None, bytes, &place);
            return ParsedFile::of(path, "", place, content, vec![fault]);
        }
    };
    let mut faults = Faults::new(path, text);
    let mut content = content(text, &place, &mut faults);
    let mut faults = faults.into_list();
    if !faults.is_empty() {
        content = stops::added(content, bytes, &place);
    }
    // If there is a conflict marker, it probably causes all the other faults.
    if let Some(fault) = (!faults.is_empty()).then(|| unmerged(path, text)).flatten() {
        faults = vec![fault];
    }
    ParsedFile::of(path, text, place, content, faults)
}

/// Whether a file looks like a private key in PEM format.
fn is_private_key(bytes: &[u8]) -> bool {
    let mark = b"PRIVATE KEY-----";
    bytes.trim_ascii_start().starts_with(b"-----BEGIN ") && bytes.windows(mark.len()).any(|part| part == mark)
}

/// Whether git put a line between the sides of a conflict.
fn is_conflict_mark(line: &str) -> bool {
    ["<<<<<<< ", "||||||| ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark))
        || line.trim_end() == "======="
}

/// Finds the first git conflict marker. A file that parses has none, since such a line can be neither a key
/// nor part of a value.
fn unmerged(path: &str, text: &str) -> Option<Fault> {
    let (line, mark) = (1..).zip(text.lines()).find(|(_, line)| is_conflict_mark(line))?;
    let length = u32::try_from(mark.trim_end().chars().count()).unwrap_or(1);
    let hint = "keep the right parts of both sides, remove the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`, then `git add` the file";
    Some(Fault::new(
        path,
        text,
        Spot { line, column: 1, length },
        "this is an unresolved merge conflict",
        hint,
    ))
}

fn content(text: &str, place: &Place, faults: &mut Faults<'_>) -> Option<Content> {
    let Some(root) = node::tree(text, faults) else {
        if faults.is_empty() {
            let hint = "write `format: 1` and the other keys, or remove the file";
            faults.push(Spot::START, "the file is empty", hint);
        }
        return None;
    };
    is_known_format(&root, faults).then_some(())?;
    match place {
        Place::Policy => line::policy(&root, faults).map(Content::Policy),
        Place::Line { folder } => line::line(&root, folder, faults).map(|raw| Content::Line(Box::new(raw))),
        Place::Release { stem, .. } => {
            release::release(&root, stem, faults).map(|raw| Content::Release(Box::new(raw)))
        }
        Place::Stray { .. } | Place::Leftover | Place::Ignored => Some(Content::Ignored),
    }
}

/// Whether the file has a known format. If not, checking the rest would only produce meaningless faults. A
/// missing `format` is reported with the other missing keys.
fn is_known_format(root: &Node<'_>, faults: &mut Faults<'_>) -> bool {
    let Value::Map(entries) = &root.value else { return true };
    let Some(entry) = entries.iter().find(|entry| entry.name() == "format") else { return true };
    match scalar::number(&entry.value, faults) {
        None | Some(FORMAT) => true,
        Some(newer) if newer > FORMAT => {
            let message = format!("format {newer} needs a newer Tidegate: this one reads format {FORMAT}");
            faults.push(entry.value.spot, message, "update Tidegate");
            false
        }
        Some(other) => {
            faults.push(entry.value.spot, format!("there is no format {other}"), "write `format: 1`");
            false
        }
    }
}
