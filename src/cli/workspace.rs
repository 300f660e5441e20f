//! What a command works on: the catalog, its payloads and the state.
//!
//! Commands get all three here, and use only what any store offers. No other file of `cli` knows that
//! they are folders.

mod about;
mod manifests;
mod trust;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::Globals;
use super::failure::{Hint, did_you_mean, refuse};
use super::table::counted;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::chain;
use crate::domain::change::Change;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::degraded::Degraded;
use crate::domain::line::Line;
use crate::domain::loosened::What;
use crate::domain::release::Release;
use crate::domain::restraint::{Forgotten, Remembered, Restraint};
use crate::domain::stop::Stop;
use crate::domain::version::Version;
use crate::formats::yaml::{POLICY_PATH, line_path, release_path};
use crate::publish::evidence::with_evidence;
use crate::signing::trust::{Checked, Trust, TrustError};
use crate::store;
use crate::store::denied;
use crate::store::directory::git;
use crate::store::port::{CatalogStore, History, HistoryError, PayloadStore, Snapshot, StateStore};
use crate::store::state::StateFolder;
use crate::words;

/// How often a commit is tried if others come first. Each of those makes progress, so losing this often in
/// a row means that something else is wrong.
const TRIES: usize = 10;

/// The folders and the clock.
pub struct Workspace {
    pub catalog: PathBuf,
    pub payloads: PathBuf,
    pub state: PathBuf,
    clock: SharedClock,
    store: OnceCell<Arc<dyn CatalogStore>>,
    /// What the catalog is compared with.
    memory: OnceCell<Remembered>,
    checked: Checked,
}

/// The catalog at one revision, with the evidence for its releases.
pub struct View {
    pub snapshot: Snapshot,
    /// The lines without faults, with what they have [lost](Self::lost), and each release with its evidence.
    pub catalog: Catalog,
    /// The restraints that the catalog has lost, although nobody took them back.
    pub lost: Vec<Restraint>,
    /// What the catalog may have lost, because the state can no longer tell.
    pub forgotten: Option<Forgotten>,
    /// The catalog's folder, as the user named it.
    folder: PathBuf,
    trust: Result<Option<Trust>, TrustError>,
}

impl Workspace {
    pub fn new(globals: &Globals, clock: SharedClock) -> Self {
        let Globals { catalog, payloads, state, .. } = globals.clone();
        denied::own(&catalog, &payloads, &state);
        let (store, memory) = (OnceCell::new(), OnceCell::new());
        Self { catalog, payloads, state, clock, store, memory, checked: Checked::default() }
    }

