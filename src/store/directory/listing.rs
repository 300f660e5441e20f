//! The files of a catalog, and their contents. A file is read again only if it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::entry::{DEPTH, Outside, PERMIT, Unusable, inside, is_passed_over};
use super::files::{Cached, Content, Files};
use super::{unreadable, unreadable_folder};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::formats::tuf::{MAX_SIGNED, names};
use crate::formats::yaml::{ParsedFile, Source, is_for_a_file, is_ignored, parse};
use crate::store::durable::{self, present};
use crate::store::plain;
use crate::store::port::{EVERY, ReadError};
use crate::store::stamp::Stamp;

/// How much of a catalog file is read. Real ones are far smaller; this much of a larger one is enough to
/// report it.
const MAX_FILE: u64 = 1024 * 1024;
/// The limit for roles and manifests. Nothing this large is signed any more, but what was signed before must
/// still be read, or nobody could make it smaller. Clusters read as much.
const MAX_DOCUMENT: u64 = 8 * MAX_SIGNED;
/// Below this many files to read, threads cost more than they save.
const FEW: usize = 64;

/// What is listed as a whole: an entry of the catalog folder, such as a line's folder, or one of the payload
/// folder, which is mostly that of one release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Catalog(Arc<OsStr>),
    Payloads(Arc<OsStr>),
}

impl Part {
    /// Returns what the paths of the files of this part begin with, apart from a file that is itself the part.
    pub fn prefix(&self) -> String {
        match self {
            Self::Catalog(name) => format!("{}/", name.to_string_lossy()),
            Self::Payloads(name) => format!("payloads:/{}/", name.to_string_lossy()),
        }
    }

    /// The part that the file with this path belongs to.
    pub fn of(path: &str) -> Self {
        let name = |path: &str| OsStr::new(path.split('/').next().unwrap_or(path)).into();
        path.strip_prefix("payloads:/")
            .map_or_else(|| Self::Catalog(name(path)), |path| Self::Payloads(name(path)))
    }

    /// Returns the path of a file with this name in this part, or of the part itself if it is that file.
    pub fn file(&self, name: &OsStr) -> String {
        match self {
            Self::Catalog(own) if **own == *name => name.to_string_lossy().into_owned(),
            _ => format!("{}{}", self.prefix(), name.to_string_lossy()),
        }
    }

    /// Whether signed documents are in it, which belong together and are written one after the other.
    pub fn is_signed(&self) -> bool {
        match self {
            Self::Catalog(name) => **name == *"trust",
            Self::Payloads(_) => true,
        }
    }

    /// Returns where the part is.
    pub fn path(&self, catalog: &Path, payloads: &Path) -> PathBuf {
        match self {
            Self::Catalog(name) => catalog.join(&**name),
            Self::Payloads(name) => payloads.join(&**name),
        }
    }
}

/// The files of a catalog by path. Those of the payload folder are under `payloads:`.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub files: BTreeMap<Arc<str>, Listed>,
    /// The temporary files of crashed commits.
    pub temporary: Vec<PathBuf>,
    /// The lines that are listed with their releases, if not all are.
    pub wanted: Option<Wanted>,
    /// The folders inside the listed ones, which no link leads to.
    pub folders: Vec<PathBuf>,
    /// Whether something in it has another name, through which it may change: it is a link, or a file with several
    /// names.
    pub has_other_names: bool,
}

/// The lines that are listed with their releases. Of the others, only their own files are listed, which the rules
/// between lines need.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(BTreeSet<String>);

impl Wanted {
    pub fn new(lines: &[LineName]) -> Self {
        Self(lines.iter().map(ToString::to_string).collect())
    }

    /// The folders of the lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a folder has more to list than a line's own file.
    fn has(&self, folder: &str) -> bool {
        ["", "trust"].contains(&folder) || self.0.contains(folder.split('/').next().unwrap_or(folder))
    }

