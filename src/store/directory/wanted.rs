//! Listing the releases of some lines only.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::listing::{Listing, Wanted};
use super::unreadable_folder;
use crate::domain::version::Version;
use crate::formats::yaml::release_stem;
use crate::store::durable::present;
use crate::store::port::ReadError;

impl Listing {
    /// Lists what is not about one line's releases: the lines' own files, and the roles of no line.
    pub fn outline(catalog: &Path) -> Result<Self, ReadError> {
        let failed = |source| unreadable_folder(catalog, source);
        let root = catalog.canonicalize().map_err(failed)?;
        let mut listing = Self { wanted: Some(Wanted::default()), ..Self::default() };
        listing.folder(&root, catalog, "", 0).map_err(failed)?;
        Ok(listing)
    }

    /// Adds the releases of some lines to an outline, with their roles and manifests.
    pub fn widened(mut self, wanted: &Wanted, catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let root = catalog.canonicalize().map_err(|source| unreadable_folder(catalog, source))?;
        self.wanted = Some(wanted.clone());
        for name in wanted.lines().chain(["trust"]) {
            self.first(&root, &catalog.join(name), name);
        }
        if let Err(e) = self.wanted_manifests(payloads) {
            self.no_payloads(payloads, &e);
        }
        Ok(self)
    }

    /// Lists the manifests of the listed releases, whose files are named after their versions. Looking for them in
    /// the whole folder would take longer, and is necessary only if a file has another name, which is a fault.
    fn wanted_manifests(&mut self, payloads: &Path) -> io::Result<()> {
        present(fs::read_dir(payloads))?;
        let versions: Vec<String> =
            self.files.keys().filter_map(|path| release_stem(path)).map(str::to_owned).collect();
        if versions.iter().any(|version| Version::parse(version).is_err()) {
            return self.manifests(payloads);
        }
        for version in versions {
            self.manifest(&payloads.join(&version), OsStr::new(&version));
        }
        Ok(())
    }
}
