//! What was found beside the catalog: signed manifests and payload files.

use crate::domain::release::{Evidence, ManifestState, PayloadState};

/// Whether a release key stands behind the release. `passes` says whether the promotion may go on
/// all the same: a catalog that has no keys yet can still have a history.
pub(super) fn manifest(manifest: &ManifestState, passes: bool) -> String {
    match manifest {
        ManifestState::NoTrust if passes => "not required: the catalog has no keys yet".to_owned(),
        ManifestState::NoTrust => "not signed: the catalog has no keys yet".to_owned(),
        ManifestState::Unsigned => "not signed by a release key yet".to_owned(),
        ManifestState::Invalid(why) => format!("its signed manifest cannot be used: {why}"),
        ManifestState::Signed(_) => "signed by a release key".to_owned(),
    }
}

/// Whether the payload files are there and are what the catalog says.
#[must_use]
pub fn payload(payload: &PayloadState) -> String {
    match payload {
        PayloadState::Present => "every payload is present and matches its digest".to_owned(),
        PayloadState::Missing { file } => format!("payload `{file}` is missing"),
        PayloadState::Differs { file, found } => {
            format!("payload `{file}` is not what the catalog says: {found}")
        }
    }
}

/// Why nobody can install the release as it is, or `None` if they can or the catalog has no keys. A
/// wrong payload comes first: it is a file.
#[must_use]
pub fn objection(evidence: &Evidence) -> Option<String> {
    match (&evidence.payload, &evidence.manifest) {
        (PayloadState::Missing { .. } | PayloadState::Differs { .. }, _) => Some(payload(&evidence.payload)),
        (PayloadState::Present, ManifestState::Unsigned) => {
            Some("it is not signed by a release key".to_owned())
        }
        (PayloadState::Present, invalid @ ManifestState::Invalid(_)) => Some(manifest(invalid, false)),
        (PayloadState::Present, ManifestState::NoTrust | ManifestState::Signed(_)) => None,
    }
}
