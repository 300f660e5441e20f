//! Looks up what was signed before, to find out what is pending.

use crate::cli::workspace::View;
use crate::domain::channel::LineName;
use crate::domain::release::{ManifestFault, SignedFacts};
use crate::domain::version::Version;
use crate::domain::{Time, chain};
use crate::formats::manifest::ReleaseManifest;
use crate::operations::sign::SignedBefore;
use crate::signing::Signed;
use crate::signing::trust::Trust;

/// The keys and roles of a catalog, and its manifests.
pub struct Before<'a> {
    pub view: &'a View,
    pub trust: &'a Trust,
}

impl SignedBefore for Before<'_> {
    fn role_expires(&self, line: &LineName) -> Result<Option<Time>, String> {
        match self.trust.broken().get(line) {
            Some(error) => Err(chain(error)),
            None => Ok(self.trust.line(line).map(|role| role.signed().expires)),
        }
    }

    fn lacks_index(&self, line: &LineName) -> bool {
        self.trust.index(line).is_some_and(|index| index.is_err())
    }

    fn has_manifest(&self, version: &Version) -> bool {
        self.view.snapshot.manifest(version).is_ok_and(|found| found.is_some())
    }

    fn promised(&self, version: &Version) -> Result<Option<SignedFacts>, String> {
        let found = self.view.snapshot.manifest(version);
        let raw = found.map_err(|why| ManifestFault::Unreadable(why).to_string())?;
        let manifest = raw.and_then(|raw| Signed::<ReleaseManifest>::parse(raw).ok());
        Ok(manifest.map(|manifest| SignedFacts::new(manifest.into_signed().not_before)))
    }
}
