//! Reading files that anybody may have put there: on a medium, in a state folder, beside a catalog.
//!
//! Only regular files are read. A pipe would block its reader for ever, and a device may have no end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, fcntl_setfl};

use super::denied::{Denied, or_denied};
use super::durable::open_guarded;

/// The most bytes of a file that is read whole. The largest of them is a ceremony with the roles of many
/// lines, of 8 MiB each.
const LARGEST: u64 = 256 * 1024 * 1024;

/// Opens a regular file for reading.
///
/// # Errors
/// When it cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    regular(at_once(path)?)
}

/// Opens a regular file of a state folder for reading. Root follows a link there only to files of whoever owns the
/// link.
///
/// # Errors
/// As for [`open`], or when a link leads elsewhere.
pub fn open_of_state(path: &Path) -> io::Result<File> {
    regular(open_guarded(path).map_err(|error| explained(path, error))?)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// Opens a file without waiting: without this flag, opening a pipe waits for a writer.
fn at_once(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    opened.map_err(|error| explained(path, error))
}

/// Adds to an error who owns what this process may not read.
pub fn explained(path: &Path, error: io::Error) -> io::Error {
    let denied = Denied::reading(path, &error);
    or_denied(denied, error)
}

/// Reads a whole regular file.
///
/// # Errors
/// When it cannot be read, is not a regular file, or is larger than anything that is read whole.
pub fn whole(path: &Path) -> io::Result<Vec<u8>> {
    bounded(open(path)?)
}

/// Reads a whole regular file of a state folder, as [`open_of_state`].
///
/// # Errors
/// As for [`open_of_state`], or when it is larger than anything that is read whole.
pub fn whole_of_state(path: &Path) -> io::Result<Vec<u8>> {
    bounded(open_of_state(path)?)
}

/// Reads a whole file that a person has named and that must not be kept on a disk, such as a key: a regular
/// file, or a pipe that has a writer, such as `<(COMMAND)` of a shell.
///
/// # Errors
/// When it cannot be read, is neither of them, or is larger than anything that is read whole.
pub fn whole_or_pipe(path: &Path) -> io::Result<Vec<u8>> {
    let file = at_once(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return bounded(regular(file)?);
    }
    // The writer may need a while. A pipe without one has ended.
    fcntl_setfl(&file, OFlags::empty())?;
    bounded(file)
}

fn bounded(file: File) -> io::Result<Vec<u8>> {
    let bytes = read(file, LARGEST)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// Opens a regular file at a relative path below a folder. A symbolic link is an error, except for the
/// folder itself: whoever made the folder could name any file of this machine.
///
/// # Errors
/// When it cannot be opened, or is not a regular file.
pub fn open_below(folder: &Path, path: &Path) -> io::Result<File> {
    check_below(folder, path)?;
    open(&folder.join(path))
}

/// Checks that no part of a path below a folder is a symbolic link. Parts may be missing.
///
/// # Errors
/// When one is a link, or cannot be examined.
pub fn check_below(folder: &Path, path: &Path) -> io::Result<()> {
    let mut at = folder.to_owned();
    for part in path.components() {
        at.push(part);
        let found = match fs::symlink_metadata(&at) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            found => found?,
        };
        if found.is_symlink() {
            let at = at.display();
            return Err(io::Error::other(format!("`{at}` is a symbolic link, which is not followed")));
        }
    }
    Ok(())
}

/// Reads a file to its end, but at most one byte more than `limit`, which shows that it is too long.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            let error = open(path).unwrap_err();
            assert_eq!(error.to_string(), "it is not a regular file", "{}", path.display());
            assert_eq!(whole(path).unwrap_err().to_string(), error.to_string());
        }
        // Nobody writes into it, so there is nothing to wait for.
        assert_eq!(whole_or_pipe(&pipe).unwrap(), b"");
        assert!(whole_or_pipe(Path::new("/dev/zero")).is_err());
        let missing = open(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(whole(&path).unwrap_err().to_string(), "it is larger than 268435456 bytes");
    }

    #[test]
    fn a_key_may_come_from_a_pipe() {
        let (reader, mut writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let read = std::thread::spawn(move || whole_or_pipe(Path::new(&path)));
        io::Write::write_all(&mut writer, b"a key").unwrap();
        drop(writer);
        assert_eq!(read.join().unwrap().unwrap(), b"a key");
    }

    #[test]
    fn no_link_below_a_folder_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("medium/tuf")).unwrap();
        fs::create_dir(at("home")).unwrap();
        fs::write(at("home/id"), "secret").unwrap();
        fs::write(at("medium/tuf/own"), "own").unwrap();
        symlink(at("home"), at("medium/tuf/targets")).unwrap();
        symlink(at("home/id"), at("medium/id")).unwrap();
        symlink(at("medium"), at("named")).unwrap();
        for path in ["tuf/targets/id", "id"] {
            let error = open_below(&at("medium"), Path::new(path)).unwrap_err();
            assert!(error.to_string().contains("is a symbolic link"), "{path}: {error}");
        }
        open_below(&at("named"), Path::new("tuf/own")).unwrap();
    }
}
