//! The roles of a repository, verified in the order of TUF 1.0.34, section 5.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::Digest;

use crate::domain::Time;
use crate::domain::payload::Sha256;
use crate::formats::tuf::names::{self, CHANNELS, TIMESTAMP_PATH};
use crate::formats::tuf::{Authority, DelegatedRole, Meta, Role, Root, Snapshot, Target, Targets, Timestamp};
use crate::signing::continuity::{Known, check_next_root};
use crate::signing::signed::Signed;
use crate::signing::violation::Violation;

/// How many new roots in a row are followed (5.3.3): fewer than python-tuf follows, and enough for
/// somebody who was away for years. Somebody who was away for longer is brought a newer root by hand.
const MAX_ROOTS: u64 = 256;

/// Where the files of a repository come from.
pub trait Files {
    /// Why a file cannot be had, or is not taken.
    type Error: From<Violation>;

    /// The file at a path below `/tuf/`, with names as they are (not percent-encoded). `listed` is
    /// what a verified role says about it, where one does; the caller checks that it is so. `None` if
    /// there is no such file.
    ///
    /// # Errors
    /// When it cannot be had.
    fn get(&self, path: &str, listed: Option<&Target>) -> Result<Option<Bytes>, Self::Error>;
}

impl<F: Fn(&str) -> Option<Bytes> + ?Sized> Files for F {
    type Error = Violation;

    fn get(&self, path: &str, _listed: Option<&Target>) -> Result<Option<Bytes>, Violation> {
        Ok(self(path))
    }
}

/// A repository whose roles were found good at one time.
#[derive(Debug, Clone)]
pub struct Verified {
    pub root: Signed<Root>,
    pub timestamp: Signed<Timestamp>,
    pub snapshot: Signed<Snapshot>,
    pub targets: Signed<Targets>,
    /// The delegated roles by name, as far as they were read.
    pub roles: BTreeMap<String, Signed<Targets>>,
}

/// Verifies the documents of one repository at one time, which stays the same however long it takes
/// (5.1).
#[derive(Debug)]
pub struct Verifier<'a, F: ?Sized> {
    files: &'a F,
    /// What expires at this time or before is refused.
    now: Time,
}

impl<'a, F: Files + ?Sized> Verifier<'a, F> {
    pub const fn new(files: &'a F, now: Time) -> Self {
        Self { files, now }
    }

    /// Verifies what every line needs: root, timestamp, snapshot, the top targets role and `channels`.
    /// All other roles are bound to the snapshot, and read when they are needed, with
    /// [`role`](Self::role).
    ///
    /// # Errors
    /// The first violation.
    pub fn common(&self, known: Known<'_>) -> Result<Verified, F::Error> {
        let root = self.root(known.root)?;
        let known = known.under(root.signed());

        // 5.4. There is nobody to say how long a timestamp is: whoever fetches it limits that.
        let timestamp: Signed<Timestamp> = parse(TIMESTAMP_PATH, self.bytes(TIMESTAMP_PATH, None)?)?;
        timestamp.verify(root.signed().timestamp()).map_err(Violation::signature(TIMESTAMP_PATH))?;
        known.check_timestamp(&timestamp)?;
        self.check_expiry(TIMESTAMP_PATH, timestamp.signed().expires)?;

        // 5.5
        let meta = &timestamp.signed().meta.snapshot;
        let snapshot: Signed<Snapshot> = self.listed("snapshot", meta, root.signed().snapshot())?;
        known.check_snapshot(&snapshot)?;
        self.check_expiry(&names::metadata_path("snapshot", meta.version), snapshot.signed().expires)?;

        // 5.6. The top role delegates everything, so that no key of it signs releases.
        let meta = in_snapshot(&snapshot, "targets")?;
        let targets: Signed<Targets> = self.listed("targets", meta, root.signed().targets())?;
        self.check_expiry(&names::metadata_path("targets", meta.version), targets.signed().expires)?;
        if let Some(name) = targets.signed().targets.keys().next() {
            return Err(Violation::Scope { role: "targets".to_owned(), target: name.clone() }.into());
        }
        // Some clients end their search at a role that is not there, and miss those after it.
        for delegated in delegated(&targets) {
            in_snapshot(&snapshot, &delegated.name)?;
        }

        let mut verified = Verified { root, timestamp, snapshot, targets, roles: BTreeMap::new() };
        if verified.targets.signed().delegated(CHANNELS).is_some() {
            let channels = self.role(&verified, CHANNELS)?;
            let path = names::metadata_path(CHANNELS, channels.signed().version);
            self.check_expiry(&path, channels.signed().expires)?;
            verified.roles.insert(CHANNELS.to_owned(), channels);
        }
        Ok(verified)
    }

