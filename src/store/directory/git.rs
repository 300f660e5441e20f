//! Detecting git: while a git operation is in progress in a catalog folder, nothing else reads or writes
//! there.

use std::fs;
use std::path::{Path, PathBuf};

/// The files and folders in `.git` that exist while a git operation is in progress, or waits for somebody
/// to resolve a conflict.
const AT_WORK: [&str; 7] =
    [LOCK, "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG"];

/// The file that exists while a git process writes. The others may wait for a person.
const LOCK: &str = "index.lock";

/// A git work tree that contains a catalog folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    pub root: PathBuf,
    /// `.git`, or the folder that the `.git` file of a linked work tree or submodule points to.
    git: PathBuf,
}

/// Returns the git work tree that contains a folder, if there is one. Changes to such a folder are made
/// through git, unless a flag says otherwise.
pub fn work_tree(folder: &Path) -> Option<WorkTree> {
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().find_map(|root| {
        let git = root.join(".git");
        let kind = fs::metadata(&git).ok()?;
        let git = if kind.is_dir() {
            git
        } else {
            let text = String::from_utf8(crate::store::plain::whole(&git).ok()?).ok()?;
            root.join(text.strip_prefix("gitdir:")?.trim())
        };
        Some(WorkTree { root: root.to_owned(), git })
    })
}

impl WorkTree {
    /// Git's own folder.
    pub(super) fn folder(&self) -> &Path {
        &self.git
    }

    /// The file or folder that shows that a git operation is in progress, if one is.
    pub fn at_work(&self) -> Option<PathBuf> {
        AT_WORK.iter().map(|name| self.git.join(name)).find(|path| path.exists())
    }
}

/// Whether the file or folder at `path` shows that a git process is writing right now.
pub(super) fn is_writing(path: &Path) -> bool {
    path.ends_with(LOCK)
}

/// Explains that git is working on the catalog, as the file or folder at `path` shows, and what to do.
pub(super) fn busy(path: &Path) -> String {
    // A git process that was killed leaves its lock behind. Then there is nothing to wait for.
    let way_out = if is_writing(path) {
        "wait for it to finish, or remove that file if git is not running; then try again"
    } else {
        "finish or abort that operation, then try again"
    };
    format!("git is working on the catalog, as `{}` shows: {way_out}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

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
