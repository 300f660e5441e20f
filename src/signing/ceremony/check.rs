//! Checks a ceremony before anybody signs it, and refuses anything that clients would refuse later.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::Ceremony;
use super::documents::{Document, DocumentId, Shortfall};
use super::line_work::LineWork;
use super::releases::is_long_lived;
use super::roles::{RoleName, role_keys};
use crate::domain::channel::LineName;
use crate::domain::line::Prefix;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::manifest::{IndexEntry, LineIndex};
use crate::formats::tuf::{
    DelegatedRole, KeyId, MAX_SIGNED, RETIRED_LIFETIME, ROOT_LIFETIME, Root, Signers, Target, Targets, names,
};
use crate::signing::continuity::check_next_index;
use crate::signing::index::read_index;
use crate::signing::trust::{Trust, TrustError};
use crate::signing::verify::check_scope;
use crate::signing::{PublicKey, Violation};

/// Why a ceremony is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("`{path}` was changed after the key `{keyid}` signed it")]
    Changed { path: DocumentId, keyid: KeyId },
    #[error("`{path}` is signed by the key `{keyid}`, which does not count for it")]
    WrongKey { path: DocumentId, keyid: KeyId },
    #[error("`{path}` is version {found}, but {expected} comes next")]
    Version { path: DocumentId, expected: u64, found: u64 },
    #[error("`{path}` expired at {}", rfc3339(*at))]
    Expired { path: DocumentId, at: Time },
    #[error("`{path}` would be valid until {}, which is more than {} days ahead", rfc3339(*at), most.num_days())]
    ValidTooLong { path: DocumentId, at: Time, most: TimeDelta },
    #[error("`{path}` would have {bytes} bytes, and at most {MAX_SIGNED} are allowed")]
    TooLarge { path: DocumentId, bytes: u64 },
    #[error("there is no root, or no targets role")]
    NoTop,
    #[error("role `{role}` would have {keys} keys and need {threshold} signatures")]
    Unreachable { role: RoleName, keys: usize, threshold: u64 },
    #[error("the key `{keyid}` of role `{role}` is invalid")]
    BadKey { role: RoleName, keyid: KeyId },
    #[error(
        "the key `{keyid}` would be both an online key and a key of role `{role}`: anybody who breaks into a server would have it"
    )]
    BothSides { keyid: KeyId, role: RoleName },
    #[error("the key `{keyid}` of the new role `{role}` belongs to role `{of}`, and cannot sign releases")]
    OtherDuty { keyid: KeyId, role: RoleName, of: RoleName },
    #[error("the key `{keyid}` of the new role `{role}` is not a release key of any other line")]
    Stranger { keyid: KeyId, role: RoleName },
    #[error("snapshot, timestamp and `channels` must have the same keys: a server signs all of them")]
    OnlineDiffers,
    #[error("role `online` cannot need {0} signatures: a server signs alone")]
    OnlineThreshold(u64),
    #[error("`trust/targets.json` would change which files the role `{role}` may list")]
    Paths { role: String },
    #[error("the new role `{role}` may list {}, which is more than its own files", .paths.join(", "))]
    Foreign { role: String, paths: Vec<String> },
    #[error("the new role `{role}` and `{other}` would sign for the same versions")]
    Overlap { role: String, other: String },
    #[error("`trust/targets.json` would drop the role `{role}`, but a role can never be removed")]
    Dropped { role: String },
    #[error("`trust/targets.json` delegates to `{role}`, whose first version is missing")]
    NoRole { role: String },
    #[error(
        "`{path}` does not list the manifest or the payloads of release `{version}`, which is signed in the same ceremony"
    )]
    Listed { path: DocumentId, version: Version },
    #[error(
        "the index of line `{line}` does not say what the manifest of release `{version}` says, or nothing in the ceremony shows what that is"
    )]
    Index { line: LineName, version: Version },
    #[error("it retires line `{0}`, but does not sign that line's role for a long term")]
    Retires(LineName),
    #[error("signatures are missing: {}", .0.iter().map(Shortfall::to_string).collect::<Vec<_>>().join("; "))]
    Unfinished(Vec<Shortfall>),
    #[error(
        "`trust/{file}` is not the one that the ceremony began from: something else was signed in the meantime"
    )]
    Stale { file: String },
    #[error("its result would be invalid")]
    Result(#[from] TrustError),
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("`payloads/{version}/release.json` is missing, or is not the one that is listed")]
    Manifest { version: Version },
}