    /// Returns the current time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Returns the clock.
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// Returns the catalog's store.
    pub fn store(&self) -> anyhow::Result<&Arc<dyn CatalogStore>> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = self.other(&self.catalog).hint_with(|_| {
            if self.is_mirror() || Path::new("tuf/metadata").is_dir() {
                "this is a mirror, which has no catalog: run the command where the catalog is, or name its folder with `--catalog DIR`; `tidegate verify --from DIR` shows what a mirror has"
            } else {
                "name the folder with `--catalog DIR`, or create a catalog here: `tidegate init --offline-keys DIR`"
            }
        })?;
        Ok(self.store.get_or_init(|| store))
    }

    /// Returns the store of a catalog in another folder, with the same payloads.
    pub fn other(&self, catalog: &Path) -> anyhow::Result<Arc<dyn CatalogStore>> {
        Ok(store::catalog(catalog, &self.payloads)?)
    }

    /// Returns the state store.
    pub fn state_store(&self) -> Arc<dyn StateStore> {
        store::state(&self.state)
    }

    /// Returns the path of the online key, if it is in a file.
    pub fn online_key_path(&self) -> PathBuf {
        StateFolder::new(&self.state).online_key_path()
    }

    /// Returns the path of the root of the last import.
    pub fn imported_root(&self) -> PathBuf {
        self.state.join("root.json")
    }

    /// Whether the state folder holds an import, which `serve --mirror` serves.
    pub fn is_mirror(&self) -> bool {
        self.imported_root().is_file() && !self.online_key_path().exists()
    }

    /// Returns the payload store.
    pub fn payload_store(&self) -> Arc<dyn PayloadStore> {
        store::payloads(&self.payloads, &self.state)
    }

    /// Learns from the history of the catalog what it must not lose, beside what the state of a server knows.
    /// Returns a note if that is not all. This takes longer than reading the catalog, so only commands that
    /// decide about promotions do it.
    ///
    /// # Errors
    /// When there is no catalog, or when its history cannot be read and no state knows anything.
    pub fn heed_history(&self) -> anyhow::Result<Option<String>> {
        let mut memory = self.state_store().restraints();
        let is_blank = memory == Remembered::default();
        let note = match self.store()?.history(self.now()) {
            Ok(History { restraints, cut_after }) => {
                memory.restraints = Restraint::union(memory.restraints, restraints);
                cut_after.map(|commits| {
                    format!(
                        "warning: the clone is shallow, so whatever the catalog lost before its last {} is not noticed: {}",
                        counted(commits, "commit"),
                        self.unshallow()
                    )
                })
            }
            Err(error) => {
                let why = format!(
                    "cannot tell from git whether the catalog has lost a hold or another restraint: {}",
                    chain(&error)
                );
                let hint = self.history_hint(&error);
                if is_blank {
                    return Err(refuse(why, hint));
                }
                Some(format!("warning: {why}; only what the state knows is compared\nhint: {hint}"))
            }
        };
        self.memory.get_or_init(|| memory);
        Ok(note)
    }

    /// [Heeds the history](Self::heed_history) as far as it can be read, for commands that promote nothing.
    pub fn heed_readable_history(&self) -> Option<String> {
        self.heed_history().unwrap_or_else(|error| Some(format!("warning: {}", chain(&*error))))
    }

    /// Returns a note if a record of `what` takes nothing back that the catalog has, or is known to have lost: it
    /// is probably misspelt.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn unknown_note(&self, what: &What) -> anyhow::Result<Option<String>> {
        let view = self.read()?;
        let remembered = self.memory.get().map_or(&[][..], |memory| &memory.restraints);
        let known = [remembered, &Restraint::all(&view.catalog, self.now())].concat();
        if matches!(what, What::Forgotten(_)) || known.iter().any(|one| one.is_named(what)) {
            return Ok(None);
        }
        let names: Vec<String> = known.iter().map(|one| one.what().to_string()).collect();
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let hint = did_you_mean(&what.to_string(), names, "see what is lost: `tidegate promote --dry-run`");
        Ok(Some(format!("warning: `{what}` names nothing that is known here\nhint: {hint}")))
    }

    /// Says how to make the history readable.
    fn history_hint(&self, error: &HistoryError) -> String {
        let folder = self.catalog.display();
        match error {
            HistoryError::CutShort => self.unshallow(),
            HistoryError::NoGit(_) => "install git, and check that it is on the `PATH`".to_owned(),
            HistoryError::Incomplete(_) => format!(
                "fetch everything that the clone lacks: `git -C {folder} fetch --refetch --no-filter`"
            ),
            HistoryError::Distrusted(_) => {
                let root = work_tree(&self.catalog).unwrap_or_else(|| self.catalog.clone());
                format!(
                    "run it as the owner of the folder or, if you trust what is in it, run `git config --global --add safe.directory {}`",
                    root.display()
                )
            }
            HistoryError::Unreadable(_) => {
                format!("find out what is wrong with the repository, for example with `git -C {folder} fsck`")
            }
        }
    }

    fn unshallow(&self) -> String {
        format!(
            "fetch the rest with `git -C {} fetch --unshallow`; in CI, check out with `fetch-depth: 0`",
            self.catalog.display()
        )
    }

    /// Reads the catalog and the evidence for its releases.
    pub fn read(&self) -> anyhow::Result<View> {
        let now = self.now();
        let snapshot = self.store()?.read(now)?;
        let has_lines = snapshot.reading.catalog.stoppable_lines().next().is_some();
        if !has_lines && !snapshot.reading.faults.is_empty() && !self.catalog.join(POLICY_PATH).exists() {
            return Err(no_catalog(&self.catalog, "--catalog"));
        }
        let trust = Trust::read_despite(&snapshot.trust, &snapshot.unread_roles, &Checked::default());
        let memory = self.memory.get_or_init(|| self.state_store().restraints());
        let lost = Restraint::lost(&memory.restraints, &snapshot.reading.catalog, now);
        let forgotten = memory.forgotten_in(&snapshot.reading.catalog).cloned();
        let catalog = snapshot.reading.catalog.clone().with_restraints(&lost).judged_by(now);
        let catalog = self.with_evidence(catalog, &snapshot, &trust);
        Ok(View { snapshot, catalog, lost, forgotten, folder: self.catalog.clone(), trust })
    }

    /// Returns a line with faults, as far as it can be read, with the evidence for its releases. Rely on no
    /// more than its entries and its stops.
    pub fn salvaged(&self, view: &View, line: &Line) -> Option<Line> {
        let catalog = Catalog::published([line.clone()]).judged_by(self.now());
        self.with_evidence(catalog, &view.snapshot, &view.trust).line(&line.name).cloned()
    }

    fn with_evidence(
        &self,
        catalog: Catalog,
        snapshot: &Snapshot,
        trust: &Result<Option<Trust>, TrustError>,
    ) -> Catalog {
        let (payloads, now) = (self.payload_store(), self.now());
        let catalog = with_evidence(
            catalog,
            trust.as_ref().map(Option::as_ref),
            &|version| snapshot.manifest(version),
            &|release| payloads.check(release, now),
            &self.checked,
        );
        // A command that only reads must not create a state folder. Without one, digests are computed
        // again.
        if self.state.is_dir() {
            let _ = payloads.remember();
        }
        catalog
    }

    /// Commits the changes that `decide` returns, if there are any. If somebody else commits first, calls
    /// `decide` again with the new catalog.
    pub fn commit<T>(
        &self,
        mut decide: impl FnMut(&View) -> anyhow::Result<(Vec<Change>, T)>,
    ) -> anyhow::Result<T> {
        let mut tries = 0;
        loop {
            tries += 1;
            let view = self.read()?;
            let (changes, outcome) = decide(&view)?;
            if changes.is_empty() {
                return Ok(outcome);
            }
            match self.store()?.commit(&view.snapshot.revision, &changes, self.now()) {
                Ok(_) => return Ok(outcome),
                Err(error) if error.is_lost() && tries < TRIES => {}
                Err(error) if error.has_written() => {
                    return Err(error).context("only some of the changes were made");
                }
                Err(error) => return Err(error).context("the catalog was not changed"),
            }
        }
    }
}

