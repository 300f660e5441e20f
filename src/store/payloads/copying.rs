//! Copying payload files. Each is read once, and its digest is that of the bytes in the copy.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, ioctl_ficlone};
use rustix::io::Errno;

use super::{digest, unreadable};
use crate::domain::payload::Sha256;
use crate::store::durable::{Aside, Mode};
use crate::store::plain;
use crate::store::port::{PayloadError, Source};
use crate::store::stamp::Stamp;

/// Copies a file under a temporary name next to where it will be. Also returns its digest and size.
///
/// # Errors
/// When it cannot be copied, or somebody writes to it meanwhile.
pub fn stage(from: &Path, to: &Path) -> Result<(Aside, (Sha256, u64)), PayloadError> {
    let open = || plain::open(from).and_then(|file| Ok((Stamp::of(&file.metadata()?), file)));
    let (before, file) = open().map_err(unreadable(from))?;
    let staged = Aside::fill(to, Mode::Public, |to| copy(&mut Source::File(file), to, u64::MAX))?;
    let (after, _) = open().map_err(unreadable(from))?;
    if after == before { Ok(staged) } else { Err(PayloadError::Changed(from.display().to_string())) }
}

/// Copies what is left of a source, but at most `most` bytes, into an empty file. Returns the digest and the
/// size of the copy.
///
/// If the file system can, the copy of a whole file shares its blocks until one of them is written to (XFS,
/// btrfs). The copy is never a hard link: whoever then edited one of the files in place would edit both.
///
/// # Errors
/// When the source cannot be read, or the copy cannot be written.
pub fn copy(from: &mut Source, to: &mut File, most: u64) -> io::Result<(Sha256, u64)> {
    copy_with(from, to, most, |from, to| Ok(ioctl_ficlone(to, from)?))
}

/// Like [`copy`], with a function that makes files share their blocks.
fn copy_with(
    from: &mut Source,
    to: &mut File,
    most: u64,
    share: impl FnOnce(&File, &File) -> io::Result<()>,
) -> io::Result<(Sha256, u64)> {
    if let Source::File(file) = from
        && file.stream_position()? == 0
    {
        if share(file, to).is_ok() {
            if to.metadata()?.len() > most {
                to.set_len(most)?;
            }
            // Only the copy's own bytes can be relied on. The source may have changed since.
            return digest(to);
        }
        // A copy that has no room must not fill the disk before it fails. Not every file system can tell.
        let size = file.metadata()?.len().min(most);
        if let Err(full @ (Errno::NOSPC | Errno::DQUOT)) = fallocate(&*to, FallocateFlags::KEEP_SIZE, 0, size)
        {
            return Err(full.into());
        }
    }
    digest(&mut Tee { from: from.take(most), to })
}

/// Writes everything that is read from it.
struct Tee<'a, R> {
    from: R,
    to: &'a mut File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.to.write_all(&into[..count])?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sha2::Digest as _;

    use super::super::CHUNK;
    use super::*;

    fn sha256(bytes: &[u8]) -> Sha256 {
        Sha256::new(sha2::Sha256::digest(bytes).into())
    }

    fn content() -> Vec<u8> {
        (0..=250_u8).cycle().take(3 * CHUNK + 7).collect()
    }

    fn file(content: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(content, 0).unwrap();
        file
    }

    fn bytes(file: &mut File) -> Vec<u8> {
        file.rewind().unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Counts the bytes that are read.
    struct Counted<R>(R, Arc<AtomicUsize>);

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(into)?;
            self.1.fetch_add(count, Ordering::Relaxed);
            Ok(count)
        }
    }

    #[test]
    fn a_source_is_read_once_and_no_further_than_it_may() {
        let content = content();
        for most in [content.len() as u64 + 1, content.len() as u64, 1000] {
            let expected = &content[..content.len().min(usize::try_from(most).unwrap())];
            let read = Arc::new(AtomicUsize::new(0));
            let counted = Counted(io::Cursor::new(content.clone()), Arc::clone(&read));
            let mut to = tempfile::tempfile().unwrap();
            let copied = copy(&mut Source::Stream(Box::new(counted)), &mut to, most).unwrap();
            assert_eq!(copied, (sha256(expected), expected.len() as u64));
            assert_eq!(read.load(Ordering::Relaxed), expected.len());
            assert!(bytes(&mut to) == expected);
        }
    }

    #[test]
    fn a_file_that_cannot_share_its_blocks_is_copied_by_reading_it() {
        let content = content();
        let mut from = Source::File(file(&content));
        let mut to = tempfile::tempfile().unwrap();
        let share = |_: &File, _: &File| Err(rustix::io::Errno::XDEV.into());
        let copied = copy_with(&mut from, &mut to, u64::MAX, share).unwrap();
        assert_eq!(copied, (sha256(&content), content.len() as u64));
        assert!(bytes(&mut to) == content);
    }

    #[test]
    fn blocks_that_are_shared_are_read_from_the_copy_and_cut_to_what_is_wanted() {
        let content = content();
        let mut to = tempfile::tempfile().unwrap();
        // Right after that, somebody overwrites the source.
        let share = |from: &File, to: &File| {
            to.write_all_at(&content, 0)?;
            from.write_all_at(b"else", 0)
        };
        let copied = copy_with(&mut Source::File(file(&content)), &mut to, 1000, share).unwrap();
        assert_eq!(copied, (sha256(&content[..1000]), 1000));
        assert!(bytes(&mut to) == content[..1000]);
    }

    #[test]
    fn the_rest_of_a_file_is_copied_without_what_was_read_before() {
        let content = content();
        let mut from = file(&content);
        from.seek(io::SeekFrom::Start(7)).unwrap();
        let mut to = tempfile::tempfile().unwrap();
        let share = |_: &File, _: &File| panic!("it would share the whole file");
        let (found, _) = copy_with(&mut Source::File(from), &mut to, u64::MAX, share).unwrap();
        assert_eq!(found, sha256(&content[7..]));
    }

    /// Only some file systems can share blocks, but a copy is the same on all.
    #[test]
    fn a_copy_does_not_follow_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let [source, copied] = ["source", "copy"].map(|name| folder.path().join(name));
        fs::write(&source, content()).unwrap();
        let mut from = Source::File(File::open(&source).unwrap());
        copy(&mut from, &mut File::create_new(&copied).unwrap(), u64::MAX).unwrap();
        File::options().write(true).open(&source).unwrap().write_all_at(b"else", 0).unwrap();
        assert!(fs::read(&copied).unwrap() == content());
    }
}
