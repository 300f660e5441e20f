//! Which parts of the folders have changed, as far as the kernel tells.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use super::kernel::{Event, Kernel, Number, What, is_told_of};
use crate::formats::yaml::{is_content, is_ignored};
use crate::store::directory::entry::is_passed_over;
use crate::store::directory::listing::Part;
use crate::store::port::Wake;

/// After this many changes that the kernel did not tell of, it is not believed any more.
const MISSED: usize = 3;

/// The folders that are watched, and what they are.
pub(super) struct Notices {
    kernel: Option<Kernel>,
    wake: Option<Wake>,
    places: HashMap<Number, Place>,
    numbers: HashMap<Part, Vec<Number>>,
    /// How many folders may be watched. The system has a limit of its own.
    most: usize,
    is_full: bool,
    has_payloads: bool,
    /// How often a change was found that the kernel did not tell of.
    missed: usize,
    /// Whether somebody was told that not every folder is watched.
    is_reported: bool,
}

/// What a watched folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Catalog,
    Payloads,
    Git,
    In(Part),
}

/// What the kernel has told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The parts in which something has changed.
    pub parts: BTreeMap<Part, InPlace>,
    /// Whether anything else may have changed, too.
    pub is_incomplete: bool,
}

/// What was written in place in a part, and may be half-written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InPlace {
    /// The names of files.
    pub names: BTreeSet<OsString>,
    /// Whether it may be any file.
    pub is_any: bool,
}

impl InPlace {
    pub fn is_none(&self) -> bool {
        !self.is_any && self.names.is_empty()
    }

    /// Whether it may be the file with this path.
    pub fn has(&self, path: &str) -> bool {
        self.is_any || path.rsplit('/').next().is_some_and(|name| self.names.contains(OsStr::new(name)))
    }

    pub fn extend(&mut self, other: Self) {
        self.names.extend(other.names);
        self.is_any |= other.is_any;
    }
}

impl Notices {
    /// Watches nothing yet, and at `most` so many folders.
    pub fn new(most: usize) -> Self {
        Self {
            kernel: None,
            wake: None,
            places: HashMap::new(),
            numbers: HashMap::new(),
            most,
            is_full: false,
            has_payloads: false,
            missed: 0,
            is_reported: false,
        }
    }

    /// Whether the kernel tells of changes in the catalog folder, and of new folders beside the lines.
    pub const fn is_on(&self) -> bool {
        self.kernel.is_some()
    }

    /// Watches the catalog folder and the payload folder, and nothing that was watched before.
    pub fn restart(&mut self, catalog: &Path, payloads: &Path) {
        (self.kernel, self.is_full, self.has_payloads) = (None, false, false);
        self.places.clear();
        self.numbers.clear();
        if self.missed >= MISSED || !is_told_of(catalog) {
            return;
        }
        let started = Kernel::new().and_then(|mut kernel| {
            if let Some(wake) = &self.wake {
                kernel.wake(Wake::clone(wake))?;
            }
            self.kernel = Some(kernel);
            self.add(&catalog.canonicalize()?, Place::Catalog)
        });
        if let Err(error) = started {
            self.kernel = None;
            self.report(&error);
        } else if is_told_of(payloads) {
            let added = payloads.canonicalize().and_then(|folder| self.add(&folder, Place::Payloads));
            self.has_payloads = added.is_ok();
        }
    }

    /// Calls `wake` from another thread when something may have changed.
    pub fn wake(&mut self, wake: Wake) {
        if let Some(kernel) = &mut self.kernel
            && let Err(error) = kernel.wake(Wake::clone(&wake))
        {
            tracing::debug!("nothing wakes the promoter: {error}");
        }
        self.wake = Some(wake);
    }

    /// Watches git's folder, only to be woken when git is done.
    pub fn watch_git(&mut self, folder: &Path) {
        let _ = self.add(folder, Place::Git);
    }

    /// Whether the kernel tells of changes in the payload folder.
    pub const fn hears_of_payloads(&self) -> bool {
        self.has_payloads
    }

    /// Whether it is told of a part that appears.
    pub const fn hears_of(&self, part: &Part) -> bool {
        match part {
            Part::Catalog(_) => self.is_on(),
            Part::Payloads(_) => self.has_payloads,
        }
    }

    /// How many folders of a part are watched.
    pub fn count(&self, part: &Part) -> usize {
        self.numbers.get(part).map_or(0, Vec::len)
    }

    /// How many folders are watched.
    #[cfg(test)]
    pub fn watched(&self) -> usize {
        self.places.len()
    }

    /// Watches a folder of a part. Returns whether all that happens to it is told; if it is no folder, that is the
    /// case.
    pub fn watch(&mut self, part: &Part, folder: &Path) -> bool {
        match self.add(folder, Place::In(part.clone())) {
            Ok(()) => true,
            Err(error) => {
                let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
                if is_folder {
                    self.report(&error);
                }
                !is_folder
            }
        }
    }