impl Ceremony {
    /// Checks every document to sign, and every signature so far.
    ///
    /// # Errors
    /// The first fault that would make clients refuse a document, or the first document that was changed
    /// after it was signed.
    pub fn check(&self, now: Time) -> Result<(), Refused> {
        let (root, targets) = self.new_root().zip(self.new_targets()).ok_or(Refused::NoTop)?;
        let documents = self.documents();
        for Document { id, step, .. } in &documents {
            if let Some((before, found)) = *step
                && found != before + 1
            {
                return Err(Refused::Version { path: id.clone(), expected: before + 1, found });
            }
        }
        let too_large = documents.iter().find(|document| document.raw.len() as u64 > MAX_SIGNED);
        if let Some(Document { id, raw, .. }) = too_large {
            return Err(Refused::TooLarge { path: id.clone(), bytes: raw.len() as u64 });
        }
        check_keys(root.signed(), targets.signed())?;
        self.check_delegations(targets.signed())?;
        self.check_lines()?;
        self.check_retirement(now)?;
        let wrong = documents.iter().find_map(|document| Some((document, document.wrong?)));
        if let Some((document, keyid)) = wrong {
            let path = document.id.clone();
            let counts = document.counts(keyid);
            return Err(if counts {
                Refused::Changed { path, keyid }
            } else {
                Refused::WrongKey { path, keyid }
            });
        }
        let expiries = documents.into_iter().filter_map(|document| Some((document.id, document.expires?)));
        let expiries: Vec<(DocumentId, Time)> = expiries.collect();
        for (id, at) in &expiries {
            let most = self.longest(id, now);
            if *at > now + most {
                return Err(Refused::ValidTooLong { path: id.clone(), at: *at, most });
            }
        }
        // A root or a targets role that is not signed again stays in use, so it must not have expired either.
        let (root, targets) = (root.signed(), targets.signed());
        let top = [(DocumentId::Root(root.version), root.expires), (DocumentId::Targets, targets.expires)];
        match expiries.into_iter().chain(top).find(|(_, at)| *at <= now) {
            Some((path, at)) => Err(Refused::Expired { path, at }),
            None => Ok(()),
        }
    }

    /// How far ahead a document may expire: a year more than it is made for, since clocks differ. The expiry
    /// is what ends the use of a stolen key, and whoever passes the file on could have put it off for ever.
    fn longest(&self, id: &DocumentId, now: Time) -> TimeDelta {
        let is_retired = |line: &LineName| {
            let before = self.before.as_ref().and_then(|before| before.lines().get(line));
            self.retires.as_ref().is_some_and(|retires| retires.line == *line)
                || before.is_some_and(|role| is_long_lived(role.signed(), now))
        };
        match id {
            DocumentId::Line(line) if is_retired(line) => RETIRED_LIFETIME + ROOT_LIFETIME,
            _ => ROOT_LIFETIME + ROOT_LIFETIME,
        }
    }

    fn check_delegations(&self, targets: &Targets) -> Result<(), Refused> {
        if let Some(target) = targets.targets.keys().next().cloned() {
            return Err(Violation::Scope { role: "targets".to_owned(), target }.into());
        }
        let now = delegated_roles(targets);
        let before = self.before.as_ref();
        let known = before.map(|before| delegated_roles(before.targets().signed())).unwrap_or_default();
        for (&name, role) in &known {
            let role_name = || name.to_owned();
            let next = now.get(name).ok_or_else(|| Refused::Dropped { role: role_name() })?;
            if next.paths != role.paths || next.terminating != role.terminating {
                return Err(Refused::Paths { role: role_name() });
            }
        }
        let new = || now.values().filter(|role| !known.contains_key(role.name.as_str()));
        for role in new().filter(|role| role.name != names::CHANNELS) {
            if names::line_of(&role.name).is_none_or(|line| !self.lines.contains_key(&line)) {
                return Err(Refused::NoRole { role: role.name.clone() });
            }
        }
        for role in new() {
            check_new_role(role, now.values().copied())?;
        }
        before.map_or(Ok(()), |before| check_new_keys(before, targets))
    }

    fn check_lines(&self) -> Result<(), Refused> {
        for (line, work) in &self.lines {
            let name = names::releases_role(line);
            let delegated = self.new_targets().and_then(|targets| targets.signed().delegated(&name));
            let Some((delegated, _)) = delegated else { return Err(Refused::NoRole { role: name }) };
            check_scope(delegated, work.role.signed())?;
            let foreign = || Refused::Foreign { role: name.clone(), paths: delegated.paths.clone() };
            let prefix = self.prefix(line).ok_or_else(foreign)?;
            check_index(work, (line, prefix), self.before.as_ref())?;
        }
        Ok(())
    }

    /// Checks that a ceremony that retires a line also signs that line's role for a long term. The
    /// retirement itself is not signed, so without this check, anybody who has the file could add one.
    fn check_retirement(&self, now: Time) -> Result<(), Refused> {
        let Some(line) = self.retires.as_ref().map(|retires| &retires.line) else { return Ok(()) };
        let role = self.lines.get(line).map(|work| work.role.signed());
        if role.is_some_and(|role| is_long_lived(role, now)) {
            Ok(())
        } else {
            Err(Refused::Retires(line.clone()))
        }
    }
}

