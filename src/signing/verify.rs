//! A repository, verified the way a client would: before each swap, and by `tidegate verify`.

mod violation;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::Digest;

pub use violation::Violation;

use super::signed::Signed;
use crate::domain::Time;
use crate::domain::channel::StageName;
use crate::domain::payload::Sha256;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS, TIMESTAMP_PATH};
use crate::formats::tuf::{Authority, DelegatedRole, Meta, Role, Root, Snapshot, Target, Targets, Timestamp};

/// How many new roots in a row are followed: as many as python-tuf does.
const MAX_ROOTS: u64 = 256;

/// A repository whose every role was found good at one time.
#[derive(Debug, Clone)]
pub struct Verified {
    pub root: Signed<Root>,
    pub timestamp: Signed<Timestamp>,
    pub snapshot: Signed<Snapshot>,
    pub targets: Signed<Targets>,
    /// The delegated roles by name.
    pub roles: BTreeMap<String, Signed<Targets>>,
}

/// Wants every target, payloads too.
#[must_use]
pub fn everything(_name: &str, _target: &Target) -> bool {
    true
}

/// Wants manifests, and leaves payloads to their listing.
#[must_use]
pub fn manifests(name: &str, _target: &Target) -> bool {
    !name.starts_with("payload.")
}

/// Verifies a repository at `now`, from a root that is trusted already: every root after it, the
/// timestamp, the snapshot, all roles, and the targets that are `wanted`. Other targets are known by
/// their listing only. Manifests that are wanted are also read, and held against each other.
///
/// `fetch` gives the bytes at a path below `/tuf/`, with names as they are (not percent-encoded).
///
/// # Errors
/// The first violation.
pub fn verify(
    trusted: &Signed<Root>,
    now: Time,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    verify_with(&Client { now, fetch, lapsed: false }, trusted, wanted)
}

/// As [`verify`], but lines' roles may have expired: what is published must go on being renewed for
/// the other lines, since a client that loses the one line need not lose all.
///
/// # Errors
/// The first violation.
pub fn verify_lapsed(
    trusted: &Signed<Root>,
    now: Time,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    verify_with(&Client { now, fetch, lapsed: true }, trusted, wanted)
}

fn verify_with(
    client: &Client<'_>,
    trusted: &Signed<Root>,
    wanted: &dyn Fn(&str, &Target) -> bool,
) -> Result<Verified, Violation> {
    let root = client.root(trusted)?;
    let timestamp: Signed<Timestamp> = client.read(TIMESTAMP_PATH)?;
    client.role(TIMESTAMP_PATH, &timestamp, root.signed().timestamp())?;

    let snapshot: Signed<Snapshot> =
        client.listed("snapshot", &timestamp.signed().meta.snapshot, root.signed().snapshot())?;
    let meta = |role: &str| {
        snapshot.signed().role(role).ok_or_else(|| Violation::NotInSnapshot { role: role.to_owned() })
    };
    let targets: Signed<Targets> = client.listed("targets", meta("targets")?, root.signed().targets())?;
    if let Some(name) = targets.signed().targets.keys().next() {
        return Err(Violation::Scope { role: "targets".to_owned(), target: name.clone() });
    }

    let mut roles = BTreeMap::new();
    for delegated in targets.signed().delegations.iter().flat_map(|delegations| &delegations.roles) {
        let authority = authority(&targets, &delegated.name)?;
        let role: Signed<Targets> = client.listed(&delegated.name, meta(&delegated.name)?, authority)?;
        check_scope(delegated, role.signed())?;
        roles.insert(delegated.name.clone(), role);
    }
    let verified = Verified { root, timestamp, snapshot, targets, roles };
    client.targets(&verified, wanted)?;
    Ok(verified)
}

fn authority<'a>(targets: &'a Signed<Targets>, role: &str) -> Result<Authority<'a>, Violation> {
    let found = targets.signed().delegated(role);
    let (_, authority) = found.ok_or_else(|| Violation::NotDelegated { role: role.to_owned() })?;
    Ok(authority)
}

