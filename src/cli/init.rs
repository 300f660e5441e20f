//! `tidegate init`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::ceremony::{self, pins};
use super::failure::{Hint, refuse};
use super::keyfile;
use super::passphrase::{PassphraseSource, Passphrases};
use super::shell;
use super::table::Table;
use super::terminal::Terminal;
use super::workspace::{Workspace, work_tree};
use crate::domain::release::Release;
use crate::formats::tuf::{KeyId, Signers};
use crate::signing::ceremony::{Ceremony, Founders};
use crate::signing::{PrivateKey, Signer};
use crate::store::durable::{self, Mode};

/// Create a catalog, its root and its keys here
///
/// Creates whatever is missing: the catalog folder with its `policy.yaml`, the payload folder, the state
/// folder with the server's own key, and the offline keys. Then signs the first root and the delegations,
/// and writes them to `trust/`. Never overwrites anything, and refuses a catalog that already has a root.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate init --offline-keys /media/vault/tidegate
  tidegate init --offline-keys ~/keys --catalog releases/channels
  tidegate init --offline-keys ~/keys --root-key ada.pem --root-key ben.pem --root-key eve.pem --root-threshold 2")]
pub struct Args {
    /// Where to write the root, targets and release keys: outside the catalog, the payloads and the state
    /// folder, ideally on a removable medium
    #[arg(long, value_name = "DIR", env = "TIDEGATE_OFFLINE_KEYS")]
    offline_keys: PathBuf,
    /// The public half of a root keeper's own key; give it once for each keeper. Instead of creating a root
    /// key, this begins a ceremony in which the keepers sign the first root
    #[arg(long, value_name = "PUBLIC.pem")]
    root_key: Vec<PathBuf>,
    /// How many of the root keepers must sign
    #[arg(long, value_name = "K", requires = "root_key", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..))]
    root_threshold: u64,
    /// The file of the ceremony in which the keepers sign
    #[arg(long, value_name = "FILE", default_value = "founding.json")]
    ceremony: PathBuf,
    /// Write the offline keys without passphrases, for a trial or for an encrypted medium
    #[arg(long)]
    no_encrypt: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

const POLICY: &str = "\
# Applies to every line whose own line.yaml does not say otherwise.
format: 1
stages:
  - name: preproduction            # entered as soon as a release is signed and its payload is there
  - name: production
    # A broken upgrade shows within two weeks. After four, somebody should ask why it is not out.
    soak: { min: 14d, max: 28d }
";

/// The first root, which is written last. If it is missing, an earlier run was interrupted, and this one
/// completes it.
const ROOT: &str = "1.root.json";

/// Payloads and roles are signed byte by byte, so git must not convert their line endings. This file also
/// makes git keep a folder that is still empty. A name with a leading dot is read neither as a payload nor as
/// a role.
const GIT_ATTRIBUTES: (&str, &str) = (".gitattributes", "* -text\n");

#[derive(Debug, Serialize)]
struct Body {
    made: Vec<PathBuf>,
    kept: Vec<PathBuf>,
    keys: Vec<KeyBody>,
}

#[derive(Debug, Serialize)]
struct KeyBody {
    role: &'static str,
    keyid: KeyId,
    file: PathBuf,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    args.root_key.iter().try_for_each(|path| keyfile::check_path(path))?;
    let trust = workspace.catalog.join("trust");
    if fs::symlink_metadata(trust.join(ROOT)).is_ok() {
        return Err(refuse(
            format!("the catalog `{}` already has a root", workspace.catalog.display()),
            "use the keys that it was created with; list their ids with `tidegate key list`",
        ));
    }
    check_place(&args.offline_keys, workspace)?;
    check_signed(workspace)?;

    let mut body = Body { made: Vec::new(), kept: Vec::new(), keys: Vec::new() };
    body.folder(&workspace.catalog, Mode::Keep)?;
    body.file(&workspace.catalog.join("policy.yaml"), POLICY)?;
    body.folder(&workspace.payloads, Mode::Keep)?;
    let (name, text) = GIT_ATTRIBUTES;
    body.file(&workspace.payloads.join(name), text)?;
    durable::create_folder(&trust, Mode::Keep)?;
    body.file(&trust.join(name), text)?;
    body.folder(&workspace.state, Mode::Private)?;
    // The state folder holds keys and copies, which must not be committed.
    body.file(&workspace.state.join(".gitignore"), "*\n")?;
    workspace.state_store().found()?;
    body.folder(&args.offline_keys, Mode::Private)?;

