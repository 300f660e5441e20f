//! `tidegate key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::keyfile;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::Workspace;
use crate::formats::tuf::{KeyId, names::CHANNELS};
use crate::promoter::State;
use crate::signing::PrivateKey;
use crate::signing::trust::Trust;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a new key
    Generate(GenerateArgs),
    /// List keys, with what they sign
    List(ListArgs),
}

/// Make a new key
///
/// Writes an Ed25519 private key as PKCS#8 PEM, for its owner alone, and prints its public half. It
/// signs nothing until a role names it.
#[derive(Debug, clap::Args)]
pub struct GenerateArgs {
    /// The new file; nothing is written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// List keys, with what they sign
///
/// Without files: every key that the catalog's `trust/` names, and the server's own.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Files with private or public keys
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct GenerateBody {
    keyid: KeyId,
    file: PathBuf,
    /// PEM.
    public: String,
}

#[derive(Debug, Serialize)]
struct ListBody {
    keys: Vec<KeyBody>,
}

#[derive(Debug, Serialize)]
struct KeyBody {
    keyid: KeyId,
    /// The roles that it signs.
    roles: Vec<String>,
    file: Option<PathBuf>,
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Generate(args) => generate(args, terminal),
        Command::List(args) => list(args, workspace, terminal),
    }
}

fn generate(args: &GenerateArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let key = PrivateKey::generate()?;
    keyfile::write(&args.out, &key)?;
    let body = GenerateBody { keyid: key.id(), file: args.out.clone(), public: key.public().to_pem()? };
    terminal.show(&body, || format!("{}\n{}", body.keyid, body.public))?;
    terminal.note(format_args!(
        "warning: the private key in `{}` is NOT encrypted: keep it where only its holder reads it",
        args.out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    // Keys can be looked at where there is no catalog.
    let view =
        if args.files.is_empty() || workspace.catalog.is_dir() { Some(workspace.read()?) } else { None };
    let trust = match &view {
        Some(view) => view.usable_trust()?,
        None => None,
    };
    let mut keys = Vec::new();
    let of = |path: &Path| -> anyhow::Result<KeyBody> {
        let keyid = keyfile::read_public(path)?.id();
        let roles = trust.map(|trust| roles(trust, keyid)).unwrap_or_default();
        Ok(KeyBody { keyid, roles, file: Some(path.to_owned()) })
    };
    for path in &args.files {
        keys.push(of(path)?);
    }
    if args.files.is_empty() {
        let online = State::new(&workspace.state).online_key_path();
        if online.is_file() {
            keys.push(of(&online)?);
        }
        for keyid in trust.map(keyids).unwrap_or_default() {
            if !keys.iter().any(|key| key.keyid == keyid) {
                let roles = trust.map(|trust| roles(trust, keyid)).unwrap_or_default();
                keys.push(KeyBody { keyid, roles, file: None });
            }
        }
    }
    let mut table = Table::new(["KEY", "SIGNS", "FILE"]);
    for key in &keys {
        let file = key.file.as_ref().map(|file| file.display().to_string());
        table.row([key.keyid.to_string(), key.roles.join(", "), file.unwrap_or_default()]);
    }
    let none = "the catalog has no keys yet: `tidegate init --offline-keys DIR`";
    terminal.table(&ListBody { keys }, &table, none)?;
    Ok(ExitCode::SUCCESS)
}

/// Every key that has a role.
fn keyids(trust: &Trust) -> Vec<KeyId> {
    let root = trust.root().signed();
    let delegated = trust.targets().signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    let top = [root.root(), root.targets(), root.snapshot(), root.timestamp()];
    let mut keyids: Vec<KeyId> = top.into_iter().flat_map(|role| role.keyids).copied().collect();
    keyids.extend(delegated.flat_map(|role| &role.keyids));
    let mut seen = std::collections::BTreeSet::new();
    keyids.retain(|keyid| seen.insert(*keyid));
    keyids
}

/// The roles that a key signs.
fn roles(trust: &Trust, keyid: KeyId) -> Vec<String> {
    let root = trust.root().signed();
    let top = [
        ("root", root.root()),
        ("targets", root.targets()),
        ("snapshot", root.snapshot()),
        ("timestamp", root.timestamp()),
    ];
    let top =
        top.into_iter().filter(|(_, role)| role.keyids.contains(&keyid)).map(|(name, _)| name.to_owned());
    let delegated = trust.targets().signed().delegations.iter().flat_map(|delegations| &delegations.roles);
    let delegated = delegated.filter(|role| role.keyids.contains(&keyid)).map(|role| role.name.clone());
    let mut roles: Vec<String> = top.chain(delegated).collect();
    // The server's three stand together.
    roles.sort_by_key(|role| role != CHANNELS && role.starts_with("releases-"));
    roles
}
