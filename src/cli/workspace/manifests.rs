//! The signed manifests of releases, wherever one is left.

use std::cell::OnceCell;

use bytes::Bytes;

use super::Workspace;
use crate::domain::version::Version;
use crate::promoter::stored;
use crate::store::port::Snapshot;

impl Workspace {
    /// Looks up the manifest of a release: the file in the payload folder or, if that is gone, the one in the
    /// last publication. Roles list the digests of manifests, so it does not matter which it is.
    pub fn manifests<'a>(&'a self, snapshot: &'a Snapshot) -> impl Fn(&Version) -> Option<Bytes> + 'a {
        let last = OnceCell::new();
        move |version| {
            let file = snapshot.manifest(version).ok().flatten();
            file.or_else(|| {
                let last = last.get_or_init(|| stored::publication(&*self.state_store()).ok().flatten());
                Some(last.as_ref()?.release(version)?.identity.clone())
            })
        }
    }
}
