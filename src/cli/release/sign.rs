//! `tidegate release sign`.

mod forward;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use chrono::TimeDelta;
use serde::Serialize;

use self::forward::Forward;
use super::super::ceremony::{self, short};
use super::super::failure::refuse;
use super::super::keyfile;
use super::super::table::Table;
use super::super::terminal::Terminal;
use super::super::workspace::{View, Workspace};
use crate::domain::chain;
use crate::domain::line::Line;
use crate::domain::release::{ManifestState, PayloadState, Release};
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::KeyId;
use crate::signing::ceremony::{
    CeremonyError, Files, Refused, SignedReleases, check_signers, delegate, line_signers, propose_releases,
    sign_releases,
};
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signed, Signer};
use crate::store::durable::{self, Mode};
use crate::store::lock::CatalogLock;
use crate::store::watch::git_way_out;

/// Sign releases: all that are pending, or those named
///
/// Pending is what has no signed manifest, or one that no longer says what the catalog says. Writes
/// `payloads/VERSION/release.json` for each, and the next version of its line's role into `trust/`.
/// Of all that are pending, those are left and listed for which the given keys are not enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate release sign --key /media/vault/tidegate/release.pem
  tidegate release sign 1.9.6-tectonic.1 --key release.pem --targets-key targets.pem
  tidegate release sign 1.9.6-tectonic.1 --key release.pem \\
      --not-before production=2018-01-02T17:30:31Z --reason 'closes a hole that is in use'

  tidegate release sign --key ada.pem --ceremony for-ben.json")]
pub struct Args {
    /// The releases; by default all that are pending
    versions: Vec<Version>,
    /// A release key; several where a line wants more than one
    #[arg(long, value_name = "FILE", env = "TIDEGATE_RELEASE_KEY", hide_env_values = true, required = true)]
    key: Vec<PathBuf>,
    /// The targets key, which delegates lines that are new
    #[arg(long, value_name = "FILE", env = "TIDEGATE_TARGETS_KEY", hide_env_values = true)]
    targets_key: Option<PathBuf>,
    /// Where more people must sign: the new file of a ceremony, to be passed on to them
    #[arg(long, value_name = "FILE")]
    ceremony: Option<PathBuf>,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
    /// Let the named releases enter a stage from this time on, before their soak is over
    #[arg(long, value_name = "STAGE=TIME", value_parser = Forward::parse, requires_all = ["versions", "reason"])]
    not_before: Vec<Forward>,
    /// With `--not-before`: why; it is signed and public
    #[arg(long, value_name = "TEXT", requires = "not_before")]
    reason: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Body {
    signed: Vec<SignedBody>,
    delegated: Vec<DelegatedBody>,
    /// Lines with nothing to sign whose role was signed anew, since it would have expired.
    renewed: Vec<String>,
    refused: Vec<RefusedBody>,
}

#[derive(Debug, Serialize)]
struct SignedBody {
    version: String,
    line: String,
    /// RFC 3339, by stage.
    not_before: BTreeMap<String, String>,
    /// Why that is earlier than the soak.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before_reason: Option<String>,
}

/// A line that was new, and whose releases these keys sign from now on.
#[derive(Debug, Serialize)]
struct DelegatedBody {
    line: String,
    keyids: Vec<KeyId>,
}

/// What is not signed.
#[derive(Debug, Serialize)]
struct RefusedBody {
    line: String,
    /// Nothing where it is the line's role that should be signed anew.
    version: Option<String>,
    reason: String,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// With so much of its year left, the role of a line is signed anew.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(90);

/// What is signed, by line.
type Pending<'v> = Vec<(&'v Line, Vec<Version>)>;

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let mut keyring = args.signing.keyring();
    let keys = keyring.signers(&args.key)?;
    let key = keys.first().context("no release key is given")?.as_ref();
    let targets_key = args.targets_key.as_deref().map(|file| keyring.signer(file)).transpose()?;
    // Nobody commits between what is read here and what is signed for it.
    let directory = workspace.directory()?;
    let _lock = CatalogLock::acquire(&workspace.catalog)?;
    if let Some(path) = directory.work_tree().and_then(|tree| tree.at_work()) {
        return Err(refuse(
            format!("git is at work on the catalog, as `{}` shows", path.display()),
            git_way_out(&path),
        ));
    }
    let view = workspace.read()?;
    if let Some(note) = view.faulty_note() {
        terminal.note(note);
    }
    let Some(trust) = view.usable_trust()? else {
        return Err(refuse(
            "the catalog has no keys yet",
            "make a root and keys: `tidegate init --offline-keys DIR`",
        ));
    };
    let mut body = Body::default();
    let now = workspace.now();
    let mut pending = args.pending(&view, now, &mut body)?;
    args.check_forwards(&pending, now)?;
    if args.versions.is_empty() && args.ceremony.is_none() {
        let release: Vec<PublicKey> = keys.iter().map(|key| key.public()).collect();
        let targets = targets_key.as_ref().map(|key| key.public());
        pending.retain(|(line, versions)| match check_signers(trust, line, &release, targets, now) {
            Ok(()) => true,
            Err(error) => {
                body.refuse_line(line, versions, &error);
                false
            }
        });
    }
    if args.takes_several(trust, &pending, &keys) {
        let keys = keys.into_iter().chain(targets_key).collect::<Vec<_>>();
        return args.sign_together(trust, &pending, &keys, workspace, terminal, &body);
    }
    let mut trust_files: Files = view.snapshot.trust.clone();
    let mut new = Files::new();
    let undelegated: Vec<&Line> =
        pending.iter().map(|(line, _)| *line).filter(|line| trust.line(&line.name).is_none()).collect();
    if let Some(first) = undelegated.first() {
        let Some(targets_key) = &targets_key else {
            return Err(lacking(&CeremonyError::NotDelegated(first.name.clone())));
        };
        new = delegate(trust, undelegated.iter().copied(), targets_key.as_ref(), key, now)
            .map_err(|error| lacking(&error))?;
        trust_files.extend(new.clone());
    }
    let delegated = Trust::read(&trust_files)?;
    let trust = delegated.as_ref().unwrap_or(trust);
    body.delegated = undelegated.iter().map(|line| DelegatedBody::of(trust, line)).collect();

