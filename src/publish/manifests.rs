//! The signed manifests of releases, as they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::channel::LineName;
use crate::domain::version::Version;

/// A signed manifest as it is stored, if there is one, or why it cannot be read.
pub type Stored = Result<Option<Bytes>, String>;

/// The manifests of one line, in ascending order of the versions.
pub type OfLine = Arc<[(Version, Stored)]>;

/// The signed manifests of releases, by line. A line that stays the same shares those of the catalog before.
#[derive(Debug, Clone, Default)]
pub struct Manifests(BTreeMap<LineName, OfLine>);

impl Manifests {
    /// The manifest of a release, if there is one that can be read.
    pub fn get(&self, line: &LineName, version: &Version) -> Option<&Bytes> {
        let own = self.0.get(line)?;
        let place = own.binary_search_by(|(known, _)| known.cmp(version)).ok()?;
        own[place].1.as_ref().ok()?.as_ref()
    }
}

impl FromIterator<(LineName, OfLine)> for Manifests {
    fn from_iter<I: IntoIterator<Item = (LineName, OfLine)>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}