    fn add(&mut self, folder: &Path, place: Place) -> io::Result<()> {
        let Some(kernel) = &self.kernel else { return Err(io::ErrorKind::Unsupported.into()) };
        if self.is_full || self.places.len() >= self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Payloads are read when nobody has written to them for seconds.
        let each_write = !matches!(place, Place::Payloads | Place::In(Part::Payloads(_)));
        let number = kernel.add(folder, each_write).inspect_err(|error| {
            self.is_full |= error.kind() == io::ErrorKind::StorageFull;
        })?;
        if let Place::In(part) = &place {
            let numbers = self.numbers.entry(part.clone()).or_default();
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        self.places.insert(number, place);
        Ok(())
    }

    fn report(&mut self, error: &io::Error) {
        if self.is_reported {
            return;
        }
        self.is_reported = true;
        if error.kind() == io::ErrorKind::StorageFull {
            tracing::warn!(
                "the system allows too few inotify watches for all folders, so some are scanned for changes, which takes longer: raise `fs.inotify.max_user_watches`"
            );
        } else {
            tracing::info!(
                "folders are scanned for changes, since the system does not tell of them: {error}"
            );
        }
    }

    /// Notes that something changed in a watched folder, and nothing told of it.
    pub fn miss(&mut self) {
        self.missed += 1;
        if self.missed == MISSED {
            tracing::info!(
                "the file system does not tell of all changes, so the folders are scanned for them from now on"
            );
        }
    }

    /// Returns what has changed since the last time.
    pub fn drain(&mut self) -> Told {
        let mut events = Vec::new();
        if let Some(kernel) = &self.kernel {
            kernel.read(&mut |event| events.push(event));
        }
        self.judge(events)
    }

    fn judge(&mut self, events: Vec<Event>) -> Told {
        let mut told = Told::default();
        // What is not whole, as far as is known: an entry, its part, whether it is a folder, and the number of the
        // move in which it vanished.
        let mut unsure: HashMap<(Number, OsString), (Part, bool, Option<u32>)> = HashMap::new();
        for Event { folder, name, is_folder, what } in events {
            if what == What::Lost {
                told.is_incomplete = true;
            }
            let Some(place) = self.places.get(&folder).cloned() else { continue };
            if what == What::Ended {
                told.is_incomplete |= matches!(place, Place::Catalog | Place::Payloads);
                self.end(folder, &place);
                continue;
            }
            let part = match (&place, &name) {
                (Place::Git, _) => continue,
                // Perhaps who may read it.
                (Place::Catalog | Place::Payloads, None) => {
                    told.is_incomplete = true;
                    continue;
                }
                (Place::In(part), None) => {
                    told.parts.entry(part.clone()).or_default().is_any = true;
                    continue;
                }
                (Place::Catalog, Some(name)) => Part::Catalog(name.as_os_str().into()),
                (Place::Payloads, Some(name)) => Part::Payloads(name.as_os_str().into()),
                (Place::In(part), Some(_)) => part.clone(),
            };
            let name = name.unwrap_or_default();
            if matches!(part, Part::Catalog(_)) && is_passed_over(&name.to_string_lossy()) {
                continue;
            }
            // Another folder may have the name now, and one that was moved away would still be heard of.
            let is_moved_away = matches!(what, What::MovedFrom(_));
            if is_folder && (is_moved_away || matches!(place, Place::Catalog | Place::Payloads)) {
                self.forget(&part);
                // What is told of its files from now on is lost.
                told.parts.entry(part.clone()).or_default().is_any = true;
            }
            match what {
                What::MovedTo(number) => {
                    unsure.retain(|_, (.., vanished)| *vanished != Some(number));
                    if is_folder {
                        unsure.insert((folder, name), (part.clone(), true, None));
                    } else {
                        unsure.remove(&(folder, name));
                    }
                }
                _ if is_harmless(&part, &place, &name, is_folder) => {}
                _ => {
                    let vanished = if let What::MovedFrom(number) = what { Some(number) } else { None };
                    unsure.insert((folder, name), (part.clone(), is_folder, vanished));
                }
            }
            told.parts.entry(part).or_default();
        }
        for ((_, name), (part, is_folder, _)) in unsure {
            let in_place = told.parts.entry(part).or_default();
            if is_folder {
                in_place.is_any = true;
            } else {
                in_place.names.insert(name);
            }
        }
        told
    }

    /// Watches the folders of a part no longer.
    fn forget(&mut self, part: &Part) {
        for number in self.numbers.remove(part).into_iter().flatten() {
            self.places.remove(&number);
            if let Some(kernel) = &self.kernel {
                kernel.remove(number);
            }
        }
    }

    fn end(&mut self, folder: Number, place: &Place) {
        self.places.remove(&folder);
        if let Place::In(part) = place
            && let Some(numbers) = self.numbers.get_mut(part)
        {
            numbers.retain(|number| *number != folder);
            if numbers.is_empty() {
                self.numbers.remove(part);
            }
        }
    }
}

/// Whether a file may be half-written for as long as it likes, since what it says does not count.
fn is_harmless(part: &Part, place: &Place, name: &OsStr, is_folder: bool) -> bool {
    let name = name.to_string_lossy();
    match (part, place) {
        (Part::Payloads(_), Place::In(_)) => name != "release.json",
        _ if is_folder => false,
        (Part::Payloads(_), _) => true,
        (Part::Catalog(folder), Place::In(_)) if **folder == *"trust" => !name.ends_with(".json"),
        (Part::Catalog(folder), Place::In(_)) => !is_content(&format!("{}/{name}", folder.to_string_lossy())),
        // It may be a link to a folder.
        (Part::Catalog(_), _) => is_ignored(&name),
    }
}
