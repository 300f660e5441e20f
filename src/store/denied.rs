//! Files and folders that this process may not use: whose they are, and what helps.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// The mode bits of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The folders of this process: who else needs them decides what helps.
static OURS: OnceLock<Ours> = OnceLock::new();

#[derive(Debug)]
struct Ours {
    public: [PathBuf; 2],
    state: PathBuf,
}

/// What a file or folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The catalog or the payloads, which everybody may read, and a server and people write to.
    Public,
    /// The state, which is its owner's alone.
    State,
    /// Anything else: nothing that this program may give away.
    Outside,
    /// A folder whose content is not all for this program, such as a home.
    Shared,
}

/// Names the catalog, the payloads and the state of this process.
pub fn own(catalog: &Path, payloads: &Path, state: &Path) {
    let ours = Ours { public: [catalog.to_owned(), payloads.to_owned()], state: state.to_owned() };
    // A demo has its folders in the state of the process.
    let _ = OURS.set(ours);
}

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
    place: Place,
    is_folder: bool,
    /// Whether this process may go on to what is in the folder.
    is_passable: bool,
    owner: u32,
    group: u32,
    /// The owner of the folder of the state that it is in.
    owner_above: Option<u32>,
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
        // A folder further up does not belong to this program.
        let is_far = denied.is_folder && denied.path != path && path.parent() != Some(&denied.path);
        if is_far && denied.place == Place::Outside {
            denied.place = Place::Shared;
        }
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
        let real = at.canonicalize().or_else(|_| std::path::absolute(at)).ok()?;
        let is_link = fs::symlink_metadata(at).is_ok_and(|about| about.is_symlink());
        let above = real.parent().filter(|above| Place::of(above, true) == Place::State);
        let above = above.and_then(|above| fs::metadata(above).ok());
        let passes = accessat(CWD, &real, Access::EXEC_OK, AtFlags::EACCESS).is_ok();
        Some(Self {
            place: Place::of(&real, about.is_dir()),
            path: if is_link { real } else { at.to_owned() },
            wanted,
            is_folder: about.is_dir(),
            is_passable: passes,
            owner: about.uid(),
            group: about.gid(),
            owner_above: above.map(|above| above.uid()),
            mode: about.mode() & 0o7777,
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// What helps, with the command.
    pub fn remedy(&self) -> String {
        let Self { path, wanted, place, is_folder, owner, group, mode, user, .. } = self;
        let path = quoted(path);
        // `-h` follows no link, which somebody could put in the place of the file before root runs the command.
        let give = |all: &str| format!("run `chown -h{all} {user} {path}` as root");
        match (place, wanted) {
            _ if owner == user && mode & 0o300 == 0o300 => {
                "something other than its mode forbids that".to_owned()
            }
            _ if owner == user => format!("run `chmod u+rwX {path}`"),
            // Only root can put a link in the place of the new folder.
            (Place::Shared | Place::Outside, Wanted::CreateFolder(folder))
                if *owner == 0 && self.is_passable =>
            {
                format!("run `install -d -o {user} {}` as root", quoted(folder))
            }
            (Place::Shared, Wanted::Read) => "let this process through, or choose another folder".to_owned(),
            (Place::Shared, _) => "choose another folder".to_owned(),
            (Place::Outside, Wanted::Read) => "let this process read it".to_owned(),
            (Place::Outside, _) => "let this process write to it, or choose another folder".to_owned(),
            // What root has made is rarely meant to be root's. Root itself reads and writes it all the same.
            _ if *owner == 0 || self.is_stray() => {
                // What is in a private folder is private to the same user.
                let is_private = matches!(wanted, Wanted::Read) && *is_folder && mode & OTHERS == 0;
                give(if is_private { "R" } else { "" })
            }
            // Its owner needs it as before, so it is not given away.
            (Place::State, _) => self.as_owner(),
            (Place::Public, Wanted::Read) => {
                let all = if *is_folder { "-R " } else { "" };
                format!("run `chmod {all}a+rX {path}` as user {owner}")
            }
            (Place::Public, _) => {
                let own = rustix::process::getegid().as_raw();
                let chmod = format!("run `chmod g+rwx {path}` as user {owner}");
                if own == *group {
                    chmod
                } else {
                    format!("run `chgrp -h {own} {path}` as root, then {chmod}")
                }
            }
        }
    }

    /// What helps, as a hint at the end of a message.
    pub fn hint(&self) -> String {
        let remedy = self.remedy();
        if remedy == self.as_owner() { remedy } else { format!("{remedy}, then try again") }
    }

    /// Whether something in the state is not its owner's.
    fn is_stray(&self) -> bool {
        self.owner_above == Some(self.user)
    }

    fn as_owner(&self) -> String {
        let Self { owner, group, .. } = self;
        format!(
            "run this as that user, with `setpriv --reuid {owner} --regid {group} --clear-groups COMMAND` as root"
        )
    }

    /// Finds it in an error.
    pub fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
    }
}

impl Place {
    /// Finds out what a path without links is for.
    fn of(path: &Path, is_folder: bool) -> Self {
        let is_in = |folder: &PathBuf| {
            let real = folder.canonicalize().or_else(|_| std::path::absolute(folder));
            real.is_ok_and(|folder| path.starts_with(folder))
        };
        match OURS.get() {
            // The state may be in the folder of the catalog.
            Some(ours) if is_in(&ours.state) => Self::State,
            Some(ours) if ours.public.iter().any(is_in) => Self::Public,
            _ if is_folder && is_of_system(path) => Self::Shared,
            _ => Self::Outside,
        }
    }
}

/// Whether a folder is one of the system or somebody's home.
fn is_of_system(folder: &Path) -> bool {
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
