//! The signed manifests of releases, wherever one is left.

use std::cell::OnceCell;

use bytes::Bytes;

use super::Workspace;
use crate::domain::chain;
use crate::domain::version::Version;
use crate::formats::tuf::Target;
use crate::promoter::stored;
use crate::publish::Publication;
use crate::store::port::Snapshot;

impl Workspace {
    /// Looks up the manifest of a release: the file in the payload folder or, if that is not the `listed` one, the
    /// one in the last publication. It is lost only if neither place has it and both can be read.
    pub fn manifests<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Fn(&Version, &Target) -> Result<Option<Bytes>, String> + 'a {
        let last = OnceCell::new();
        move |version, listed| {
            let is_listed = |raw: &Bytes| Target::of(raw) == *listed;
            let file = snapshot.manifest(version);
            if let Ok(Some(raw)) = &file
                && is_listed(raw)
            {
                return Ok(Some(raw.clone()));
            }
            let last =
                last.get_or_init(|| stored::publication(&*self.state_store()).map_err(|error| chain(&error)));
            let published =
                last.as_ref().ok().and_then(|last| Some(&last.as_ref()?.release(version)?.identity));
            if let Some(raw) = published.filter(|raw| is_listed(raw)) {
                return Ok(Some(raw.clone()));
            }
            let file = file.map_err(|why| format!("`payloads/{version}/release.json`: {why}"))?;
            if !self.payloads.is_dir() {
                return Err(format!("the payload folder `{}` is missing", self.payloads.display()));
            }
            let last = last.as_ref().map_err(Clone::clone)?;
            match last.iter().flat_map(Publication::lost_lines).next() {
                Some((line, why)) => Err(format!("what was published of line `{line}` is lost: {why}")),
                // Another manifest than the listed one is not a lost one.
                None => Ok(file),
            }
        }
    }
}