    /// Whether a file in `trust/` is listed: a role that lists releases of a wanted line, or one of no line.
    fn has_role(&self, own: &str) -> bool {
        line_of_role(own).is_none_or(|line| self.0.contains(line))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Listed {
    pub path: PathBuf,
    kind: Kind,
    /// The stamp, or why the file cannot be read.
    stamp: Result<Stamp, Unusable>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Catalog,
    Trust,
    Manifest,
    /// Only its name matters, so a program that keeps writing to it delays nothing.
    Ignored,
}

impl Listing {
    pub fn take(catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let failed = |source| unreadable_folder(catalog, source);
        let root = catalog.canonicalize().map_err(failed)?;
        let mut listing = Self::default();
        listing.folder(&root, catalog, "", 0).map_err(failed)?;
        if let Err(e) = listing.manifests(payloads) {
            listing.no_payloads(payloads, &e);
        }
        Ok(listing)
    }

    /// Lists only the part at `path`, which may be missing. `root` is the real path of the catalog folder.
    pub fn of(part: &Part, path: &Path, root: &Path) -> Self {
        let mut listing = Self::default();
        match part {
            Part::Catalog(name) => listing.first(root, path, &name.to_string_lossy()),
            Part::Payloads(name) => listing.manifest(path, name),
        }
        listing
    }

    /// Lists a payload folder that cannot be read.
    pub fn without_payloads(payloads: &Path, error: &io::Error) -> Self {
        let mut listing = Self::default();
        listing.no_payloads(payloads, error);
        listing
    }

    pub fn no_payloads(&mut self, payloads: &Path, error: &io::Error) {
        let key = format!("payloads:/{EVERY}/release.json");
        self.add(key, payloads.to_owned(), Kind::Manifest, Err(Unusable::payloads(payloads, error)));
    }

    /// A fingerprint of the listed files: it changes with the name or stamp of any.
    pub fn fingerprint(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.wrapping_add(hash(&file)))
    }

    pub fn folder(&mut self, root: &Path, folder: &Path, name: &str, depth: u8) -> io::Result<()> {
        if self.wanted.as_ref().is_some_and(|wanted| !wanted.has(name)) {
            let path = folder.join("line.yaml");
            let found = (fs::symlink_metadata(&path), false);
            self.entry(root, path, name, "line.yaml", depth, found);
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let own = entry.file_name();
            let is_left_out = |wanted: &Wanted| name == "trust" && !wanted.has_role(&own.to_string_lossy());
            if self.wanted.as_ref().is_some_and(is_left_out) {
                continue;
            }
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let found = (entry.metadata(), is_folder);
            self.entry(root, entry.path(), name, &own.to_string_lossy(), depth, found);
        }
        Ok(())
    }

    /// Lists an entry of the catalog folder.
    pub fn first(&mut self, root: &Path, path: &Path, own: &str) {
        self.entry(root, path.to_owned(), "", own, 0, (fs::symlink_metadata(path), false));
    }

    /// Lists an entry of the folder `name`. `found` is its metadata, without following a link, and whether it is a
    /// folder as far as is known without.
    fn entry(
        &mut self,
        root: &Path,
        path: PathBuf,
        name: &str,
        own: &str,
        depth: u8,
        (metadata, is_folder): (io::Result<Metadata>, bool),
    ) {
        if is_passed_over(own) {
            if durable::is_temporary(own) {
                self.temporary.push(path);
            }
            return;
        }
        let key = if name.is_empty() { own.to_owned() } else { format!("{name}/{own}") };
        let is_link = metadata.as_ref().is_ok_and(Metadata::is_symlink);
        self.has_other_names |= is_link;
        let metadata = match inside(root, &path, metadata) {
            Ok(metadata) => metadata,
            Err(Outside::Gone) => return,
            // A link to a folder elsewhere is a fault of this line only.
            Err(Outside::Refused { folder: true, why }) if depth == 0 && !is_for_a_file(&key) => {
                return self.add(format!("{key}/line.yaml"), path, Kind::Catalog, Err(why));
            }
            Err(Outside::Refused { why, .. }) => {
                let kind = if is_role_of_a_line(&key) { Kind::Trust } else { Kind::Catalog };
                return self.add(key, path, kind, Err(why));
            }
            Err(Outside::Io(e)) => {
                let why = Unusable::entry(&path, &e);
                return self.unreadable(key, path, is_folder, why);
            }
        };
        if metadata.is_dir() {
            if is_for_a_file(&key) {
                // Docker makes such a folder if the file that it should mount is missing.
                self.add(key, path, Kind::Catalog, Err(Unusable::FOLDER));
            } else if depth < DEPTH {
                match self.folder(root, &path, &key, depth + 1) {
                    // The folder was removed after it was listed, which the second listing will show.
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        let why = Unusable::folder(&path, &e);
                        self.unreadable(key, path, true, why);
                    }
                    _ if is_link => {}
                    _ => self.folders.push(path),
                }
            }
            return;
        }
        self.has_other_names |= metadata.nlink() > 1;
        let kind = if key.starts_with("trust/") { Kind::Trust } else { Kind::Catalog };
        if kind == Kind::Catalog && is_ignored(&key) {
            return self.add(key, path, Kind::Ignored, Ok(Stamp::NONE));
        }
        if kind == Kind::Trust && path.extension().is_none_or(|end| end != "json") {
            return;
        }
        let stamp = if metadata.is_file() { Ok(Stamp::of(&metadata)) } else { Err(Unusable::NOT_A_FILE) };
        self.add(key, path, kind, stamp);
    }

