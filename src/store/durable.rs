//! Atomic, durable writes: every file that must survive a crash is written here.
//!
//! A reader sees the old file or the new one, never anything in between. After [`write()`] has returned,
//! a power cut does not bring the old file back. This follows from the order of the steps: write to a
//! temporary file, fsync it, rename it, fsync the folder.

mod batch;
mod place;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::denied::{Denied, or_denied};
use place::{Place, give, owner};

pub use batch::Batch;
pub use place::open_guarded;

/// Separates a file's name from the random suffix of its temporary file.
const TEMPORARY: &str = ".tmp-";

/// The length of the random suffix.
const RANDOM: usize = 16;

/// How much of a file's name its temporary file bears. File systems limit names to 255 bytes.
const NAMED: usize = 255 - ".".len() - TEMPORARY.len() - RANDOM;

/// Who may read a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Keeps the replaced file's mode and, if this process may set it, its owner. Everyone may read a new
    /// file, and enter a new folder, whatever the umask is: one user often writes what another one serves.
    Keep,
    /// Like `Keep`, but everyone may read the file even if the replaced one was narrower: for published
    /// files.
    Public,
    /// Only the owner may read it: for keys and the state folder.
    Private,
    /// Everyone may read it and nobody may write it: for copies that never change.
    Frozen,
}

/// Why a file was not written. The old file, if there was one, is unchanged.
#[derive(Debug, thiserror::Error)]
#[error("`{}` was not written: {}", path.display(), explain(*step, source))]
pub struct WriteError {
    pub path: PathBuf,
    pub step: Step,
    pub source: io::Error,
}

/// The steps of a durable write, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Creating a temporary file next to the target.
    Create,
    Write,
    Sync,
    Rename,
    /// The fsync of the folder, which makes the rename durable. If this step fails, the new file is in
    /// place, but a power cut may undo that.
    SyncFolder,
}

/// Makes the error of a failed step.
fn failed(path: &Path, step: Step) -> impl FnOnce(io::Error) -> WriteError {
    move |source| {
        let denied = match step {
            Step::Create | Step::Rename => Denied::writing(folder(path), &source),
            _ => None,
        };
        WriteError { path: path.to_owned(), step, source: or_denied(denied, source) }
    }
}

fn explain(step: Step, source: &io::Error) -> &'static str {
    match (source.kind(), step) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, _) => "there is no space left",
        (io::ErrorKind::ReadOnlyFilesystem, _) => "the file system is read-only",
        (io::ErrorKind::PermissionDenied, _) => "this user has no permission to write to its folder",
        (io::ErrorKind::NotFound, Step::Create) => "its folder does not exist",
        (_, Step::Create) => "cannot create a temporary file next to it",
        (_, Step::Write) => "writing failed",
        (_, Step::Sync) => "the disk did not confirm the write",
        (_, Step::Rename) => "the temporary file could not be renamed",
        (_, Step::SyncFolder) => "the disk did not confirm the write to its folder",
    }
}

/// Writes a file durably, completely or not at all.
///
/// # Errors
/// When a step fails. The old file is then unchanged, and no temporary file remains.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), WriteError> {
    fill(path, mode, |file| file.write_all(bytes))
}

/// Like [`write()`], but `content` writes the bytes. If it fails, the old file is unchanged.
///
/// # Errors
/// When `content` or a step fails.
pub fn fill(
    path: &Path,
    mode: Mode,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), WriteError> {
    observed(path, mode, content, &mut |_| Ok(()))
}