    /// 5.3: follows roots from the trusted one to the newest. Only the newest must not have expired.
    fn root(&self, trusted: &Signed<Root>) -> Result<Signed<Root>, F::Error> {
        let path = |version| names::metadata_path("root", version);
        let mut root = trusted.clone();
        root.verify(root.signed().root()).map_err(Violation::signature(&path(root.signed().version)))?;
        for _ in 0..MAX_ROOTS {
            let path = path(root.signed().version + 1);
            let Some(raw) = self.files.get(&path, None)? else {
                let path = names::metadata_path("root", root.signed().version);
                self.check_expiry(&path, root.signed().expires)?;
                return Ok(root);
            };
            let next = parse(&path, raw)?;
            check_next_root(&root, &next)?;
            root = next;
        }
        Err(Violation::TooManyRoots { limit: MAX_ROOTS }.into())
    }

    /// Reads and verifies a delegated role (5.6.7), which may have expired: whoever needs it now
    /// [checks that](Self::check_expiry).
    ///
    /// # Errors
    /// When nobody delegates to it, or it is not one that a client takes.
    pub fn role(&self, top: &Verified, name: &str) -> Result<Signed<Targets>, F::Error> {
        let (delegated, authority) = delegation(&top.targets, name)?;
        let role: Signed<Targets> = self.listed(name, in_snapshot(&top.snapshot, name)?, authority)?;
        check_scope(delegated, role.signed())?;
        Ok(role)
    }

    /// Checks that a document has not expired.
    ///
    /// # Errors
    /// When it has.
    pub fn check_expiry(&self, path: &str, expires: Time) -> Result<(), Violation> {
        if expires <= self.now {
            return Err(Violation::Expired { path: path.to_owned(), expires });
        }
        Ok(())
    }

    pub(super) fn bytes(&self, path: &str, listed: Option<&Target>) -> Result<Bytes, F::Error> {
        let bytes = self.files.get(path, listed)?;
        let bytes = bytes.ok_or_else(|| Violation::Missing { path: path.to_owned() })?;
        if let Some(listed) = listed {
            check_bytes(path, listed, &bytes)?;
        }
        Ok(bytes)
    }

    /// Reads a role as another role lists it: with that length, digest and version, and signed.
    fn listed<T: Role>(
        &self,
        role: &str,
        meta: &Meta,
        authority: Authority<'_>,
    ) -> Result<Signed<T>, F::Error> {
        let path = names::metadata_path(role, meta.version);
        let bytes = self.bytes(&path, Some(&Target { hashes: meta.hashes, length: meta.length }))?;
        let signed: Signed<T> = parse(&path, bytes)?;
        signed.verify(authority).map_err(Violation::signature(&path))?;
        let found = signed.signed().version();
        if found != meta.version {
            return Err(Violation::Version { path, expected: meta.version, found }.into());
        }
        Ok(signed)
    }
}

pub(super) fn delegated(targets: &Signed<Targets>) -> impl Iterator<Item = &DelegatedRole> {
    targets.signed().delegations.iter().flat_map(|delegations| &delegations.roles)
}

pub(super) fn delegation<'a>(
    targets: &'a Signed<Targets>,
    role: &str,
) -> Result<(&'a DelegatedRole, Authority<'a>), Violation> {
    targets.signed().delegated(role).ok_or_else(|| Violation::NotDelegated { role: role.to_owned() })
}

fn in_snapshot<'a>(snapshot: &'a Signed<Snapshot>, role: &str) -> Result<&'a Meta, Violation> {
    snapshot.signed().role(role).ok_or_else(|| Violation::NotInSnapshot { role: role.to_owned() })
}

fn check_scope(delegated: &DelegatedRole, role: &Targets) -> Result<(), Violation> {
    // Clients quote other characters in a file's name, each in its own way.
    if !names::is_target_name(&delegated.name) {
        return Err(Violation::Path { role: delegated.name.clone(), path: delegated.name.clone() });
    }
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

pub(super) fn parse<T: DeserializeOwned>(path: &str, raw: Bytes) -> Result<Signed<T>, Violation> {
    Signed::parse(raw).map_err(|source| Violation::Unreadable { path: path.to_owned(), source })
}

impl Verified {
    /// What may follow this.
    #[must_use]
    pub const fn known(&self) -> Known<'_> {
        Known { root: &self.root, timestamp: Some(&self.timestamp), snapshot: Some(&self.snapshot) }
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
