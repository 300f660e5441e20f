//! What is refused before anybody signs it, and before it is published: all that clients would
//! refuse afterwards.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::Files;
use super::documents::{BadSignature, DocumentId};
use super::passed::Ceremony;
use super::releases::is_for_long;
use super::roles::{RoleKeys, RoleName, role_keys};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::rfc3339;
use crate::domain::version::Version;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{Authority, DelegatedRole, KeyId, Root, Target, Targets, names};
use crate::signing::signed::SignatureError;
use crate::signing::trust::{Trust, TrustError};
use crate::signing::{PublicKey, Signed};

/// Why a ceremony must not go on.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Signature(#[from] BadSignature),
    #[error("`{path}` is version {found}, and {expected} comes next")]
    Version { path: String, expected: u64, found: u64 },
    #[error("`{path}` expired at {}", rfc3339(*at))]
    Expired { path: String, at: Time },
    #[error("there is no root, or no targets role")]
    NoTop,
    #[error("role `{role}` has {keys} keys, and wants {threshold} signatures")]
    Unreachable { role: RoleName, keys: usize, threshold: u64 },
    #[error("the key `{keyid}` of role `{role}` is none that can be used")]
    BadKey { role: RoleName, keyid: KeyId },
    #[error(
        "the key `{keyid}` would be both online and for role `{role}`: whoever breaks into a server would have it"
    )]
    BothSides { keyid: KeyId, role: RoleName },
    #[error("snapshot, timestamp and `channels` have not the same keys: a server signs all of them")]
    OnlineDiffers,
    #[error("role `online` wants {0} signatures: a server signs alone")]
    OnlineThreshold(u64),
    #[error("`trust/targets.json` would change which files the role `{role}` may list")]
    Paths { role: String },
    #[error("the new role `{role}` may list {}, and not just what is its own", .paths.join(", "))]
    Foreign { role: String, paths: Vec<String> },
    #[error("the new role `{role}` and `{other}` would sign for the same versions")]
    Overlap { role: String, other: String },
    #[error("`trust/targets.json` would drop the role `{role}`, which never leaves a repository")]
    Dropped { role: String },
    #[error("`trust/targets.json` lists the target `{0}`, and holds delegations only")]
    TopTarget(String),
    #[error("`trust/targets.json` delegates to `{role}`, whose first role is not there")]
    NoRole { role: String },
    #[error("`{path}` lists `{target}`, which is not its line's")]
    Scope { path: String, target: String },
    #[error("`{path}` lists another manifest of release `{version}` than is signed with it")]
    Listed { path: String, version: String },
    #[error("it retires line `{0}`, whose keys sign nothing in it that says so")]
    Retires(LineName),
    #[error("not everything is signed by enough: {}", .0.join("; "))]
    Unfinished(Vec<String>),
    #[error("`trust/{file}` is not what the ceremony began from: somebody signed something else since")]
    Stale { file: String },
    #[error("what came of it would not hold")]
    Result(#[from] TrustError),
    #[error("`payloads/{version}/release.json` is missing, or not the one that is listed")]
    Manifest { version: String },
    #[error("`payloads/{version}/release.json` is not signed by enough")]
    ManifestSignature { version: String, source: SignatureError },
}

/// What a finished ceremony writes.
#[derive(Debug)]
pub struct Finished {
    /// `release.json` by version.
    pub manifests: BTreeMap<Version, Bytes>,
    /// Files of `trust/`.
    pub trust: Files,
}

