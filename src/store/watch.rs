//! When a catalog folder may be read: once nothing has moved in it for a while, and git is done.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::stamp::Stamp;

/// A folder is read once it has been still for this long: an editor's save and a copy of a few
/// files are over by then, and nobody notices the wait.
pub const STILL: Duration = Duration::from_millis(250);

/// What git keeps in its folder while it is at work on the files, or waits for somebody to resolve
/// a conflict in them.
const GIT_AT_WORK: [&str; 6] =
    ["index.lock", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"];

/// The way out where git is at work, as a path shows that [`WorkTree::at_work`] found.
#[must_use]
pub fn git_way_out(path: &Path) -> &'static str {
    // A git that was killed leaves its lock behind; nothing is to be finished then.
    if path.ends_with("index.lock") {
        "let it finish, or remove that file if no git runs; then try again"
    } else {
        "finish or abort what it does, then try again"
    }
}

/// What a look at the folders' stamps showed. Cheap: nothing is opened but folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Changes whenever a file's name or stamp does.
    pub fingerprint: u64,
    pub files: usize,
    /// The file or folder that shows git at work.
    pub git: Option<PathBuf>,
}

impl Scan {
    /// Looks at a catalog folder, and at payloads with their signed manifests.
    ///
    /// # Errors
    /// When the catalog folder cannot be read.
    pub fn take(catalog: &Path, payloads: &Path) -> io::Result<Self> {
        let mut scan = Self { fingerprint: 0, files: 0, git: None };
        scan.folder(catalog, 0)?;
        scan.payloads(payloads)?;
        scan.git = work_tree(catalog).and_then(|tree| tree.at_work());
        Ok(scan)
    }

    /// The catalog's own files lie at most one folder deep.
    fn folder(&mut self, folder: &Path, depth: u8) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let Some(metadata) = present(fs::DirEntry::metadata(&entry))? else { continue };
            if metadata.is_dir() {
                if depth == 0 {
                    self.folder(&entry.path(), 1)?;
                }
            } else {
                self.add(folder, &name, &metadata);
            }
        }
        Ok(())
    }

    /// Everything in the payload folder: a payload that was missing, or not what the catalog says,
    /// may be put right in place, which shows in no folder's stamp.
    fn payloads(&mut self, payloads: &Path) -> io::Result<()> {
        let Some(entries) = present(fs::read_dir(payloads))? else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            if let Some(metadata) = present(fs::DirEntry::metadata(&entry))? {
                self.add(payloads, &entry.file_name(), &metadata);
            }
            let folder = entry.path();
            // One release's folder that may not be read is that release's fault.
            let Ok(files) = fs::read_dir(&folder) else { continue };
            for file in files {
                let file = file?;
                // Through links: what they point to is what is served.
                if let Some(metadata) = present(fs::metadata(file.path()))? {
                    self.add(&folder, &file.file_name(), &metadata);
                }
            }
        }
        Ok(())
    }

    /// Added up, so that the order in which a folder lists its files does not matter.
    fn add(&mut self, folder: &Path, name: &std::ffi::OsStr, metadata: &fs::Metadata) {
        let mut hasher = DefaultHasher::new();
        (folder, name, Stamp::of(metadata)).hash(&mut hasher);
        self.fingerprint = self.fingerprint.wrapping_add(hasher.finish());
        self.files += 1;
    }
}

/// Nothing, for what vanished between being listed and being looked at: the next scan tells.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// A git work tree around a catalog folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    pub root: PathBuf,
    /// `.git`, or where the `.git` file of a linked work tree or submodule points.
    pub git: PathBuf,
}

/// The git work tree that a folder lies in. Where there is one, git owns the folder unless the
/// server was told otherwise.
#[must_use]
pub fn work_tree(folder: &Path) -> Option<WorkTree> {
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().find_map(|root| {
        let git = root.join(".git");
        let kind = fs::metadata(&git).ok()?;
        let git = if kind.is_dir() {
            git
        } else {
            let text = fs::read_to_string(&git).ok()?;
            root.join(text.strip_prefix("gitdir:")?.trim())
        };
        Some(WorkTree { root: root.to_owned(), git })
    })
}

impl WorkTree {
    /// What shows that git is at work on the files.
    #[must_use]
    pub fn at_work(&self) -> Option<PathBuf> {
        GIT_AT_WORK.iter().map(|name| self.git.join(name)).find(|path| path.exists())
    }
}

/// Whether a folder is read now, by what scans show. Holds no clock: the caller brings one that
/// only goes forward.
#[derive(Debug, Clone, Default)]
pub struct Quiet {
    /// The last fingerprint, and when it was first seen.
    seen: Option<(u64, Duration)>,
    read: Option<u64>,
}

