//! The roles of a repository, verified in the order of TUF 1.0.34, section 5.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Before;
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, LineIndex, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS, TIMESTAMP_PATH};
use crate::formats::tuf::{Authority, DelegatedRole, Meta, Role, Root, Snapshot, Target, Targets, Timestamp};
use crate::signing::continuity::{Known, check_next_root};
use crate::signing::signed::Signed;
use crate::signing::violation::{Violation, check_bytes, read_again, read_signed};

/// The maximum number of new roots that a client follows at once (5.3.3): fewer than in python-tuf, but
/// enough for a client that was offline for years. If there are more, somebody must install a newer root by
/// hand.
const MAX_ROOTS: u64 = 256;

/// A source of a repository's files.
pub trait Files {
    /// Why a file cannot be read, or is refused.
    type Error: From<Violation>;

    /// Reads the file at a path below `/tuf/`; the path is not percent-encoded. `None` if there is no such
    /// file. `listed` is the file's listing in a verified role, if it has one; the caller checks the file
    /// against it.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn get(&self, path: &str, listed: Option<&Target>) -> Result<Option<Bytes>, Self::Error>;

    /// Whether the file that [`get`](Self::get) returns for a listing has been compared with it, and was
    /// verified before, byte for byte. Then it need not be read strictly again. Its signatures are verified all
    /// the same, since keys may have changed.
    fn was_verified(&self, _listed: &Target) -> bool {
        false
    }
}

impl<F: Fn(&str) -> Option<Bytes> + ?Sized> Files for F {
    type Error = Violation;

    fn get(&self, path: &str, _listed: Option<&Target>) -> Result<Option<Bytes>, Violation> {
        Ok(self(path))
    }
}

/// A verified repository.
#[derive(Debug, Clone)]
pub struct Verified {
    pub root: Signed<Root>,
    pub timestamp: Signed<Timestamp>,
    pub snapshot: Signed<Snapshot>,
    pub targets: Signed<Targets>,
    pub channels: Signed<Targets>,
    /// The roles of lines that were read.
    pub lines: BTreeMap<LineName, Signed<Targets>>,
    /// The indexes of lines that were read.
    pub indexes: BTreeMap<LineName, LineIndex>,
    /// The channel manifests that were read.
    pub channel_manifests: Vec<Signed<ChannelManifest>>,
    pub release_manifests: BTreeMap<Version, Signed<ReleaseManifest>>,
}

/// Verifies the documents of one repository, all against the same time, however long that takes (5.1).
#[derive(Debug)]
pub struct Verifier<'a, F: ?Sized> {
    pub(super) files: &'a F,
    /// Documents that expire at this time or earlier are refused.
    now: Time,
    pub(super) before: Option<&'a Before>,
}

impl<'a, F: Files + ?Sized> Verifier<'a, F> {
    pub const fn new(files: &'a F, now: Time) -> Self {
        Self { files, now, before: None }
    }

    /// Takes what was verified before as it is.
    #[must_use]
    pub const fn after(self, before: &'a Before) -> Self {
        Self { before: Some(before), ..self }
    }

    /// Verifies what every line needs: root, timestamp, snapshot, the top targets role and `channels`. The
    /// snapshot pins the versions of all other roles; [`role`](Self::role) reads each when it is needed.
    ///
    /// # Errors
    /// The first violation.
    pub fn common(&self, known: Known<'_>) -> Result<Verified, F::Error> {
        let root = self.roots(known.root)?.pop().unwrap_or_else(|| known.root.clone());
        self.common_under(root, known)
    }