fn check_scope(delegated: &DelegatedRole, role: &Targets) -> Result<(), Violation> {
    if role.delegations.is_some() {
        return Err(Violation::Nested { role: delegated.name.clone() });
    }
    for target in role.targets.keys() {
        let mut inside = false;
        for path in &delegated.paths {
            inside |= names::path_matches(path, target)
                .ok_or_else(|| Violation::Path { role: delegated.name.clone(), path: path.clone() })?;
        }
        if !inside || !names::is_target_name(target) {
            return Err(Violation::Scope { role: delegated.name.clone(), target: target.clone() });
        }
    }
    Ok(())
}

struct Client<'a> {
    now: Time,
    fetch: &'a dyn Fn(&str) -> Option<Bytes>,
    /// Whether lines' roles may have expired.
    lapsed: bool,
}

impl Client<'_> {
    /// Follows roots from the trusted one to the newest. Each is signed by its own keys and by those
    /// of the one before; only the newest must not have expired.
    fn root(&self, trusted: &Signed<Root>) -> Result<Signed<Root>, Violation> {
        let mut root = trusted.clone();
        let path = |version| names::metadata_path("root", version);
        check_signatures(&path(root.signed().version), &root, root.signed().root())?;
        for _ in 0..MAX_ROOTS {
            let version = root.signed().version + 1;
            let path = path(version);
            let Some(raw) = (self.fetch)(&path) else { break };
            let next: Signed<Root> = parse(&path, raw)?;
            check_signatures(&path, &next, root.signed().root())?;
            check_signatures(&path, &next, next.signed().root())?;
            check_version(&path, version, next.signed().version)?;
            root = next;
        }
        self.check_expiry(&path(root.signed().version), root.signed().expires)?;
        Ok(root)
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Signed<T>, Violation> {
        parse(path, self.bytes(path)?)
    }

    fn bytes(&self, path: &str) -> Result<Bytes, Violation> {
        (self.fetch)(path).ok_or_else(|| Violation::Missing { path: path.to_owned() })
    }

    fn bytes_of(&self, path: &str, target: &Target) -> Result<Bytes, Violation> {
        let bytes = self.bytes(path)?;
        check_bytes(path, target, &bytes)?;
        Ok(bytes)
    }

    /// Reads and checks a role as another role lists it.
    fn listed<T: Role>(
        &self,
        role: &str,
        meta: &Meta,
        authority: Authority<'_>,
    ) -> Result<Signed<T>, Violation> {
        let path = names::metadata_path(role, meta.version);
        let bytes = self.bytes_of(&path, &Target { hashes: meta.hashes, length: meta.length })?;
        let signed: Signed<T> = parse(&path, bytes)?;
        check_version(&path, meta.version, signed.signed().version())?;
        if self.lapsed && role.starts_with(names::RELEASES) {
            check_signatures(&path, &signed, authority)?;
        } else {
            self.role(&path, &signed, authority)?;
        }
        Ok(signed)
    }

    fn role<T: Role>(
        &self,
        path: &str,
        signed: &Signed<T>,
        authority: Authority<'_>,
    ) -> Result<(), Violation> {
        check_signatures(path, signed, authority)?;
        self.check_expiry(path, signed.signed().expires())
    }

    fn check_expiry(&self, path: &str, expires: Time) -> Result<(), Violation> {
        if expires <= self.now {
            return Err(Violation::Expired { path: path.to_owned(), expires });
        }
        Ok(())
    }

    fn targets(&self, verified: &Verified, wanted: &dyn Fn(&str, &Target) -> bool) -> Result<(), Violation> {
        let mut bounds = BTreeMap::new();
        let mut channels = Vec::new();
        for (role, signed) in &verified.roles {
            let authority = authority(&verified.targets, role)?;
            for (name, target) in &signed.signed().targets {
                if !wanted(name, target) {
                    continue;
                }
                let path = names::target_path(name, &target.hashes.sha256);
                let bytes = self.bytes_of(&path, target)?;
                if role == CHANNELS {
                    let manifest: Signed<ChannelManifest> = parse(&path, bytes)?;
                    check_signatures(&path, &manifest, authority)?;
                    self.check_expiry(&path, manifest.signed().expires)?;
                    check_name(&path, name, &names::channel_target(&manifest.signed().channel))?;
                    channels.push((path, manifest.into_signed()));
                } else if name.starts_with("release.") {
                    let manifest: Signed<ReleaseManifest> = parse(&path, bytes)?;
                    check_signatures(&path, &manifest, authority)?;
                    let manifest = manifest.into_signed();
                    check_name(&path, name, &names::release_target(&manifest.version))?;
                    check_name(&path, role, &names::releases_role(&manifest.line))?;
                    check_payloads(&path, &manifest, signed.signed())?;
                    bounds.insert(manifest.version, manifest.not_before);
                }
            }
        }
        channels.iter().try_for_each(|(path, manifest)| check_channel(path, manifest, verified, &bounds))
    }
}

