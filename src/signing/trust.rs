//! What the owner of the keys has signed: the catalog's `trust/` folder, verified.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Digest;

use super::signed::{ParseError, SignatureError, Signed};
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::payload::Sha256;
use crate::domain::release::{ManifestFault, ManifestState, Release, SignedFacts};
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Authority, KeyId, Root, Target, Targets, names};

/// The roles that are signed offline.
#[derive(Debug)]
pub struct Trust {
    /// Every root, from the first on; never empty.
    roots: Vec<Signed<Root>>,
    targets: Signed<Targets>,
    /// The roles of lines, by the role's name.
    releases: BTreeMap<String, Signed<Targets>>,
    /// Delegated roles that are missing or cannot be used: their lines fail, and no other.
    broken: BTreeMap<LineName, TrustError>,
}

/// Why the `trust/` folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("`trust/{file}` is missing")]
    Missing { file: String },
    #[error("`trust/{file}` cannot be read")]
    Parse { file: String, source: ParseError },
    #[error("`trust/{file}` cannot be read: {why}")]
    Unread { file: String, why: String },
    #[error("`trust/{file}` does not have enough valid signatures")]
    Signature { file: String, source: SignatureError },
    #[error("`trust/{file}` contains version {found}")]
    Version { file: String, found: u64 },
    #[error(
        "`trust/{file}` does not belong there: only `N.root.json`, `targets.json` and `releases-LINE.json` do"
    )]
    Stray { file: String },
}

impl Trust {
    /// Reads and verifies the files of `trust/` by name. `None` if there are none: the catalog has
    /// no keys yet. Does not look at expiry, so that an expired role can be read and renewed.
    ///
    /// If the role of a line cannot be used, the others still can: see [`Trust::broken`].
    ///
    /// # Errors
    /// The first of the root and targets files that is missing, or that clients would refuse.
    pub fn read(files: &BTreeMap<String, Bytes>) -> Result<Option<Self>, TrustError> {
        if files.is_empty() {
            return Ok(None);
        }
        let roots = read_roots(files)?;
        let targets: Signed<Targets> =
            read(files, "targets.json", roots[roots.len() - 1].signed().targets())?;
        let stray = |file: &&String| {
            !(file.starts_with(names::RELEASES) || file.ends_with(".root.json") || **file == "targets.json")
        };
        if let Some(file) = files.keys().find(stray) {
            return Err(TrustError::Stray { file: file.clone() });
        }
        // A role is written before its delegation, and counts for nothing until then.
        let (mut releases, mut broken) = (BTreeMap::new(), BTreeMap::new());
        if let Some(delegations) = &targets.signed().delegations {
            for role in delegations.roles.iter().filter(|role| role.name != names::CHANNELS) {
                let file = format!("{}.json", role.name);
                let Some(line) = names::line_of(&role.name) else { return Err(TrustError::Stray { file }) };
                match read(files, &file, delegations.authority(role)) {
                    Ok(signed) => drop(releases.insert(role.name.clone(), signed)),
                    Err(error) => drop(broken.insert(line, error)),
                }
            }
        }
        Ok(Some(Self { roots, targets, releases, broken }))
    }

    /// Adds why lines' roles that seemed to be missing could not be read, by file name.
    #[must_use]
    pub fn with_unread(mut self, unread: &BTreeMap<String, String>) -> Self {
        for error in self.broken.values_mut() {
            if let TrustError::Missing { file } = error
                && let Some(why) = unread.get(file)
            {
                *error = TrustError::Unread { file: file.clone(), why: why.clone() };
            }
        }
        self
    }

    /// The files that it was read from, except for those that count for nothing.
    #[must_use]
    pub fn files(&self) -> BTreeMap<String, Bytes> {
        let roots =
            self.roots.iter().map(|root| (format!("{}.root.json", root.signed().version), root.raw()));
        let releases = self.releases.iter().map(|(role, signed)| (format!("{role}.json"), signed.raw()));
        let targets = ("targets.json".to_owned(), self.targets.raw());
        roots.chain(releases).chain([targets]).map(|(file, raw)| (file, raw.clone())).collect()
    }

    /// Every root, from the first on.
    #[must_use]
    pub fn roots(&self) -> &[Signed<Root>] {
        &self.roots
    }

    /// The newest root.
    #[must_use]
    pub fn root(&self) -> &Signed<Root> {
        &self.roots[self.roots.len() - 1]
    }

    /// The top of the targets roles.
    #[must_use]
    pub const fn targets(&self) -> &Signed<Targets> {
        &self.targets
    }

    /// The lines' roles, by role name.
    #[must_use]
    pub const fn releases(&self) -> &BTreeMap<String, Signed<Targets>> {
        &self.releases
    }

    /// The lines whose roles cannot be used, and why.
    #[must_use]
    pub const fn broken(&self) -> &BTreeMap<LineName, TrustError> {
        &self.broken
    }

    /// As [`Trust::broken`], to keep.
    #[must_use]
    pub fn into_broken(self) -> BTreeMap<LineName, TrustError> {
        self.broken
    }

    /// The role of one line.
    #[must_use]
    pub fn line(&self, line: &LineName) -> Option<&Signed<Targets>> {
        self.releases.get(&names::releases_role(line))
    }

