//! The state in a folder: the online keys, the last publication, and the last reserved version.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::durable::{self, Mode, WriteError};
use super::lock;
use super::port::{Blob, Exclusive, HeldKey, Revision, StateError, StateStore};
use super::secret;
use super::stamp::Stamp;
use crate::domain::Time;
use crate::formats::tuf::next_version;

/// A state folder.
#[derive(Debug, Clone)]
pub struct StateFolder {
    folder: PathBuf,
}

impl From<WriteError> for StateError {
    fn from(error: WriteError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl StateFolder {
    /// The state in a folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where the online key is.
    #[must_use]
    pub fn online_key_path(&self) -> PathBuf {
        self.folder.join("keys").join("online.pem")
    }

    fn publication_path(&self) -> PathBuf {
        self.folder.join("publication")
    }

    fn new_path(&self) -> PathBuf {
        self.folder.join("new")
    }

    fn version_path(&self) -> PathBuf {
        self.folder.join("version")
    }

    fn reserved(&self) -> Result<u64, StateError> {
        let path = self.version_path();
        match fs::read_to_string(&path) {
            Ok(text) => {
                text.trim().parse().map_err(|_| StateError::Versions(format!("`{}`", path.display())))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(unreadable(&path)(source)),
        }
    }

    fn keep_version(&self, version: u64) -> Result<(), StateError> {
        durable::create_folder(&self.folder, Mode::Private)?;
        durable::write(&self.version_path(), format!("{version}\n").as_bytes(), Mode::Private)?;
        Ok(())
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Read { what: format!("`{}`", path.display()), source }
}

impl StateStore for StateFolder {
    fn lease(&self) -> Result<Exclusive, StateError> {
        lock::state(&self.folder)
    }

    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError> {
        let version = next_version(published.unwrap_or(0).max(self.reserved()?), now);
        self.keep_version(version)?;
        Ok(version)
    }

    fn raise(&self, version: u64) -> Result<(), StateError> {
        if version > self.reserved()? { self.keep_version(version) } else { Ok(()) }
    }

    fn publication(&self) -> Result<Option<Blob>, StateError> {
        let path = self.publication_path();
        let opened = fs::File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((size, file)) => {
                Ok(Some(Blob { place: format!("`{}`", path.display()), size, bytes: Box::new(file) }))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(unreadable(&path)(source)),
        }
    }

    fn publish(&self, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), StateError> {
        durable::create_folder(&self.folder, Mode::Private)?;
        // Keys and copies: nothing in the state folder may be committed to a repository.
        let ignore = self.folder.join(".gitignore");
        if !ignore.exists() {
            durable::write(&ignore, b"*\n", Mode::Keep)?;
        }
        durable::fill(&self.publication_path(), Mode::Private, |file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.flush()
        })?;
        // If a crash undoes this, there is a publication all the same, and that is what counts.
        match fs::remove_file(self.new_path()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(unreadable(&self.new_path())(source))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn head(&self) -> Option<Revision> {
        fs::metadata(self.publication_path()).ok().map(|metadata| Stamp::of(&metadata).revision())
    }

    fn found(&self) -> Result<(), StateError> {
        durable::write(&self.new_path(), b"nothing was published from here yet\n", Mode::Private)?;
        Ok(())
    }

    fn is_new(&self) -> bool {
        self.new_path().is_file()
    }

    fn keys(&self) -> Result<Vec<HeldKey>, StateError> {
        let folder = self.folder.join("keys");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(unreadable(&folder)(source)),
        };
        let usual = self.online_key_path();
        let mut keys = Vec::new();
        for entry in entries {
            let place = entry.map_err(unreadable(&folder))?.path();
            if place.extension().is_some_and(|end| end == "pem") {
                secret::check(&place).map_err(unreadable(&place))??;
                let pem = Zeroizing::new(fs::read_to_string(&place).map_err(unreadable(&place))?);
                keys.push(HeldKey { is_usual: place == usual, place, pem });
            }
        }
        keys.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(keys)
    }

    /// Each leftover is as large as a publication.
    fn sweep(&self) {
        match durable::sweep(&self.folder) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "removed what a crash left in the state folder"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // Nobody reads them, and a folder with a fault fails louder elsewhere.
            Err(e) => tracing::debug!("the state folder cannot be swept: {e}"),
        }
    }
}
