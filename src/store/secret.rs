//! Who may read and write the file of a private key.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What everybody on the machine may do: read or write.
const OTHERS: u32 = 0o006;

/// What the file's group may do. Reading is fine: secrets are mounted into containers as 0440, with
/// an owner who is not the one that the server runs as.
const GROUP_WRITES: u32 = 0o020;

/// The file of a private key that everybody on the machine may read or change.
#[derive(Debug, thiserror::Error)]
#[error("everybody on this machine may read or change the private key `{}` (mode {mode:04o})", path.display())]
pub struct Exposed {
    path: PathBuf,
    mode: u32,
}

impl Exposed {
    /// The way out.
    #[must_use]
    pub fn hint(&self) -> String {
        let path = self.path.display();
        format!("`chmod 600 {path}`; and use a new key if somebody else may have read this one")
    }
}

/// Whether the file of a private key is kept as one, as `ssh` asks it of its keys. That its group
/// may change it is logged, and no more: who is in a group is the machine's owner's business.
///
/// # Errors
/// When everybody may read or change it. The outer error is for a file that cannot be looked at.
pub fn check(path: &Path) -> io::Result<Result<(), Exposed>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Ok(Err(Exposed { path: path.to_owned(), mode }));
    }
    if mode & GROUP_WRITES != 0 {
        let path = path.display();
        tracing::warn!(
            "the group of the private key `{path}` may change it (mode {mode:04o}): `chmod 600 {path}`"
        );
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