    /// The keys whose signatures count for a line.
    #[must_use]
    pub fn line_authority(&self, line: &LineName) -> Option<Authority<'_>> {
        Some(self.targets.signed().delegated(&names::releases_role(line))?.1)
    }

    /// The keys whose signatures count for channel manifests.
    #[must_use]
    pub fn channels_authority(&self) -> Option<Authority<'_>> {
        Some(self.targets.signed().delegated(names::CHANNELS)?.1)
    }

    /// Whether a key signs all that is signed online: channel manifests, snapshot and timestamp.
    #[must_use]
    pub fn is_online(&self, id: KeyId) -> bool {
        let root = self.root().signed();
        let roles = [Some(root.snapshot()), Some(root.timestamp()), self.channels_authority()];
        roles.iter().all(|role| role.is_some_and(|role| role.keyids.contains(&id)))
    }

    /// Whether release keys signed a release as the catalog has it. `raw` is its `release.json`, if
    /// there is one.
    #[must_use]
    pub fn manifest_state(
        &self,
        line: &Line,
        release: &Release,
        raw: Option<&Bytes>,
        checked: &Checked,
    ) -> ManifestState {
        let role = self.line(&line.name).map(Signed::signed);
        let target = names::release_target(&release.version);
        let listed = role.and_then(|role| Some((role, role.targets.get(&target)?)));
        if listed.is_none() && raw.is_none() {
            return ManifestState::Unsigned;
        }
        match self.check(line, release, raw, listed, checked) {
            Ok(facts) => ManifestState::Signed(facts),
            Err(fault) => fault.into(),
        }
    }

    fn check(
        &self,
        line: &Line,
        release: &Release,
        raw: Option<&Bytes>,
        listed: Option<(&Targets, &Target)>,
        checked: &Checked,
    ) -> Result<SignedFacts, ManifestFault> {
        let (role, listed) = listed.ok_or_else(|| match self.broken.get(&line.name) {
            Some(error) => ManifestFault::Role(error.to_string()),
            None => ManifestFault::NotListed { role: names::releases_role(&line.name) },
        })?;
        let raw = raw.ok_or(ManifestFault::Missing)?;
        if Target::of(raw) != *listed {
            return Err(ManifestFault::Differs);
        }
        let authority = self.line_authority(&line.name).ok_or(ManifestFault::NoReleaseKeys)?;
        let manifest = checked.manifest(raw, listed.hashes.sha256, authority)?;
        manifest.matches(line, release)?;
        for payload in &*release.payloads {
            let name = names::payload_target(&release.version, &payload.file);
            if role.targets.get(&name) != Some(&Target::new(payload.sha256, payload.size)) {
                return Err(ManifestFault::PayloadNotListed { file: payload.file.clone() });
            }
        }
        for (stage, entry) in line.stages.iter().zip(&release.entries) {
            let entered = entry.as_ref().map(|entry| entry.since);
            if let (Some(since), Some(&earliest)) = (entered, manifest.not_before.get(&stage.name))
                && since < earliest
            {
                let stage = stage.name.clone();
                return Err(ManifestFault::EnteredEarly { stage, since, not_before: earliest });
            }
        }
        Ok(SignedFacts::new(manifest.not_before))
    }
}

fn read_roots(files: &BTreeMap<String, Bytes>) -> Result<Vec<Signed<Root>>, TrustError> {
    let mut roots: Vec<Signed<Root>> = Vec::new();
    for version in 1.. {
        let file = format!("{version}.root.json");
        if version > 1 && !files.contains_key(&file) {
            break;
        }
        let root: Signed<Root> = parse(files, &file)?;
        let found = root.signed().version;
        if found != version {
            return Err(TrustError::Version { file, found });
        }
        if let Some(before) = roots.last() {
            check(&file, &root, before.signed().root())?;
        }
        check(&file, &root, root.signed().root())?;
        roots.push(root);
    }
    Ok(roots)
}

/// Which release manifests were verified, so that none is verified twice.
#[derive(Debug, Default)]
pub struct Checked {
    /// Digests of the bytes, and of the keys that counted.
    known: Mutex<HashSet<(Sha256, Sha256)>>,
}

impl Checked {
    fn manifest(
        &self,
        raw: &Bytes,
        sha256: Sha256,
        authority: Authority<'_>,
    ) -> Result<ReleaseManifest, ManifestFault> {
        #[derive(Deserialize)]
        struct Envelope {
            signed: ReleaseManifest,
        }
        let key = (sha256, digest_of(authority));
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&key) {
            // These very bytes were verified before, so they need no strict reading again.
            let Envelope { signed } =
                serde_json::from_slice(raw).map_err(|e| ManifestFault::Unreadable(e.to_string()))?;
            return Ok(signed);
        }
        let signed: Signed<ReleaseManifest> =
            Signed::parse(raw.clone()).map_err(|e| ManifestFault::Unreadable(e.to_string()))?;
        signed.verify(authority).map_err(|e| ManifestFault::Signatures(e.to_string()))?;
        known().insert(key);
        Ok(signed.into_signed())
    }
}

fn digest_of(authority: Authority<'_>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    hasher.update(authority.threshold.to_be_bytes());
    authority.keyids.iter().for_each(|id| hasher.update(id.to_string()));
    Sha256::new(hasher.finalize().into())
}

/// Reads a file that these keys must have signed.
fn read<T: DeserializeOwned>(
    files: &BTreeMap<String, Bytes>,
    file: &str,
    authority: Authority<'_>,
) -> Result<Signed<T>, TrustError> {
    let signed = parse(files, file)?;
    check(file, &signed, authority)?;
    Ok(signed)
}

fn parse<T: DeserializeOwned>(files: &BTreeMap<String, Bytes>, file: &str) -> Result<Signed<T>, TrustError> {
    let raw = files.get(file).ok_or_else(|| TrustError::Missing { file: file.to_owned() })?;
    Signed::parse(raw.clone()).map_err(|source| TrustError::Parse { file: file.to_owned(), source })
}

fn check<T>(file: &str, signed: &Signed<T>, authority: Authority<'_>) -> Result<(), TrustError> {
    let wrong = |source| TrustError::Signature { file: file.to_owned(), source };
    signed.verify(authority).map(drop).map_err(wrong)
}
