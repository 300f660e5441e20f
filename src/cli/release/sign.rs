//! `tidegate release sign`.

mod before;
mod forward;
mod shown;

use std::path::PathBuf;
use std::process::ExitCode;

use self::before::Before;
use self::forward::Forward;
use self::shown::Body;
use super::super::ceremony::{self, SEE_ROLES, TOO_LARGE, pins, whose_key};
use super::super::failure::{Hint, refuse};
use super::super::keyfile;
use super::super::operation;
use super::super::terminal::Terminal;
use super::super::workspace::{View, Workspace};
use crate::domain::line::Line;
use crate::domain::version::Version;
use crate::domain::{Time, chain};
use crate::formats::manifest::ReleaseManifest;
use crate::operations::sign::{self, Pending, Sign};
use crate::signing::ceremony::{CeremonyError, DocumentId, Refused, Shortfall, Stored, propose_releases};
use crate::signing::trust::Trust;
use crate::signing::{PublicKey, Signer};
use crate::words::operations as words;

/// Sign releases: all pending ones, or those you name
///
/// A release is pending if it has no signed manifest, or one that differs from the catalog. Writes
/// `payloads/VERSION/release.json` for each, and the next version of its line's role into `trust/`. Lists
/// the pending releases that the given keys cannot sign, and leaves them as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate release sign --key /media/vault/tidegate/release.pem
  tidegate release sign 1.9.6-tectonic.1 --key release.pem --targets-key targets.pem
  tidegate release sign 1.9.6-tectonic.1 --key release.pem \\
      --not-before production=2018-01-02T17:30:31Z --reason 'closes a hole that is in use'

  tidegate release sign --key ada.pem --ceremony for-ben.json")]
pub struct Args {
    /// The releases; by default all pending ones
    versions: Vec<Version>,
    /// A release key; give several if a line needs more than one
    #[arg(long, value_name = "FILE", env = "TIDEGATE_RELEASE_KEY", required = true)]
    key: Vec<PathBuf>,
    /// The targets key, which delegates new lines
    #[arg(long, value_name = "FILE", env = "TIDEGATE_TARGETS_KEY")]
    targets_key: Option<PathBuf>,
    /// Write a ceremony to this new file, to pass on to the others who must sign
    #[arg(long, value_name = "FILE")]
    ceremony: Option<PathBuf>,
    /// Drop a lost release from a line that has no index yet; if it was a barrier, clusters may jump it
    #[arg(long, value_name = "VERSION")]
    drop: Vec<Version>,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
    /// Let the named releases enter a stage from this time on, before the end of their soak
    #[arg(long, value_name = "STAGE=TIME", value_parser = Forward::parse, requires_all = ["versions", "reason"])]
    not_before: Vec<Forward>,
    /// With `--not-before`: the reason; it is signed and public
    #[arg(long, value_name = "TEXT", requires = "not_before")]
    reason: Option<String>,
}

/// What to sign, by line.
type Lines<'v> = Vec<(&'v Line, Vec<Version>)>;

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let keys = args.signing.signers(args.key.iter().chain(&args.targets_key))?;
    let public: Vec<PublicKey> = keys[..args.key.len()].iter().map(|key| key.public()).collect();
    // Nobody else may commit between reading and signing.
    let _exclusive = workspace.store()?.exclusive()?;
    let view = workspace.read()?;
    terminal.notes(view.faulty_note());
    let trust = ceremony::keys_of(&view)?;
    let now = workspace.now();
    let mut body = Body::default();
    let ask = Sign {
        versions: args.versions.iter().cloned().collect(),
        brings_forward: !args.not_before.is_empty(),
    };
    let mut pending = pending(&view, &ask, trust, now, &mut body)?;
    args.check_forwards(&pending, now)?;
    let stored = workspace.manifests(&view.snapshot);
    if args.ceremony.is_none() {
        let mut possible = Vec::new();
        for (line, versions) in pending {
            match args.lacking((&stored, now), trust, (line, &versions), &public, &keys) {
                None => possible.push((line, versions)),
                Some(lacking) if args.versions.is_empty() => body.refuse_line(line, versions, lacking),
                Some((reason, hint)) => return Err(refuse(reason, hint)),
            }
        }
        pending = possible;
    }
    if pending.is_empty() {
        return body.show(terminal);
    }
    body.warn(&pending, terminal);
    let proposed =
        propose_releases(trust, &pending, &public, &stored, &args.drop, now, |manifest| args.form(manifest));
    let mut proposed = proposed.hint_with(proposal_hint)?;
    proposed.check(now).hint_with(hint)?;
    let is_kept = |version: &&Version| !proposed.dropped().any(|(_, dropped)| dropped == **version);
    if let Some(version) = args.drop.iter().find(is_kept).filter(|_| body.refused.is_empty()) {
        return Err(refuse(
            format!("cannot drop `{version}`: it is not a lost release of a line that gets its first index"),
            "leave out `--drop`",
        ));
    }
    let files = || args.key.iter().chain(&args.targets_key);
    pins::check(files(), &proposed)?;
    // If a release was refused, the key that was given for it may have nothing to sign.
    let must_count = if body.refused.is_empty() { args.key.as_slice() } else { &[] };
    ceremony::sign_with(&mut proposed, must_count, &keys, SEE_KEYS)?;
    if let Some(file) = &args.ceremony {
        body.tell_refused(terminal);
        ceremony::describe(&proposed, false, terminal)?;
        ceremony::pass_on(&proposed, file, terminal)?;
        pins::keep(files(), proposed.base(), terminal);
        return Ok(body.exit_code());
    }
    ceremony::install(&proposed, &view.snapshot, workspace)?;
    pins::keep(files(), proposed.result(), terminal);
    body.signed(&proposed, trust, &pending);
    body.show(terminal)
}

