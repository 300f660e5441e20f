//! The entries of a release into the stages of its line.

use std::ops::{Deref, DerefMut};
use std::slice::Iter;
use std::sync::Arc;

use super::Entry;

/// The entries of a release, by stage. Copies share them, until one is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries(Option<Arc<[Option<Entry>]>>);

impl Entries {
    /// No entries yet into this many stages.
    pub fn none(stages: usize) -> Self {
        vec![None; stages].into()
    }

    /// The same entries, for a line with this many stages.
    pub fn resized(&self, stages: usize) -> Self {
        if self.len() == stages {
            return self.clone();
        }
        let none = std::iter::repeat_n(None, stages.saturating_sub(self.len()));
        self.iter().take(stages).cloned().chain(none).collect()
    }
}

impl Deref for Entries {
    type Target = [Option<Entry>];

    fn deref(&self) -> &[Option<Entry>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Entries {
    fn deref_mut(&mut self) -> &mut [Option<Entry>] {
        self.0.as_mut().map(Arc::make_mut).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Option<Entry>;
    type IntoIter = Iter<'a, Option<Entry>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Option<Entry>>> for Entries {
    fn from(entries: Vec<Option<Entry>>) -> Self {
        Self((!entries.is_empty()).then(|| entries.into()))
    }
}

impl<const N: usize> From<[Option<Entry>; N]> for Entries {
    fn from(entries: [Option<Entry>; N]) -> Self {
        Vec::from(entries).into()
    }
}

impl FromIterator<Option<Entry>> for Entries {
    fn from_iter<I: IntoIterator<Item = Option<Entry>>>(entries: I) -> Self {
        entries.into_iter().collect::<Vec<_>>().into()
    }
}
