//! The manifests behind an answer: of channels and releases, each verified and joined to the next.
//!
//! The chain is `channels` -> channel manifest -> release manifest -> payload. Each link is checked
//! from both sides: what the online key lists must be what release keys list too.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;
use super::repository::{Expiry, Repository, chain, unreadable};
use super::session::Session;
use super::trusted::Seen;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::payload::is_file_name;
use crate::domain::version::Version;
use crate::formats::manifest::{ChannelManifest, ReleaseManifest};
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{Target, Targets};
use crate::signing::Signed;

/// The manifests of one check, loaded as they are needed.
#[derive(Debug)]
pub struct Manifests<'a> {
    pub session: &'a Session,
    pub repository: &'a Repository,
    pub expiry: Expiry,
    /// Whether throw-away keys are taken.
    pub demo: bool,
    /// Goes up with each manifest that is read.
    pub seen: Seen,
    /// When the first of what was read expires.
    pub expires: Time,
    channels: BTreeMap<String, ChannelManifest>,
    releases: BTreeMap<Version, (ReleaseManifest, Bytes)>,
}

impl<'a> Manifests<'a> {
    pub fn new(session: &'a Session, repository: &'a Repository, expiry: Expiry, demo: bool) -> Self {
        let keys: BTreeSet<_> = repository
            .roles
            .targets
            .signed()
            .delegated(CHANNELS)
            .map(|(_, authority)| authority.keyids.iter().copied().collect())
            .unwrap_or_default();
        let before = session.state().map(|state| &state.seen);
        let before = before.filter(|before| before.keys == keys).cloned().unwrap_or_default();
        let seen = Seen { keys, timestamp_tag: session.timestamp_tag(), ..before };
        let expires = repository.expires();
        let (channels, releases) = (BTreeMap::new(), BTreeMap::new());
        Self { session, repository, expiry, demo, seen, expires, channels, releases }
    }