impl View {
    /// Returns the catalog as its files are, without what it has lost. An operation can put that back.
    pub fn as_written(&self, now: Time) -> Cow<'_, Catalog> {
        if self.lost.is_empty() {
            return Cow::Borrowed(&self.catalog);
        }
        let written = self.snapshot.reading.catalog.clone().judged_by(now);
        let known = |release: &Release| self.catalog.release(&release.version);
        Cow::Owned(written.map_evidence(|release| {
            known(release).map(|(_, known)| known.evidence.clone()).unwrap_or_default()
        }))
    }

    /// Finds a release, with its line.
    pub fn release(&self, version: &Version) -> anyhow::Result<(&Line, &Release)> {
        if let Some(found) = self.catalog.release(version) {
            return Ok(found);
        }
        // The release may be in a line with faults, whose releases are not in the catalog.
        let file = |name: &str| format!("{name}/{version}.yaml");
        let own = |name: &&String| {
            crate::domain::line::Prefix::parse(name).is_ok_and(|prefix| prefix.accepts(version))
                || self.snapshot.reading.faulty[*name].iter().any(|fault| fault.file == file(name))
        };
        if let Some(line) = self.snapshot.reading.faulty.keys().find(own) {
            return Err(self.faulty(&format!("cannot read release `{version}`"), line, &file(line)));
        }
        let known: Vec<String> =
            self.catalog.lines().flat_map(|line| line.releases.keys()).map(ToString::to_string).collect();
        let known = known.iter().map(String::as_str);
        let hint = did_you_mean(&version.to_string(), known, "see all: `tidegate release list`");
        Err(refuse(format!("release `{version}` is not in the catalog"), hint))
    }

    /// Finds a channel by its name or an alias.
    pub fn channel(&self, name: &ChannelName) -> anyhow::Result<ChannelRef<'_>> {
        self.catalog.channel(name).ok_or_else(|| {
            // The channels of a line with faults are unknown, but their names usually begin with the
            // line's.
            let of =
                |line: &&String| name.as_str().strip_prefix(*line).is_some_and(|rest| rest.starts_with('-'));
            if let Some(line) = self.snapshot.reading.faulty.keys().find(of) {
                return self.faulty(&format!("cannot read channel `{name}`"), line, "");
            }
            let known = self.catalog.channel_names().map(|(name, _)| name.as_str());
            let hint = did_you_mean(name.as_str(), known, "see all: `tidegate channel list`");
            refuse(format!("there is no channel `{name}`"), hint)
        })
    }

    /// Finds a line by its name.
    pub fn line(&self, name: &LineName) -> anyhow::Result<&Line> {
        self.catalog.line(name).ok_or_else(|| {
            if self.snapshot.reading.faulty.contains_key(name.as_str()) {
                return self.faulty(&format!("cannot read line `{name}`"), name.as_str(), "");
            }
            let known: Vec<&str> = self.catalog.lines().map(|line| line.name.as_str()).collect();
            let all = if known.is_empty() {
                "the catalog has no lines yet: add one with `tidegate line add LINE`".to_owned()
            } else {
                format!(
                    "the catalog's lines: {}",
                    known.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ")
                )
            };
            refuse(format!("there is no line `{name}`"), all)
        })
    }

    /// Creates an error for a line's faults that shows the first of them, if possible one of `file`.
    fn faulty(&self, what: &str, line: &str, file: &str) -> anyhow::Error {
        let faults = self.snapshot.reading.faulty.get(line).map_or(&[][..], Vec::as_slice);
        let first = faults.iter().find(|fault| fault.file == file).or(faults.first()).map(|fault| {
            let path = self.path(&fault.file);
            format!("\n{}:{}:{}: {}", path.display(), fault.line, fault.column, fault.message)
        });
        let count = counted(faults.len(), "fault");
        refuse(
            format!("{what}: line `{line}` has {count}{}", first.unwrap_or_default()),
            "see all of them, each with a hint: `tidegate catalog check`",
        )
    }

    /// Refuses to add something while the catalog has faults, which may hide what it depends on.
    pub fn check_faults(&self, cannot: &str) -> anyhow::Result<()> {
        let Some(fault) = self.snapshot.reading.faults.first() else { return Ok(()) };
        let folder = self.folder.display().to_string();
        Err(refuse(
            format!("{cannot} while the catalog has faults\n{}", fault.within(&folder)),
            "see them all: `tidegate catalog check`",
        ))
    }

    /// Returns the path of a catalog file, below the folder as the user named it.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Returns notes on the stops that are dated ahead of this machine's clock.
    pub fn stops_ahead(&self) -> Vec<String> {
        let note = |stop: Stop<'_>| {
            let file = match stop.what.release() {
                Some(version) => release_path(stop.line, version),
                None => line_path(stop.line),
            };
            format!(
                "{}: `{}` is ahead of this machine's clock, so it takes effect at once; if the date is right, correct the clock",
                self.path(&file).display(),
                stop.what.key()
            )
        };
        self.catalog.stops_at_once().map(note).collect()
    }

    /// Returns notes on the restraints that the catalog has lost, or may have lost: one for each record that
    /// would take some back.
    pub fn lost_notes(&self) -> impl Iterator<Item = String> {
        let forgotten = self.forgotten.clone().map(Degraded::RestraintsForgotten);
        let lost = Restraint::ways_out(&self.lost).into_iter();
        let lost = lost.filter_map(|(what, lost)| Degraded::restraints_lost_to(what, &lost));
        forgotten.into_iter().chain(lost).map(|lost| format!("warning: {}", words::degraded(&lost)))
    }

    /// The problems of restraints that the catalog has lost, or may have lost.
    pub fn lost(&self) -> impl Iterator<Item = Degraded> {
        let forgotten = self.forgotten.clone().map(Degraded::RestraintsForgotten);
        forgotten.into_iter().chain(Degraded::restraints_lost(&self.lost))
    }

    /// Refuses to decide about promotions while nobody can tell what the catalog has lost.
    pub fn check_memory(&self) -> anyhow::Result<()> {
        let Some(forgotten) = &self.forgotten else { return Ok(()) };
        let (why, hint) =
            (words::restraints::forgotten(forgotten), words::restraints::forgotten_hint(forgotten));
        Err(refuse(format!("nothing is promoted: {why}"), hint))
    }

    /// Returns a note on the lines that are left out because of their faults.
    pub fn faulty_note(&self) -> Option<String> {
        let reading = &self.snapshot.reading;
        if reading.faults.is_empty() {
            return None;
        }
        let lines: Vec<String> = reading.faulty.keys().map(|line| format!("`{line}`")).collect();
        let left_out =
            if lines.is_empty() { String::new() } else { format!("; left out: line {}", lines.join(", ")) };
        let count = counted(reading.faults.len(), "fault");
        Some(format!("warning: the catalog has {count}{left_out} (`tidegate catalog check`)"))
    }
}

