//! The state folder: the online keys, the last publication (its head, `publication`, and the segments that it
//! names), and the last reserved version.

mod segments;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::durable::{self, Mode, Step, WriteError, present};
use super::lock;
use super::plain::{self, explained};
use super::port::{Blob, Exclusive, HeldKey, Pack, Revision, StateError, StateStore};
use super::secret;
use super::stamp::Stamp;
use crate::domain::clock::{Accepted, KnownTime};
use crate::domain::payload::Sha256;
use crate::domain::report::Report;
use crate::domain::restraint::{Forgotten, Remembered};
use crate::domain::{Time, chain};
use crate::formats::tuf::next_version;
use crate::formats::{clock, report, restraints};
use segments::SegmentFolder;

/// A state folder.
#[derive(Debug, Clone)]
pub struct StateFolder {
    folder: PathBuf,
    lock: Arc<Mutex<Option<Held>>>,
}

/// A lock that this process has.
#[derive(Debug)]
struct Held {
    lock: File,
    /// Whether the folder was replaced since the lease was taken.
    is_replaced: bool,
}

/// Gives the lock back when it is dropped.
struct Lease(Arc<Mutex<Option<Held>>>);

impl Drop for Lease {
    fn drop(&mut self) {
        *held(&self.0) = None;
    }
}

fn held(lock: &Mutex<Option<Held>>) -> MutexGuard<'_, Option<Held>> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that cannot be read, and why.
struct Unread {
    path: PathBuf,
    why: String,
    /// Whether only this process may not read it.
    is_denied: bool,
}

