//! Listing the releases of some lines only.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::listing::{Listing, line_of_role};
use super::unreadable_folder;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::yaml::release_stem;
use crate::store::durable::present;
use crate::store::port::ReadError;

/// The lines that are listed with their releases. Of the others, only their own files are listed, which the rules
/// between lines need.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(BTreeSet<String>);

impl Wanted {
    pub fn new(lines: &[LineName]) -> Self {
        Self(lines.iter().map(ToString::to_string).collect())
    }

    /// Whether an entry of a folder is listed: a release of a wanted line, a role that lists these, or something
    /// that is not about one line's releases.
    pub fn has(&self, folder: &str, own: &str) -> bool {
        match folder {
            "" => true,
            "trust" => line_of_role(own).is_none_or(|line| self.0.contains(line)),
            folder => own == "line.yaml" || self.0.contains(folder.split('/').next().unwrap_or(folder)),
        }
    }
}

impl Listing {
    /// As [`take`](Self::take), for the wanted lines.
    pub fn take_wanted(wanted: Wanted, catalog: &Path, payloads: &Path) -> Result<Self, ReadError> {
        let failed = |source| unreadable_folder(catalog, source);
        let root = catalog.canonicalize().map_err(failed)?;
        let mut listing = Self { wanted: Some(wanted), ..Self::default() };
        listing.folder(&root, catalog, "", 0).map_err(failed)?;
        if let Err(e) = listing.wanted_manifests(payloads) {
            listing.no_payloads(payloads, &e);
        }
        Ok(listing)
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
