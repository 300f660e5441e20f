//! Signed documents, written beside the catalog's files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use bytes::Bytes;

use crate::domain::version::Version;
use crate::store::durable::{self, Batch, Mode, WriteError};
use crate::store::port::roles_first;

/// Writes manifests, and then roles in their order.
pub(super) fn put(
    catalog: &Path,
    payloads: &Path,
    manifests: &BTreeMap<Version, Bytes>,
    trust: &BTreeMap<String, Bytes>,
) -> Result<(), WriteError> {
    if !manifests.is_empty() {
        let mut batch = Batch::default();
        for (version, raw) in manifests {
            let folder = payloads.join(version.to_string());
            durable::create_folder(&folder, Mode::Public)?;
            batch.fill(&folder.join("release.json"), Mode::Public, |file| file.write_all(raw))?;
        }
        batch.finish(payloads)?;
    }
    let folder = catalog.join("trust");
    durable::create_folder(&folder, Mode::Public)?;
    let mut batch = Batch::default();
    for (name, raw) in roles_first(trust) {
        batch.fill(&folder.join(name), Mode::Public, |file| file.write_all(raw))?;
    }
    batch.finish(&folder)
}
