//! `tidegate ceremony`.

mod finish;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use super::failure::{Hint, refuse};
use super::keyfile;
use super::passphrase;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::formats::tuf::{KeyId, Root};
use crate::signing::ceremony::Ceremony;
use crate::signing::{Signed, Signer};
use crate::store::durable::{self, Mode};

pub use finish::{finish, finish_locked};
pub use words::{describe, short};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say what a ceremony changes, who has signed, and who is missing
    Show(ShowArgs),
    /// Sign what is in a ceremony with the keys that you keep
    Sign(SignArgs),
    /// Publish what all have signed: write it into the catalog
    Finish(FinishArgs),
}

/// Say what a ceremony changes, who has signed, and who is missing
///
/// Needs nothing but the file: no catalog, no network.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The ceremony's file
    file: PathBuf,
}

/// Sign what is in a ceremony with the keys that you keep
///
/// Shows what will be signed, asks, and writes the signatures into the file, which then goes to the
/// next keeper. Needs nothing but the file: no catalog, no network.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate ceremony sign rotate.json --key /media/vault/root.pem --root /media/vault/1.root.json
  tidegate ceremony sign rotate.json --key public.pem --sign-with 'pkcs11-sign --slot 1'")]
pub struct SignArgs {
    /// The ceremony's file
    file: PathBuf,
    /// A key to sign with
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// A root that you have kept: the roots in the file must lead on from it
    #[arg(long, value_name = "N.root.json")]
    root: Option<PathBuf>,
    /// Sign without being asked
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
}

/// Publish what all have signed: write it into the catalog
///
/// Refuses what clients would refuse, and what was begun from other keys than the catalog has now.
/// Where a run was cut short, the next one completes it.
#[derive(Debug, clap::Args)]
pub struct FinishArgs {
    /// The ceremony's file
    file: PathBuf,
}

#[derive(Debug, Serialize)]
struct FinishBody {
    /// Below the catalog, or `payloads/…`; nothing where all of it was there already.
    written: Vec<String>,
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(args) => show(args, workspace, terminal),
        Command::Sign(args) => sign(args, workspace, terminal),
        Command::Finish(args) => {
            let ceremony = read(&args.file)?;
            let written = finish(&ceremony, workspace, terminal)?;
            // What was cut short in between is completed by the next run.
            if let Some(retirement) = &ceremony.retires {
                super::line::end(retirement, workspace, terminal)?;
            } else {
                terminal.show(&FinishBody { written }, String::new)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show(args: &ShowArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let ceremony = read(&args.file)?;
    describe(&ceremony, terminal)?;
    if let Err(error) = ceremony.check(workspace.now()) {
        return Err(error).hint(words::NEVER_SIGN);
    }
    next(&ceremony, &args.file, terminal);
    Ok(ExitCode::SUCCESS)
}

fn sign(args: &SignArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let mut ceremony = read(&args.file)?;
    ceremony.check(workspace.now()).hint(words::NEVER_SIGN)?;
    if let Some(path) = &args.root {
        let raw = fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let own: Signed<Root> =
            Signed::parse(Bytes::from(raw)).with_context(|| format!("`{}` is not a root", path.display()))?;
        if !ceremony.follows_from(&own) {
            return Err(refuse(
                format!("the roots in `{}` do not lead on from `{}`", args.file.display(), path.display()),
                "sign nothing: the file is of another repository, or somebody forged its roots",
            ));
        }
    }
    describe(&ceremony, terminal)?;
    // Nobody is asked about what they have not seen.
    terminal.flush().context("what would be signed could not be shown")?;
    if !args.yes && !passphrase::confirmed("sign this?")? {
        return Err(refuse("nothing was signed", "ask whoever sent you the file"));
    }
    let mut keyring = args.signing.keyring();
    let keys = keyring.signers(&args.key)?;
    for (path, key) in args.key.iter().zip(&keys) {
        if !ceremony.documents().iter().any(|document| document.counts(key.id())) {
            return Err(refuse(
                format!("the key `{}` (`{}`) counts for nothing in this ceremony", path.display(), key.id()),
                format!("see whose keys do: `tidegate ceremony show {}`", args.file.display()),
            ));
        }
    }
    let signed = sign_with_all(&mut ceremony, &keys)?;
    for (path, keyid) in &signed {
        terminal.note(format_args!("signed `{path}` with `{}`", short(*keyid)));
    }
    if signed.is_empty() {
        terminal.note(if ceremony.is_complete() {
            "nothing is left to sign with these keys"
        } else {
            "nothing can be signed with these keys now: if a line waits for its manifests, the file comes back to you when others have signed those"
        });
    } else {
        write(&ceremony, &args.file)?;
    }
    next(&ceremony, &args.file, terminal);
    Ok(ExitCode::SUCCESS)
}

/// Says what comes next.
pub fn next(ceremony: &Ceremony, file: &Path, terminal: &mut Terminal<'_>) {
    let file = file.display();
    if ceremony.is_complete() {
        terminal.note(format_args!(
            "enough have signed; next: `tidegate ceremony finish {file}`, where the catalog is"
        ));
    } else {
        terminal.note(format_args!(
            "next: pass `{file}` on to a keeper who is missing: `tidegate ceremony sign {file} --key KEY`"
        ));
    }
}

/// Reads a ceremony from its file.
pub fn read(file: &Path) -> anyhow::Result<Ceremony> {
    let text = fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    Ceremony::read(&text)
        .with_context(|| format!("`{}` cannot be used", file.display()))
        .hint("get it again from whoever began the ceremony")
}

/// Writes a ceremony into its file.
pub fn write(ceremony: &Ceremony, file: &Path) -> anyhow::Result<()> {
    durable::write(file, &ceremony.file()?, Mode::Keep)?;
    Ok(())
}

/// Writes a new ceremony, and never over another one.
pub fn write_new(ceremony: &Ceremony, file: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(file).is_ok() {
        return Err(refuse(
            format!("`{}` is there already", file.display()),
            "name another file, or remove that one if nobody goes on with its ceremony",
        ));
    }
    write(ceremony, file)
}

/// Signs with each of the keys all that they count for: twice around, since the role of a line is
/// signed when its manifests are complete. Gives what was signed, and by which key.
pub fn sign_with_all(
    ceremony: &mut Ceremony,
    keys: &[Box<dyn Signer>],
) -> anyhow::Result<Vec<(String, KeyId)>> {
    let mut signed = Vec::new();
    for key in keys.iter().chain(keys) {
        signed.extend(ceremony.sign(key.as_ref())?.into_iter().map(|path| (path, key.id())));
    }
    Ok(signed)
}
