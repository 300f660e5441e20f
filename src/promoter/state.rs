//! The state folder: the online key, the last publication, and the version that was last reserved.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::domain::Time;
use crate::formats::tuf::next_version;
use crate::publish::Publication;
use crate::publish::pack::{PackError, pack, unpack};
use crate::signing::PrivateKey;
use crate::signing::key::KeyError;
use crate::signing::trust::Trust;
use crate::store::durable::{self, Mode, WriteError};
use crate::store::secret::{self, Exposed};

/// A state folder.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the key in `{}` cannot be used", path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error(transparent)]
    Exposed(#[from] Exposed),
    #[error("the last publication in `{}` cannot be used", path.display())]
    Publication { path: PathBuf, source: PackError },
    #[error("`{}` does not hold a version: the folder was changed by hand", .0.display())]
    Versions(PathBuf),
}

impl State {
    /// The state in a folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where the online key is.
    #[must_use]
    pub fn online_key_path(&self) -> PathBuf {
        self.folder.join("keys").join("online.pem")
    }

    /// Where the last publication is.
    #[must_use]
    pub fn publication_path(&self) -> PathBuf {
        self.folder.join("publication")
    }

    /// Every private key in the state folder, with its file.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn keys(&self) -> Result<Vec<(PathBuf, PrivateKey)>, StateError> {
        let folder = self.folder.join("keys");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StateError::Read { path: folder, source }),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| StateError::Read { path: folder.clone(), source })?.path();
            if path.extension().is_some_and(|end| end == "pem") {
                secret::check(&path).map_err(|source| StateError::Read { path: path.clone(), source })??;
                let text = zeroize::Zeroizing::new(
                    fs::read_to_string(&path)
                        .map_err(|source| StateError::Read { path: path.clone(), source })?,
                );
                let key = PrivateKey::from_pem(&text)
                    .map_err(|source| StateError::Key { path: path.clone(), source })?;
                keys.push((path, key));
            }
        }
        keys.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(keys)
    }

    /// The key in the state folder that these roles name for all that is signed online. Where there
    /// are two, as between the steps of a rotation, it is `online.pem`.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn online_key(&self, trust: &Trust) -> Result<Option<PrivateKey>, StateError> {
        let mut keys = self.keys()?;
        keys.retain(|(_, key)| trust.is_online(key.id()));
        let usual = keys.iter().position(|(path, _)| *path == self.online_key_path());
        let place = usual.or((!keys.is_empty()).then_some(0));
        Ok(place.map(|place| keys.swap_remove(place).1))
    }

    /// The last publication, if there is one.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn publication(&self) -> Result<Option<Publication>, StateError> {
        let path = self.publication_path();
        let opened = fs::File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, mut file)) => match unpack(&mut file, length) {
                Ok(publication) => Ok(Some(publication)),
                Err(source) => Err(StateError::Publication { path, source }),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Read { path, source }),
        }
    }

    /// Stores a publication in place of the last one: durable before this returns.
    ///
    /// # Errors
    /// When it cannot be written; the last one is then as it was.
    pub fn store(&self, publication: &Publication) -> Result<(), StateError> {
        durable::create_folder(&self.folder, Mode::Private)?;
        // Keys and copies: nothing in the state folder belongs into a repository.
        let ignore = self.folder.join(".gitignore");
        if !ignore.exists() {
            durable::write(&ignore, b"*\n", Mode::Keep)?;
        }
        durable::fill(&self.publication_path(), Mode::Private, |file| {
            let mut file = BufWriter::new(file);
            pack(publication, &mut file)?;
            file.flush()
        })?;
        // If this is lost in a crash, the publication is there all the same, and counts.
        match fs::remove_file(self.new_path()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Read { path: self.new_path(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Notes that nothing was ever published from this state: there is nothing to step back from.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn found(&self) -> Result<(), StateError> {
        durable::write(&self.new_path(), b"nothing was published from here yet\n", Mode::Private)?;
        Ok(())
    }

    /// Whether it is certain that nothing was ever published: [`found`](Self::found), and not stored
    /// since.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new_path().is_file()
    }

    fn new_path(&self) -> PathBuf {
        self.folder.join("new")
    }

    /// Removes what writes that were cut short left behind: each is as large as a publication.
    pub fn sweep(&self) {
        match durable::sweep(&self.folder) {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "removed what a crash left in the state folder"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // Nobody reads them: what fails here fails louder elsewhere.
            Err(e) => tracing::debug!("the state folder cannot be swept: {e}"),
        }
    }

    /// Takes a version that was never used before, for what is signed next: above the last that was
    /// reserved and the last that was published, and at least the seconds since 1970, so that lost
    /// state does not bring an old one back. It is on disk before anything is signed with it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError> {
        let version = next_version(published.unwrap_or(0).max(self.reserved()?), now);
        self.keep_version(version)?;
        Ok(version)
    }

    /// Counts a version as used, though another server or an earlier state did.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn raise(&self, version: u64) -> Result<(), StateError> {
        if version > self.reserved()? { self.keep_version(version) } else { Ok(()) }
    }

    fn reserved(&self) -> Result<u64, StateError> {
        let path = self.version_path();
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| StateError::Versions(path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(StateError::Read { path, source }),
        }
    }

    fn keep_version(&self, version: u64) -> Result<(), StateError> {
        durable::create_folder(&self.folder, Mode::Private)?;
        durable::write(&self.version_path(), format!("{version}\n").as_bytes(), Mode::Private)?;
        Ok(())
    }

    fn version_path(&self) -> PathBuf {
        self.folder.join("version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;

    #[test]
    fn a_reserved_version_is_never_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&folder.path().join("state"));
        let now = t("2018-01-01");
        let first = state.reserve(None, now).unwrap();
        assert_eq!(first, 1_514_764_800);
        assert_eq!(state.reserve(None, now).unwrap(), first + 1);
        assert_eq!(state.reserve(Some(first + 10), now).unwrap(), first + 11);
        assert_eq!(state.reserve(None, t("2001-01-01")).unwrap(), first + 12);
        state.raise(first + 20).unwrap();
        state.raise(first).unwrap();
        assert_eq!(state.reserve(None, now).unwrap(), first + 21);
    }

    #[test]
    fn a_damaged_publication_is_told_and_not_served() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        assert!(state.publication().unwrap().is_none());
        for (file, why) in [
            ("tidegate publication 2\n torn, and long enough for a digest", "cut short"),
            ("tidegate publication 1\n written by an earlier version", "another version"),
            ("something else that somebody put here, no publication", "not a publication"),
        ] {
            fs::write(state.publication_path(), file).unwrap();
            let error = state.publication().unwrap_err();
            let StateError::Publication { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains(why), "{source}");
        }
    }
}