    /// Like [`common`](Self::common), but takes the newest root, already verified.
    ///
    /// # Errors
    /// The first violation.
    pub fn common_under(&self, root: Signed<Root>, known: Known<'_>) -> Result<Verified, F::Error> {
        let known = known.under(root.signed());

        // 5.4. No role lists the length of a timestamp, so the fetcher limits it.
        let raw = self.bytes(TIMESTAMP_PATH, None)?;
        let timestamp: Signed<Timestamp> = read_signed(TIMESTAMP_PATH, raw, root.signed().timestamp())?;
        known.check_timestamp(&timestamp)?;
        self.check_expiry(TIMESTAMP_PATH, timestamp.signed().expires)?;

        // 5.5
        let meta = &timestamp.signed().meta.snapshot;
        let snapshot: Signed<Snapshot> = self.listed("snapshot", meta, root.signed().snapshot())?;
        known.check_snapshot(&snapshot)?;
        self.check_expiry(&names::metadata_path("snapshot", meta.version), snapshot.signed().expires)?;

        // 5.6. The top targets role may only delegate, so that its keys cannot sign releases.
        let meta = in_snapshot(&snapshot, "targets")?;
        let targets: Signed<Targets> = self.listed("targets", meta, root.signed().targets())?;
        self.check_expiry(&names::metadata_path("targets", meta.version), targets.signed().expires)?;
        if let Some(name) = targets.signed().targets.keys().next() {
            return Err(Violation::Scope { role: "targets".to_owned(), target: name.clone() }.into());
        }
        // Some clients stop searching at a missing role and never reach the roles after it.
        for delegated in delegated(&targets) {
            in_snapshot(&snapshot, &delegated.name)?;
        }

        let channels = self.delegated_role(&snapshot, delegation(&targets, CHANNELS)?)?;
        let path = names::metadata_path(CHANNELS, channels.signed().version);
        self.check_expiry(&path, channels.signed().expires)?;
        let (lines, indexes, channel_manifests, release_manifests) = Default::default();
        Ok(Verified {
            root,
            timestamp,
            snapshot,
            targets,
            channels,
            lines,
            indexes,
            channel_manifests,
            release_manifests,
        })
    }

    /// 5.3: the roots from the trusted one to the newest. All but the newest may have expired.
    fn roots(&self, trusted: &Signed<Root>) -> Result<Vec<Signed<Root>>, F::Error> {
        let (mut root, mut roots) = (trusted.clone(), Vec::new());
        let mut path = names::metadata_path("root", root.signed().version);
        root.verify(root.signed().root()).map_err(Violation::signature(&path))?;
        for _ in 0..MAX_ROOTS {
            let next_path = names::metadata_path("root", root.signed().version + 1);
            let Some(raw) = self.files.get(&next_path, None)? else {
                self.check_expiry(&path, root.signed().expires)?;
                roots.push(root);
                return Ok(roots);
            };
            let next = Signed::parse(raw).map_err(Violation::unreadable(&next_path))?;
            check_next_root(&next_path, Some(&root), &next)?;
            roots.push(root);
            (path, root) = (next_path, next);
        }
        Err(Violation::TooManyRoots { limit: MAX_ROOTS }.into())
    }

    /// Returns every root, starting with the first. The trusted one must be among them.
    ///
    /// # Errors
    /// When a root is missing or invalid, or the trusted one is not among them.
    pub fn all_roots(&self, trusted: &Signed<Root>) -> Result<Vec<Signed<Root>>, F::Error> {
        let path = names::metadata_path("root", 1);
        let first = Signed::parse(self.bytes(&path, None)?).map_err(Violation::unreadable(&path))?;
        check_next_root(&path, None, &first)?;
        let roots = self.roots(&first)?;
        let version = trusted.signed().version;
        let path = names::metadata_path("root", version);
        match roots.iter().find(|root| root.signed().version == version) {
            Some(root) if root.raw() == trusted.raw() => Ok(roots),
            Some(_) => Err(Violation::OtherRoot { path }.into()),
            None => Err(Violation::Missing { path }.into()),
        }
    }

    /// Reads and verifies a delegated role (5.6.7). Does not check expiry: a caller that needs a current
    /// role calls [`check_expiry`](Self::check_expiry).
    ///
    /// # Errors
    /// When the role is not delegated, or is invalid.
    pub fn role(&self, top: &Verified, name: &str) -> Result<Signed<Targets>, F::Error> {
        self.delegated_role(&top.snapshot, delegation(&top.targets, name)?)
    }