/// What [`Quiet`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// What there is was read already.
    Unchanged,
    /// Something moved not long ago: look again after this time.
    Still(Duration),
    /// Git is at work, as this file shows.
    Git(PathBuf),
    /// Read, and then say so with [`Quiet::done`].
    Read,
}

impl Quiet {
    /// What to do after a scan at `now`, a monotonic time.
    pub fn turn(&mut self, scan: &Scan, now: Duration) -> Turn {
        let since = match self.seen {
            Some((fingerprint, since)) if fingerprint == scan.fingerprint => since,
            _ => {
                self.seen = Some((scan.fingerprint, now));
                now
            }
        };
        if self.read == Some(scan.fingerprint) {
            return Turn::Unchanged;
        }
        if let Some(path) = &scan.git {
            return Turn::Git(path.clone());
        }
        let still = now.saturating_sub(since);
        if still < STILL { Turn::Still(STILL.saturating_sub(still)) } else { Turn::Read }
    }

    /// Notes that what a scan showed has been read. To be called with the scan that said
    /// [`Turn::Read`]: what changed since then is seen by the next one.
    pub fn done(&mut self, scan: &Scan) {
        self.read = Some(scan.fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(fingerprint: u64, git: Option<&str>) -> Scan {
        Scan { fingerprint, files: 1, git: git.map(PathBuf::from) }
    }

    #[test]
    fn a_folder_is_read_once_it_is_still_and_git_is_done() {
        let ms = Duration::from_millis;
        let mut quiet = Quiet::default();
        for (at, fingerprint, git, expected) in [
            (0, 1, None, Turn::Still(ms(250))),
            (249, 1, None, Turn::Still(ms(1))),
            (250, 1, None, Turn::Read),
            // Not read yet: asked again.
            (260, 1, None, Turn::Read),
            (270, 2, None, Turn::Still(ms(250))),
            (400, 3, None, Turn::Still(ms(250))),
            (640, 3, None, Turn::Still(ms(10))),
            (650, 3, Some("index.lock"), Turn::Git("index.lock".into())),
            (660, 3, None, Turn::Read),
        ] {
            assert_eq!(quiet.turn(&scan(fingerprint, git), ms(at)), expected, "at {at} ms");
        }
        quiet.done(&scan(3, None));
        assert_eq!(quiet.turn(&scan(3, Some("index.lock")), ms(700)), Turn::Unchanged);
        assert_eq!(quiet.turn(&scan(4, None), ms(800)), Turn::Still(ms(250)));
    }

    #[test]
    fn a_scan_tells_of_every_file_that_comes_changes_or_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (catalog, payloads) = (folder.path().join("c"), folder.path().join("p"));
        let line = catalog.join("1.8");
        fs::create_dir_all(&line).unwrap();
        let take = || Scan::take(&catalog, &payloads).unwrap().fingerprint;
        let mut seen = vec![take()];
        let mut step = |what: &str| {
            let now = take();
            assert!(!seen.contains(&now), "{what}");
            assert_eq!(now, take(), "{what}");
            seen.push(now);
        };
        fs::write(line.join("line.yaml"), "a").unwrap();
        step("a new file");
        fs::write(line.join("line.yaml"), "ab").unwrap();
        step("a longer file");
        fs::rename(line.join("line.yaml"), line.join("other.yaml")).unwrap();
        step("another name");
        fs::create_dir_all(payloads.join("1.8.4")).unwrap();
        step("a payload folder");
        fs::write(payloads.join("1.8.4/release.json"), "{}").unwrap();
        step("a signed manifest");
        fs::write(line.join(".other.yaml.tmp-0123456789abcdef"), "a").unwrap();
        assert_eq!(take(), *seen.last().unwrap(), "a temporary file is no file");
    }

    #[test]
    fn git_is_found_from_below_and_through_the_file_of_a_linked_work_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let catalog = root.join("tree/channels");
        fs::create_dir_all(&catalog).unwrap();
        assert_eq!(work_tree(&catalog), None);

        fs::create_dir_all(root.join("main/.git/worktrees/tree")).unwrap();
        fs::write(root.join("tree/.git"), "gitdir: ../main/.git/worktrees/tree\n").unwrap();
        let tree = work_tree(&catalog).unwrap();
        assert_eq!(tree.root, root.join("tree"));
        assert_eq!(tree.at_work(), None);
        fs::create_dir(root.join("main/.git/worktrees/tree/rebase-merge")).unwrap();
        assert!(tree.at_work().unwrap().ends_with("tree/rebase-merge"));
    }
}
