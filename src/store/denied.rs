//! Files and folders that this process may not use: whose they are, and what helps.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The mode bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A file or folder that this process may not read, or a folder that it may not write to.
#[derive(Debug, thiserror::Error)]
#[error(
    "permission denied: `{}` belongs to user {owner} and has mode {mode:04o}, and this process is user {user}: {}",
    path.display(),
    self.remedy()
)]
pub struct Denied {
    path: PathBuf,
    wanted: Wanted,
    is_folder: bool,
    /// Whether it is a folder whose content is not all for this program, such as a home.
    is_shared: bool,
    owner: u32,
    mode: u32,
    user: u32,
}

/// What a process may not do.
#[derive(Debug)]
enum Wanted {
    Read,
    WriteFile,
    /// The folder that was to be created.
    CreateFolder(PathBuf),
}

impl Denied {
    /// Finds out what this process may not read: the file, or the last folder on the way that it can see.
    pub fn reading(path: &Path, error: &io::Error) -> Option<Self> {
        let mut denied = Self::near(path, Wanted::Read, error)?;
        denied.is_shared = denied.is_folder
            && (path.parent() != Some(&denied.path) || denied.is_shared)
            && denied.path != path;
        Some(denied)
    }

    /// Finds out which folder this process may not write a file to.
    pub fn writing(folder: &Path, error: &io::Error) -> Option<Self> {
        Self::near(folder, Wanted::WriteFile, error)
    }

    /// Finds out which folder this process may not create another one in.
    pub fn creating(folder: &Path, above: &Path, error: &io::Error) -> Option<Self> {
        Self::near(above, Wanted::CreateFolder(folder.to_owned()), error)
    }

    /// Looks at a file or folder, or at the first folder above it that this process can see.
    fn near(path: &Path, wanted: Wanted, error: &io::Error) -> Option<Self> {
        if error.kind() != io::ErrorKind::PermissionDenied || Self::of(error).is_some() {
            return None;
        }
        let (at, about) = path.ancestors().find_map(|at| Some((at, fs::metadata(at).ok()?)))?;
        let is_link = fs::symlink_metadata(at).is_ok_and(|about| about.is_symlink());
        let target = if is_link { at.canonicalize().ok() } else { None };
        Some(Self {
            path: target.unwrap_or_else(|| at.to_owned()),
            wanted,
            is_folder: about.is_dir(),
            is_shared: about.is_dir() && at.canonicalize().is_ok_and(|at| is_shared(&at)),
            owner: about.uid(),
            mode: about.mode() & 0o7777,
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// What helps, with the command.
    pub fn remedy(&self) -> String {
        let Self { path, wanted, is_folder, is_shared, owner, mode, user } = self;
        let path = quoted(path);
        match wanted {
            _ if owner == user && mode & 0o300 == 0o300 => {
                "something other than its mode forbids that".to_owned()
            }
            _ if owner == user => format!("run `chmod u+rwX {path}`"),
            Wanted::CreateFolder(folder) if *is_shared => {
                format!("run `install -d -o {user} {}` as root", quoted(folder))
            }
            Wanted::Read if *is_shared => "let this process through, or choose another folder".to_owned(),
            _ if *is_shared => "choose another folder".to_owned(),
            Wanted::Read => {
                // What is in a private folder is private to the same user. `-h` follows no link, which somebody
                // could put in the place of the file before root runs the command.
                let all = if *is_folder && mode & OTHERS == 0 { "R" } else { "" };
                format!("run `chown -h{all} {user} {path}` as root")
            }
            _ => format!("run `chown -h {user} {path}` as root"),
        }
    }

    /// Finds it in an error.
    pub fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
    }
}

/// Whether a folder, given without links, is one of the system or somebody's home.
fn is_shared(folder: &Path) -> bool {
    let above = ["/", "/home", "/usr", "/var"].map(Path::new);
    folder.parent().is_none_or(|parent| above.contains(&parent))
}

/// Returns a path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._~+-".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Makes an error that says who owns what is denied, if that is known.
pub(super) fn or_denied(denied: Option<Denied>, error: io::Error) -> io::Error {
    denied.map_or(error, |denied| io::Error::new(io::ErrorKind::PermissionDenied, denied))
}
