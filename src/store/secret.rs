//! Checking who can read and write a private key file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The mode bits that let anyone on the machine read or write.
const OTHERS: u32 = 0o006;

/// The mode bit that lets the file's group write. The group may read: containers get secrets with mode
/// 0440, whose owner is not the user that the server runs as.
const GROUP_WRITES: u32 = 0o020;

/// A private key file that anyone on the machine can read or change.
#[derive(Debug, thiserror::Error)]
#[error("anyone on this machine can read or change the private key `{}` (mode {mode:04o})", path.display())]
pub struct Exposed {
    path: PathBuf,
    mode: u32,
}

impl Exposed {
    /// How to fix it.
    pub fn hint(&self) -> String {
        let path = self.path.display();
        format!("`chmod 600 {path}`, and replace the key if somebody else may have read it")
    }
}

/// Checks that a private key file is private, as `ssh` does. If only its group can change it, this logs a
/// warning instead, because the machine's owner decides who is in the group.
///
/// # Errors
/// When anyone can read or change the file. The outer error means that its mode cannot be read.
pub fn check(path: &Path) -> io::Result<Result<(), Exposed>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Ok(Err(Exposed { path: path.to_owned(), mode }));
    }
    if mode & GROUP_WRITES != 0 {
        let path = path.display();
        tracing::warn!("the private key `{path}` is group-writable (mode {mode:04o}): `chmod 600 {path}`");
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_refused_where_everybody_may_read_or_change_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online.pem");
        fs::write(&path, "").unwrap();
        for (mode, good) in
            [(0o600, true), (0o400, true), (0o440, true), (0o660, true), (0o644, false), (0o602, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&path).unwrap().is_ok(), good, "{mode:o}");
        }
    }
}
