//! `tidegate root`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::ceremony::{self, short};
use super::failure::{Hint, refuse};
use super::keyfile;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::{View, Workspace};
use crate::domain::rfc3339;
use crate::formats::tuf::{KeyId, names};
use crate::signing::ceremony::{ChangeError, KeyChange, RoleName, change_keys, role_keys};
use crate::signing::trust::Trust;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show the roles with their keys, thresholds and expiries
    Show,
    /// Begin to change keys or thresholds, or to renew roles
    Change(Box<ChangeArgs>),
}

/// Begin to change keys or thresholds, or to renew roles
///
/// Writes a ceremony into FILE, which is then passed from keeper to keeper (`ceremony sign`) and at
/// last published (`ceremony finish`). With all the keys that are needed at hand, no file is: it is
/// published at once. A role is `root`, `targets`, `online`, `release` (of every line) or
/// `release:LINE`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate root change rotate.json --add root=new.pem --drop root=3fa1c2 --reason 'Ada leaves'
  tidegate root change two.json --add release=ben.pem --threshold release=2
  tidegate root change --renew root --renew targets --key root.pem --key targets.pem")]
pub struct ChangeArgs {
    /// The new file of the ceremony
    file: Option<PathBuf>,
    /// Give a role one more key, by the file of its public half
    #[arg(long, value_name = "ROLE=PUBLIC.pem", value_parser = pair::<PathBuf>)]
    add: Vec<(RoleName, PathBuf)>,
    /// Take a key from a role: its id, or how that begins
    #[arg(long, value_name = "ROLE=KEYID", value_parser = pair::<String>)]
    drop: Vec<(RoleName, String)>,
    /// How many of a role's keys must sign
    #[arg(long, value_name = "ROLE=N", value_parser = pair::<u64>)]
    threshold: Vec<(RoleName, u64)>,
    /// Sign a role again with the same keys, for another term
    #[arg(long, value_name = "ROLE")]
    renew: Vec<RoleName>,
    /// Why, for those who are asked to sign
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
    let (role, value) = text.split_once('=').ok_or("`ROLE=VALUE` is wanted")?;
    Ok((role.parse()?, value.parse()?))
}

#[derive(Debug, Serialize)]
struct Body {
    roles: Vec<RoleBody>,
}

#[derive(Debug, Serialize)]
struct RoleBody {
    role: String,
    version: Option<u64>,
    threshold: u64,
    keys: Vec<KeyId>,
    /// RFC 3339. What a server signs it renews by itself.
    expires: Option<String>,
}

pub fn run(
    command: &Command,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let view = workspace.read()?;
    match command {
        Command::Show => show(trust(&view)?, terminal),
        Command::Change(args) => change(args, &view, workspace, terminal),
    }
}

fn trust(view: &View) -> anyhow::Result<&Trust> {
    view.usable_trust()?.ok_or_else(|| {
        refuse("the catalog has no keys yet", "make a root and keys: `tidegate init --offline-keys DIR`")
    })
}

fn show(trust: &Trust, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let (root, targets) = (trust.root().signed(), trust.targets().signed());
    let mut roles = Vec::new();
    for (role, keys) in role_keys(root, targets) {
        let of = match &role {
            RoleName::Root => Some((root.version, root.expires)),
            RoleName::Targets => Some((targets.version, targets.expires)),
            RoleName::Online | RoleName::Release(None) => None,
            RoleName::Release(Some(line)) => {
                let role = trust.releases().get(&names::releases_role(line));
                role.map(|role| (role.signed().version, role.signed().expires))
            }
        };
        roles.push(RoleBody {
            role: role.to_string(),
            version: of.map(|of| of.0),
            threshold: keys.threshold,
            keys: keys.keys.into_keys().collect(),
            expires: of.map(|of| rfc3339(of.1)),
        });
    }
    let mut table = Table::new(["ROLE", "VERSION", "EXPIRES", "NEEDS", "KEYS"]);
    for role in &roles {
        table.row([
            role.role.clone(),
            role.version.map(|version| version.to_string()).unwrap_or_default(),
            role.expires.clone().unwrap_or_default(),
            format!("{} of {}", role.threshold, role.keys.len()),
            role.keys.iter().map(|keyid| short(*keyid)).collect::<Vec<_>>().join(", "),
        ]);
    }
    terminal.table(&Body { roles }, &table, "there are no roles")?;
    Ok(ExitCode::SUCCESS)
}

fn change(
    args: &ChangeArgs,
    view: &View,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let mut add = Vec::new();
    for (role, path) in &args.add {
        add.push((role.clone(), keyfile::read_public(path)?));
    }
    let change = KeyChange {
        add,
        drop: args.drop.clone(),
        threshold: args.threshold.clone(),
        renew: args.renew.clone(),
    };
    let manifest = |version: &_| view.snapshot.manifest(version).cloned();
    let now = workspace.now();
    let begun = change_keys(trust(view)?, &change, &manifest, args.reason.clone(), now);
    let mut ceremony = match begun {
        Ok(ceremony) => ceremony,
        Err(error) => {
            let way = way_out(&error);
            return Err(error).hint(way);
        }
    };
    ceremony.check(now).hint("see the roles and their keys: `tidegate root show`")?;
    let mut keyring = args.signing.keyring();
    let keys = keyring.signers(&args.key)?;
    for (path, key) in args.key.iter().zip(&keys) {
        if !ceremony.documents().iter().any(|document| document.counts(key.id())) {
            return Err(refuse(
                format!("the key `{}` (`{}`) counts for nothing that is changed", path.display(), key.id()),
                "see the roles and their keys: `tidegate root show`",
            ));
        }
    }
    ceremony::sign_with_all(&mut ceremony, &keys)?;
    ceremony::describe(&ceremony, terminal)?;
    match &args.file {
        Some(file) => {
            ceremony::write_new(&ceremony, file)?;
            ceremony::next(&ceremony, file, terminal);
        }
        None if ceremony.is_complete() => drop(ceremony::finish(&ceremony, workspace, terminal)?),
        None => {
            return Err(refuse(
                "these keys are not enough to sign all of it",
                "name a file that is passed on to the other keepers: `tidegate root change FILE …`",
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn way_out(error: &ChangeError) -> &'static str {
    match error {
        ChangeError::Nothing => "say what to change: `--add`, `--drop`, `--threshold` or `--renew`",
        ChangeError::Unreachable { .. } => {
            "add a key in the same step, or lower the threshold: `--threshold ROLE=N`"
        }
        ChangeError::Manifest { .. } | ChangeError::Unreadable { .. } => {
            "sign the release again, or put its folder back as it was"
        }
        ChangeError::Broken { .. } => "put `trust/` back as it was",
        _ => "see the roles and their keys: `tidegate root show`",
    }
}