    let snapshot = workspace.store()?.read(workspace.now())?;
    if let Some(fault) = snapshot.reading.faults.first() {
        let folder = workspace.catalog.display().to_string();
        return Err(refuse(
            format!(
                "the catalog has faults, so no keys can be created for its lines\n{}",
                fault.within(&folder)
            ),
            "see them all: `tidegate catalog check`",
        ));
    }
    let mut passphrases = args.passphrase.passphrases();
    let mut offline = |role: &'static str| {
        let file = args.offline_keys.join(format!("{role}.pem"));
        body.key(role, &file, !args.no_encrypt, &mut passphrases)
    };
    let root = if args.root_key.is_empty() { Some(offline("root")?) } else { None };
    let (targets, release) = (offline("targets")?, offline("release")?);
    let online = body.key("online", &workspace.online_key_path(), false, &mut passphrases)?;

    let keepers =
        args.root_key.iter().map(|path| keyfile::read_public(path)).collect::<Result<Vec<_>, _>>()?;
    let keepers = keepers.iter().copied().chain(root.as_ref().map(PrivateKey::public));
    let founders = Founders {
        root: Signers::new(keepers.map(|key| key.key()), args.root_threshold),
        targets: targets.public(),
        release: release.public(),
        online: online.public(),
    };
    let mut ceremony = Ceremony::found(&snapshot.reading.catalog, &founders, workspace.now())?;
    ceremony
        .check(workspace.now())
        .hint("give each keeper's key once (`--root-key`), and a `--root-threshold` of at most as many")?;
    // Beside the online key too: it shows `ceremony sign` on this machine that nobody has changed the file.
    let files: Vec<PathBuf> = body.keys.iter().map(|key| key.file.clone()).collect();
    let keys = root.iter().chain([&targets, &release]);
    ceremony.sign(&keys.map(|key| key as &dyn Signer).collect::<Vec<_>>())?;
    if root.is_none() {
        ceremony::pass_on(&ceremony, &args.ceremony, terminal)?;
        pins::keep(&files, ceremony.base(), terminal);
        body.made.push(args.ceremony.clone());
        body.show(terminal)?;
        args.keep_safe(terminal);
        return Ok(ExitCode::SUCCESS);
    }
    let _exclusive = workspace.store()?.exclusive()?;
    let written = ceremony::install(&ceremony, &snapshot, workspace)?;
    pins::keep(&files, ceremony.result(), terminal);
    body.made.extend(written.iter().map(|path| workspace.catalog.join(path)));
    body.show(terminal)?;
    args.keep_safe(terminal);
    let is_empty = snapshot.reading.catalog.lines().next().is_none();
    let line = if is_empty { "`tidegate line add LINE`, " } else { "" };
    let key = |role: &str| shell::quoted(&args.offline_keys.join(format!("{role}.pem")));
    // Only the targets key can delegate a new line to the release key.
    let targets = if is_empty { format!(" --targets-key {}", key("targets")) } else { String::new() };
    terminal.note(format_args!(
        "next: {line}`tidegate release add VERSION --payload FILE`, `tidegate release sign --key {}{targets}`",
        key("release")
    ));
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn keep_safe(&self, terminal: &mut Terminal<'_>) {
        let keys = self.offline_keys.display();
        terminal.note(if self.no_encrypt {
            format!("\nwarning: the offline keys in `{keys}` are NOT encrypted: take them offline, and keep a second copy of them")
        } else {
            format!("\ntake the offline keys in `{keys}` offline, and keep a second copy of them and of their passphrases")
        });
        if work_tree(&self.offline_keys).is_some() {
            terminal.note(format_args!("warning: `{keys}` is in a git work tree: never commit it"));
        }
    }
}

