//! Sentences about the signed manifests and payload files found for releases.

use crate::domain::release::{Evidence, ManifestState, PayloadState};

/// Says whether release keys have signed a release. `passes` is whether the release may be promoted anyway,
/// since a catalog without keys can still record a history of promotions.
pub(super) fn manifest(manifest: &ManifestState, passes: bool) -> String {
    match manifest {
        ManifestState::NoTrust if passes => "not required: the catalog has no keys yet".to_owned(),
        ManifestState::NoTrust => "not signed: the catalog has no keys yet".to_owned(),
        ManifestState::Unsigned => "not signed by a release key yet".to_owned(),
        ManifestState::Undelegated => {
            "not signed by a release key yet: its line is new, and no key may sign for it".to_owned()
        }
        ManifestState::Invalid(why) => format!("its signed manifest cannot be used: {why}"),
        ManifestState::Signed(_) => "signed by a release key".to_owned(),
    }
}

/// Says whether the payload files are present and match the catalog.
pub fn payload(payload: &PayloadState) -> String {
    match payload {
        PayloadState::Present => "every payload is present and matches its digest".to_owned(),
        PayloadState::Missing { file } => format!("payload `{file}` is missing"),
        PayloadState::Differs { file, found } => {
            format!("payload `{file}` does not match the catalog: {found}")
        }
    }
}

/// Returns why a release cannot be installed in its current state, or `None` if it can. A missing signature
/// is no objection while the catalog has no keys.
pub fn objection(evidence: &Evidence) -> Option<String> {
    match (&evidence.payload, &evidence.manifest) {
        (PayloadState::Missing { .. } | PayloadState::Differs { .. }, _) => Some(payload(&evidence.payload)),
        (PayloadState::Present, ManifestState::Unsigned | ManifestState::Undelegated) => {
            Some("it is not signed by a release key".to_owned())
        }
        (PayloadState::Present, invalid @ ManifestState::Invalid(_)) => Some(manifest(invalid, false)),
        (PayloadState::Present, ManifestState::NoTrust | ManifestState::Signed(_)) => None,
    }
}
