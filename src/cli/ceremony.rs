//! `tidegate ceremony`, and the ceremonies of other commands that sign.

mod finish;
pub mod pins;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::failure::{Hint, refuse};
use super::keyfile;
use super::passphrase;
use super::terminal::Terminal;
use super::verify::source::parse_root;
use super::workspace::{View, Workspace};
use crate::formats::tuf::{KeyId, Targets};
use crate::signing::ceremony::{Ceremony, DocumentId, Held};
use crate::signing::trust::Trust;
use crate::signing::{Signed, Signer};
use crate::store::durable::{self, Mode};
use crate::store::plain;

pub use finish::{finish, install};
pub use words::{LOST_MANIFEST, SEE_ROLES, TOO_LARGE, UNREAD, describe, list, short, whose_key};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show what a ceremony changes, who has signed, and who is missing
    Show(ShowArgs),
    /// Sign a ceremony with the keys that you keep
    Sign(SignArgs),
    /// Write a fully signed ceremony to the catalog
    Finish(FinishArgs),
}

/// Show what a ceremony changes, who has signed, and who is missing
///
/// Needs only the file: no catalog, no network.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The file of the ceremony
    file: PathBuf,
}

/// Sign a ceremony with the keys that you keep
///
/// Shows what will be signed, asks for confirmation, and writes the signatures into the file. Then pass the
/// file on to the next keeper. Needs no catalog and no network.
///
/// The file brings the roots and roles that it changes, and whoever sent it could have forged them. They
/// are compared with the pin beside the key (`KEY.pin.json`), which holds what the key last signed under,
/// and with `--root` and `--targets`. Without a pin or both of these, all keys are shown in full, and only
/// `unchecked` confirms: a root alone does not show whether the keys of the lines are the newest. A ceremony
/// that founds a repository needs none of them where `tidegate init` has begun it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate ceremony sign rotate.json --key /media/vault/root.pem --root 1.root.json --targets targets.json
  tidegate ceremony sign rotate.json --key public.pem --sign-with 'pkcs11-sign --slot 1'")]
pub struct SignArgs {
    /// The file of the ceremony
    file: PathBuf,
    /// A key to sign with
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// A root that you have kept; the roots in the file must lead on from it
    #[arg(long, value_name = "N.root.json")]
    root: Option<PathBuf>,
    /// The newest `trust/targets.json` that you know; the file must begin from it or a later one
    #[arg(long, value_name = "FILE", requires = "root")]
    targets: Option<PathBuf>,
    /// Sign without asking; needs a pin beside the key, or `--root` and `--targets`
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
}

