//! Finishes a ceremony: works out which files to write, and checks them against the existing ones.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::check::Refused;
use super::documents::DocumentId;
use super::line_work::{Stored, listed_manifest};
use super::{Ceremony, Files};
use crate::domain::Time;
use crate::domain::channel::LineName;
use crate::domain::version::Version;
use crate::formats::tuf::{Targets, names};
use crate::signing::trust::Trust;
use crate::signing::{Signed, Violation};

/// The files to write at the end of a ceremony.
#[derive(Debug)]
pub struct Finished {
    /// Each `release.json` by version.
    pub manifests: BTreeMap<Version, Bytes>,
    /// The files of `trust/` by name.
    pub trust: Files,
}

impl Ceremony {
    /// Returns the files of a ceremony that enough keepers have signed.
    ///
    /// # Errors
    /// When signatures are missing, or clients would refuse a document.
    pub fn complete(&self, now: Time) -> Result<Finished, Refused> {
        self.check(now)?;
        let missing = self.shortfalls(&[]);
        if !missing.is_empty() {
            return Err(Refused::Unfinished(missing));
        }
        let mut finished = Finished { manifests: BTreeMap::new(), trust: Files::new() };
        for document in self.documents() {
            if let DocumentId::Manifest(version) = document.id {
                finished.manifests.insert(version, document.raw.clone());
            } else {
                let path = document.id.to_string();
                let name = path.strip_prefix("trust/").unwrap_or(&path);
                finished.trust.insert(name.to_owned(), document.raw.clone());
            }
        }
        let indexes = self.lines.iter();
        let indexes = indexes.filter_map(|(line, work)| Some((names::index_file(line), work.index.clone()?)));
        finished.trust.extend(indexes);
        Ok(finished)
    }

    /// Returns the files to write. `present` are the existing files of `trust/`; an interrupted run may
    /// already have written some of the new ones. `manifest` returns the stored manifest of a release.
    ///
    /// # Errors
    /// When signatures are missing, something else has been signed since the ceremony began, or clients
    /// would refuse the result.
    pub fn finish(&self, present: &Files, manifest: Stored<'_>, now: Time) -> Result<Finished, Refused> {
        let finished = self.complete(now)?;
        self.check_fresh(present, &finished.trust)?;
        let mut after = present.clone();
        after.extend(finished.trust.clone());
        let after = Trust::read(&after)?.ok_or(Refused::NoTop)?;
        // A line that was broken before must not block key changes for the others.
        let before = Trust::read(present).ok().flatten();
        let was_broken =
            |line: &LineName| before.as_ref().is_some_and(|before| before.broken().contains_key(line));
        let mut broken = after.into_broken().into_iter();
        if let Some((_, error)) = broken.find(|(line, _)| self.lines.contains_key(line) || !was_broken(line))
        {
            return Err(error.into());
        }
        for line in self.lines.keys() {
            self.check_manifests(line, &finished, manifest)?;
        }
        Ok(finished)
    }

    /// Checks that each file of `trust/` is either the one that the ceremony began from or the one that it
    /// writes.
    fn check_fresh(&self, present: &Files, next: &Files) -> Result<(), Refused> {
        let mut base = self.before.as_ref().map(Trust::files).unwrap_or_default();
        // The role of a line names its index, so only the role matters.
        let is_index = |file: &str| file.starts_with(names::INDEX);
        base.retain(|file, _| !is_index(file));
        let is_stale = |(file, raw): &(&String, &Bytes)| {
            let known = [base.get(*file), next.get(*file)];
            let touched = known.iter().any(Option::is_some) || file.ends_with(".root.json");
            let mut known = known.into_iter().flatten();
            touched
                && !known.any(|known| known.trim_ascii() == raw.trim_ascii())
                && !is_leftover(present, file)
        };
        let mut roles = present.iter().filter(|(file, _)| !is_index(file));
        let stale = roles.find(is_stale).map(|(file, _)| file);
        match stale.or_else(|| base.keys().find(|file| !present.contains_key(*file))) {
            Some(file) => Err(Refused::Stale { file: file.clone() }),
            None => Ok(()),
        }
    }

    /// Checks that every manifest that a line's next role lists exists and has enough signatures. A
    /// manifest that was listed before is not checked if the keys stay the same, and may be missing if the
    /// index before has the release: a file that is missing for one release must not block the others.
    fn check_manifests(
        &self,
        line: &LineName,
        finished: &Finished,
        manifest: Stored<'_>,
    ) -> Result<(), Refused> {
        let (Some(work), Some(authority)) = (self.lines.get(line), self.line_authority(line)) else {
            return Err(Refused::NoRole { role: names::releases_role(line) });
        };
        let before = self.before.as_ref();
        let keeps_keys = before
            .and_then(|before| before.line_authority(line))
            .is_some_and(|keys| (keys.keyids, keys.threshold) == (authority.keyids, authority.threshold));
        let role = before.and_then(|before| before.line(line)).map(Signed::signed);
        let index = before.and_then(|before| before.index(line)?.ok());
        for (version, listed) in work.role.signed().listed_releases() {
            let was_listed =
                role.is_some_and(|role| role.targets.get(&names::release_target(&version)) == Some(listed));
            if was_listed && keeps_keys {
                continue;
            }
            let signed = finished.manifests.get(&version).cloned();
            let raw = signed.map_or_else(|| manifest(&version, listed), |raw| Ok(Some(raw)));
            let is_known = was_listed && index.is_some_and(|index| index.releases.contains_key(&version));
            if raw == Ok(None) && is_known {
                continue;
            }
            let Some(signed) = listed_manifest(raw.ok().flatten(), listed) else {
                return Err(Refused::Manifest { version });
            };
            let path = DocumentId::Manifest(version).to_string();
            signed.verify(authority).map_err(Violation::signature(&path))?;
        }
        Ok(())
    }
}

/// Whether a file in `trust/` is left over from an interrupted run and has no effect yet. That is any file
/// if there is no first root yet; otherwise, the file of a line's role that is not delegated.
fn is_leftover(present: &Files, file: &str) -> bool {
    if !present.contains_key("1.root.json") {
        return true;
    }
    let targets = present.get("targets.json").and_then(|raw| Signed::<Targets>::parse(raw.clone()).ok());
    let role = file.strip_suffix(".json").filter(|role| names::line_of(role).is_some());
    role.zip(targets).is_some_and(|(role, targets)| targets.signed().delegated(role).is_none())
}