/// Like [`write()`], but calls `still` at the last moment, when the new bytes are on disk, and replaces the
/// old file only if it succeeds.
///
/// # Errors
/// When `still` or a step fails. The old file is then unchanged.
pub fn write_if<E: From<WriteError>>(
    path: &Path,
    bytes: &[u8],
    mode: Mode,
    still: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let (mut still, mut refused) = (Some(still), None);
    let written = observed(path, mode, |file| file.write_all(bytes), &mut |step| {
        let asked = if step == Step::Rename { still.take() } else { None };
        asked.map_or(Ok(()), |still| still()).map_err(|why| {
            refused = Some(why);
            io::ErrorKind::Interrupted.into()
        })
    });
    match refused {
        Some(why) => Err(why),
        None => Ok(written?),
    }
}

/// Runs the steps of a write, and calls `before` ahead of each, so that tests can check their order and
/// make one fail.
fn observed(
    path: &Path,
    mode: Mode,
    content: impl FnOnce(&mut File) -> io::Result<()>,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), WriteError> {
    before(Step::Create).map_err(failed(path, Step::Create))?;
    let (aside, ()) = Aside::fill(path, mode, |file| before(Step::Write).and_then(|()| content(file)))?;
    aside.keep_observed(before)
}

/// A new file under a temporary name. Unless it is kept, it is removed.
#[derive(Debug)]
pub struct Aside {
    file: NamedTempFile,
    path: PathBuf,
}

impl Aside {
    /// Creates a file next to where it will be, and fills it. Also returns what `content` returns.
    ///
    /// # Errors
    /// When `content` or a step fails.
    pub fn fill<T>(
        path: &Path,
        mode: Mode,
        content: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> Result<(Self, T), WriteError> {
        let mut file = create_aside(path, mode).map_err(failed(path, Step::Create))?;
        let result = content(file.as_file_mut()).map_err(failed(path, Step::Write))?;
        Ok((Self { file, path: path.to_owned() }, result))
    }

    /// Makes the file durable, and gives it its name.
    ///
    /// # Errors
    /// When a step fails. An old file of this name is then unchanged.
    pub fn keep(self) -> Result<(), WriteError> {
        self.keep_observed(&mut |_| Ok(()))
    }

    fn keep_observed(self, before: &mut dyn FnMut(Step) -> io::Result<()>) -> Result<(), WriteError> {
        let Self { file, path } = self;
        let step = |step| failed(&path, step);
        before(Step::Sync).and_then(|()| file.as_file().sync_all()).map_err(step(Step::Sync))?;
        let file = file.into_temp_path();
        before(Step::Rename).and_then(|()| Ok(file.persist(&path)?)).map_err(step(Step::Rename))?;
        let folder = folder(&path);
        before(Step::SyncFolder).and_then(|()| sync_folder(folder)).map_err(step(Step::SyncFolder))
    }
}

/// Creates a temporary file, which is removed unless it is renamed.
fn create_aside(path: &Path, mode: Mode) -> io::Result<NamedTempFile> {
    let mut prefix = OsString::from(".");
    let file_name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let name = file_name.as_bytes();
    prefix.push(OsStr::from_bytes(&name[..name.len().min(NAMED)]));
    prefix.push(TEMPORARY);
    let place = Place::open(folder(path))?;
    // A device or a pipe does not count, and a link is replaced and not followed.
    let old = place.file(file_name);
    let is_kept = old.filter(|_| matches!(mode, Mode::Keep | Mode::Public));
    let narrow = matches!(mode, Mode::Private | Mode::Frozen) || is_kept.is_some();
    let bits = if narrow { 0o600 } else { 0o666 };
    let aside = tempfile::Builder::new()
        .prefix(&prefix)
        .rand_bytes(RANDOM)
        .make_in(folder(path), |path| place.create(path.file_name().unwrap_or_default(), bits))?;
    let file = aside.as_file();
    // The owner is set first, because changing it clears bits of the mode. Only root may give files away;
    // other users stay the owners of their files.
    // A private file belongs to whom its folder belongs to: somebody may have put another there meanwhile.
    give(file, old.as_ref().filter(|_| !matches!(mode, Mode::Private)).map(owner));
    if let Some(old) = is_kept {
        file.set_permissions(fs::Permissions::from_mode(old.st_mode & 0o777))?;
    }
    match mode {
        Mode::Keep if is_kept.is_some() => {}
        Mode::Private => {}
        Mode::Keep | Mode::Public => file.set_permissions(widened(&file.metadata()?, 0o444))?,
        Mode::Frozen => file.set_permissions(fs::Permissions::from_mode(0o444))?,
    }
    Ok(aside)
}

/// Returns the permissions of a file or folder, with more bits set.
fn widened(has: &fs::Metadata, bits: u32) -> fs::Permissions {
    fs::Permissions::from_mode(has.mode() & 0o7777 | bits)
}

/// Creates a folder and any missing parents, each durably.
///
/// # Errors
/// When one cannot be created, or its name belongs to something that is not a folder.
pub fn create_folder(path: &Path, mode: Mode) -> Result<(), WriteError> {
    create_missing(path, mode, &|_| false)
}

/// Like [`create_folder`], but only below `root`. A folder that somebody removed, or whose disk is not mounted, must
/// not silently become a new and empty one.
///
/// # Errors
/// When `root` does not exist, or a folder cannot be created.
pub fn create_below(root: &Path, path: &Path, mode: Mode) -> Result<(), WriteError> {
    create_missing(path, mode, &|path| path == root)
}

fn create_missing(path: &Path, mode: Mode, must_exist: &dyn Fn(&Path) -> bool) -> Result<(), WriteError> {
    if must_exist(path) || path.is_dir() {
        return Ok(());
    }
    let above = folder(path);
    create_missing(above, mode, must_exist)?;
    // Parents are there by now, so a path that ends in `..` is, too.
    let Some(name) = path.file_name() else { return Ok(()) };
    let (bits, at_least) = if mode == Mode::Private { (0o700, 0) } else { (0o777, 0o555) };
    let created = Place::open(above).and_then(|place| place.create_folder(name, bits, at_least));
    match created {
        // Another process may have created it first.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created
            .map_err(|error| or_denied(Denied::creating(path, above, &error), error))
            .map_err(failed(path, Step::Create))?,
    }
    sync_folder(above).map_err(failed(path, Step::SyncFolder))
}

/// Opens a file that is locked or continued, for reading and writing, and creates it if it does not exist.
///
/// # Errors
/// When it cannot be opened, or is a link.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Place::open(folder(path))?.open_or_create(name)
}