/// Checks that the role lists the manifests to sign, and an index that is right about every release:
/// somebody who passes the ceremony on could have taken a barrier out of it.
fn check_index(
    work: &LineWork,
    (line, prefix): (&LineName, Prefix),
    before: Option<&Trust>,
) -> Result<(), Refused> {
    let role = work.role.signed();
    for (version, manifest) in &work.manifests {
        let listed = role.targets.get(&names::release_target(version));
        if listed != Some(&Target::of(manifest.raw())) || role.unlisted_payload(manifest.signed()).is_some() {
            let path = DocumentId::Line(line.clone());
            return Err(Refused::Listed { path, version: version.clone() });
        }
    }
    let stored = |_: &str, listed: &Target| match &work.index {
        Some(raw) if Target::of(raw) == *listed => Ok::<_, Violation>(Some(raw.clone())),
        Some(_) | None => Ok(None),
    };
    let index = read_index(line, prefix, role, |_, raw| LineIndex::parse(raw), stored)?;
    let known = before.and_then(|before| Some((before.line(line)?, before.index(line)?.ok()?)));
    if let Some((_, known)) = known {
        check_next_index(known, &index)?;
    }
    for (version, entry) in &index.releases {
        let listed = role.targets.get(&names::release_target(version));
        let is_shown = || {
            let manifest = work.manifests.get(version);
            let manifest = manifest.or_else(|| {
                work.evidence.get(version).filter(|shown| listed == Some(&Target::of(shown.raw())))
            });
            manifest.is_some_and(|manifest| IndexEntry::of(manifest.signed()) == *entry)
        };
        let is_known = known.is_some_and(|(role, index)| {
            role.signed().targets.get(&names::release_target(version)) == listed
                && index.releases.get(version) == Some(entry)
        });
        let must_be_shown = work.manifests.contains_key(version) || !is_known;
        if must_be_shown && !is_shown() {
            return Err(Refused::Index { line: line.clone(), version: version.clone() });
        }
    }
    Ok(())
}

fn delegated_roles(targets: &Targets) -> BTreeMap<&str, &DelegatedRole> {
    let roles = targets.delegations.iter().flat_map(|delegations| &delegations.roles);
    roles.map(|role| (role.name.as_str(), role)).collect()
}

/// Checks that a new role may list only its own files, and no other line's. Otherwise the role that comes
/// first would take over the releases of the other.
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

/// Checks that the keys of new lines are already release keys. Otherwise a wrong key file, passed by
/// mistake, would silently become a release key.
fn check_new_keys(before: &Trust, targets: &Targets) -> Result<(), Refused> {
    let root = before.root().signed();
    let known = role_keys(root, before.targets().signed());
    let lines = || known.iter().filter(|(role, _)| matches!(role, RoleName::Release(_)));
    let releases: BTreeSet<&KeyId> = lines().flat_map(|(_, line)| line.keys.keys()).collect();
    let is_new = |role: &RoleName| matches!(role, RoleName::Release(_)) && !known.contains_key(role);
    for (role, keys) in role_keys(root, targets).into_iter().filter(|(role, _)| is_new(role)) {
        let Some(keyid) = keys.keys.into_keys().find(|keyid| !releases.contains(keyid)) else { continue };
        let of =
            [RoleName::Root, RoleName::Targets].into_iter().find(|of| known[of].keys.contains_key(&keyid));
        match of {
            Some(of) => return Err(Refused::OtherDuty { keyid, role, of }),
            None if !releases.is_empty() => return Err(Refused::Stranger { keyid, role }),
            None => {}
        }
    }
    Ok(())
}

/// Checks that every role's threshold can be reached, and that online keys do not belong to any other role.
fn check_keys(root: &Root, targets: &Targets) -> Result<(), Refused> {
    let roles = role_keys(root, targets);
    for (role, Signers { keys, threshold }) in &roles {
        if *threshold == 0 || (keys.len() as u64) < *threshold {
            let (role, threshold) = (role.clone(), *threshold);
            return Err(Refused::Unreachable { role, keys: keys.len(), threshold });
        }
        if let Some(keyid) = keys.iter().find(|(_, key)| PublicKey::of(key).is_err()).map(|(id, _)| *id) {
            return Err(Refused::BadKey { role: role.clone(), keyid });
        }
    }
    let online = &roles[&RoleName::Online];
    for (role, Signers { keys, .. }) in roles.iter().filter(|(role, _)| **role != RoleName::Online) {
        if let Some(keyid) = keys.keys().find(|id| online.keys.contains_key(id)) {
            return Err(Refused::BothSides { keyid: *keyid, role: role.clone() });
        }
    }
    let channels = targets.delegated(names::CHANNELS).map(|(_, authority)| Signers::of(authority));
    if Signers::of(root.snapshot()) != *online || channels.as_ref() != Some(online) {
        return Err(Refused::OnlineDiffers);
    }
    if online.threshold != 1 {
        return Err(Refused::OnlineThreshold(online.threshold));
    }
    Ok(())
}
