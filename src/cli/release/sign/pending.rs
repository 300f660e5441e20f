//! Which releases are pending, and what is in the way of signing one.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::shown::Body;
use super::{Args, Pending};
use crate::cli::workspace::View;
use crate::domain::line::Line;
use crate::domain::release::{ManifestFault, ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::domain::{Time, chain};
use crate::formats::manifest::ReleaseManifest;
use crate::signing::Signed;
use crate::words;

/// The role of a line is signed again when this little of its year is left: one expired role stops
/// some clients for every line.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(90);

impl Args {
    /// What is to be signed. What cannot be signed is noted as refused.
    pub(super) fn pending<'v>(
        &self,
        view: &'v View,
        now: Time,
        body: &mut Body,
    ) -> anyhow::Result<Pending<'v>> {
        let named: BTreeSet<&Version> = self.versions.iter().collect();
        for version in &named {
            view.release(version)?;
        }
        let mut pending = Pending::new();
        for line in view.catalog.lines() {
            let mut versions = Vec::new();
            for release in line.releases.values() {
                let is_named = named.contains(&release.version);
                let is_wanted = match release.evidence.manifest {
                    ManifestState::Signed(_) => is_named && !self.not_before.is_empty(),
                    _ => is_named || named.is_empty(),
                };
                if !is_wanted {
                    continue;
                }
                match obstacle(view, line, release, is_named) {
                    None => versions.push(release.version.clone()),
                    Some(reason) => body.refuse(line, Some(&release.version), reason, None),
                }
            }
            let renewed = versions.is_empty() && named.is_empty() && expires_soon(view, line, now);
            if renewed || !versions.is_empty() {
                pending.push((line, versions));
            }
        }
        Ok(pending)
    }
}

/// Whether the role of a line must be signed again although it has no release to sign.
fn expires_soon(view: &View, line: &Line, now: Time) -> bool {
    let trust = view.trust().ok().flatten();
    let role = trust.and_then(|trust| trust.line(&line.name));
    role.is_some_and(|role| role.signed().expires - RENEW_BEFORE <= now)
}

/// Why a release is not signed.
fn obstacle(view: &View, line: &Line, release: &Release, is_named: bool) -> Option<String> {
    match &release.evidence.payload {
        PayloadState::Present => {}
        // A yanked release is signed again as it was when keys change.
        PayloadState::Missing { .. }
            if release.yank.is_some() && view.snapshot.manifest(&release.version).is_some() => {}
        wrong => return Some(words::payload(wrong)),
    }
    if let Some(error) = view.trust().ok().flatten().and_then(|trust| trust.broken().get(&line.name)) {
        let why = chain(error);
        return Some(format!("the role of line `{}` cannot be used: {why}; put it back", line.name));
    }
    if let Err(why) = view.snapshot.found_manifest(&release.version) {
        return Some(ManifestFault::Unreadable(why).to_string());
    }
    // Whoever put a release into a stage before its signed time had no release key: a batch must not
    // make that good without anybody noticing.
    let signed = view.snapshot.manifest(&release.version)?;
    let signed = Signed::<ReleaseManifest>::parse(signed.clone()).ok().filter(|_| !is_named)?.into_signed();
    let mut entries = line.stages.iter().zip(&release.entries);
    let (stage, _) = entries.find(|(stage, entry)| {
        entry.as_ref().is_some_and(|entry| !signed.allows(&stage.name, entry.since))
    })?;
    Some(format!("it entered `{}` before its signed time; name the version if that is right", stage.name))
}