    pub fn manifests(&mut self, payloads: &Path) -> io::Result<()> {
        for entry in present(fs::read_dir(payloads))?.into_iter().flatten() {
            let entry = entry?;
            self.manifest(&entry.path(), &entry.file_name());
        }
        Ok(())
    }

    /// Lists the signed manifest in a folder of the payload folder.
    pub fn manifest(&mut self, folder: &Path, name: &OsStr) {
        let path = folder.join("release.json");
        let stamp = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                self.has_other_names |= metadata.nlink() > 1;
                Ok(Stamp::of(&metadata))
            }
            Ok(_) => Err(Unusable::NOT_A_FILE),
            // The file does not exist, or the entry is not a folder.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return,
            Err(e) => Err(Unusable::entry(&path, &e)),
        };
        if let Some(name) = name.to_str() {
            self.add(format!("payloads:/{name}/release.json"), path, Kind::Manifest, stamp);
        }
    }

    /// Adds a file or folder that cannot be read. Only its line, the roles or the policy are affected.
    fn unreadable(&mut self, key: String, path: PathBuf, is_folder: bool, why: Unusable) {
        match key.as_str() {
            "trust" => self.add("trust/".to_owned(), path, Kind::Trust, Err(why)),
            trust if trust.starts_with("trust/") => self.add(key, path, Kind::Trust, Err(why)),
            _ if is_folder => self.add(format!("{key}/line.yaml"), path, Kind::Catalog, Err(why)),
            _ => self.add(key, path, Kind::Catalog, Err(why)),
        }
    }

    fn add(&mut self, key: String, path: PathBuf, kind: Kind, stamp: Result<Stamp, Unusable>) {
        self.files.insert(key.into(), Listed { path, kind, stamp });
    }

    /// Removes from the cache what is no longer there, if these parts were listed, or everything was.
    pub fn retain(&self, cache: &mut Files, parts: Option<&BTreeSet<Part>>, is_kept: impl Fn(&str) -> bool) {
        let prefixes: Option<Vec<String>> = parts.map(|parts| parts.iter().map(Part::prefix).collect());
        cache.retain(|path| self.files.contains_key(path) || is_kept(path), prefixes.as_deref());
    }

    /// The files of a listed part that are not as they were read, and what they look like: 0 if they are gone.
    pub fn changed(&self, part: &Part, read: &Files) -> Vec<(Arc<str>, u64)> {
        let is_read = |path: &str, listed: &Listed| {
            read.get(path).is_some_and(|cached| cached.stamp == listed.stamp.as_ref().ok().copied())
        };
        let listed = self.files.iter().filter(|(path, listed)| !is_read(path, listed));
        let listed = listed.map(|(path, listed)| (Arc::clone(path), hash(listed)));
        let prefix = part.prefix();
        let gone = read.paths_of(&prefix).filter(|path| !self.files.contains_key(*path));
        listed.chain(gone.map(|path| (Arc::clone(path), 0))).collect()
    }

    /// The listed files that may have changed after they were read, without a change to their stamps.
    pub fn unsure<'a>(&'a self, read: &'a Files) -> impl Iterator<Item = (&'a Arc<str>, &'a Path)> {
        let is_unsure =
            |path: &Arc<str>| read.get(path).is_some_and(|cached| cached.is_read() && !cached.is_sure);
        self.files.iter().filter(move |(path, _)| is_unsure(path)).map(|(path, listed)| (path, &*listed.path))
    }

    /// Updates the cache with the files that have changed. Returns `false` if a file changed after it was
    /// listed.
    pub fn load(&self, cache: &mut Files, now: Time) -> bool {
        let changed: Vec<_> = self
            .files
            .iter()
            .filter(|(path, listed)| match (cache.get(path), &listed.stamp) {
                (Some(cached), Ok(stamp)) => cached.stamp != Some(*stamp) || !cached.is_sure,
                _ => true,
            })
            .collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = changed.len().div_ceil(threads).max(FEW);
        let known = &*cache;
        let load = |chunk: &[(&Arc<str>, &Listed)]| -> Vec<_> {
            chunk.iter().map(|(path, listed)| listed.load(path, known.get(path))).collect()
        };
        let loaded: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                changed.chunks(share).map(|chunk| scope.spawn(move || load(chunk))).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            workers.into_iter().flat_map(join).collect()
        });
        let mut whole = true;
        for ((path, _), loaded) in changed.into_iter().zip(loaded) {
            match loaded {
                Some(cached) => {
                    let is_sure = cached.stamp.is_some_and(|stamp| stamp.is_settled(now));
                    cache.insert(path, Cached { is_sure, ..cached });
                }
                None => whole = false,
            }
        }
        whole
    }
}