impl Ceremony {
    /// Checks what is to be signed, and every signature that is there.
    ///
    /// # Errors
    /// The first thing that clients would refuse, or that was changed after it was signed.
    pub fn check(&self, now: Time) -> Result<(), Refused> {
        let (root, targets) = self.new_root().zip(self.new_targets()).ok_or(Refused::NoTop)?;
        self.check_versions()?;
        check_keys(root.signed(), targets.signed())?;
        self.check_delegations(targets.signed())?;
        self.check_lines()?;
        self.check_retirement(now)?;
        for document in self.documents() {
            document.check_signatures()?;
            if let Some(at) = document.expires.filter(|at| *at <= now) {
                return Err(Refused::Expired { path: document.id.path(), at });
            }
        }
        // What is not signed now is trusted on, and must hold as well.
        if root.signed().expires <= now {
            return Err(Refused::Expired { path: "root".to_owned(), at: root.signed().expires });
        }
        if targets.signed().expires <= now {
            return Err(Refused::Expired { path: "targets".to_owned(), at: targets.signed().expires });
        }
        Ok(())
    }

    fn check_versions(&self) -> Result<(), Refused> {
        let before = self.before();
        let next = |id: DocumentId, last: Option<u64>, found: u64| {
            let expected = last.unwrap_or(0) + 1;
            let path = id.path();
            if found == expected { Ok(()) } else { Err(Refused::Version { path, expected, found }) }
        };
        if let Some(root) = &self.root {
            let found = root.signed().version;
            next(DocumentId::Root(found), before.map(|before| before.root().signed().version), found)?;
        }
        if let Some(targets) = &self.targets {
            let last = before.map(|before| before.targets().signed().version);
            next(DocumentId::Targets, last, targets.signed().version)?;
        }
        for (line, work) in &self.lines {
            let last = before.and_then(|before| before.line(line)).map(|role| role.signed().version);
            next(DocumentId::Line(line.clone()), last, work.role.signed().version)?;
        }
        Ok(())
    }

    fn check_delegations(&self, targets: &Targets) -> Result<(), Refused> {
        if let Some(target) = targets.targets.keys().next() {
            return Err(Refused::TopTarget(target.clone()));
        }
        let roles = |targets: &Targets| {
            let roles = targets.delegations.clone().map(|delegations| delegations.roles).unwrap_or_default();
            roles.into_iter().map(|role| (role.name.clone(), role)).collect::<BTreeMap<_, _>>()
        };
        let now = roles(targets);
        let before = self.before().map(|before| roles(before.targets().signed())).unwrap_or_default();
        for (name, role) in &before {
            let Some(next) = now.get(name) else { return Err(Refused::Dropped { role: name.clone() }) };
            if next.paths != role.paths || next.terminating != role.terminating {
                return Err(Refused::Paths { role: name.clone() });
            }
        }
        for name in now.keys().filter(|name| *name != names::CHANNELS && !before.contains_key(*name)) {
            let line = name.strip_prefix(names::RELEASES).and_then(|line| LineName::parse(line).ok());
            if line.is_none_or(|line| !self.lines.contains_key(&line)) {
                return Err(Refused::NoRole { role: name.clone() });
            }
        }
        for role in now.values().filter(|role| !before.contains_key(&role.name)) {
            check_new_role(role, now.values())?;
        }
        Ok(())
    }

    fn check_lines(&self) -> Result<(), Refused> {
        for (line, work) in &self.lines {
            let path = DocumentId::Line(line.clone()).path();
            let delegated = self.new_targets().and_then(|targets| {
                let (role, _) = targets.signed().delegated(&names::releases_role(line))?;
                Some(role.paths.clone())
            });
            let paths = delegated.ok_or_else(|| Refused::NoRole { role: names::releases_role(line) })?;
            let role = work.role.signed();
            for target in role.targets.keys() {
                let inside = paths.iter().any(|path| names::path_matches(path, target) == Some(true));
                if !inside || !names::is_target_name(target) {
                    return Err(Refused::Scope { path, target: target.clone() });
                }
            }
            for (version, manifest) in &work.manifests {
                let listed = role.targets.get(&names::release_target(version));
                let payloads = manifest.signed().payloads.iter().all(|payload| {
                    let name = names::payload_target(version, &payload.file);
                    role.targets.get(&name) == Some(&Target::new(payload.sha256, payload.size))
                });
                if listed != Some(&Target::of(manifest.raw())) || !payloads {
                    return Err(Refused::Listed { path, version: version.to_string() });
                }
            }
        }
        Ok(())
    }

