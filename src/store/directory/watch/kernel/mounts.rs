//! What is mounted where: `/proc/self/mountinfo`, as `proc_pid_mountinfo(5)` describes it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::Mount;
use crate::store::plain;

/// What is mounted now. Where `/proc` is missing, nothing is known, and scans find what changes.
pub(in crate::store::directory::watch) fn mounts() -> Vec<Mount> {
    let all = plain::whole(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    all.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    Some(Mount { id, path: path(fields.nth(3)?) })
}

/// A path in which spaces, tabs, line ends and backslashes are written as octal numbers.
fn path(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal =
            after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            path.push(byte);
            rest = &after[3..];
        } else {
            path.push(*first);
            rest = after;
        }
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_known_by_its_number_and_its_path_whatever_is_in_that() {
        let line =
            br"36 35 98:0 /mnt1 /a\040b\134c/d rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount(line), Some(Mount { id: 36, path: PathBuf::from(r"/a b\c/d") }));
        assert_eq!(mount(b""), None);
        assert!(mounts().iter().any(|mount| mount.path.to_str() == Some("/proc")));
    }
}
