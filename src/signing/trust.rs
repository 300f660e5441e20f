//! The offline roles: the catalog's `trust/` folder, verified.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use serde::Deserialize;
use sha2::Digest;

use super::continuity::{check_next_index, check_next_root, check_step};
use super::index::read_index;
use super::signed::Signed;
use super::violation::{Violation, check_bytes, read_signed};
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::payload::Sha256;
use crate::domain::release::{ManifestFault, ManifestState, Release, SignedFacts};
use crate::domain::{Time, chain};
use crate::formats::manifest::{IndexEntry, LineIndex, ReleaseManifest};
use crate::formats::tuf::{Authority, KeyId, Root, Signers, Target, Targets, names};

/// The roles that are signed offline.
#[derive(Debug)]
pub struct Trust {
    /// Every root, starting with the first; never empty.
    roots: Vec<Signed<Root>>,
    targets: Signed<Targets>,
    /// The places of lines among the roles that `targets` delegates to.
    delegated: BTreeMap<LineName, usize>,
    lines: BTreeMap<LineName, Signed<Targets>>,
    /// The indexes of lines that have a role.
    indexes: BTreeMap<LineName, Index>,
    /// The lines whose roles are missing or invalid, and why. Other lines are not affected.
    broken: BTreeMap<LineName, TrustError>,
}

/// The index of a line, which is read when it is needed.
#[derive(Debug, Default)]
struct Index {
    raw: Option<Bytes>,
    read: OnceLock<Result<LineIndex, Violation>>,
}

/// Why the `trust/` folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("`trust/{file}` cannot be read: {why}")]
    Unread { file: String, why: String },
    #[error(
        "`trust/{file}` does not belong there: only `N.root.json`, `targets.json`, `releases-LINE.json` and `index-LINE.json` do"
    )]
    Stray { file: String },
}

impl Trust {
    /// Reads and verifies the files of `trust/`, given by name. `None` if there are no files, because the
    /// catalog has no keys yet. Ignores expiry, so that an expired role can be read and renewed.
    ///
    /// If the role of a line cannot be used, the others still can: see [`Trust::broken`].
    ///
    /// # Errors
    /// When a root or the targets file is missing or clients would refuse it, or a file does not belong in
    /// `trust/`.
    pub fn read(files: &BTreeMap<String, Bytes>) -> Result<Option<Self>, TrustError> {
        Self::read_once(files, &Checked::default())
    }

    fn read_once(files: &BTreeMap<String, Bytes>, checked: &Checked) -> Result<Option<Self>, TrustError> {
        if files.is_empty() {
            return Ok(None);
        }
        let roots = read_roots(files)?;
        let authority = roots[roots.len() - 1].signed().targets();
        let targets: Signed<Targets> =
            read_signed("trust/targets.json", raw(files, "targets.json")?, authority)?;
        let stray = |file: &&String| {
            !(names::is_of_line(file) || file.ends_with(".root.json") || **file == "targets.json")
        };
        if let Some(file) = files.keys().find(stray) {
            return Err(TrustError::Stray { file: file.clone() });
        }
        // A line's role is written before its delegation, and is ignored until the delegation exists.
        let (mut lines, mut broken) = (BTreeMap::new(), BTreeMap::new());
        if let Some(delegations) = &targets.signed().delegations {
            for role in delegations.roles.iter().filter(|role| role.name != names::CHANNELS) {
                let file = format!("{}.json", role.name);
                let Some(line) = names::line_of(&role.name) else { return Err(TrustError::Stray { file }) };
                let read =
                    raw(files, &file).and_then(|raw| checked.role(&file, raw, delegations.authority(role)));
                match read {
                    Ok(signed) => drop(lines.insert(line, signed)),
                    Err(violation) => drop(broken.insert(line, violation.into())),
                }
            }
        }
        let indexes = lines.keys().map(|line| (line.clone(), files.get(&names::index_file(line)).cloned()));
        let indexes = indexes.map(|(line, raw)| (line, Index { raw, ..Index::default() })).collect();
        Ok(Some(Self { delegated: delegated(&targets), roots, targets, lines, indexes, broken }))
    }