    let mut manifests = BTreeMap::new();
    for (line, versions) in &pending {
        let SignedReleases { manifests: made, roles } = args.sign(trust, line, versions, key, now)?;
        for (version, raw) in made {
            body.signed.push(SignedBody::of(line, &version, &raw)?);
            manifests.insert(version, raw);
        }
        new.extend(roles);
    }
    store(workspace, &manifests, new)?;
    show(&body, terminal)
}

/// Whether the role of a line is so near its end that it is signed anew with no release to sign: one
/// role that expires stops some clients for every line.
fn expires_soon(view: &View, line: &Line, now: Time) -> bool {
    let trust = view.trust().ok().flatten();
    let role = trust.and_then(|trust| trust.line(&line.name));
    role.is_some_and(|role| role.signed().expires - RENEW_BEFORE <= now)
}

/// Writes what was signed, in an order in which every beginning of it can be read: a manifest that
/// is not listed yet is signed again by the next run, and a role that is not delegated yet is
/// ignored. The other way round, clients would be told of files that are not there.
fn store(
    workspace: &Workspace,
    manifests: &BTreeMap<Version, Bytes>,
    mut trust: Files,
) -> anyhow::Result<()> {
    for (version, raw) in manifests {
        let path = workspace.payloads.join(version.to_string()).join("release.json");
        durable::write(&path, raw, Mode::Public)?;
    }
    let top = trust.remove_entry("targets.json");
    for (name, raw) in trust.into_iter().chain(top) {
        durable::write(&workspace.catalog.join("trust").join(name), &raw, Mode::Public)?;
    }
    Ok(())
}