impl From<WriteError> for StateError {
    fn from(error: WriteError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl StateFolder {
    /// Uses a folder. It need not exist yet, but only the [lease](StateStore::lease) creates it: a state that vanishes
    /// under a server must not be replaced by an empty one.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), lock: Arc::default() }
    }

    /// The path of the online key.
    pub fn online_key_path(&self) -> PathBuf {
        self.folder.join("keys").join("online.pem")
    }

    fn publication_path(&self) -> PathBuf {
        self.folder.join("publication")
    }

    fn segments(&self) -> SegmentFolder {
        SegmentFolder::new(self.folder.join("segments"))
    }

    /// The file whose presence means that nothing was ever published.
    fn new_path(&self) -> PathBuf {
        self.folder.join("new")
    }

    fn version_path(&self) -> PathBuf {
        self.folder.join("version")
    }

    fn restraints_path(&self) -> PathBuf {
        self.folder.join("restraints.json")
    }

    fn report_path(&self) -> PathBuf {
        self.folder.join("report.json")
    }

    fn clock_path(&self) -> PathBuf {
        self.folder.join("clock.json")
    }

    fn accepted_path(&self) -> PathBuf {
        self.folder.join("clock-accepted.json")
    }

    /// The names under which restraints that cannot be read are kept.
    fn set_aside_paths(&self) -> impl Iterator<Item = PathBuf> {
        let name = |n: usize| {
            if n == 0 { "restraints.json.bad".to_owned() } else { format!("restraints.json.bad.{n}") }
        };
        (0..).map(move |n| self.folder.join(name(n)))
    }

    /// What is remembered of restraints. A crash may have come between setting a file aside and replacing it.
    fn remembered(&self) -> Result<Remembered, Unread> {
        let path = self.restraints_path();
        let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        let mut is_denied = false;
        let why = match present(read(&path)) {
            Ok(Some(text)) => match restraints::read(text.as_bytes()) {
                Some(memory) => return Ok(memory),
                None => "it is damaged, or another version of tidegate wrote it".to_owned(),
            },
            Ok(None) => match self.set_aside_paths().take_while(is_there).last() {
                Some(path) => return Err(Unread { path, why: "it could not be read".to_owned(), is_denied }),
                None => return Ok(Remembered::default()),
            },
            Err(error) => {
                is_denied = error.kind() == io::ErrorKind::PermissionDenied;
                error.to_string()
            }
        };
        Err(Unread { path, why, is_denied })
    }

    /// The last reserved version. One that cannot be read must not keep a stop from being served: what was
    /// published and the clock say which versions are used, as if the file were missing.
    fn reserved(&self) -> u64 {
        let path = self.version_path();
        let why = match present(read(&path)) {
            Ok(None) => return 0,
            Ok(Some(text)) => match text.trim().parse() {
                Ok(version) => return version,
                Err(_) => "it does not contain a version".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            "`{}` cannot be read, so the next version follows the last publication and the clock: {why}",
            path.display()
        );
        0
    }

    fn keep_version(&self, version: u64) -> Result<(), StateError> {
        self.write(&self.version_path(), format!("{version}\n").as_bytes())
    }

    /// Writes a file, unless the folder was removed or belongs to another process by now.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StateError> {
        self.keep_lease()?;
        Ok(durable::write(path, bytes, Mode::Private)?)
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> StateError {
    move |source| StateError::Read { what: format!("`{}`", path.display()), source: explained(path, source) }
}

fn read(path: &Path) -> io::Result<String> {
    String::from_utf8(plain::whole_of_state(path)?).map_err(io::Error::other)
}

impl StateStore for StateFolder {
    fn lease(&self) -> Result<Exclusive, StateError> {
        let lock = lock::state(&self.folder)?;
        *held(&self.lock) = Some(Held { lock, is_replaced: false });
        Ok(Exclusive::new(Lease(Arc::clone(&self.lock))))
    }

    fn keep_lease(&self) -> Result<bool, StateError> {
        let mut held = held(&self.lock);
        let Some(kept) = held.as_mut() else { return Ok(false) };
        if lock::is_of(&kept.lock, &self.folder) {
            return Ok(!kept.is_replaced);
        }
        // The mount point of a volume is empty while that is not mounted, and must stay so.
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        if !is_there(&self.folder.join("lock")) && !is_there(&self.publication_path()) {
            return Err(StateError::Gone { place: format!("folder `{}`", self.folder.display()) });
        }
        *kept = Held { lock: lock::existing_state(&self.folder)?, is_replaced: true };
        tracing::warn!("the state folder `{}` was replaced, and is locked again", self.folder.display());
        Ok(false)
    }

    fn reserve(&self, published: Option<u64>, now: Time) -> Result<u64, StateError> {
        let version = next_version(published.unwrap_or(0).max(self.reserved()), now);
        self.keep_version(version)?;
        Ok(version)
    }

    fn raise(&self, version: u64) -> Result<(), StateError> {
        if version > self.reserved() { self.keep_version(version) } else { Ok(()) }
    }

    fn publication(&self) -> Result<Option<Blob>, StateError> {
        let path = self.publication_path();
        present(plain::open_of_state(&path).and_then(|file| Blob::of_file(&path, file, 0)))
            .map_err(unreadable(&path))
    }

    fn segment(&self, sha256: &Sha256) -> Result<Blob, StateError> {
        let path = self.segments().path(sha256);
        plain::open_of_state(&path).and_then(|file| Blob::of_file(&path, file, 0)).map_err(unreadable(&path))
    }

    fn publish(&self, pack: &mut Pack<'_>) -> Result<(), StateError> {
        self.keep_lease()?;
        let mut segments = self.segments();
        let path = self.publication_path();
        let failed = |source| WriteError { path: path.clone(), step: Step::Write, source };
        let head = pack(&mut segments).map_err(failed)?;
        let named = segments.finish()?;
        durable::fill(&path, Mode::Private, |file| file.write_all(&head))?;
        // What is left there too long does no harm.
        if let Err(error) = named.tidy() {
            tracing::warn!("old segments are left in the state folder: {}", chain(&error));
        }
        // A crash may undo this removal. That does no harm, because the publication itself is durable by
        // now.
        present(durable::remove_file(&self.new_path())).map_err(unreadable(&self.new_path()))?;
        Ok(())
    }

    fn head(&self) -> Option<Revision> {
        fs::metadata(self.publication_path()).ok().map(|metadata| Stamp::of(&metadata).revision())
    }

    fn found(&self) -> Result<(), StateError> {
        self.write(&self.new_path(), b"nothing has been published from here yet\n")
    }

    fn is_new(&self) -> bool {
        self.new_path().is_file()
    }

    fn restraints(&self) -> Remembered {
        self.remembered().unwrap_or_else(|Unread { path, why, is_denied }| {
            let modified =
                fs::symlink_metadata(&path).ok().and_then(|about| Time::from_timestamp(about.mtime(), 0));
            let why = format!("`{}`: {why}", path.display());
            let forgotten = Forgotten { stored: modified.unwrap_or_default(), why, is_denied };
            Remembered { restraints: Vec::new(), forgotten: Some(forgotten) }
        })
    }

    fn remember(&self, memory: &Remembered) -> Result<(), StateError> {
        self.keep_lease()?;
        let path = self.restraints_path();
        // Whoever lets this process read them must find them as they were.
        if memory.forgotten.as_ref().is_some_and(|forgotten| forgotten.is_denied) {
            return Err(unreadable(&path)(io::ErrorKind::PermissionDenied.into()));
        }
        if self.remembered().is_err_and(|unread| unread.path == path)
            && let Some(kept) = self.set_aside_paths().find(|kept| fs::symlink_metadata(kept).is_err())
        {
            fs::rename(&path, &kept).map_err(unreadable(&path))?;
            tracing::warn!("`{}` cannot be read, and is kept as `{}`", path.display(), kept.display());
        }
        self.write(&path, &restraints::write(memory))
    }

    fn reported(&self) -> Option<Report> {
        report::read(read(&self.report_path()).ok()?.as_bytes())
    }

    fn report(&self, report: &Report) -> Result<(), StateError> {
        self.write(&self.report_path(), &report::write(report))
    }

    fn known_time(&self) -> Option<KnownTime> {
        clock::read(read(&self.clock_path()).ok()?.as_bytes())
    }

    fn know_time(&self, known: &KnownTime) -> Result<(), StateError> {
        self.write(&self.clock_path(), &clock::write(known))
    }

    fn accepted(&self) -> Option<Accepted> {
        clock::read_accepted(read(&self.accepted_path()).ok()?.as_bytes())
    }

    fn accept(&self, accepted: Option<&Accepted>) -> Result<(), StateError> {
        self.keep_lease()?;
        let path = self.accepted_path();
        let Some(accepted) = accepted else {
            present(durable::remove_file(&path)).map_err(unreadable(&path))?;
            return Ok(());
        };
        self.write(&path, &clock::write_accepted(accepted))
    }

    fn keys(&self) -> Result<Vec<HeldKey>, StateError> {
        let folder = self.folder.join("keys");
        let entries = present(fs::read_dir(&folder)).map_err(unreadable(&folder))?;
        let usual = self.online_key_path();
        let mut keys = Vec::new();
        for entry in entries.into_iter().flatten() {
            let place = entry.map_err(unreadable(&folder))?.path();
            if place.extension().is_some_and(|end| end == "pem") {
                secret::check(&place).map_err(unreadable(&place))??;
                let pem = Zeroizing::new(plain::whole_of_state(&place).map_err(unreadable(&place))?);
                keys.push(HeldKey { is_usual: place == usual, place, pem });
            }
        }
        keys.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(keys)
    }

    /// Removes temporary files, because each of them can be as large as a publication.
    fn sweep(&self) {
        let swept = [self.folder.clone(), self.folder.join("segments")]
            .map(|folder| present(durable::sweep(&folder)).map(Option::unwrap_or_default));
        match swept.into_iter().sum::<io::Result<usize>>() {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(files, "removed temporary files that a crash left in the state folder");
            }
            // Leftovers do no harm, and a faulty folder causes more visible errors elsewhere.
            Err(e) => tracing::debug!("cannot remove temporary files from the state folder: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::t;
    use crate::formats::tuf::version_at;

    #[test]
    fn a_damaged_version_follows_the_last_publication_and_the_clock_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        let now = t("2018-01-01");
        let clock = version_at(now);
        for (text, published, expected) in
            [("", None, clock), ("zzz", Some(clock + 9), clock + 10), ("-1", Some(5), clock)]
        {
            fs::write(state.version_path(), text).unwrap();
            assert_eq!(state.reserve(published, now).unwrap(), expected, "{text}");
            assert_eq!(state.reserve(None, now).unwrap(), expected + 1, "{text}");
            fs::write(state.version_path(), text).unwrap();
            state.raise(clock + 99).unwrap();
            assert_eq!(state.reserve(None, now).unwrap(), clock + 100, "{text}");
        }
    }

    #[test]
    fn a_segment_that_is_stored_takes_the_place_of_a_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        let sha256 = Sha256::new([7; 32]);
        let publish = || {
            state
                .publish(&mut |segments| {
                    segments.put(&mut |to| to.write_all(b"segment").map(|()| sha256))?;
                    Ok(b"head".to_vec())
                })
                .unwrap();
        };
        publish();
        let path = state.segments().path(&sha256);
        for damaged in ["SEGMENT", "", "longer than the segment"] {
            fs::write(&path, damaged).unwrap();
            publish();
            assert_eq!(fs::read_to_string(&path).unwrap(), "segment");
        }
    }

    /// A state folder with a publication, and a lease for it.
    fn leased(folder: &Path) -> (StateFolder, Exclusive) {
        let state = StateFolder::new(folder);
        let lease = state.lease().unwrap();
        state.publish(&mut |_| Ok(b"head".to_vec())).unwrap();
        (state, lease)
    }

    /// Puts copies of all files in the place of a folder.
    fn replace(folder: &Path) {
        let away = folder.with_extension("away");
        fs::rename(folder, &away).unwrap();
        fs::create_dir(folder).unwrap();
        for file in ["lock", "publication"] {
            fs::copy(away.join(file), folder.join(file)).unwrap();
        }
    }

    #[test]
    fn a_folder_that_was_replaced_is_locked_again_before_anything_is_written() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state");
        let (state, lease) = leased(&folder);
        replace(&folder);
        state.reserve(None, Time::default()).unwrap();
        assert!(matches!(StateFolder::new(&folder).lease(), Err(StateError::InUse { .. })));
        drop(lease);
        StateFolder::new(&folder).lease().unwrap();
    }

    #[test]
    fn nothing_is_written_to_a_folder_that_another_process_has_by_now() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state");
        let (state, _lease) = leased(&folder);
        replace(&folder);
        let other = StateFolder::new(&folder).lease().unwrap();
        assert!(matches!(state.reserve(None, Time::default()), Err(StateError::InUse { .. })));
        assert!(matches!(state.publish(&mut |_| Ok(b"other".to_vec())), Err(StateError::InUse { .. })));
        assert_eq!(fs::read(folder.join("publication")).unwrap(), b"head");
        assert!(!folder.join("version").exists());
        drop(other);
        state.reserve(None, Time::default()).unwrap();
    }

    #[test]
    fn nothing_is_written_under_a_volume_that_was_unmounted() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("state");
        let (state, _lease) = leased(&folder);
        let away = place.path().join("away");
        fs::rename(&folder, &away).unwrap();
        fs::create_dir(&folder).unwrap();
        assert!(matches!(state.reserve(None, Time::default()), Err(StateError::Gone { .. })));
        assert!(matches!(state.remember(&Remembered::default()), Err(StateError::Gone { .. })));
        assert!(matches!(state.publish(&mut |_| Ok(b"other".to_vec())), Err(StateError::Gone { .. })));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
        fs::rename(&away, &folder).unwrap();
        state.reserve(None, Time::default()).unwrap();
    }
}