/// Removes a file.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_file(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    Place::open(folder(path))?.remove(name)
}

/// Creates a folder for private files, with a `.gitignore` that keeps them out of repositories.
///
/// # Errors
/// When it cannot be created.
pub fn create_state_folder(path: &Path) -> Result<(), WriteError> {
    create_folder(path, Mode::Private)?;
    let ignore = path.join(".gitignore");
    if ignore.exists() { Ok(()) } else { write(&ignore, b"*\n", Mode::Keep) }
}

/// Removes the temporary files that crashed writes left in a folder, and returns how many it removed.
///
/// # Errors
/// When the folder cannot be read. A file that cannot be removed is left there, where readers ignore it.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let mut swept = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_temporary(&entry.file_name().to_string_lossy()) && remove_file(&entry.path()).is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}

/// Whether a file's name is that of a temporary file, `.NAME.tmp-0123456789abcdef`.
pub fn is_temporary(name: &str) -> bool {
    let end = name.strip_prefix('.').and_then(|name| name.rsplit_once(TEMPORARY));
    end.is_some_and(|(_, end)| end.len() == RANDOM && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Turns the error of a missing file or folder into `None`.
///
/// # Errors
/// When the call failed for another reason.
pub fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes the names of the files in a folder survive a crash.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_synced_before_it_takes_its_name_and_its_folder_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        let mut steps = Vec::new();
        observed(&path, Mode::Keep, |file| file.write_all(b"new"), &mut |step| {
            let seen = fs::read_to_string(&path).unwrap();
            steps.push((step, seen));
            Ok(())
        })
        .unwrap();
        let expected = [
            (Step::Create, "old"),
            (Step::Write, "old"),
            (Step::Sync, "old"),
            (Step::Rename, "old"),
            (Step::SyncFolder, "new"),
        ];
        assert_eq!(steps, expected.map(|(step, seen)| (step, seen.to_owned())));
    }

    #[test]
    fn a_failing_step_leaves_the_old_file_and_nothing_beside_it() {
        for failing in [Step::Create, Step::Write, Step::Sync, Step::Rename] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("f");
            fs::write(&path, "old").unwrap();
            let error = observed(&path, Mode::Keep, |file| file.write_all(b"new"), &mut |step| {
                if step == failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            })
            .unwrap_err();
            assert_eq!(error.step, failing);
            assert!(error.to_string().ends_with("there is no space left"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            assert_eq!(names(folder.path()), ["f"]);
        }
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write(&path, b"new", Mode::Keep).unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_file_is_replaced_only_if_the_last_look_agrees_and_that_comes_after_the_sync() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        let aside = || names(folder.path()).into_iter().find(|name| is_temporary(name)).unwrap();
        let refused = write_if(&path, b"new", Mode::Keep, || {
            assert_eq!(fs::read_to_string(folder.path().join(aside())).unwrap(), "new");
            fs::write(&path, "theirs").unwrap();
            Err(WriteError { path: path.clone(), step: Step::Write, source: io::ErrorKind::Other.into() })
        });
        assert_eq!(refused.unwrap_err().step, Step::Write);
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(folder.path()), ["f"]);
        write_if(&path, b"new", Mode::Keep, || Ok::<_, WriteError>(())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn what_all_may_read_is_so_whatever_it_was_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release.json");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        fs::write(&path, "old").unwrap();
        for (before, after) in [(0o600, 0o644), (0o664, 0o664), (0o4755, 0o755)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            write(&path, b"new", Mode::Public).unwrap();
            assert_eq!(mode(), after, "{before:o}");
        }
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_private_one_is_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let kept = folder.path().join("kept");
        fs::write(&kept, "old").unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o664)).unwrap();
        write(&kept, b"new", Mode::Keep).unwrap();
        assert_eq!(mode(&kept), 0o664);
        let key = folder.path().join("key");
        write(&key, b"secret", Mode::Private).unwrap();
        assert_eq!(mode(&key), 0o600);
    }

    #[test]
    fn folders_are_made_down_to_the_last_and_may_be_there_already() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        create_folder(&path, Mode::Private).unwrap();
        create_folder(&path, Mode::Private).unwrap();
        assert!(path.is_dir());
        fs::write(path.join("file"), "").unwrap();
        assert!(create_folder(&path.join("file/x"), Mode::Private).is_err());
    }

    #[test]
    fn a_folder_that_was_removed_is_not_made_again_for_what_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        let error = create_below(&root, &root.join("a/b"), Mode::Private).unwrap_err();
        assert!(error.to_string().ends_with("its folder does not exist"), "{error}");
        assert!(!root.exists());
        create_folder(&root, Mode::Private).unwrap();
        create_below(&root, &root.join("a/b"), Mode::Private).unwrap();
        assert!(root.join("a/b").is_dir());
    }

    #[test]
    fn only_left_overs_of_writes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".f.yaml.tmp-0123456789abcdef", ".f.tmp-short", "f.tmp-0123456789abcdef", ".gitignore"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(sweep(folder.path()).unwrap(), 1);
        assert_eq!(names(folder.path()), [".f.tmp-short", ".gitignore", "f.tmp-0123456789abcdef"]);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_as_the_cause() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("none/f"), b"", Mode::Keep).unwrap_err();
        assert!(error.to_string().ends_with("its folder does not exist"), "{error}");
    }
}