    /// That a line ends is no part of what is signed. What its keys sign then is a role that nobody has
    /// to renew, and without that anybody who has the file in hand could end a line.
    fn check_retirement(&self, now: Time) -> Result<(), Refused> {
        let Some(line) = self.retires.as_ref().map(|retires| &retires.line) else { return Ok(()) };
        let role = self.lines.get(line).map(|work| work.role.signed());
        if role.is_some_and(|role| is_for_long(role, now)) {
            Ok(())
        } else {
            Err(Refused::Retires(line.clone()))
        }
    }

    /// What is written when all have signed, over the present files of `trust/`. `manifest` gives the
    /// stored manifest of a release. Files that are there already are no reason to refuse: a run that
    /// was cut short is completed by the next.
    ///
    /// # Errors
    /// When somebody's signature is missing, something else was signed since the ceremony began, or
    /// clients would refuse what comes of it.
    pub fn finish(
        &self,
        present: &Files,
        manifest: &dyn Fn(&Version) -> Option<Bytes>,
        now: Time,
    ) -> Result<Finished, Refused> {
        self.check(now)?;
        let missing: Vec<String> = self
            .documents()
            .iter()
            .filter(|document| !document.is_complete())
            .map(|document| {
                let tallies = document.tallies();
                let open: Vec<String> = tallies
                    .iter()
                    .filter(|tally| !tally.is_complete())
                    .map(|tally| format!("{} of {} {}", tally.signed.len(), tally.threshold, tally.whose))
                    .collect();
                let open =
                    if open.is_empty() { "waits for its manifests".to_owned() } else { open.join(", ") };
                format!("`{}` has {open}", document.id.path())
            })
            .collect();
        if !missing.is_empty() {
            return Err(Refused::Unfinished(missing));
        }

        let mut finished = Finished { manifests: BTreeMap::new(), trust: Files::new() };
        for document in self.documents() {
            match &document.id {
                DocumentId::Manifest(version) => {
                    finished.manifests.insert(version.clone(), document.raw.clone());
                }
                id => {
                    let path = id.path();
                    let name = path.strip_prefix("trust/").unwrap_or(&path);
                    finished.trust.insert(name.to_owned(), document.raw.clone());
                }
            }
        }
        self.check_fresh(present, &finished.trust)?;

        let mut after = present.clone();
        after.extend(finished.trust.clone());
        let after = Trust::read(&after)?.ok_or(Refused::NoTop)?;
        // A line that is out of order already must not hold up the keys of the others.
        let held = |line: &LineName| self.lines.contains_key(line) || holds(present, line);
        if let Some((_, error)) = after.into_broken().into_iter().find(|(line, _)| held(line)) {
            return Err(error.into());
        }
        for line in self.lines.keys() {
            self.check_manifests(line, &finished, manifest)?;
        }
        Ok(finished)
    }

    /// Whether the files of `trust/` are those that it began from, or what comes of it.
    fn check_fresh(&self, present: &Files, next: &Files) -> Result<(), Refused> {
        let stale = |file: &str| Err(Refused::Stale { file: file.to_owned() });
        let same = |a: &Bytes, b: &Bytes| a.trim_ascii() == b.trim_ascii();
        for (file, raw) in present {
            let known = [self.base.get(file), next.get(file)];
            let touched = known.iter().any(Option::is_some) || file.ends_with(".root.json");
            if touched && !known.into_iter().flatten().any(|known| same(known, raw)) {
                return stale(file);
            }
        }
        match self.base.keys().find(|file| !present.contains_key(*file)) {
            Some(file) => stale(file),
            None => Ok(()),
        }
    }