/// Creates an error for a folder without a catalog. If it contains the catalog's folder, the hint names that.
pub fn no_catalog(folder: &Path, flag: &str) -> anyhow::Error {
    let inside: BTreeSet<PathBuf> = folders(folder).filter(|path| is_catalog(path)).collect();
    let hint = match inside.first() {
        Some(inside) => format!("name the catalog's folder: `{flag} {}`", inside.display()),
        None => {
            format!("name the folder that holds `policy.yaml` and the lines, perhaps `{flag} DIR/channels`")
        }
    };
    refuse(format!("there is no catalog in `{}`", folder.display()), hint)
}

/// Whether a folder holds a policy, a root or a line, whatever else it holds and whatever faults they have.
pub fn is_catalog(folder: &Path) -> bool {
    [POLICY_PATH, "trust/1.root.json"].iter().any(|file| folder.join(file).is_file())
        || folders(folder).any(|line| line.join("line.yaml").is_file())
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// Returns the file or folder that shows that git is working on the work tree that a folder is in.
pub fn git_at_work(folder: &Path) -> Option<PathBuf> {
    git::work_tree(folder)?.at_work()
}

/// Returns the root of the git work tree that a folder is in, if any.
pub fn work_tree(folder: &Path) -> Option<PathBuf> {
    git::work_tree(folder).map(|tree| tree.root)
}