    /// Takes the roles of a publication, which are already verified. Each line comes with its role and its
    /// index, if it has one.
    pub fn verified(
        roots: Vec<Signed<Root>>,
        targets: Signed<Targets>,
        lines: impl IntoIterator<Item = (LineName, Signed<Targets>, Option<Bytes>)>,
    ) -> Self {
        let (mut roles, mut indexes) = (BTreeMap::new(), BTreeMap::new());
        for (line, role, raw) in lines {
            roles.insert(line.clone(), role);
            indexes.insert(line, Index { raw, ..Index::default() });
        }
        let (delegated, broken) = (delegated(&targets), BTreeMap::new());
        Self { roots, targets, delegated, lines: roles, indexes, broken }
    }

    /// A copy with the roles of these lines only.
    pub fn with_only(&self, lines: &[&LineName]) -> Self {
        let wanted = self.lines.iter().filter(|(line, _)| lines.contains(line));
        let wanted = wanted.map(|(line, role)| (line.clone(), role.clone(), self.index_file(line).cloned()));
        Self::verified(self.roots.clone(), self.targets.clone(), wanted)
    }

    /// As [`Trust::read`], where some files could not be read. `unread` has the reasons, by file name. The roles
    /// of lines that were `checked` before are not verified again.
    ///
    /// # Errors
    /// As [`Trust::read`], or when one of them may be a root or the targets file: without the newest root,
    /// the one before it would count.
    pub fn read_despite(
        files: &BTreeMap<String, Bytes>,
        unread: &BTreeMap<String, String>,
        checked: &Checked,
    ) -> Result<Option<Self>, TrustError> {
        if let Some((file, why)) = unread.iter().find(|(file, _)| !names::is_of_line(file)) {
            return Err(TrustError::Unread { file: file.clone(), why: why.clone() });
        }
        Ok(Self::read_once(files, checked)?.map(|trust| trust.with_unread(unread)))
    }

    fn with_unread(mut self, unread: &BTreeMap<String, String>) -> Self {
        for (line, error) in &mut self.broken {
            let file = format!("{}.json", names::releases_role(line));
            if let TrustError::Violation(Violation::Missing { .. }) = error
                && let Some(why) = unread.get(&file)
            {
                *error = TrustError::Unread { file, why: why.clone() };
            }
        }
        self
    }

    /// The files that these roles were read from, without those that were ignored.
    pub fn files(&self) -> BTreeMap<String, Bytes> {
        let roots =
            self.roots.iter().map(|root| (format!("{}.root.json", root.signed().version), root.raw()));
        let lines = self.lines.iter();
        let lines = lines.map(|(line, role)| (format!("{}.json", names::releases_role(line)), role.raw()));
        let indexes = self.indexes.iter();
        let indexes =
            indexes.filter_map(|(line, index)| Some((names::index_file(line), index.raw.as_ref()?)));
        let targets = ("targets.json".to_owned(), self.targets.raw());
        roots.chain(lines).chain(indexes).chain([targets]).map(|(file, raw)| (file, raw.clone())).collect()
    }

    /// Every root, starting with the first.
    pub fn roots(&self) -> &[Signed<Root>] {
        &self.roots
    }

    /// The newest root.
    pub fn root(&self) -> &Signed<Root> {
        &self.roots[self.roots.len() - 1]
    }

    /// The top targets role.
    pub const fn targets(&self) -> &Signed<Targets> {
        &self.targets
    }

    /// The roles of lines.
    pub const fn lines(&self) -> &BTreeMap<LineName, Signed<Targets>> {
        &self.lines
    }

    /// When each role expires, by name.
    pub fn expiries(&self) -> impl Iterator<Item = (String, Time)> {
        let top = [("root", self.root().signed().expires), ("targets", self.targets.signed().expires)];
        let lines = self.lines.iter();
        let lines = lines.map(|(line, role)| (names::releases_role(line), role.signed().expires));
        top.into_iter().map(|(role, at)| (role.to_owned(), at)).chain(lines)
    }

    /// The first of the roles that every line needs that has expired by `now`, and when it did. Nothing can
    /// be published with it.
    pub fn expired(&self, now: Time) -> Option<(&'static str, Time)> {
        let roles = [("root", self.root().signed().expires), ("targets", self.targets.signed().expires)];
        roles.into_iter().find(|(_, expires)| *expires <= now)
    }

    /// Checks that every `known` root is still there as it was.
    ///
    /// # Errors
    /// When one is missing or has changed.
    pub fn check_roots(&self, known: &Self) -> Result<(), Violation> {
        let pairs = known.roots.iter().enumerate();
        pairs
            .map(|(place, root)| (root, self.roots.get(place).unwrap_or_else(|| self.root())))
            .try_for_each(|(known, root)| check_step("root", known, root))
    }