    /// Whether all that a line's next role lists is there, and signed by enough.
    fn check_manifests(
        &self,
        line: &LineName,
        finished: &Finished,
        manifest: &dyn Fn(&Version) -> Option<Bytes>,
    ) -> Result<(), Refused> {
        let name = names::releases_role(line);
        let authority: Option<Authority<'_>> =
            self.new_targets().and_then(|targets| targets.signed().delegated(&name)).map(|found| found.1);
        let (Some(work), Some(authority)) = (self.lines.get(line), authority) else {
            return Err(Refused::NoRole { role: name });
        };
        for (target, listed) in &work.role.signed().targets {
            let version = target.strip_prefix("release.").and_then(|rest| rest.strip_suffix(".json"));
            let Some(version) = version.and_then(|version| Version::parse(version).ok()) else { continue };
            let wrong = || Refused::Manifest { version: version.to_string() };
            let raw = finished.manifests.get(&version).cloned().or_else(|| manifest(&version));
            let raw = raw.filter(|raw| Target::of(raw) == *listed).ok_or_else(wrong)?;
            let signed: Signed<ReleaseManifest> = Signed::parse(raw).map_err(|_| wrong())?;
            signed
                .verify(authority)
                .map_err(|source| Refused::ManifestSignature { version: version.to_string(), source })?;
        }
        Ok(())
    }
}

/// Whether a line's role holds as things are: then it must go on to.
fn holds(present: &Files, line: &LineName) -> bool {
    let before = Trust::read(present).ok().flatten();
    before.is_none_or(|before| !before.broken().contains_key(line))
}

/// Whether a new role may list what is its own, and nothing that another line's may: whoever stands
/// first would take the other's releases over.
fn check_new_role<'a>(
    role: &DelegatedRole,
    mut all: impl Iterator<Item = &'a DelegatedRole>,
) -> Result<(), Refused> {
    let foreign = || Refused::Foreign { role: role.name.clone(), paths: role.paths.clone() };
    if !role.terminating {
        return Err(foreign());
    }
    if role.name == names::CHANNELS {
        return if role.paths == names::channels_paths() { Ok(()) } else { Err(foreign()) };
    }
    let own = names::prefix(&role.paths).ok_or_else(foreign)?;
    let overlaps = |other: &&DelegatedRole| {
        other.name != role.name && names::prefix(&other.paths).is_some_and(|other| own.overlaps(&other))
    };
    match all.find(overlaps) {
        Some(other) => Err(Refused::Overlap { role: role.name.clone(), other: other.name.clone() }),
        None => Ok(()),
    }
}

/// Whether every role's threshold can be reached, and no key of a server signs anything else.
fn check_keys(root: &Root, targets: &Targets) -> Result<(), Refused> {
    let roles = role_keys(root, targets);
    for (role, RoleKeys { keys, threshold }) in &roles {
        if *threshold == 0 || (keys.len() as u64) < *threshold {
            let (role, threshold) = (role.clone(), *threshold);
            return Err(Refused::Unreachable { role, keys: keys.len(), threshold });
        }
        if let Some(keyid) = keys.iter().find(|(_, key)| PublicKey::of(key).is_err()).map(|(id, _)| *id) {
            return Err(Refused::BadKey { role: role.clone(), keyid });
        }
    }
    let online: BTreeSet<KeyId> =
        roles.get(&RoleName::Online).into_iter().flat_map(|r| r.keys.keys()).copied().collect();
    for (role, keys) in roles.iter().filter(|(role, _)| **role != RoleName::Online) {
        if let Some(keyid) = keys.keys.keys().find(|id| online.contains(id)) {
            return Err(Refused::BothSides { keyid: *keyid, role: role.clone() });
        }
    }
    let set = |authority: Authority<'_>| {
        (authority.keyids.iter().copied().collect::<BTreeSet<_>>(), authority.threshold)
    };
    let timestamp = set(root.timestamp());
    let channels = targets.delegated(names::CHANNELS).map(|(_, authority)| set(authority));
    if set(root.snapshot()) != timestamp || channels.as_ref() != Some(&timestamp) {
        return Err(Refused::OnlineDiffers);
    }
    if timestamp.1 != 1 {
        return Err(Refused::OnlineThreshold(timestamp.1));
    }
    Ok(())
}