/// Write a fully signed ceremony to the catalog
///
/// Refuses documents that clients would refuse, and a ceremony that did not begin from the catalog's
/// current keys. If a run is interrupted, run it again to complete it.
#[derive(Debug, clap::Args)]
pub struct FinishArgs {
    /// The file of the ceremony
    file: PathBuf,
    /// A key that is at hand, whose pin moves on to the new root
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct FinishBody {
    /// Paths below the catalog, or `payloads/…`; empty if everything was there already.
    written: Vec<String>,
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(args) => show(&args, workspace, terminal)?,
        Command::Sign(args) => sign(&args, workspace, terminal)?,
        Command::Finish(args) => {
            args.key.iter().try_for_each(|path| keyfile::check_path(path))?;
            let ceremony = read(&args.file)?;
            pins::check_finished(&args.key, &ceremony)?;
            let written = finish(&ceremony, workspace, terminal)?;
            pins::keep(&args.key, ceremony.result(), terminal);
            if ceremony.retires().is_none() {
                terminal.show(&FinishBody { written }, String::new)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The way out where nothing shows that the roots and roles in a file are real. A new repository has no root
/// yet.
fn way_out(ceremony: &Ceremony) -> &'static str {
    if ceremony.founds() {
        "sign where `tidegate init` has begun the ceremony"
    } else {
        "name a root and a targets role that you have kept: `--root N.root.json --targets targets.json`"
    }
}

fn show(args: &ShowArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let ceremony = read(&args.file)?;
    describe(&ceremony, true, terminal)?;
    ceremony.check(workspace.now()).hint(words::NEVER_SIGN)?;
    next(&ceremony, &args.file, terminal);
    Ok(())
}

fn sign(args: &SignArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let mut ceremony = read(&args.file)?;
    ceremony.check(workspace.now()).hint(words::NEVER_SIGN)?;
    let is_compared = is_compared(args, &ceremony, workspace)?;
    describe(&ceremony, !is_compared, terminal)?;
    // The keeper must see what would be signed before the question appears.
    terminal.flush().context("cannot show what would be signed")?;
    let agreed = match (is_compared, args.yes) {
        (true, true) => true,
        (true, false) => {
            let hint = "read what is shown, then pass `--yes` to sign it";
            passphrase::confirmed("sign this?", "yes", hint)?
        }
        (false, true) => {
            let file = args.file.display();
            return Err(refuse(
                format!(
                    "cannot sign `{file}` unseen: nothing shows that the roots and roles in it are real and not old"
                ),
                format!(
                    "{}; or sign without `--yes`, and compare all keys and thresholds with those that you know",
                    way_out(&ceremony)
                ),
            ));
        }
        (false, false) => {
            let way_out = way_out(&ceremony);
            terminal.note(format_args!(
                "warning: nothing shows that the roots and roles in this file are real and not old; compare all keys and thresholds above with those that you know, or {way_out}",
            ));
            passphrase::confirmed("sign what was not checked?", "unchecked", way_out)?
        }
    };
    if !agreed {
        return Err(refuse("nothing was signed", "ask the person who sent you the file"));
    }
    let keys = args.signing.signers(&args.key)?;
    let see = format!("see which keys count: `tidegate ceremony show {}`", args.file.display());
    let signed = sign_with(&mut ceremony, &args.key, &keys, &see)?;
    for (document, keyid) in &signed {
        terminal.note(format_args!("signed `{document}` with `{}`", short(*keyid)));
    }
    if signed.is_empty() {
        terminal.note(if ceremony.is_complete() {
            "these keys have nothing left to sign"
        } else {
            "these keys cannot sign anything yet: others must first sign a line's manifests, and then return the file to you"
        });
    } else {
        write(&ceremony, &args.file)?;
        pins::keep(&args.key, ceremony.base(), terminal);
    }
    next(&ceremony, &args.file, terminal);
    Ok(())
}

/// Compares a ceremony with what the keeper holds: the pins beside the keys, and what was named. Returns
/// whether the root and the targets role could both be compared. To found a repository, what `init` has made
/// on this machine does as well.
fn is_compared(args: &SignArgs, ceremony: &Ceremony, workspace: &Workspace) -> anyhow::Result<bool> {
    let is_pinned = pins::check(&args.key, ceremony)?;
    if let Some(path) = &args.root {
        let raw = plain::whole(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let targets = args.targets.as_deref().map(read_targets).transpose()?;
        let held = Held::kept(parse_root(&path.display().to_string(), raw.into())?, targets);
        let (file, path) = (args.file.display(), path.display());
        ceremony
            .leads_on_from(&held)
            .with_context(|| format!("the roots and roles in `{file}` do not lead on from `{path}`"))
            .hint(
                "do not sign: the file belongs to another repository, is out of date, or somebody forged it",
            )?;
    }
    Ok(is_pinned || args.targets.is_some() || pins::has_begun_here(ceremony, workspace))
}

fn read_targets(path: &Path) -> anyhow::Result<Signed<Targets>> {
    let raw = plain::whole(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Signed::parse(raw.into())
        .with_context(|| format!("`{}` is not a targets role", path.display()))
        .hint("name the `targets.json` that you have kept, from `trust/` of the catalog")
}

/// Returns the catalog's keys and roles, or an error if it has none.
pub fn keys_of(view: &View) -> anyhow::Result<&Trust> {
    view.usable_trust()?.ok_or_else(|| {
        refuse("the catalog has no keys yet", "create a root and keys: `tidegate init --offline-keys DIR`")
    })
}

/// Signs a ceremony with these keys. Each key that comes from one of `files` must count for a document.
/// Returns what was signed, and by which key.
pub fn sign_with(
    ceremony: &mut Ceremony,
    files: &[PathBuf],
    keys: &[Box<dyn Signer>],
    hint: &str,
) -> anyhow::Result<Vec<(DocumentId, KeyId)>> {
    let documents = ceremony.documents();
    let counts = |key: KeyId| documents.iter().any(|document| document.counts(key));
    if let Some((file, key)) = files.iter().zip(keys).find(|(_, key)| !counts(key.id())) {
        let sets: BTreeSet<&str> =
            documents.iter().flat_map(|document| &document.needs).map(|tally| tally.keys).collect();
        let sets: Vec<&str> = sets.into_iter().collect();
        let (whose, sets) = (whose_key(ceremony, file, key.id()), sets.join(" and "));
        return Err(refuse(
            format!("{whose}, and does not count for any document here: {sets} must sign"),
            hint,
        ));
    }
    let keys: Vec<&dyn Signer> = keys.iter().map(AsRef::as_ref).collect();
    Ok(ceremony.sign(&keys)?)
}

/// Says what to do next.
fn next(ceremony: &Ceremony, file: &Path, terminal: &mut Terminal<'_>) {
    let file = file.display();
    if ceremony.is_complete() {
        terminal.note(format_args!(
            "all signatures are complete; next: `tidegate ceremony finish {file}`, where the catalog is"
        ));
    } else {
        terminal.note(format_args!(
            "next: pass `{file}` on to a keeper who has not signed: `tidegate ceremony sign {file} --key KEY`"
        ));
    }
}

/// Reads a ceremony from its file.
fn read(file: &Path) -> anyhow::Result<Ceremony> {
    let text = plain::whole(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ceremony::read(&text)
        .with_context(|| format!("cannot use `{}`", file.display()))
        .hint("ask the person who began the ceremony to send the file again")
}

fn write(ceremony: &Ceremony, file: &Path) -> anyhow::Result<()> {
    durable::write(file, &ceremony.file()?, Mode::Keep)?;
    Ok(())
}

/// Writes a new ceremony into a file for other keepers. Never overwrites a file.
pub fn pass_on(ceremony: &Ceremony, file: &Path, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(refuse(
            format!("`{}` exists already", file.display()),
            "name another file, or remove that one if its ceremony was abandoned",
        ));
    }
    write(ceremony, file)?;
    next(ceremony, file, terminal);
    Ok(())
}
