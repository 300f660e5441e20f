//! Committing due promotions, for both the server and `tidegate promote`.

use std::collections::BTreeSet;

use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::version::Version;
use crate::store::port::{CatalogStore, CommitError, Revision};

/// How many times in a row a run may lose to other writers. Each of them makes progress, so losing this
/// often means that something else is wrong.
const TRIES: usize = 10;

/// A run of promotions, and what it has done so far.
///
/// A run tries each release once, and promotes it by at most one stage, so it always ends.
#[derive(Debug, Default)]
pub struct Run {
    /// The releases that were promoted, or whose payload was recorded as missing or as back.
    pub moved: BTreeSet<Version>,
    /// The releases whose promotion could not be written, and why.
    pub failed: Vec<(Version, CommitError)>,
    /// Why the run ended before everything was promoted.
    pub stopped: Option<CommitError>,
    lost: usize,
}

/// What to do after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Read the catalog again, and decide again: the promotions may have opened the way for another
    /// release, or somebody else has changed the catalog.
    Again,
    /// This run has nothing left to promote, or it was [stopped](Run::stopped).
    Done,
}

impl Run {
    /// Commits the promotions in `due` to a catalog at `base`, independently of each other: if one cannot
    /// be written, the others still are.
    pub fn round(
        &mut self,
        catalog: &dyn CatalogStore,
        base: &Revision,
        mut due: Vec<Change>,
        now: Time,
    ) -> Next {
        due.retain(|change| change.version().is_some_and(|version| !self.has_tried(version)));
        if due.is_empty() {
            return Next::Done;
        }
        let stopped = match catalog.commit_each(base, &due, now) {
            Ok(each) => {
                for change in each.made.into_iter().map(|place| &due[place]) {
                    match change {
                        Change::Enter { version, stage, .. } => {
                            tracing::info!(%version, %stage, revision = %each.revision, "promoted");
                        }
                        _ => {
                            tracing::info!(version = ?change.version(), revision = %each.revision, "recorded");
                        }
                    }
                    self.moved.extend(change.version().cloned());
                }
                for (place, error) in each.failed {
                    self.failed.extend(due[place].version().map(|version| (version.clone(), error)));
                }
                each.stopped
            }
            Err(error) => Some(error),
        };
        match stopped {
            None => self.lost = 0,
            Some(error) if error.is_lost() && self.lost < TRIES => {
                tracing::info!("another writer was faster: {error}");
                self.lost += 1;
            }
            Some(error) => {
                self.stopped = Some(error);
                return Next::Done;
            }
        }
        Next::Again
    }

    /// Everything that went wrong.
    pub fn errors(&self) -> impl Iterator<Item = &CommitError> {
        self.failed.iter().map(|(_, error)| error).chain(&self.stopped)
    }

    /// Whether the last round lost to another writer.
    pub const fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Whether this run has tried to promote a release.
    pub fn has_tried(&self, version: &Version) -> bool {
        self.moved.contains(version) || self.failed.iter().any(|(failed, _)| failed == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::channel::StageName;
    use crate::domain::testing::{catalog, entry, event, line, release, t, v};
    use crate::store::memory::MemoryCatalog;

    fn enter(version: &str) -> Change {
        let stage = StageName::parse("production").unwrap();
        Change::Enter { version: v(version), stage, entry: entry(t("2018-01-15")) }
    }

    fn store(versions: &[&str]) -> (MemoryCatalog, Revision) {
        let line = line("1.8", None);
        let line = versions.iter().fold(line, |line, version| line.with(release(version, &["2018-01-01"])));
        let store = MemoryCatalog::new(catalog([line]));
        let base = store.read(t("2018-01-15")).unwrap().revision;
        (store, base)
    }

    #[test]
    fn a_run_moves_each_release_once_and_one_that_cannot_be_written_stops_no_other() {
        let (store, base) = store(&["1.8.1", "1.8.2"]);
        let (mut run, now) = (Run::default(), t("2018-01-15"));
        let due = || ["1.8.1", "1.8.3", "1.8.2"].map(enter).to_vec();
        assert_eq!(run.round(&store, &base, due(), now), Next::Again);
        assert_eq!(run.moved.iter().collect::<Vec<_>>(), [&v("1.8.1"), &v("1.8.2")]);
        let [(version, error)] = &run.failed[..] else { panic!("{run:?}") };
        assert!(*version == v("1.8.3") && error.is_in_the_text(), "{error}");
        let base = store.read(now).unwrap().revision;
        assert_eq!(run.round(&store, &base, due(), now), Next::Done, "each was tried");
        assert!(run.stopped.is_none());
    }

    #[test]
    fn a_run_that_loses_tries_again_and_ends_when_it_always_loses() {
        let (store, old) = store(&["1.8.1"]);
        let now = t("2018-01-15");
        let hold = Change::Hold { version: v("1.8.1"), hold: event(now, "etcd") };
        store.commit(&old, &[hold], now).unwrap();
        let mut run = Run::default();
        for _ in 0..TRIES {
            assert_eq!(run.round(&store, &old, vec![enter("1.8.1")], now), Next::Again);
            assert!(run.has_lost());
        }
        assert_eq!(run.round(&store, &old, vec![enter("1.8.1")], now), Next::Done);
        assert!(run.moved.is_empty() && run.stopped.is_some_and(|error| error.is_lost()));
    }
}