/// Refuses to make keys for a catalog that has lost its own: clusters refuse any others.
fn check_signed(workspace: &Workspace) -> anyhow::Result<()> {
    if !workspace.catalog.is_dir() || !workspace.payloads.is_dir() {
        return Ok(());
    }
    let snapshot = workspace.store()?.read(workspace.now())?;
    let is_signed = |release: &&Release| matches!(snapshot.manifest(&release.version), Ok(Some(_)));
    let mut releases = snapshot.reading.catalog.lines().flat_map(|line| line.releases.values());
    match releases.find(is_signed) {
        Some(release) if snapshot.trust.is_empty() => Err(refuse(
            format!(
                "`trust/` is missing, although `{}` is signed, and clusters refuse all other keys",
                release.version
            ),
            "restore `trust/`, from git or with `tidegate recover --trust`; to begin anew, first remove each `release.json` below the payload folder",
        )),
        _ => Ok(()),
    }
}

impl Body {
    fn show(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
        let mut table = Table::new(["WHAT", "WHERE"]);
        let keys = self.keys.iter().map(|key| (format!("{} key", key.role), &key.file));
        let made = self.made.iter().map(|path| ("made".to_owned(), path));
        let kept = self.kept.iter().map(|path| ("kept".to_owned(), path));
        for (what, path) in keys.chain(made).chain(kept) {
            table.row([what, path.display().to_string()]);
        }
        terminal.table(self, &table, "nothing was created")
    }

    fn folder(&mut self, path: &Path, mode: Mode) -> anyhow::Result<()> {
        let is_there = path.is_dir();
        if !is_there {
            durable::create_folder(path, mode)?;
        }
        self.note(path, is_there);
        Ok(())
    }

    fn file(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let is_there = fs::symlink_metadata(path).is_ok();
        if !is_there {
            durable::write(path, text.as_bytes(), Mode::Keep)?;
        }
        self.note(path, is_there);
        Ok(())
    }

    fn note(&mut self, path: &Path, kept: bool) {
        let list = if kept { &mut self.kept } else { &mut self.made };
        list.push(path.to_owned());
    }

    /// Creates a key, or reads the one that an interrupted run created.
    fn key(
        &mut self,
        role: &'static str,
        file: &Path,
        encrypt: bool,
        passphrases: &mut Passphrases,
    ) -> anyhow::Result<PrivateKey> {
        let key = if fs::symlink_metadata(file).is_ok() {
            keyfile::read(file, passphrases)?
        } else {
            let key = PrivateKey::generate()?;
            keyfile::write(file, &key, encrypt.then_some(passphrases))?;
            key
        };
        self.keys.push(KeyBody { role, keyid: key.id(), file: file.to_owned() });
        Ok(key)
    }
}

/// Checks that offline keys are neither in a folder that the server reads nor in one that gets published.
fn check_place(keys: &Path, workspace: &Workspace) -> anyhow::Result<()> {
    let place = resolve(keys)?;
    for (what, folder) in [
        ("state folder", &workspace.state),
        ("catalog", &workspace.catalog),
        ("payload folder", &workspace.payloads),
    ] {
        if place.starts_with(resolve(folder)?) {
            return Err(refuse(
                format!("`{}` is in the {what} `{}`", keys.display(), folder.display()),
                "keep offline keys elsewhere, ideally on a removable medium",
            ));
        }
    }
    // The catalog's folder may not exist yet.
    let tree = resolve(&workspace.catalog)?.ancestors().find(|above| above.is_dir()).and_then(work_tree);
    if let Some(tree) = tree.filter(|tree| place.starts_with(tree)) {
        return Err(refuse(
            format!("`{}` is in the catalog's git work tree `{}`", keys.display(), tree.display()),
            "keep offline keys outside of it, ideally on a removable medium: a key that was committed once is public",
        ));
    }
    Ok(())
}

/// Resolves a path that may not exist yet: the real path of its nearest existing ancestor, followed by the
/// rest.
pub fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    let absolute =
        std::path::absolute(path).with_context(|| format!("cannot use `{}` as a path", path.display()))?;
    for above in absolute.ancestors() {
        match above.canonicalize() {
            Ok(real) => {
                let rest = absolute.strip_prefix(above).unwrap_or(Path::new(""));
                if rest.components().any(|part| part == std::path::Component::ParentDir) {
                    return Err(refuse(
                        format!("`{}` has `..` below a folder that does not exist", path.display()),
                        "write the path without `..`",
                    ));
                }
                return Ok(real.join(rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot resolve `{}`", above.display()));
            }
        }
    }
    Ok(absolute)
}