    /// A delegated role.
    fn role(&self, name: &str) -> Result<&'a Signed<Targets>, Refusal> {
        let role = self.repository.roles.roles.get(name);
        role.ok_or_else(|| Refusal::Missing { path: format!("the role `{name}`") })
    }

    /// What a role lists under a name.
    fn listed(&self, role: &str, target: &str) -> Result<Option<Target>, Refusal> {
        Ok(self.role(role)?.signed().targets.get(target).copied())
    }

    /// Reads a target that a role lists, signed by that role's keys. `None` if the server does not
    /// have it.
    fn read<T: DeserializeOwned>(
        &self,
        role: &str,
        name: &str,
        target: &Target,
    ) -> Result<Option<Signed<T>>, Refusal> {
        let path = names::target_path(name, &target.hashes.sha256);
        let Some(bytes) = self.session.target(&path, target)? else { return Ok(None) };
        let signed = Signed::<T>::parse(bytes).map_err(|e| unreadable(path.clone(), &e))?;
        let delegated = self.repository.roles.targets.signed().delegated(role);
        let (_, authority) = delegated.ok_or_else(|| Refusal::Missing { path: role.to_owned() })?;
        signed.verify(authority).map_err(|e| Refusal::Signatures { path, detail: chain(&e) })?;
        Ok(Some(signed))
    }

    /// The manifest of a channel by its own name.
    pub fn channel(&mut self, name: &ChannelName) -> Result<ChannelManifest, Refusal> {
        let target = names::channel_target(name);
        if let Some(known) = self.channels.get(&target) {
            return Ok(known.clone());
        }
        let Some(listed) = self.listed(CHANNELS, &target)? else {
            return Err(Refusal::UnknownChannel(name.clone()));
        };
        let read = self.read::<ChannelManifest>(CHANNELS, &target, &listed)?;
        let manifest = read.ok_or_else(|| Refusal::Missing { path: target.clone() })?.into_signed();
        let what = || format!("the manifest of channel `{name}`");
        if manifest.channel != *name {
            let found = format!("channel `{}`", manifest.channel);
            return Err(Refusal::WrongChannel { asked: name.to_string(), found });
        }
        if manifest.demo && !self.demo {
            return Err(Refusal::Demo(what()));
        }
        self.check_place(&manifest)?;
        self.expiry.check(what, manifest.expires)?;
        self.expires = self.expires.min(manifest.expires);
        let last = self.seen.versions.entry(name.clone()).or_default();
        if manifest.version < *last {
            let detail = format!("version `{}` after `{last}`", manifest.version);
            return Err(Refusal::Rollback { what: what(), detail });
        }
        *last = manifest.version;
        self.seen.places.insert(name.clone(), (manifest.line.clone(), manifest.stage.clone()));
        check_latest(&manifest)?;
        self.channels.insert(target, manifest.clone());
        Ok(manifest)
    }

    /// Checks that a channel is of the line and the stage that it always was: by another name for
    /// its stage the online key would get around `not_before`, and by another line into that one.
    fn check_place(&self, manifest: &ChannelManifest) -> Result<(), Refusal> {
        let (name, line) = (&manifest.channel, &manifest.line);
        let found = || format!("stage `{}` of line `{line}`", manifest.stage);
        let wrong = |found| Err(Refusal::WrongChannel { asked: name.to_string(), found });
        let place = (line.clone(), manifest.stage.clone());
        if let Some((line, stage)) = self.seen.places.get(name).filter(|known| **known != place) {
            return wrong(format!("{}, and was stage `{stage}` of line `{line}`", found()));
        }
        // Before a first look only the usual names tell.
        let usual =
            |other: &LineName| manifest.stages.iter().any(|stage| is_usual(name, other, &stage.stage));
        if let Some(other) = self.prefixes().values().find(|other| *other != line && usual(other)) {
            return wrong(format!("{}, and bears the name of line `{other}`", found()));
        }
        Ok(())
    }

    /// A channel's own name by that or an alias. An alias stands in its channel's manifest alone, so
    /// that all are read to find it.
    pub fn resolve(&mut self, name: &ChannelName) -> Result<ChannelName, Refusal> {
        if let Some(own) = self.seen.aliases.get(name) {
            return Ok(own.clone());
        }
        if self.listed(CHANNELS, &names::channel_target(name))?.is_some() {
            return Ok(name.clone());
        }
        let mut refusal = Refusal::UnknownChannel(name.clone());
        for own in self.all_channels()? {
            match self.channel(&own) {
                Ok(manifest) if manifest.aliases.contains(name) => {
                    self.seen.aliases.insert(name.clone(), own.clone());
                    return Ok(own);
                }
                // Where all is signed by throw-away keys, that is what to say.
                Err(error @ Refusal::Demo(_)) => refusal = error,
                // A fault of one channel is its own.
                Ok(_) | Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn all_channels(&self) -> Result<Vec<ChannelName>, Refusal> {
        let targets = self.role(CHANNELS)?.signed().targets.keys();
        let name = |target: &String| {
            ChannelName::parse(target.strip_prefix("channel.")?.strip_suffix(".json")?).ok()
        };
        Ok(targets.filter_map(name).collect())
    }

    /// Some channel of a line, looked for first where channels usually are: `LINE-STAGE`.
    pub fn channel_of(&mut self, line: &LineName) -> Result<Option<ChannelManifest>, Refusal> {
        let usual = format!("{line}-");
        let (first, then): (Vec<_>, Vec<_>) =
            self.all_channels()?.into_iter().partition(|name| name.as_str().starts_with(&usual));
        let mut refusal = None;
        for name in first.iter().chain(&then) {
            match self.channel(name) {
                Ok(manifest) if manifest.line == *line => return Ok(Some(manifest)),
                Err(error) if name.as_str().starts_with(&usual) => refusal = Some(error),
                // A fault of another line's channel is its own.
                Ok(_) | Err(_) => {}
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// Every channel of the line that one of its channels speaks of, in the order of its stages.
    pub fn stages(&mut self, one: &ChannelManifest) -> Result<Vec<ChannelManifest>, Refusal> {
        let mut found = Vec::new();
        for stage in &one.stages {
            let manifest = self.channel(&stage.channel)?;
            let contradiction = |detail: &str| Refusal::Contradiction {
                line: one.line.to_string(),
                detail: format!("channel `{}` {detail}", stage.channel),
            };
            if manifest.line != one.line {
                return Err(contradiction("is of another line"));
            }
            if manifest.stage != stage.stage || manifest.stages != one.stages {
                return Err(contradiction("has other stages"));
            }
            if manifest.follows != one.follows {
                return Err(contradiction("follows another line"));
            }
            found.push(manifest);
        }
        if !found.iter().any(|manifest| manifest.channel == one.channel) {
            let detail = format!("channel `{}` is none of its stages", one.channel);
            return Err(Refusal::Contradiction { line: one.line.to_string(), detail });
        }
        Ok(found)
    }

    /// The versions whose manifests a line's release keys have signed.
    pub fn signed_versions(&self, line: &LineName) -> Result<Vec<Version>, Refusal> {
        let role = self.role(&names::releases_role(line))?;
        let version =
            |target: &String| Version::parse(target.strip_prefix("release.")?.strip_suffix(".json")?).ok();
        Ok(role.signed().targets.keys().filter_map(version).collect())
    }

    /// The manifest of a release that a line's release keys have signed. `None` if the server
    /// withholds it.
    pub fn release(
        &mut self,
        line: &LineName,
        version: &Version,
    ) -> Result<Option<ReleaseManifest>, Refusal> {
        if let Some((known, _)) = self.releases.get(version) {
            return Ok(Some(known.clone()));
        }
        let role = names::releases_role(line);
        let target = names::release_target(version);
        let Some(listed) = self.listed(&role, &target)? else {
            return Err(Refusal::NotListed { what: format!("line `{line}`"), target });
        };
        let Some(signed) = self.read::<ReleaseManifest>(&role, &target, &listed)? else { return Ok(None) };
        let manifest = signed.signed();
        // The spelling counts too: files and targets bear it.
        if manifest.version.to_string() != version.to_string() || manifest.line != *line {
            return Err(Refusal::WrongRelease {
                path: target,
                expected: format!("release `{version}` of line `{line}`"),
                found: format!("release `{}` of line `{}`", manifest.version, manifest.line),
            });
        }
        if manifest.demo && !self.demo {
            return Err(Refusal::Demo(format!("release `{version}`")));
        }
        for payload in manifest.payloads.iter() {
            let name = names::payload_target(&manifest.version, &payload.file);
            // A file bears the name in the end, and must stay in its folder.
            if !is_file_name(&payload.file) {
                return Err(Refusal::Scope { role, target: format!("`{name}`") });
            }
            if self.listed(&role, &name)? != Some(Target::new(payload.sha256, payload.size)) {
                return Err(Refusal::NotListed { what: format!("release `{version}`"), target: name });
            }
        }
        let entry = (manifest.clone(), signed.raw().clone());
        let manifest = self.releases.entry(version.clone()).or_insert(entry).0.clone();
        Ok(Some(manifest))
    }

    /// Checks that what a channel offers is what release keys have signed.
    pub fn check_offers(&self, manifest: &ChannelManifest) -> Result<(), Refusal> {
        let role = names::releases_role(&manifest.line);
        for offered in &manifest.releases {
            let target = names::release_target(&offered.version);
            let listed = self.listed(&role, &target)?;
            if listed.is_none_or(|listed| listed.hashes.sha256 != offered.manifest) {
                return Err(Refusal::NotListed { what: format!("channel `{}`", manifest.channel), target });
            }
        }
        Ok(())
    }

    /// Checks that a line's role has not expired.
    pub fn check_line(&mut self, line: &LineName) -> Result<(), Refusal> {
        let expires = self.repository.check_line(&names::releases_role(line), self.expiry)?;
        self.expires = self.expires.min(expires);
        Ok(())
    }

    /// The line to which a version belongs, by the paths that are delegated to lines.
    pub fn line_of(&self, version: &Version) -> Option<LineName> {
        let lines = self.prefixes();
        Prefix::candidates(version).find_map(|prefix| lines.get(&prefix.to_string()).cloned())
    }

    /// The prefix of a line's versions.
    pub fn prefix_of(&self, line: &LineName) -> Option<Prefix> {
        let prefixes = self.prefixes();
        let (prefix, _) = prefixes.iter().find(|(_, name)| *name == line)?;
        Prefix::parse(prefix).ok()
    }

    /// All lines whose releases are delegated.
    pub fn lines(&self) -> Vec<LineName> {
        self.prefixes().into_values().collect()
    }

    /// Lines by the prefixes of their versions.
    fn prefixes(&self) -> BTreeMap<String, LineName> {
        let delegations = self.repository.roles.targets.signed().delegations.iter();
        let roles = delegations.flat_map(|delegations| &delegations.roles);
        let line = |role: &crate::formats::tuf::DelegatedRole| {
            let name = LineName::parse(role.name.strip_prefix(names::RELEASES)?).ok()?;
            let prefix = role.paths.iter().find_map(|path| {
                let path = path.strip_prefix("release.")?;
                Prefix::parse(path.strip_suffix(['*'])?.trim_end_matches(['.', '-', '+'])).ok()
            })?;
            Some((prefix.to_string(), name))
        };
        roles.filter_map(line).collect()
    }

    /// The signed bytes of every release that was read.
    pub fn into_releases(self) -> (Seen, Time, BTreeMap<Version, Bytes>) {
        let raw = self.releases.into_iter().map(|(version, (_, raw))| (version, raw)).collect();
        (self.seen, self.expires, raw)
    }
}

/// Whether this is how a channel is called where nobody says otherwise.
fn is_usual(channel: &ChannelName, line: &LineName, stage: &StageName) -> bool {
    ChannelName::of(line, stage).is_ok_and(|usual| usual == *channel)
}

/// The earliest time at which release keys allow a release in a channel: in the stage that the
/// channel has, and in the one that its name says.
pub fn not_before(release: &ReleaseManifest, channel: &ChannelManifest) -> Option<Time> {
    let bounds = release
        .not_before
        .iter()
        .filter(|(stage, _)| **stage == channel.stage || is_usual(&channel.channel, &channel.line, stage));
    bounds.map(|(_, earliest)| *earliest).max()
}

/// What a channel calls its latest is the highest that it offers.
fn check_latest(manifest: &ChannelManifest) -> Result<(), Refusal> {
    let offered = manifest.releases.iter().filter(|release| release.yank.is_none());
    let highest = offered.map(|release| &release.version).max();
    if highest == manifest.latest.as_ref() {
        return Ok(());
    }
    let told = |version: Option<&Version>| version.map_or_else(|| "none".to_owned(), |v| format!("`{v}`"));
    Err(Refusal::Contradiction {
        line: manifest.line.to_string(),
        detail: format!(
            "channel `{}` has {} as its latest, and {} is the highest it offers",
            manifest.channel,
            told(manifest.latest.as_ref()),
            told(highest)
        ),
    })
}
