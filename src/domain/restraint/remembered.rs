//! What a server remembers of restraints, and what it cannot read any more.

use super::{Limit, Places, Restraint};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::loosened::What;

/// What the next catalog is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    /// The restraints that the next catalog must still have.
    pub restraints: Vec<Restraint>,
    /// What was remembered before, but could not be read.
    pub forgotten: Option<Forgotten>,
}

/// Restraints that can no longer be read. Nobody knows whether the catalog still has them, so nothing is
/// promoted until somebody restores them, or records that the catalog is right as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// When they were stored for the last time.
    pub stored: Time,
    /// Why they cannot be read, and where they are kept.
    pub why: String,
    /// Whether only this process may not read them. They are not lost, so no record can say that they do not matter.
    pub is_denied: bool,
}

impl Remembered {
    /// What to compare the next catalog with, after a catalog was compared with this.
    #[must_use]
    pub fn after(self, catalog: &Catalog, now: Time) -> Self {
        let forgotten = self.forgotten_in(catalog).cloned();
        Self { restraints: Restraint::remembered(self.restraints, catalog, now), forgotten }
    }

    /// The stops of a catalog that was read while it was changing, as far as they are new. What else it has or lacks
    /// may be half of an edit.
    pub fn new_stops(&self, catalog: &Catalog, now: Time) -> Vec<Restraint> {
        let places = Places::of(&self.restraints);
        let is_new_stop = |one: &Restraint| {
            matches!(one.limit, Limit::Hold { .. } | Limit::Yank { .. } | Limit::Pause { .. })
                && places.find(&self.restraints, one).is_none()
        };
        Restraint::all(catalog, now).into_iter().filter(is_new_stop).collect()
    }

    /// What to compare the next catalog with, if it must have these stops, too.
    #[must_use]
    pub fn with_stops(self, stops: Vec<Restraint>) -> Self {
        Self { restraints: [self.restraints, stops].concat(), ..self }
    }

    /// What was forgotten, unless a record of the catalog says that this does not matter.
    pub fn forgotten_in(&self, catalog: &Catalog) -> Option<&Forgotten> {
        let is_named = |one: &Forgotten| {
            catalog.loosened().iter().any(|record| Some(&record.what) == one.what().as_ref())
        };
        self.forgotten.as_ref().filter(|one| !is_named(one))
    }
}

impl Forgotten {
    /// The name under which a record says that it does not matter.
    pub fn what(&self) -> Option<What> {
        (!self.is_denied).then_some(What::Forgotten(self.stored))
    }
}
