//! Whether what is published next may follow what was published last. The rule is that of clients, in
//! [`signing::continuity`](crate::signing::continuity); here it meets publications and `trust/`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::publication::Publication;
use super::roles::Roles;
use crate::domain::stepback::{StepBack, step_backs};
use crate::formats::tuf::{Meta, Root, names};
use crate::signing::continuity::{Known, check_listed, check_step};
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
        Ok(Some(trust)) => match check(last, &before, &trust) {
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

/// Whether keys and roles may follow those of the last publication.
fn check(last: &Publication, before: &Trust, after: &Trust) -> Result<(), Violation> {
    for (index, root) in before.roots().iter().enumerate() {
        check_step("root", root, after.roots().get(index).unwrap_or_else(|| after.root()))?;
    }
    let Some(snapshot) = known(last).under(after.root().signed()).snapshot else { return Ok(()) };
    let listed = &snapshot.signed().meta;
    // A role that cannot be used is a fault of its line alone, which keeps the one it has; `channels`
    // is made anew.
    let kept = after.broken().keys().map(names::releases_role).chain([names::CHANNELS.to_owned()]);
    let kept = kept.filter_map(|role| listed.get_key_value(&format!("{role}.json")));
    let mut next: BTreeMap<String, Meta> = kept.map(|(name, meta)| (name.clone(), *meta)).collect();
    let roles = after.releases().iter().map(|(name, role)| (name.as_str(), role));
    for (name, role) in roles.chain([("targets", after.targets())]) {
        next.insert(format!("{name}.json"), Meta::of(role.signed().version, role.raw()));
    }
    check_listed(listed, &next)
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

/// What clients remember that have seen a publication.
fn known(of: &Publication) -> Known<'_> {
    let Roles { timestamp, snapshot, .. } = &of.roles;
    Known { root: of.roles.root(), timestamp: Some(&**timestamp), snapshot: Some(&**snapshot) }
}

/// Whether clients that see a root forget all that was seen, since that root no longer accepts what
/// signed it online.
#[must_use]
pub fn replaces_online_keys(root: &Root, seen: &Publication) -> bool {
    let known = known(seen).under(root);
    known.timestamp.is_none() && known.snapshot.is_none()
}

/// Whether a publication can follow the last one: its own roles, too.
///
/// # Errors
/// The first role that goes back or away.
pub fn check_follows(last: &Publication, next: &Publication) -> Result<(), Violation> {
    known(last).check(next.roles.root(), &next.roles.timestamp, &next.roles.snapshot)
}
