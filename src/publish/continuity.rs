//! Checks whether the next publication may follow the last one. Clients use the same rule,
//! [`signing::continuity`](crate::signing::continuity); this module applies it to publications and
//! `trust/`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::publication::Publication;
use super::roles::Roles;
use super::served::Served;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::degraded::Degraded;
use crate::domain::stepback::{StepBack, step_backs};
use crate::formats::manifest::LineIndex;
use crate::formats::tuf::{Meta, Root, Targets, names};
use crate::signing::Signed;
use crate::signing::continuity::{Known, check_listed, check_next_index};
use crate::signing::trust::{Checked, Trust, TrustError};
use crate::signing::verify::Violation;
use crate::words;

/// The result of [`trusted`].
#[derive(Debug)]
pub struct Trusted {
    pub trust: Result<Option<Trust>, TrustError>,
    /// Why `trust` is that of the last publication instead of the folder's, or has its targets role, if it does.
    pub kept: Option<TrustError>,
}

impl Trusted {
    /// The problem that the folder's keys and roles are not the ones that count, if they are not.
    pub fn degraded(&self) -> Option<Degraded> {
        let why = self.kept.as_ref()?;
        Some(Degraded::TrustKept { why: chain(why), is_unread: matches!(why, TrustError::Unread { .. }) })
    }
}

/// The keys and roles to publish with: those in the folder if clients that saw the last publication would
/// accept them, otherwise those of that publication. Clients would then refuse everything that is published
/// with those in the folder, whereas the server can keep renewing what it serves with the last ones.
///
/// A line that is delegated for the first time needs a role. If it has none that can be used, the last targets
/// role is kept, which does not delegate the line. `unread` has the reasons why files could not be read, by name.
pub fn trusted(
    files: &BTreeMap<String, Bytes>,
    unread: &BTreeMap<String, String>,
    last: Option<&Publication>,
    checked: &Checked,
) -> Trusted {
    let read = |files| Trust::read_despite(files, unread, checked);
    let found = read(files);
    let Some(last) = last else { return Trusted { trust: found, kept: None } };
    let before = published(last);
    let kept = match found {
        Ok(Some(mut trust)) => match check(last, &before, &trust) {
            Ok(()) => {
                refuse_lost_releases(last, &mut trust);
                let is_lost = |line: &LineName| last.parts.line(line).is_some_and(|part| part.is_lost());
                let is_new = |line: &LineName| !before.lines().contains_key(line) && !is_lost(line);
                if !trust.broken().keys().any(is_new) {
                    return Trusted { trust: Ok(Some(trust)), kept: None };
                }
                let kept =
                    trust.into_broken().into_iter().find_map(|(line, why)| is_new(&line).then_some(why));
                let mut files = files.clone();
                files.insert("targets.json".to_owned(), before.targets().raw().clone());
                let narrow = read(&files).ok().flatten();
                let narrow = narrow.filter(|trust| check(last, &before, trust).is_ok());
                return Trusted { trust: Ok(Some(narrow.unwrap_or(before))), kept };
            }
            Err(violation) => violation.into(),
        },
        Ok(None) => Violation::Missing { path: "trust/1.root.json".to_owned() }.into(),
        Err(error) => error,
    };
    Trusted { trust: Ok(Some(before)), kept: Some(kept) }
}

/// The keys and roles of a publication.
pub fn published(last: &Publication) -> Trust {
    let Roles { roots, targets, .. } = &last.roles;
    let lines = last.parts.iter();
    let lines = lines.filter_map(|part| {
        let index = part.index.as_ref().map(|index| index.identity.clone());
        Some((part.line.clone(), part.role.as_ref()?.signed.clone(), index))
    });
    Trust::verified(roots.iter().map(|root| root.signed.clone()).collect(), targets.signed.clone(), lines)
}