impl Args {
    /// What is to be signed. What cannot be is put down as refused.
    fn pending<'v>(&self, view: &'v View, now: Time, body: &mut Body) -> anyhow::Result<Pending<'v>> {
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
                    Some(reason) => body.refused.push(RefusedBody {
                        line: line.name.to_string(),
                        version: Some(release.version.to_string()),
                        reason,
                        hint: None,
                    }),
                }
            }
            let renewed = versions.is_empty() && named.is_empty() && expires_soon(view, line, now);
            if renewed {
                body.renewed.push(line.name.to_string());
            }
            if renewed || !versions.is_empty() {
                pending.push((line, versions));
            }
        }
        Ok(pending)
    }

    /// Whether one signature is not enough for what is pending.
    fn takes_several(&self, trust: &Trust, pending: &Pending<'_>, keys: &[Box<dyn Signer>]) -> bool {
        let public: Vec<PublicKey> = keys.iter().map(|key| key.public()).collect();
        let threshold = |line: &Line| match trust.line_authority(&line.name) {
            Some(authority) => authority.threshold,
            None => line_signers(trust, &public).threshold,
        };
        // A line that is new is delegated by the targets keys.
        let new = pending.iter().any(|(line, _)| trust.line(&line.name).is_none());
        let several = new && trust.root().signed().targets().threshold > 1;
        let several = several || self.ceremony.is_some() || keys.len() > 1;
        !pending.is_empty() && (several || pending.iter().any(|(line, _)| threshold(line) > 1))
    }

    /// Signs with all the keys at hand. What they are not enough for is passed on.
    fn sign_together(
        &self,
        trust: &Trust,
        pending: &Pending<'_>,
        keys: &[Box<dyn Signer>],
        workspace: &Workspace,
        terminal: &mut Terminal<'_>,
        body: &Body,
    ) -> anyhow::Result<ExitCode> {
        let now = workspace.now();
        // The last of them is the targets key where one is given, and signs no releases.
        let release = &keys[..self.key.len().min(keys.len())];
        let public: Vec<PublicKey> = release.iter().map(|key| key.public()).collect();
        let mut proposed =
            propose_releases(trust, pending, &public, None, now, |manifest| self.form(manifest))?;
        proposed.check(now).map_err(|refused| lacking(&refused.into()))?;
        for (path, key) in self.key.iter().zip(release) {
            let counts = proposed.documents().iter().any(|document| document.counts(key.id()));
            // It may count for what is left.
            if !counts && body.refused.is_empty() {
                return Err(refuse(
                    format!(
                        "the key `{}` (`{}`) counts for nothing that is signed",
                        path.display(),
                        key.id()
                    ),
                    "see which keys count for which lines: `tidegate key list`",
                ));
            }
        }
        ceremony::sign_with_all(&mut proposed, keys)?;
        body.tell_refused(terminal);
        ceremony::describe(&proposed, terminal)?;
        match &self.ceremony {
            Some(file) => {
                ceremony::write_new(&proposed, file)?;
                ceremony::next(&proposed, file, terminal);
            }
            None if proposed.is_complete() => drop(ceremony::finish_locked(&proposed, workspace, terminal)?),
            None => {
                return Err(refuse(
                    "these keys are not enough: more people must sign",
                    "give their keys too (`--key`), or a file that is passed on to them: `--ceremony FILE`",
                ));
            }
        }
        Ok(if body.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn form(&self, manifest: &mut ReleaseManifest) {
        let reason = self.reason.as_deref().unwrap_or_default();
        for Forward { stage, earliest } in &self.not_before {
            // What cannot be brought forward was refused before.
            let _ = manifest.bring_forward(stage, *earliest, reason);
        }
    }

    fn sign(
        &self,
        trust: &Trust,
        line: &Line,
        versions: &[Version],
        key: &dyn Signer,
        now: Time,
    ) -> anyhow::Result<SignedReleases> {
        sign_releases(trust, line, versions, key, now, |manifest| self.form(manifest))
            .map_err(|error| lacking(&error))
    }
}

/// Why a release is not signed.
fn obstacle(view: &View, line: &Line, release: &Release, is_named: bool) -> Option<String> {
    match &release.evidence.payload {
        PayloadState::Present => {}
        // What was withdrawn is signed anew as it was, when keys change.
        PayloadState::Missing { .. }
            if release.yank.is_some() && view.snapshot.manifest(&release.version).is_some() => {}
        PayloadState::Missing { file } => return Some(format!("payload `{file}` is missing")),
        PayloadState::Differs { file, found } => {
            return Some(format!("payload `{file}` is not what the catalog says: {found}"));
        }
    }
    if let Some(error) = view.trust().ok().flatten().and_then(|trust| trust.broken().get(&line.name)) {
        return Some(format!(
            "the role of line `{}` cannot be used: {}; put it back",
            line.name,
            chain(error)
        ));
    }
    if let Err(why) = view.snapshot.found_manifest(&release.version) {
        return Some(why);
    }
    // A release in a stage before its signed time came there by somebody who had no release key:
    // a batch must not make that good unseen.
    let signed: ReleaseManifest = view
        .snapshot
        .manifest(&release.version)
        .and_then(|raw| Signed::parse(raw.clone()).ok())?
        .into_signed();
    let early =
        line.stages.iter().zip(&release.entries).find(|(stage, entry)| {
            entry.as_ref().is_some_and(|entry| !signed.allows(&stage.name, entry.since))
        });
    let (stage, _) = early.filter(|_| !is_named)?;
    Some(format!("it entered `{}` before its signed time; name the version if that is right", stage.name))
}

/// The keys at hand are not enough, in words.
fn lacking(error: &CeremonyError) -> anyhow::Error {
    let (reason, hint) = words(error);
    refuse(reason, hint)
}

/// What the keys at hand lack, and the way out.
fn words(error: &CeremonyError) -> (String, String) {
    const KEYS: &str = "see which keys count for which lines: `tidegate key list`";
    let hint = match error {
        CeremonyError::NotDelegated(line) => {
            let reason = format!("line `{line}` is new, and nobody may sign its releases yet");
            return (reason, "give the targets key too: `--targets-key FILE`".to_owned());
        }
        CeremonyError::Threshold { .. } | CeremonyError::TargetsThreshold { .. } => {
            "give their keys too (`--key`), or a file that is passed on to them: `--ceremony FILE`"
        }
        CeremonyError::Broken { .. } => "put `trust/` back as it was",
        CeremonyError::Refused(refused) => match &**refused {
            Refused::BothSides { .. } | Refused::OtherDuty { .. } | Refused::Stranger { .. } => {
                "give a release key, one of the other lines' where they have any (`tidegate key list`); the line can have its own afterwards: `tidegate root change --add release:LINE=NEW.pem --drop release:LINE=KEYID`"
            }
            _ => "see the roles and their keys: `tidegate root show`",
        },
        _ => KEYS,
    };
    (chain(error), hint.to_owned())
}

impl Body {
    /// Puts down that nothing of a line is signed.
    fn refuse_line(&mut self, line: &Line, versions: &[Version], error: &CeremonyError) {
        let (reason, hint) = words(error);
        let refused = |version: Option<&Version>| RefusedBody {
            line: line.name.to_string(),
            version: version.map(ToString::to_string),
            reason: reason.clone(),
            hint: Some(hint.clone()),
        };
        self.refused.extend(versions.iter().map(Some).map(refused));
        if versions.is_empty() {
            self.renewed.retain(|renewed| *renewed != line.name.as_str());
            self.refused.push(refused(None));
        }
    }

    fn tell_refused(&self, terminal: &mut Terminal<'_>) {
        let mut hints = Vec::new();
        for refused in &self.refused {
            let what = match &refused.version {
                Some(version) => format!("`{version}`"),
                None => format!("the role of line `{}`, which expires soon,", refused.line),
            };
            terminal.note(format_args!("error: {what} is not signed: {}", refused.reason));
            hints.extend(refused.hint.as_ref().filter(|hint| !hints.contains(hint)));
        }
        for hint in hints {
            terminal.note(format_args!("hint: {hint}"));
        }
    }
}

impl DelegatedBody {
    fn of(trust: &Trust, line: &Line) -> Self {
        let keyids = trust.line_authority(&line.name).map(|authority| authority.keyids.to_vec());
        Self { line: line.name.to_string(), keyids: keyids.unwrap_or_default() }
    }
}

impl SignedBody {
    fn of(line: &Line, version: &Version, raw: &Bytes) -> anyhow::Result<Self> {
        let manifest = Signed::<ReleaseManifest>::parse(raw.clone())?.into_signed();
        let not_before = manifest.not_before.iter().map(|(stage, time)| (stage.to_string(), rfc3339(*time)));
        Ok(Self {
            version: version.to_string(),
            line: line.name.to_string(),
            not_before: not_before.collect(),
            not_before_reason: manifest.not_before_reason.clone(),
        })
    }
}

fn show(body: &Body, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let mut table = Table::new(["SIGNED", "LINE", "NOT BEFORE"]);
    for signed in &body.signed {
        let stages: Vec<String> =
            signed.not_before.iter().map(|(stage, time)| format!("{stage} {time}")).collect();
        table.row([signed.version.clone(), signed.line.clone(), stages.join(", ")]);
    }
    let none = if body.refused.is_empty() { "nothing to sign" } else { "nothing was signed" };
    let none = if body.renewed.is_empty() { none } else { "nothing new to sign" };
    terminal.table(body, &table, none)?;
    for line in &body.renewed {
        terminal.note(format_args!("the role of line `{line}` would have expired soon, and is signed anew"));
    }
    for DelegatedBody { line, keyids } in &body.delegated {
        let keys: Vec<String> = keyids.iter().map(|keyid| format!("`{}`", short(*keyid))).collect();
        let keys =
            if let [key] = &keys[..] { format!("key {key}") } else { format!("keys {}", keys.join(", ")) };
        terminal.note(format_args!("line `{line}` is delegated to the release {keys} from now on"));
    }
    for signed in &body.signed {
        if let Some(reason) = &signed.not_before_reason {
            terminal.note(format_args!("`{}` may enter earlier than it is due: {reason}", signed.version));
        }
    }
    body.tell_refused(terminal);
    if let Some(early) = body.signed.iter().find(|signed| signed.not_before_reason.is_some()) {
        terminal.note(format_args!(
            "next: `tidegate promote {} --early --reason TEXT`, once that time has come",
            early.version
        ));
    } else if !body.signed.is_empty() {
        terminal.note("next: `tidegate promote`, or leave that to the server");
    }
    Ok(if body.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
