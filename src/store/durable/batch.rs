//! Durable writes of many files at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::{Mode, Step, WriteError, create_aside, failed, folder, sync_folder};

/// New files that become durable together. No file gets its name before the contents of all are on disk.
#[derive(Debug, Default)]
pub struct Batch {
    asides: Vec<(TempPath, PathBuf)>,
}

/// How many files are synced one by one. Syncing ten thousand like that would take minutes, and syncing the
/// whole file system waits for what other programs have written.
const FEW: usize = 16;

impl Batch {
    /// Writes a file under its temporary name.
    ///
    /// # Errors
    /// When `content` or a step fails; the other files of the batch are unaffected.
    pub fn fill(
        &mut self,
        path: &Path,
        mode: Mode,
        content: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        self.fill_named(path, mode, |file| content(file).map(|()| path.to_owned()))
    }

    /// Like [`fill`](Self::fill), for a file whose name depends on its content. `content` returns its path, in
    /// the folder of `path`.
    ///
    /// # Errors
    /// When `content` or a step fails; the other files of the batch are unaffected.
    pub fn fill_named(
        &mut self,
        path: &Path,
        mode: Mode,
        content: impl FnOnce(&mut File) -> io::Result<PathBuf>,
    ) -> Result<(), WriteError> {
        let mut aside = create_aside(path, mode).map_err(failed(path, Step::Create))?;
        let named = content(aside.as_file_mut()).map_err(failed(path, Step::Write))?;
        self.asides.push((aside.into_temp_path(), named));
        Ok(())
    }

    /// Makes the files durable and gives them their final names. All of them must be on the file system of
    /// `root`.
    ///
    /// # Errors
    /// When a step fails. Files that have not been renamed by then are discarded.
    pub fn finish(self, root: &Path) -> Result<(), WriteError> {
        if self.asides.is_empty() {
            return Ok(());
        }
        let are_few = self.asides.len() <= FEW;
        let handle = File::open(root).map_err(failed(root, Step::Create))?;
        let sync = || rustix::fs::syncfs(&handle).map_err(io::Error::from);
        if are_few {
            for (aside, path) in &self.asides {
                File::open(aside).and_then(|file| file.sync_all()).map_err(failed(path, Step::Sync))?;
            }
        } else {
            sync().map_err(failed(root, Step::Sync))?;
        }
        let mut folders = BTreeSet::new();
        for (aside, path) in self.asides {
            aside.persist(&path).map_err(|lost| failed(&path, Step::Rename)(lost.error))?;
            folders.insert(folder(&path).to_owned());
        }
        if !are_few {
            return sync().map_err(failed(root, Step::SyncFolder));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder).map_err(failed(folder, Step::SyncFolder)))
    }
}