/// Checks that keys and roles may follow those of the last publication.
fn check(last: &Publication, before: &Trust, after: &Trust) -> Result<(), Violation> {
    after.check_roots(before)?;
    let Some(snapshot) = known(last).under(after.root().signed()).snapshot else { return Ok(()) };
    let listed = &snapshot.signed().meta;
    let mut next =
        BTreeMap::from([("targets.json".to_owned(), meta(after.targets(), Some(&last.roles.targets)))]);
    for (line, role) in after.lines() {
        let served = last.parts.line(line).and_then(|part| part.role.as_ref());
        next.insert(format!("{}.json", names::releases_role(line)), meta(role, served));
    }
    // A line whose role cannot be used keeps its last role, a line that is lost keeps its listing, and `channels`
    // is signed again, so none of them counts as missing.
    let broken = after.broken().keys().filter(|line| !after.lines().contains_key(*line));
    let unreadable = last.lost_lines().map(|(line, _)| line);
    let unreadable = unreadable.filter(|line| after.line_authority(line).is_some());
    let kept = broken.chain(unreadable).map(names::releases_role);
    let kept = kept.chain([names::CHANNELS.to_owned()]);
    let kept = kept.filter_map(|role| listed.get_key_value(&format!("{role}.json")));
    next.extend(kept.map(|(name, meta)| (name.clone(), *meta)));
    check_listed(listed, &next)
}

/// Refuses the role of each line whose index has lost a release that was in the published one: clusters would refuse
/// it, too. A published index counts as long as enough of the line's keys have signed its role.
fn refuse_lost_releases(last: &Publication, trust: &mut Trust) {
    let refused = last.parts.iter().filter_map(|part| {
        let (role, index) = (part.role.as_ref()?, part.index.as_ref()?);
        trust.line(&part.line).filter(|own| !role.is_same(own) && role.raw() != own.raw())?;
        let counts = trust.line_authority(&part.line).is_some_and(|keys| role.is_vouched_for_by(keys));
        let next = trust.index(&part.line)?.ok().filter(|_| counts)?;
        let known = LineIndex::parse_again(&index.identity).ok()?;
        Some((part.line.clone(), check_next_index(&known, next).err()?))
    });
    for (line, why) in refused.collect::<Vec<_>>() {
        trust.refuse(&line, why.into());
    }
}

/// How a snapshot lists a role. One that is `served` already need not be hashed again.
fn meta(role: &Signed<Targets>, served: Option<&Served<Targets>>) -> Meta {
    let served = served.filter(|served| served.is_same(role) || served.raw() == role.raw());
    served.map_or_else(|| Meta::of(role.signed().version, role.raw()), Served::meta)
}

/// How a server lags behind what is live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Behind {
    #[error("nothing is published here, but version {seen} is live")]
    Nothing { seen: u64 },
    #[error("version {own} is published here, but version {seen} is live")]
    Older { own: u64, seen: u64 },
    #[error(
        "version {version} here differs from the live version {version}: two servers sign with the same key"
    )]
    Fork { version: u64 },
    #[error("the publication here lacks something that is live: {}", words::step_back(.0))]
    Lacks(Box<StepBack>),
}

/// Checks that a server that last published `own` may continue while `seen` is live.
///
/// # Errors
/// When the server lags behind: clients would refuse what it signs, or it would withdraw an offer.
pub fn check_seen(own: Option<&Publication>, seen: &Publication) -> Result<(), Behind> {
    let Some(own) = own else { return Err(Behind::Nothing { seen: seen.highest() }) };
    if own.version < seen.highest() {
        return Err(Behind::Older { own: own.version, seen: seen.highest() });
    }
    let same = own.roles.timestamp.raw() == seen.roles.timestamp.raw();
    if own.version == seen.version && !same {
        return Err(Behind::Fork { version: own.version });
    }
    // A yank here may be newer than what is live. Apart from that, nothing that is live may be missing
    // here.
    let mut offers = seen.offers();
    offers.retain(|offer| own.parts.line(&offer.line).is_none_or(|part| !part.is_lost()));
    match step_backs(&offers, &own.offers()).into_iter().next() {
        Some(step) => Err(Behind::Lacks(Box::new(step))),
        None => Ok(()),
    }
}

/// The documents of a publication that clients remember.
fn known(of: &Publication) -> Known<'_> {
    let Roles { timestamp, snapshot, .. } = &of.roles;
    Known { root: of.roles.root(), timestamp: Some(&**timestamp), snapshot: Some(&**snapshot) }
}

/// Whether clients that see a new root forget a publication, because the root no longer accepts the online
/// keys that signed it.
pub fn replaces_online_keys(root: &Root, seen: &Publication) -> bool {
    let known = known(seen).under(root);
    known.timestamp.is_none() && known.snapshot.is_none()
}

/// Checks that a publication may follow the last one.
///
/// # Errors
/// The first role that is rolled back or missing.
pub fn check_follows(last: &Publication, next: &Publication) -> Result<(), Violation> {
    known(last).check(next.roles.root(), &next.roles.timestamp, &next.roles.snapshot)
}