/// Reads the roots and the targets role in `trust/`, by file name.
///
/// The roles of lines are skipped, because they are as large as the catalog and do not affect its keys.
pub(super) fn keys(catalog: &Path) -> Result<Option<BTreeMap<String, Bytes>>, ReadError> {
    let folder = catalog.join("trust");
    let failed = |source| unreadable_folder(&folder, source);
    let root = catalog.canonicalize().map_err(failed)?;
    let mut listing = Listing::default();
    present(listing.folder(&root, &folder, "trust", DEPTH)).map_err(failed)?;
    let mut files = BTreeMap::new();
    for (path, listed) in &listing.files {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !is_for_all(path) {
            continue;
        }
        let Some(loaded) = listed.load(path, None) else { return Ok(None) };
        if let Content::Signed(read) = loaded.content {
            let bytes = read.map_err(|why| unreadable(&listed.path, io::Error::other(why)))?;
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok(Some(files))
}

/// Whether a file is a line's role or index, which matters only to that line.
fn is_role_of_a_line(key: &str) -> bool {
    key.strip_prefix("trust/").and_then(line_of_role).is_some()
}

/// The line whose role or index a file in `trust/` is, if its name says so.
fn line_of_role(file: &str) -> Option<&str> {
    let own = file.strip_prefix(names::RELEASES).or_else(|| file.strip_prefix(names::INDEX))?;
    own.strip_suffix(".json")
}

/// Whether a file is a root or the targets role, without which nothing else can be verified.
fn is_for_all(key: &str) -> bool {
    let name = key.strip_prefix("trust/");
    name.is_some_and(|name| name == "targets.json" || name.ends_with(".root.json"))
}

impl Listed {
    /// Reads the file. Returns `None` if it changed after it was listed.
    fn load(&self, key: &str, known: Option<&Cached>) -> Option<Cached> {
        let unreadable = |why: &str, hint: &str| {
            let content = match self.kind {
                Kind::Catalog | Kind::Ignored => Content::Parsed(ParsedFile::unreadable(key, why, hint)),
                Kind::Trust | Kind::Manifest => Content::Signed(Err(why.to_owned())),
            };
            Some(Cached { stamp: None, is_sure: false, digest: Sha256::digest(why).into(), content })
        };
        let stamp = match &self.stamp {
            Ok(stamp) => *stamp,
            Err(Unusable { why, hint }) => return unreadable(why, hint),
        };
        if self.kind == Kind::Ignored {
            let content = Content::Parsed(parse(Source { path: key, bytes: b"" }));
            let digest = Sha256::digest(b"").into();
            return Some(Cached { stamp: Some(stamp), is_sure: false, digest, content });
        }
        let read = match present(read(&self.path, stamp, limit(key))) {
            Ok(read) => read.flatten(),
            Err(e) if self.kind == Kind::Catalog => {
                return unreadable(&format!("this process cannot read the file: {e}"), PERMIT);
            }
            Err(e) => return unreadable(&e.to_string(), PERMIT),
        };
        let read = read?;
        let digest = Sha256::digest(&read).into();
        let content = match known {
            // The same bytes with a new stamp need no parsing.
            Some(known) if known.digest == digest && known.stamp.is_some() => known.content.clone(),
            _ => match self.kind {
                Kind::Catalog | Kind::Ignored => {
                    Content::Parsed(parse(Source { path: key, bytes: &read }).without_text())
                }
                Kind::Trust | Kind::Manifest => Content::Signed(Ok(read.into())),
            },
        };
        Some(Cached { stamp: Some(stamp), is_sure: false, digest, content })
    }
}

/// Returns a hash for comparisons within this process.
pub(super) fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The current digest of a file. `None` if there is no such file.
pub(super) fn digest_now(path: &Path) -> io::Result<Option<[u8; 32]>> {
    let Some(file) = present(plain::open(path))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Some(Sha256::digest(&bytes).into()))
}

/// The digest of a file, if it still has a stamp.
pub(super) fn digest_of(key: &str, path: &Path, stamp: Stamp) -> Option<[u8; 32]> {
    Some(Sha256::digest(read(path, stamp, limit(key)).ok()??).into())
}

/// How much of a file is read.
fn limit(key: &str) -> u64 {
    let is_signed = key.starts_with("trust/") || key.starts_with("payloads:");
    if is_signed { MAX_DOCUMENT } else { MAX_FILE }
}

/// Reads a file's bytes. Returns `None` if its stamp changed meanwhile.
fn read(path: &Path, stamp: Stamp, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = plain::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size.min(limit)).unwrap_or_default() + 1);
    (&file).take(limit).read_to_end(&mut bytes)?;
    Ok((Stamp::of(&file.metadata()?) == stamp).then_some(bytes))
}
