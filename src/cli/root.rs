//! `tidegate root`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::ceremony::{self, SEE_ROLES, pins};
use super::failure::Hint;
use super::keyfile;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::{View, Workspace};
use crate::domain::{Time, rfc3339};
use crate::formats::tuf::KeyId;
use crate::signing::ceremony::{CeremonyError, KeyChange, Refused, RoleName, change_keys, role_keys};
use crate::signing::trust::Trust;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the roles with their keys, thresholds and expiries
    Show,
    /// Begin a change of keys or thresholds, or a renewal of roles
    Change(Box<ChangeArgs>),
}

/// Begin a change of keys or thresholds, or a renewal of roles
///
/// Writes a ceremony to FILE. Pass FILE from keeper to keeper (`ceremony sign`), then publish the change
/// (`ceremony finish`). Without FILE, the given keys must be enough, and the change is published at once.
/// The roles are `root`, `targets`, `online`, `release` (of every line) and `release:LINE`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate root change rotate.json --add root=new.pem --drop root=3fa1c2 --reason 'Ada leaves'
  tidegate root change two.json --add release=ben.pem --threshold release=2
  tidegate root change --renew root --renew targets --key root.pem --key targets.pem")]
pub struct ChangeArgs {
    /// The new file for the ceremony
    file: Option<PathBuf>,
    /// Add a key to a role; name the file with its public half
    #[arg(long, value_name = "ROLE=PUBLIC.pem", value_parser = pair::<PathBuf>)]
    add: Vec<(RoleName, PathBuf)>,
    /// Drop a key from a role, by its id or a prefix of its id
    #[arg(long, value_name = "ROLE=KEYID", value_parser = pair::<String>)]
    drop: Vec<(RoleName, String)>,
    /// How many of a role's keys must sign
    #[arg(long, value_name = "ROLE=N", value_parser = pair::<u64>)]
    threshold: Vec<(RoleName, u64)>,
    /// Sign a role again with the same keys, for another term
    #[arg(long, value_name = "ROLE")]
    renew: Vec<RoleName>,
    /// The reason, shown to the keepers who are asked to sign
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// A key to sign with at once
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    #[command(flatten)]
    signing: keyfile::SigningArgs,
}

fn pair<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    text: &str,
) -> Result<(RoleName, T), Box<dyn std::error::Error + Send + Sync>> {
    let (role, value) = text.split_once('=').ok_or("expected `ROLE=VALUE`")?;
    Ok((role.parse()?, value.parse()?))
}

#[derive(Debug, Serialize)]
struct Body {
    roles: Vec<RoleBody>,
}

#[derive(Debug, Serialize)]
struct RoleBody {
    role: RoleName,
    version: Option<u64>,
    threshold: u64,
    keys: Vec<KeyId>,
    /// `None` for online roles, which the server renews automatically.
    expires: Option<Time>,
}

pub fn run(command: Command, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let view = workspace.read()?;
    match command {
        Command::Show => show(ceremony::keys_of(&view)?, terminal)?,
        Command::Change(args) => change(*args, &view, workspace, terminal)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(trust: &Trust, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let (root, targets) = (trust.root().signed(), trust.targets().signed());
    let mut roles = Vec::new();
    for (role, keys) in role_keys(root, targets) {
        let of = match &role {
            RoleName::Root => Some((root.version, root.expires)),
            RoleName::Targets => Some((targets.version, targets.expires)),
            RoleName::Online | RoleName::Release(None) => None,
            RoleName::Release(Some(line)) => {
                trust.line(line).map(|role| (role.signed().version, role.signed().expires))
            }
        };
        roles.push(RoleBody {
            role,
            version: of.map(|of| of.0),
            threshold: keys.threshold,
            keys: keys.keys.into_keys().collect(),
            expires: of.map(|of| of.1),
        });
    }
    let mut table = Table::new(["ROLE", "VERSION", "EXPIRES", "NEEDS", "KEYS"]);
    for role in &roles {
        table.row([
            role.role.to_string(),
            role.version.map(|version| version.to_string()).unwrap_or_default(),
            role.expires.map(rfc3339).unwrap_or_default(),
            format!("{} of {}", role.threshold, role.keys.len()),
            ceremony::list(&role.keys),
        ]);
    }
    terminal.table(&Body { roles }, &table, "there are no roles")
}

fn change(
    args: ChangeArgs,
    view: &View,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let ChangeArgs { file, add, drop, threshold, renew, reason, key, signing } = args;
    let add = add.into_iter().map(|(role, path)| Ok((role, keyfile::read_public(&path)?)));
    let change = KeyChange { add: add.collect::<anyhow::Result<_>>()?, drop, threshold, renew };
    let stored = workspace.manifests(&view.snapshot);
    let begun = change_keys(ceremony::keys_of(view)?, &change, &stored, workspace.now());
    let mut ceremony = begun.hint_with(hint)?;
    ceremony.reason = reason;
    ceremony.check(workspace.now()).hint_with(|refused| match refused {
        Refused::Unreachable { threshold: 0, .. } => "let at least one key sign: `--threshold ROLE=1`",
        Refused::Unreachable { .. } => {
            "add a key in the same step, or lower the threshold: `--threshold ROLE=N`"
        }
        _ => SEE_ROLES,
    })?;
    let keys = signing.signers(&key)?;
    pins::check(&key, &ceremony)?;
    ceremony::sign_with(&mut ceremony, &key, &keys, SEE_ROLES)?;
    ceremony::describe(&ceremony, false, terminal)?;
    terminal.notes(keeps_old_keys(&change));
    if let Some(file) = &file {
        ceremony::pass_on(&ceremony, file, terminal)?;
        pins::keep(&key, ceremony.base(), terminal);
        return Ok(());
    }
    ceremony::finish(&ceremony, workspace, terminal)?;
    pins::keep(&key, ceremony.result(), terminal);
    Ok(())
}

/// Warns about roles that get a key and lose none: whoever has an old key can go on signing with it.
fn keeps_old_keys(change: &KeyChange) -> Vec<String> {
    let kept = |role: &RoleName| {
        let covers = |dropped: &RoleName| {
            dropped == role || *dropped == RoleName::Release(None) && matches!(role, RoleName::Release(_))
        };
        !change.drop.iter().any(|(dropped, _)| covers(dropped))
    };
    let roles: BTreeSet<&RoleName> =
        change.add.iter().map(|(role, _)| role).filter(|role| kept(role)).collect();
    let warning = |role: &RoleName| {
        format!(
            "warning: the old keys of role `{role}` still count; if the new key is to replace one of them, drop that one in the same step: `--drop {role}=KEYID`"
        )
    };
    roles.into_iter().map(warning).collect()
}

fn hint(error: &CeremonyError) -> &'static str {
    match error {
        CeremonyError::Nothing => "say what to change: `--add`, `--drop`, `--threshold` or `--renew`",
        CeremonyError::Manifest { .. } => ceremony::LOST_MANIFEST,
        CeremonyError::Unread { .. } => ceremony::UNREAD,
        CeremonyError::Broken { .. } => "restore `trust/` as it was",
        _ => SEE_ROLES,
    }
}
