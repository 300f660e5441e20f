//! Sentences about the signed manifests and payload files found for releases.

use crate::domain::release::{Altered, Evidence, ManifestState, PayloadState};

/// Says whether release keys have signed a release. `passes` is whether the release may be promoted anyway,
/// since a catalog without keys can still record a history of promotions.
pub(super) fn manifest(manifest: &ManifestState, passes: bool) -> String {
    match manifest {
        ManifestState::NoTrust if passes => "not required: the catalog has no keys yet".to_owned(),
        ManifestState::NoTrust => "not signed: the catalog has no keys yet".to_owned(),
        ManifestState::Unsigned => "not signed by a release key yet".to_owned(),
        ManifestState::Undelegated => {
            "not signed yet: its line is new, and the targets key has not authorised a release key for it"
                .to_owned()
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
        PayloadState::Differs { file, altered: Some(Altered::LineEndings), .. } => {
            format!(
                "payload `{file}` has other line endings than the catalog's, as git's `autocrlf` makes them"
            )
        }
        PayloadState::Differs { file, altered: Some(Altered::LfsPointer), .. } => {
            format!("payload `{file}` is a Git LFS pointer, and not the file that it stands for")
        }
        PayloadState::Differs { file, found, altered: None } => {
            format!("payload `{file}` does not match the catalog: {found}")
        }
        PayloadState::Unreadable { file, why } => format!("payload `{file}` cannot be read: {why}"),
        PayloadState::NotCopied { file } => {
            format!("the server cannot copy payload `{file}` into its state folder")
        }
    }
}

/// Says how to put a release's payload files right.
pub const fn payload_hint(payload: &PayloadState) -> &'static str {
    match payload {
        PayloadState::Differs { altered: Some(Altered::LineEndings), .. } => {
            "write `* -text` into `.gitattributes` in the payload folder, delete the file, and run `git checkout` on it"
        }
        PayloadState::Differs { altered: Some(Altered::LfsPointer), .. } => "run `git lfs pull`",
        PayloadState::Differs { altered: None, .. } => {
            "put the right file back, or correct `sha256` and `size` here"
        }
        PayloadState::Unreadable { .. } => "let this process read the file",
        PayloadState::NotCopied { .. } => "`tidegate status` says what the server lacks",
        PayloadState::Missing { .. } | PayloadState::Present => {
            "put the file back into the release's payload folder"
        }
    }
}

/// Returns why a release cannot be installed in its current state, or `None` if it can. A missing signature
/// is no objection while the catalog has no keys.
pub fn objection(evidence: &Evidence) -> Option<String> {
    match (&evidence.payload, &evidence.manifest) {
        (
            PayloadState::Missing { .. }
            | PayloadState::Differs { .. }
            | PayloadState::Unreadable { .. }
            | PayloadState::NotCopied { .. },
            _,
        ) => Some(payload(&evidence.payload)),
        (PayloadState::Present, ManifestState::Unsigned | ManifestState::Undelegated) => {
            Some("it is not signed by a release key".to_owned())
        }
        (PayloadState::Present, invalid @ ManifestState::Invalid(_)) => Some(manifest(invalid, false)),
        (PayloadState::Present, ManifestState::NoTrust | ManifestState::Signed(_)) => None,
    }
}