/// The bytes of one target, held against its listing by a role that was verified.
///
/// # Errors
/// When it is missing, or is not what is listed.
pub fn target(
    name: &str,
    listed: &Target,
    fetch: &dyn Fn(&str) -> Option<Bytes>,
) -> Result<Bytes, Violation> {
    let path = names::target_path(name, &listed.hashes.sha256);
    let bytes = fetch(&path).ok_or_else(|| Violation::Missing { path: path.clone() })?;
    check_bytes(&path, listed, &bytes)?;
    Ok(bytes)
}

fn check_bytes(path: &str, target: &Target, bytes: &[u8]) -> Result<(), Violation> {
    let found = bytes.len() as u64;
    if found != target.length {
        return Err(Violation::Length { path: path.to_owned(), expected: target.length, found });
    }
    let found = Sha256::new(sha2::Sha256::digest(bytes).into());
    let expected = target.hashes.sha256;
    if found != expected {
        return Err(Violation::Digest { path: path.to_owned(), expected, found });
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(path: &str, raw: Bytes) -> Result<Signed<T>, Violation> {
    Signed::parse(raw).map_err(|source| Violation::Unreadable { path: path.to_owned(), source })
}

fn check_signatures<T>(path: &str, signed: &Signed<T>, authority: Authority<'_>) -> Result<(), Violation> {
    match signed.verify(authority) {
        Ok(_) => Ok(()),
        Err(source) => Err(Violation::Signature { path: path.to_owned(), source }),
    }
}

fn check_version(path: &str, expected: u64, found: u64) -> Result<(), Violation> {
    if expected == found {
        return Ok(());
    }
    Err(Violation::Version { path: path.to_owned(), expected, found })
}

fn check_name(path: &str, found: &str, expected: &str) -> Result<(), Violation> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Err(Violation::Name { path: path.to_owned(), expected, found })
}

/// The payloads of a release manifest are listed beside it, with the same digests and sizes.
fn check_payloads(path: &str, manifest: &ReleaseManifest, role: &Targets) -> Result<(), Violation> {
    for payload in &*manifest.payloads {
        let name = names::payload_target(&manifest.version, &payload.file);
        if role.targets.get(&name) != Some(&Target::new(payload.sha256, payload.size)) {
            return Err(Violation::NotListed { path: path.to_owned(), target: name });
        }
    }
    Ok(())
}

/// What a channel offers is listed by its line's release keys, entered no stage before they allow
/// it, and the latest is the highest on offer.
fn check_channel(
    path: &str,
    manifest: &ChannelManifest,
    verified: &Verified,
    bounds: &BTreeMap<Version, BTreeMap<StageName, Time>>,
) -> Result<(), Violation> {
    let role = names::releases_role(&manifest.line);
    // A new line has a channel before anybody may sign releases for it: it offers none.
    if manifest.releases.is_empty() && manifest.latest.is_none() {
        return Ok(());
    }
    let line = verified.roles.get(&role).ok_or(Violation::NotDelegated { role })?.signed();
    for release in &manifest.releases {
        let name = names::release_target(&release.version);
        let listed = line.targets.get(&name).is_some_and(|target| target.hashes.sha256 == release.manifest);
        if !listed {
            return Err(Violation::NotListed { path: path.to_owned(), target: name });
        }
        let bound = bounds.get(&release.version).and_then(|stages| stages.get(&manifest.stage));
        if let Some(&not_before) = bound.filter(|bound| release.since < **bound) {
            let (version, since) = (release.version.clone(), release.since);
            return Err(Violation::TooEarly { path: path.to_owned(), version, since, not_before });
        }
    }
    let highest = manifest.releases.iter().filter(|release| release.yank.is_none()).map(|r| &r.version).max();
    if highest != manifest.latest.as_ref() {
        return Err(Violation::Latest {
            path: path.to_owned(),
            latest: manifest.latest.clone(),
            highest: highest.cloned(),
        });
    }
    Ok(())
}

impl Verified {
    /// Whether a client that has seen `previous` takes this: no role goes back or away, and no
    /// version stands for two documents. New keys for a role make clients forget what they
    /// remember of it, which is how a stolen online key is recovered from.
    ///
    /// # Errors
    /// The first role that went back.
    pub fn check_follows(&self, previous: &Self) -> Result<(), Violation> {
        let (root, before) = (self.root.signed(), previous.root.signed());
        step("root", &previous.root, &self.root)?;
        if root.roles.timestamp == before.roles.timestamp {
            step("timestamp", &previous.timestamp, &self.timestamp)?;
        }
        if root.roles.snapshot != before.roles.snapshot {
            return Ok(());
        }
        step("snapshot", &previous.snapshot, &self.snapshot)?;
        step("targets", &previous.targets, &self.targets)?;
        for name in previous.snapshot.signed().meta.keys() {
            if !self.snapshot.signed().meta.contains_key(name) {
                return Err(Violation::NotInSnapshot { role: name.trim_end_matches(".json").to_owned() });
            }
        }
        for (name, role) in &previous.roles {
            if let Some(next) = self.roles.get(name) {
                step(name, role, next)?;
            }
        }
        Ok(())
    }

    /// When the first of the roles expires, and which.
    #[must_use]
    pub fn first_expiry(&self) -> (Time, String) {
        self.expiry_of(|_| true)
    }

    /// When the first of the roles expires that every line needs.
    #[must_use]
    pub fn common_expiry(&self) -> Time {
        self.expiry_of(|role| role == CHANNELS).0
    }

    fn expiry_of(&self, delegated: impl Fn(&str) -> bool) -> (Time, String) {
        let top = [
            (self.root.signed().expires, "root"),
            (self.timestamp.signed().expires, "timestamp"),
            (self.snapshot.signed().expires, "snapshot"),
            (self.targets.signed().expires, "targets"),
        ];
        let first = top.into_iter().min().unwrap_or(top[0]);
        let roles = self.roles.iter().filter(|(name, _)| delegated(name));
        let delegated = roles.map(|(name, role)| (role.signed().expires, name.as_str()));
        let (at, role) = delegated.fold(first, Ord::min);
        (at, role.to_owned())
    }
}

fn step<T: Role>(role: &str, before: &Signed<T>, after: &Signed<T>) -> Result<(), Violation> {
    let (from, to) = (before.signed().version(), after.signed().version());
    if to < from {
        return Err(Violation::WentBack { role: role.to_owned(), from, to });
    }
    if to == from && before.raw() != after.raw() {
        return Err(Violation::VersionReused { role: role.to_owned(), version: to });
    }
    Ok(())
}