    pub(super) fn delegated_role(
        &self,
        snapshot: &Signed<Snapshot>,
        (delegated, authority): (&DelegatedRole, Authority<'_>),
    ) -> Result<Signed<Targets>, F::Error> {
        let name = &*delegated.name;
        let verified = self.before.and_then(|before| before.roles.get(name));
        if let Some((_, role)) = verified.filter(|(meta, _)| snapshot.signed().role(name) == Some(meta)) {
            return Ok(role.clone());
        }
        let role: Signed<Targets> = self.listed(name, in_snapshot(snapshot, name)?, authority)?;
        check_scope(delegated, role.signed())?;
        Ok(role)
    }

    /// Checks that a document has not expired.
    ///
    /// # Errors
    /// When it has expired.
    pub fn check_expiry(&self, path: &str, expires: Time) -> Result<(), Violation> {
        if expires <= self.now {
            return Err(Violation::Expired { path: path.to_owned(), expires });
        }
        Ok(())
    }

    fn bytes(&self, path: &str, listed: Option<&Target>) -> Result<Bytes, F::Error> {
        let bytes = self.bytes_if_there(path, listed)?;
        Ok(bytes.ok_or_else(|| Violation::Missing { path: path.to_owned() })?)
    }

    fn bytes_if_there(&self, path: &str, listed: Option<&Target>) -> Result<Option<Bytes>, F::Error> {
        let bytes = self.files.get(path, listed)?;
        if let Some((bytes, listed)) = bytes.as_ref().zip(listed)
            && !self.files.was_verified(listed)
        {
            check_bytes(path, listed, bytes)?;
        }
        Ok(bytes)
    }

    /// Reads a target and compares it with its listing in a verified role. `None` if it is missing.
    ///
    /// # Errors
    /// When it differs from its listing.
    pub fn target(&self, name: &str, listed: &Target) -> Result<Option<Bytes>, F::Error> {
        self.bytes_if_there(&names::target_path(name, &listed.hashes.sha256), Some(listed))
    }

    /// Reads a listed document, and checks that enough keys have signed it.
    pub(super) fn read_signed<T: DeserializeOwned>(
        &self,
        path: &str,
        listed: &Target,
        raw: Bytes,
        authority: Authority<'_>,
    ) -> Result<Signed<T>, Violation> {
        if self.files.was_verified(listed) {
            read_again(path, raw, authority)
        } else {
            read_signed(path, raw, authority)
        }
    }

    /// Reads a role and compares its length, digest and version with its listing in another role.
    fn listed<T: Role>(
        &self,
        role: &str,
        meta: &Meta,
        authority: Authority<'_>,
    ) -> Result<Signed<T>, F::Error> {
        let path = names::metadata_path(role, meta.version);
        let listed = Target { hashes: meta.hashes, length: meta.length };
        let bytes = self.bytes(&path, Some(&listed))?;
        let signed: Signed<T> = self.read_signed(&path, &listed, bytes, authority)?;
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

/// Checks that a role lists only files that were delegated to it.
pub(in crate::signing) fn check_scope(delegated: &DelegatedRole, role: &Targets) -> Result<(), Violation> {
    // File names are limited to certain characters, since clients differ in how they escape the others.
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

impl Verified {
    /// The documents that a client remembers from this repository.
    pub const fn known(&self) -> Known<'_> {
        Known { root: &self.root, timestamp: Some(&self.timestamp), snapshot: Some(&self.snapshot) }
    }

    /// The lines that a role is delegated to, each with its delegation.
    pub fn delegated_lines(&self) -> impl Iterator<Item = (LineName, &DelegatedRole)> {
        delegated(&self.targets).filter_map(|role| Some((names::line_of(&role.name)?, role)))
    }

    /// The expiry of each role that was read, by name.
    pub fn expiries(&self) -> impl Iterator<Item = (String, Time)> {
        let lines = self.lines.iter();
        self.common_expiries()
            .map(|(role, at)| (role.to_owned(), at))
            .chain(lines.map(|(line, role)| (names::releases_role(line), role.signed().expires)))
    }

    /// When the repository expires: the earliest expiry among the roles that every line needs and the
    /// channel manifests that were read. The roles of lines do not count: if one expires, only its line is
    /// affected.
    pub fn expires(&self) -> Time {
        let manifests = self.channel_manifests.iter().map(|manifest| manifest.signed().expires);
        let roles = self.common_expiries().map(|(_, at)| at);
        manifests.chain(roles).fold(self.root.signed().expires, Ord::min)
    }

    fn common_expiries(&self) -> impl Iterator<Item = (&'static str, Time)> {
        [
            ("root", self.root.signed().expires),
            ("timestamp", self.timestamp.signed().expires),
            ("snapshot", self.snapshot.signed().expires),
            ("targets", self.targets.signed().expires),
            (CHANNELS, self.channels.signed().expires),
        ]
        .into_iter()
    }
}
