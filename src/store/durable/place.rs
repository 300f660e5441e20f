//! The folders that files and folders are created in.
//!
//! A command that root runs in another user's folder must leave nothing there that this user cannot use, so
//! what it creates gets the owner of the folder. The folder's owner could plant links there to make root
//! write elsewhere. So root opens the folder part by part, and creates, and gives away, only below the open
//! folder.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::{fs, process};

/// How many links a path may have, as for Linux itself.
const LINKS: usize = 40;

/// An open folder.
pub struct Place {
    handle: OwnedFd,
    about: Stat,
}

/// Who owns a file.
pub type Owner = (Uid, Gid);

impl Place {
    /// Opens a folder. Root follows a link of another user only into folders of that user.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let handle = if process::geteuid().is_root() { walk(folder, &no_file)? } else { enter(CWD, folder)? };
        let about = fs::fstat(&handle)?;
        Ok(Self { handle, about })
    }

    /// Returns who owns files that root creates here. `None` if that is root.
    fn owner(&self) -> Option<Owner> {
        let is_given = process::geteuid().is_root() && self.about.st_uid != 0;
        is_given.then(|| owner(&self.about))
    }

    /// Returns the regular file of this name, if there is one.
    pub fn file(&self, name: &OsStr) -> Option<Stat> {
        let about = fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        FileType::from_raw_mode(about.st_mode).is_file().then_some(about)
    }

    /// Creates a file that did not exist.
    pub fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&self.handle, name, flags, Mode::from_raw_mode(mode))?;
        give(&file, self.owner());
        Ok(File::from(file))
    }

    /// Removes a file.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Opens a file for reading and writing, and creates it if it does not exist.
    pub fn open_or_create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let existing = || fs::openat(&self.handle, name, flags, Mode::empty());
        match existing() {
            Err(rustix::io::Errno::NOENT) => match self.create(name, 0o666) {
                // Another process created it in the meantime.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(existing()?.into()),
                created => created,
            },
            opened => Ok(opened?.into()),
        }
    }

    /// Creates a folder that did not exist, with at least the given bits of its mode whatever the umask is.
    pub fn create_folder(&self, name: &OsStr, mode: u32, at_least: u32) -> io::Result<()> {
        fs::mkdirat(&self.handle, name, Mode::from_raw_mode(mode))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = fs::openat(&self.handle, name, flags, Mode::empty())?;
        let about = fs::fstat(&folder)?;
        // If it is not this process's, somebody has put another one in its place.
        if about.st_uid == process::geteuid().as_raw() {
            give(&folder, self.owner());
            fs::fchmod(&folder, Mode::from_raw_mode(about.st_mode & 0o7777 | at_least))?;
        }
        Ok(())
    }
}

/// Who owns a file.
pub fn owner(about: &Stat) -> Owner {
    (Uid::from_raw(about.st_uid), Gid::from_raw(about.st_gid))
}

/// Gives a file away. If this process may not do that, the file remains its own; whoever cannot read it then
/// names its owner.
pub fn give(file: impl AsFd, to: Option<Owner>) {
    if let Some((user, group)) = to {
        let _ = fs::fchown(file, Some(user), Some(group));
    }
}

/// Opens a file for reading, without waiting for the writer of a pipe. Root follows a link of another user only to
/// files of that user: others would be read, and perhaps served, for a user who may not read them.
///
/// # Errors
/// When it cannot be opened, or root does not follow a link.
pub fn open_guarded(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if !process::geteuid().is_root() {
        return Ok(fs::openat(CWD, path, flags, Mode::empty())?.into());
    }
    let last = |at: &OwnedFd, name: &OsStr| fs::openat(at, name, flags | OFlags::NOFOLLOW, Mode::empty());
    Ok(walk(path, &last)?.into())
}

/// Opens what is no folder, at the end of a path.
type Last<'l> = &'l dyn Fn(&OwnedFd, &OsStr) -> rustix::io::Result<OwnedFd>;

fn enter(at: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    Ok(fs::openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a path part by part, and checks the links on the way.
fn walk(whole: &Path, last: Last<'_>) -> io::Result<OwnedFd> {
    let mut at = enter(CWD, Path::new("."))?;
    let mut path = PathBuf::new();
    let mut parts = Vec::new();
    let mut planted: Vec<(PathBuf, u32)> = Vec::new();
    let mut links = 0;
    if whole.is_absolute() {
        path.push("/");
    }
    at = start(whole, at, &mut parts)?;
    while let Some(part) = parts.pop() {
        let found = fs::openat(&at, &part, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let about = fs::fstat(&found)?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => {
                at = found;
                path.push(part);
            }
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Err(rustix::io::Errno::LOOP.into());
                }
                if about.st_uid != 0 {
                    planted.push((path.join(part), about.st_uid));
                }
                let to = fs::readlinkat(&found, "", Vec::new())?;
                let to = Path::new(OsStr::from_bytes(to.as_bytes()));
                if to.is_absolute() {
                    path = PathBuf::from("/");
                }
                at = start(to, at, &mut parts)?;
            }
            _ if parts.is_empty() => at = last(&at, &part)?,
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
    }
    let owner = fs::fstat(&at)?.st_uid;
    match planted.into_iter().find(|(_, user)| *user != owner) {
        None => Ok(at),
        Some((link, user)) => Err(io::Error::other(format!(
            "the link `{0}` belongs to user {user}, and root does not follow it to what belongs to user {owner}: remove it, or give it to root with `chown -h root '{0}'`",
            link.display()
        ))),
    }
}

/// Where a folder is wanted, nothing else will do.
fn no_file(_: &OwnedFd, _: &OsStr) -> rustix::io::Result<OwnedFd> {
    Err(rustix::io::Errno::NOTDIR)
}

/// Puts the parts of a path on the stack, and returns the folder where they start.
fn start(path: &Path, at: OwnedFd, parts: &mut Vec<OsString>) -> io::Result<OwnedFd> {
    let named =
        path.components().rev().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    parts.extend(named.map(|part| part.as_os_str().to_owned()));
    if path.is_absolute() { enter(CWD, Path::new("/")) } else { Ok(at) }
}
