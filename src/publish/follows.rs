//! Whether what is published next can follow what was published last, as clients see it: no role
//! goes back or away, and no version stands for two documents.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::publication::Publication;
use super::roles::Roles;
use crate::domain::stepback::{StepBack, step_backs};
use crate::formats::tuf::{Role, Root, names};
use crate::signing::Signed;
use crate::signing::trust::{Trust, TrustError};
use crate::signing::verify::Violation;
use crate::words;

/// What [`trusted`] found.
#[derive(Debug)]
pub struct Trusted {
    pub trust: Result<Option<Trust>, TrustError>,
    /// Why these are the keys and roles that were last published, and not those in the folder.
    pub kept: Option<Violation>,
    /// The same, where those in the folder cannot be used at all.
    pub unusable: Option<TrustError>,
}

/// The keys and roles to publish with: those that the folder has, if clients that saw the last
/// publication would take them, else those of that publication. It is renewed with them as if nothing
/// had happened; the other way round, every client would refuse all that comes.
#[must_use]
pub fn trusted(files: &BTreeMap<String, Bytes>, last: Option<&Publication>) -> Trusted {
    let found = Trust::read(files);
    let none = |trust| Trusted { trust, kept: None, unusable: None };
    let Some(last) = last else { return none(found) };
    let published = published(last);
    if found.is_ok() && published.iter().all(|(name, raw)| files.get(name) == Some(raw)) {
        return none(found);
    }
    // What was published was verified then; if it is not whole, nothing can be said against the rest.
    let Ok(Some(before)) = Trust::read(&published) else { return none(found) };
    match found {
        Ok(Some(trust)) => match check(&before, &trust) {
            Ok(()) => none(Ok(Some(trust))),
            Err(kept) => Trusted { trust: Ok(Some(before)), kept: Some(kept), unusable: None },
        },
        Ok(None) => {
            let unusable = Some(TrustError::Missing { file: "1.root.json".to_owned() });
            Trusted { trust: Ok(Some(before)), kept: None, unusable }
        }
        Err(e) => Trusted { trust: Ok(Some(before)), kept: None, unusable: Some(e) },
    }
}

/// The files of `trust/` as they are in a publication.
#[must_use]
pub fn published(last: &Publication) -> BTreeMap<String, Bytes> {
    let Roles { roots, targets, lines, .. } = &last.roles;
    let roots = roots.iter().map(|root| (format!("{}.root.json", root.signed().version), root.raw()));
    let lines = lines.iter().map(|(line, role)| (format!("{}.json", names::releases_role(line)), role.raw()));
    let files = roots.chain(lines).chain([("targets.json".to_owned(), targets.raw())]);
    files.map(|(name, raw)| (name, raw.clone())).collect()
}

fn check(before: &Trust, after: &Trust) -> Result<(), Violation> {
    for (index, root) in before.roots().iter().enumerate() {
        match after.roots().get(index) {
            Some(next) => step("root", root, next)?,
            None => step("root", before.root(), after.root())?,
        }
    }
    if forgotten(before.root(), after.root()) {
        return Ok(());
    }
    step("targets", before.targets(), after.targets())?;
    // A role that cannot be used is a fault of its line alone, which keeps the one it has.
    let broken = |name: &str| after.broken().keys().any(|line| names::releases_role(line) == name);
    for (name, role) in before.releases().iter().filter(|(name, _)| !broken(name)) {
        let next = after.releases().get(name);
        step(name, role, next.ok_or_else(|| Violation::NotInSnapshot { role: name.clone() })?)?;
    }
    Ok(())
}

/// Whether clients that see the next root drop the versions that they remember: so a stolen online
/// key is recovered from.
fn forgotten(before: &Signed<Root>, after: &Signed<Root>) -> bool {
    before.signed().roles.snapshot != after.signed().roles.snapshot
}

/// In what a server falls behind what the world has seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Behind {
    #[error("nothing is published here, and version {seen} is out there")]
    Nothing { seen: u64 },
    #[error("version {own} is published here, and version {seen} is out there")]
    Older { own: u64, seen: u64 },
    #[error("version {version} here is another than the one out there: two servers sign with one key")]
    Fork { version: u64 },
    #[error("what is published here lacks what is offered out there: {}", words::step_back(.0))]
    Lacks(Box<StepBack>),
}

/// Whether a server that last published `own` may go on, now that the world has `seen` something.
///
/// # Errors
/// In what it is behind: whatever it signed would be refused by clients, or take an offer back.
pub fn check_seen(own: Option<&Publication>, seen: &Publication) -> Result<(), Behind> {
    let Some(own) = own else { return Err(Behind::Nothing { seen: seen.highest() }) };
    if own.version < seen.highest() {
        return Err(Behind::Older { own: own.version, seen: seen.highest() });
    }
    let same = own.roles.timestamp.raw() == seen.roles.timestamp.raw();
    if own.version == seen.version && !same {
        return Err(Behind::Fork { version: own.version });
    }
    // A yank here is newer than what is seen; everything else may not be less.
    match step_backs(&seen.offers(), &own.offers()).into_iter().next() {
        Some(step) => Err(Behind::Lacks(Box::new(step))),
        None => Ok(()),
    }
}

/// Whether a root names other keys for what is signed online than what was seen was signed by: clients
/// that see that root forget the versions that they remember.
#[must_use]
pub fn replaces_online_keys(root: &Root, seen: &Publication) -> bool {
    let live = &seen.root().signed().roles;
    root.roles.snapshot != live.snapshot && root.roles.timestamp != live.timestamp
}

/// Whether a publication can follow the last one: its own roles, too.
///
/// # Errors
/// The first role that goes back or away.
pub fn check_follows(last: &Publication, next: &Publication) -> Result<(), Violation> {
    let (before, after) = (&last.roles, &next.roles);
    // Keys that were replaced come back with no older root, however new what they sign is.
    step("root", before.root(), after.root())?;
    if forgotten(before.root(), after.root()) {
        return Ok(());
    }
    step("timestamp", &before.timestamp, &after.timestamp)?;
    let (before, after) = (&before.snapshot, &after.snapshot);
    step("snapshot", before, after)?;
    for (name, was) in &before.signed().meta {
        let role = || name.trim_end_matches(".json").to_owned();
        match after.signed().meta.get(name) {
            None => return Err(Violation::NotInSnapshot { role: role() }),
            Some(is) if is.version < was.version => {
                return Err(Violation::WentBack { role: role(), from: was.version, to: is.version });
            }
            Some(is) if is.version == was.version && is != was => {
                return Err(Violation::VersionReused { role: role(), version: is.version });
            }
            Some(_) => {}
        }
    }
    Ok(())
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