    /// Checks that these roles may follow `known` ones. A line whose role cannot be used is not compared.
    ///
    /// # Errors
    /// When a role or a release in a line's index is missing, or a role is older, or changed without a new version.
    pub fn check_follows(&self, known: &Self) -> Result<(), Violation> {
        self.check_roots(known)?;
        check_step("targets", &known.targets, &self.targets)?;
        for (line, role) in known.lines.iter().filter(|(line, _)| !self.broken.contains_key(*line)) {
            let name = names::releases_role(line);
            let next = self.line(line).ok_or_else(|| Violation::NotDelegated { role: name.clone() })?;
            check_step(&name, role, next)?;
            if let (Some(Ok(known)), Some(Ok(next))) = (known.index(line), self.index(line)) {
                check_next_index(known, next)?;
            }
        }
        Ok(())
    }

    /// The lines whose roles cannot be used, and why.
    pub const fn broken(&self) -> &BTreeMap<LineName, TrustError> {
        &self.broken
    }

    /// Refuses the role of a line, which then counts as [broken](Trust::broken).
    pub fn refuse(&mut self, line: &LineName, why: TrustError) {
        self.lines.remove(line);
        self.indexes.remove(line);
        self.broken.insert(line.clone(), why);
    }

    /// Like [`Trust::broken`], but by value.
    pub fn into_broken(self) -> BTreeMap<LineName, TrustError> {
        self.broken
    }

    /// The role of one line.
    pub fn line(&self, line: &LineName) -> Option<&Signed<Targets>> {
        self.lines.get(line)
    }

    /// The stored index of a line, good or not.
    pub fn index_file(&self, line: &LineName) -> Option<&Bytes> {
        self.indexes.get(line)?.raw.as_ref()
    }

    /// The index of a line, or why the line has none that can be used. `None` if the line has no role.
    pub fn index(&self, line: &LineName) -> Option<Result<&LineIndex, &Violation>> {
        let (role, index) = (self.lines.get(line)?.signed(), self.indexes.get(line)?);
        let read = || {
            let name = names::releases_role(line);
            let (delegated, _) = self
                .targets
                .signed()
                .delegated(&name)
                .ok_or_else(|| Violation::NotDelegated { role: name.clone() })?;
            let prefix = names::prefix(&delegated.paths)
                .ok_or_else(|| Violation::Path { role: name, path: delegated.paths.join(", ") })?;
            let stored = |_: &str, listed: &Target| {
                let path = format!("trust/{}", names::index_file(line));
                let raw = index.raw.as_ref().ok_or_else(|| Violation::Missing { path: path.clone() })?;
                check_bytes(&path, listed, raw)?;
                Ok::<_, Violation>(Some(raw.clone()))
            };
            read_index(line, prefix, role, |_, raw| LineIndex::parse(raw), stored)
        };
        Some(index.read.get_or_init(read).as_ref())
    }

    /// Drops what was read of the indexes of lines. Each is read again when it is needed.
    pub fn forget_indexes(&mut self) {
        self.indexes.values_mut().for_each(|index| drop(index.read.take()));
    }

    /// The keys whose signatures count for a line.
    pub fn line_authority(&self, line: &LineName) -> Option<Authority<'_>> {
        let (delegations, place) =
            self.targets.signed().delegations.as_ref().zip(self.delegated.get(line))?;
        Some(delegations.authority(delegations.roles.get(*place)?))
    }

    /// The keys whose signatures count for channel manifests.
    pub fn channels_authority(&self) -> Option<Authority<'_>> {
        Some(self.targets.signed().delegated(names::CHANNELS)?.1)
    }

    /// Whether a key may sign everything that is signed online: channel manifests, snapshot and timestamp.
    pub fn is_online(&self, id: KeyId) -> bool {
        let root = self.root().signed();
        let roles = [Some(root.snapshot()), Some(root.timestamp()), self.channels_authority()];
        roles.iter().all(|role| role.is_some_and(|role| role.keyids.contains(&id)))
    }

    /// Checks whether release keys have signed a release exactly as it is in the catalog. `raw` is its
    /// `release.json`, if there is one.
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
        if self.line_authority(&line.name).is_none() {
            return ManifestState::Undelegated;
        }
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
            Some(error @ TrustError::Unread { .. }) => ManifestFault::Unread(error.to_string()),
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
        if let Some(payload) = role.unlisted_payload(&manifest) {
            return Err(ManifestFault::PayloadNotListed { file: payload.file.clone() });
        }
        for (stage, entry) in line.stages.iter().zip(&release.entries) {
            if let (Some(entry), Some(&not_before)) = (entry, manifest.not_before.get(&stage.name))
                && entry.since < not_before
            {
                let (stage, since) = (stage.name.clone(), entry.since);
                return Err(ManifestFault::EnteredEarly { stage, since, not_before });
            }
        }
        let index = self.index(&line.name).ok_or(ManifestFault::NoReleaseKeys)?;
        let index = index.map_err(|why| ManifestFault::Index(chain(why)))?;
        if index.releases.get(&manifest.version) != Some(&IndexEntry::of(&manifest)) {
            return Err(ManifestFault::IndexDiffers);
        }
        Ok(SignedFacts::new(manifest.not_before))
    }
}

