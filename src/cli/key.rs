//! `tidegate key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::init::resolve;
use super::keyfile::{self, KeyFile};
use super::passphrase::PassphraseSource;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::{View, Workspace};
use crate::formats::tuf::KeyId;
use crate::formats::tuf::names;
use crate::signing::PrivateKey;
use crate::signing::trust::Trust;
use crate::store::durable::{self, Mode};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Generate a new key
    Generate(GenerateArgs),
    /// List keys and what they sign
    List(ListArgs),
    /// Write the public half of a key into a file
    Public(PublicArgs),
    /// Change the passphrase of a key
    Passphrase(PassphraseArgs),
}

/// Generate a new key
///
/// Writes an Ed25519 private key as PKCS#8 PEM, encrypted with a passphrase and readable only by its owner,
/// and prints its public half. The key does not count until you add it to a role: `tidegate root change`. A
/// key in the state folder is not encrypted, because a server cannot enter a passphrase.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// The new file; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not encrypt the key; for machines such as CI
    #[arg(long)]
    no_encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Write the public half of a key into a file
///
/// Give this file to others, for `root change --add` or to verify signatures.
#[derive(Debug, clap::Args)]
pub struct PublicArgs {
    /// The key
    file: PathBuf,
    /// The new file; by default stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Change the passphrase of a key
///
/// Asks for the current passphrase, if the key has one, and then for the new one. The key stays the same.
#[derive(Debug, clap::Args)]
pub struct PassphraseArgs {
    /// The key
    file: PathBuf,
    /// Remove the passphrase; for machines such as CI
    #[arg(long)]
    no_encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// List keys and what they sign
///
/// Without files, lists every key that the catalog's `trust/` names, and the server's own key.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Files with private or public keys
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct GenerateBody {
    keyid: KeyId,
    file: PathBuf,
    /// In PEM form.
    public: String,
}

#[derive(Debug, Serialize)]
struct ListBody {
    keys: Vec<KeyBody>,
}

#[derive(Debug, Serialize)]
struct KeyBody {
    /// `None` if the file is encrypted and has no public half.
    keyid: Option<KeyId>,
    /// The roles that the key signs for.
    roles: Vec<String>,
    file: Option<PathBuf>,
    /// Whether the file has a private key protected by a passphrase.
    encrypted: bool,
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate(args) => generate(&args, workspace, terminal)?,
        Command::List(args) => list(&args, workspace, terminal)?,
        Command::Public(args) => public(&args, terminal)?,
        Command::Passphrase(args) => change_passphrase(&args, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn generate(args: &GenerateArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    keyfile::refuse_to_replace(&args.out)?;
    let key = PrivateKey::generate()?;
    let online = resolve(&args.out)?.starts_with(resolve(&workspace.state)?);
    let plain = args.no_encrypt || online;
    keyfile::write(&args.out, &key, (!plain).then_some(&mut args.passphrase.passphrases()))?;
    let body = GenerateBody { keyid: key.id(), file: args.out.clone(), public: key.public().to_pem()? };
    terminal.show(&body, || format!("{}\n{}", body.keyid, body.public))?;
    if plain && !online {
        not_encrypted(&args.out, terminal);
    }
    Ok(())
}

fn not_encrypted(file: &Path, terminal: &mut Terminal<'_>) {
    terminal.note(format_args!(
        "warning: the private key in `{}` is NOT encrypted: keep it where only its owner can read it",
        file.display()
    ));
}

fn public(args: &PublicArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let file = KeyFile::read(&args.file)?;
    let key = match file.public() {
        Some(key) => key,
        None => file.private(&args.file, &mut args.passphrase.passphrases())?.public(),
    };
    let pem = key.to_pem()?;
    let file = args.out.clone().unwrap_or_else(|| args.file.clone());
    let body = GenerateBody { keyid: key.id(), file, public: pem.clone() };
    if let Some(out) = &args.out {
        keyfile::refuse_to_replace(out)?;
        durable::write(out, pem.as_bytes(), Mode::Keep)?;
        terminal.show(&body, || body.keyid.to_string())?;
    } else {
        terminal.show(&body, || pem)?;
    }
    Ok(())
}

fn change_passphrase(args: &PassphraseArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let mut passphrases = args.passphrase.passphrases();
    let key = keyfile::read(&args.file, &mut passphrases)?;
    keyfile::rewrite(&args.file, &key, (!args.no_encrypt).then_some(&mut passphrases))?;
    let (keyid, file) = (Some(key.id()), Some(args.file.clone()));
    let key = KeyBody { keyid, roles: Vec::new(), file, encrypted: !args.no_encrypt };
    terminal.show(&ListBody { keys: vec![key] }, String::new)?;
    if args.no_encrypt {
        not_encrypted(&args.file, terminal);
    } else {
        let file = args.file.display();
        terminal.note(format_args!(
            "`{file}` has a new passphrase; other copies of the key still have the old one"
        ));
    }
    Ok(())
}

fn list(args: &ListArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    // Keys in files can be listed without a catalog.
    let wanted = args.files.is_empty() || workspace.catalog.is_dir();
    let view = wanted.then(|| workspace.read()).transpose()?;
    let trust = view.as_ref().map(View::usable_trust).transpose()?.flatten();
    let all = trust.map(roles).unwrap_or_default();
    let body = |keyid: Option<KeyId>, file: Option<PathBuf>, encrypted| {
        let signs = |keyids: &[KeyId]| keyid.is_some_and(|keyid| keyids.contains(&keyid));
        let roles = all.iter().filter(|(_, keyids)| signs(keyids)).map(|(role, _)| (*role).to_owned());
        KeyBody { keyid, roles: roles.collect(), file, encrypted }
    };
    let server = if args.files.is_empty() { workspace.state_store().keys()? } else { Vec::new() };
    let mut keys = Vec::new();
    for path in args.files.iter().chain(server.iter().map(|held| &held.place)) {
        let file = KeyFile::read(path)?;
        let encrypted = matches!(file, KeyFile::Encrypted(..));
        keys.push(body(file.public().map(|key| key.id()), Some(path.clone()), encrypted));
    }
    if args.files.is_empty() {
        for keyid in all.iter().flat_map(|(_, keyids)| *keyids) {
            if !keys.iter().any(|key| key.keyid == Some(*keyid)) {
                keys.push(body(Some(*keyid), None, false));
            }
        }
    }
    let mut table = Table::new(["KEY", "SIGNS", "FILE"]);
    for key in &keys {
        let encrypted = if key.encrypted { " (encrypted)" } else { "" };
        let file = key.file.as_ref().map(|file| format!("{}{encrypted}", file.display()));
        let keyid = key.keyid.map_or_else(|| "unknown".to_owned(), |keyid| keyid.to_string());
        table.row([keyid, key.roles.join(", "), file.unwrap_or_default()]);
    }
    let none = "the catalog has no keys yet: `tidegate init --offline-keys DIR`";
    terminal.table(&ListBody { keys }, &table, none)
}

/// Every role with its keys; the roles of lines come last.
fn roles(trust: &Trust) -> Vec<(&str, &[KeyId])> {
    let root = trust.root().signed();
    let mut roles = vec![
        ("root", root.root().keyids),
        ("targets", root.targets().keyids),
        ("snapshot", root.snapshot().keyids),
        ("timestamp", root.timestamp().keyids),
    ];
    let delegated = trust.targets().signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    roles.extend(delegated.map(|role| (role.name.as_str(), role.keyids.as_slice())));
    roles.sort_by_key(|(role, _)| names::line_of(role).is_some());
    roles
}