/// Returns the hint for releases that these keys must not sign.
fn hint(refused: &Refused) -> &'static str {
    match refused {
        Refused::BothSides { .. } | Refused::OtherDuty { .. } | Refused::Stranger { .. } => {
            "give a release key of another line, if there is one (`tidegate key list`); afterwards, you can give this line its own key: `tidegate root change FILE --add release:LINE=NEW.pem --drop release:LINE=KEYID`"
        }
        Refused::TooLarge { .. } => TOO_LARGE,
        Refused::Expired { .. } => "renew that role first: `tidegate root change --renew ROLE --key FILE`",
        _ => SEE_ROLES,
    }
}

/// Returns the hint for releases that cannot be put into the role of their line.
fn proposal_hint(error: &CeremonyError) -> &'static str {
    match error {
        CeremonyError::Manifest { .. } => {
            "sign all pending releases in one run, without naming any; if that release is refused too, mend what is said about it, or put the file back, for example from a mirror or another server, which has it as `/v1/releases/VERSION`; if it is lost for good, and neither the catalog nor an index has the release, give `--drop VERSION`: if it was a barrier, clusters may then jump it"
        }
        CeremonyError::Unread { .. } => ceremony::UNREAD,
        _ => "restore `trust/` as it was",
    }
}

const SEE_KEYS: &str = "see which keys count for which lines: `tidegate key list`";

/// Returns the releases to sign. Records in `body` those that cannot be signed.
fn pending<'v>(
    view: &'v View,
    ask: &'v Sign,
    trust: &Trust,
    now: Time,
    body: &mut Body,
) -> anyhow::Result<Lines<'v>> {
    let found = sign::pending(&view.catalog, ask, &Before { view, trust }, now);
    let mut lines = Lines::new();
    for pending in found.map_err(|refused| operation::looked_up(&refused, view))? {
        let (signs_role, Pending { line, versions, refused, reindexes, .. }) =
            (pending.signs_role(), pending);
        for (version, obstacle) in refused {
            body.refuse(line, Some(version), words::obstacle(&obstacle));
        }
        if reindexes {
            body.indexed.push(line.name.clone());
        }
        if signs_role || !versions.is_empty() {
            lines.push((line, versions));
        }
    }
    Ok(lines)
}

impl Args {
    /// Returns why the given keys are not enough to sign for a line (and to delegate it, if it is new),
    /// with a hint. Signs nothing.
    fn lacking(
        &self,
        (stored, now): (Stored<'_>, Time),
        trust: &Trust,
        (line, versions): (&Line, &[Version]),
        release: &[PublicKey],
        keys: &[Box<dyn Signer>],
    ) -> Option<(String, &'static str)> {
        let pending = [(line, versions.to_vec())];
        let form = |manifest: &mut _| self.form(manifest);
        let proposed = match propose_releases(trust, &pending, release, stored, &self.drop, now, form) {
            Ok(proposed) => proposed,
            Err(error) => return Some((chain(&error), proposal_hint(&error))),
        };
        if let Err(refused) = proposed.check(now) {
            return Some((chain(&refused), hint(&refused)));
        }
        let keyids: Vec<_> = keys.iter().map(|key| key.id()).collect();
        let Shortfall { id, threshold, given, .. } = proposed.shortfalls(&keyids).into_iter().next()?;
        let line = &line.name;
        Some(match (id, given) {
            (DocumentId::Targets, _) if self.targets_key.is_none() => (
                format!("line `{line}` is new, and nobody may sign its releases yet"),
                "give the targets key too: `--targets-key FILE`",
            ),
            (DocumentId::Targets, 0) => {
                let (file, key) = self.targets_key.iter().zip(keys.last()).next()?;
                let whose = whose_key(&proposed, file, key.id());
                (format!("{whose}, and not one of the targets keys that the root names"), SEE_KEYS)
            }
            (_, 0) => {
                let whose = whose_key(&proposed, &self.key[0], keys[0].id());
                (format!("{whose}, and not one of line `{line}`'s release keys"), SEE_KEYS)
            }
            (id, _) => {
                let (what, keys) = match id {
                    DocumentId::Targets => ("a new line".to_owned(), "targets"),
                    _ => (format!("line `{line}`"), "release"),
                };
                (
                    format!("{what} needs the signatures of {threshold} {keys} keys, not just {given}"),
                    "give the other keys too (`--key`), or write a ceremony to pass on to their keepers: `--ceremony FILE`",
                )
            }
        })
    }

    fn form(&self, manifest: &mut ReleaseManifest) {
        let reason = self.reason.as_deref().unwrap_or_default();
        for Forward { stage, earliest } in &self.not_before {
            // Releases that cannot be brought forward have been refused already.
            let _ = manifest.bring_forward(stage, *earliest, reason);
        }
    }
}