/// The places of lines among the roles that the targets role delegates to.
fn delegated(targets: &Signed<Targets>) -> BTreeMap<LineName, usize> {
    let roles = targets.signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    roles.enumerate().filter_map(|(place, role)| Some((names::line_of(&role.name)?, place))).collect()
}

fn raw(files: &BTreeMap<String, Bytes>, file: &str) -> Result<Bytes, Violation> {
    files.get(file).cloned().ok_or_else(|| Violation::Missing { path: format!("trust/{file}") })
}

fn read_roots(files: &BTreeMap<String, Bytes>) -> Result<Vec<Signed<Root>>, Violation> {
    let mut roots: Vec<Signed<Root>> = Vec::new();
    loop {
        let next = roots.len() as u64 + 1;
        let file = format!("{next}.root.json");
        // A later root cannot be reached over a missing one, and the keys that it dropped would still count.
        let later = || files.keys().filter_map(|file| names::root_version(file)).any(|found| next < found);
        if !roots.is_empty() && !files.contains_key(&file) && !later() {
            return Ok(roots);
        }
        let path = format!("trust/{file}");
        let root = Signed::parse(raw(files, &file)?).map_err(Violation::unreadable(&path))?;
        check_next_root(&path, roots.last(), &root)?;
        roots.push(root);
    }
}

/// The release manifests and the roles of lines that were verified before, so that none is verified twice.
#[derive(Debug, Default)]
pub struct Checked {
    /// The digests of verified manifests, by the digest of the keys that verified them.
    known: Mutex<BTreeMap<Sha256, HashSet<Sha256>>>,
    /// The last verified role of each file, and who may sign it.
    roles: Mutex<BTreeMap<String, (Signed<Targets>, Signers)>>,
}

impl Checked {
    /// Reads and verifies the role of a line.
    fn role(&self, file: &str, raw: Bytes, authority: Authority<'_>) -> Result<Signed<Targets>, Violation> {
        let roles = || self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        let signers = Signers::of(authority);
        if let Some((role, known)) = roles().get(file)
            && *role.raw() == raw
            && *known == signers
        {
            return Ok(role.clone());
        }
        let role: Signed<Targets> = read_signed(&format!("trust/{file}"), raw, authority)?;
        roles().insert(file.to_owned(), (role.clone(), signers));
        Ok(role)
    }

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
        let keys = digest_of(authority);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known().get(&keys).is_some_and(|known| known.contains(&sha256)) {
            // The same bytes were strictly read and verified before.
            let Envelope { signed } =
                serde_json::from_slice(raw).map_err(|e| ManifestFault::Unreadable(e.to_string()))?;
            return Ok(signed);
        }
        let signed: Signed<ReleaseManifest> =
            Signed::parse(raw.clone()).map_err(|e| ManifestFault::Unreadable(e.to_string()))?;
        signed.verify(authority).map_err(|e| ManifestFault::Signatures(e.to_string()))?;
        known().entry(keys).or_default().insert(sha256);
        Ok(signed.into_signed())
    }
}

fn digest_of(authority: Authority<'_>) -> Sha256 {
    let mut hasher = sha2::Sha256::new();
    hasher.update(authority.threshold.to_be_bytes());
    authority.keyids.iter().for_each(|id| hasher.update(id.to_string()));
    Sha256::new(hasher.finalize().into())
}
