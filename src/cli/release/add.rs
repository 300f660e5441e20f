//! `tidegate release add`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;

use super::super::author::Author;
use super::super::failure::{Hint, refuse};
use super::super::operation;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::domain::payload::{Payload, Sha256};
use crate::domain::policy::Urgency;
use crate::domain::version::Version;
use crate::operations::{Add, Note, Operation, Subject};
use crate::store::durable::{self, Aside, Mode};
use crate::store::payloads::{is_lfs_pointer, measure, stage};
use crate::store::port::PayloadError;
use crate::words::operations as words;

/// Add a release with its payload files
///
/// Computes digests and sizes, copies the payloads to `payloads/VERSION/`, and adds the release to its
/// line. The release is on offer once it is signed and promoted into its first stage. Adding the same
/// release again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate release add 1.8.9-tectonic.4 --payload build/payload.json \\
      --summary 'Kubernetes 1.8.9' --component kubernetes=1.8.9+tectonic.4
  tidegate release add 1.8.9-tectonic.5 --payload build/payload.json --replaces 1.8.9-tectonic.4")]
pub struct Args {
    /// The version
    version: Version,
    /// A payload file; may be given more than once
    #[arg(long, value_name = "FILE", required = true)]
    payload: Vec<PathBuf>,
    /// The architecture of each payload, in the same order; by default, payloads are for every machine
    #[arg(long, value_name = "ARCH")]
    arch: Vec<String>,
    /// The line; by default the one whose prefix matches the version
    #[arg(long, value_name = "LINE")]
    line: Option<LineName>,
    /// How urgent the release is
    #[arg(long, value_name = "URGENCY")]
    urgency: Option<Urgency>,
    /// A one-line summary for people
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// A link, `notes=https://…`
    #[arg(long, value_name = "NAME=URL", value_parser = named)]
    link: Vec<(String, String)>,
    /// The version of a component, `kubernetes=1.8.9`
    #[arg(long, value_name = "NAME=VERSION", value_parser = named)]
    component: Vec<(String, String)>,
    /// Make this release a barrier, which no cluster may skip
    #[arg(long)]
    barrier: bool,
    /// The release that this one replaces; it is held unless it is in its last stage
    #[arg(long, value_name = "VERSION")]
    replaces: Option<Version>,
    #[command(flatten)]
    author: Author,
}

impl ValueEnum for Urgency {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Normal, Self::Security]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// The outcome of adding, as JSON.
#[derive(Debug, Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    subject: &'a Subject,
    /// `added` or `unchanged`.
    result: &'static str,
    payloads: &'a [Payload],
    /// The release that is on hold because this one replaces it.
    held: Option<&'a Version>,
    /// What is probably a mistake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    args.check()?;
    let mut add = args.add()?;
    let mut staged = Staged::new(args, workspace)?;
    let payloads: Arc<[Payload]> = staged.payloads.as_slice().into();
    add.payloads = Arc::clone(&payloads);
    let operation = Operation::Add(Box::new(add));
    let (outcome, is_new_line) = workspace.commit(|view| {
        view.check_faults("cannot add a release")?;
        let outcome = operation::plan(&operation, view, workspace)?;
        // A release that is already in the catalog may have lost its files since.
        staged.keep()?;
        let is_new_line = match (&outcome.subject, view.trust()) {
            (Subject::Release { line, .. }, Ok(Some(trust))) => trust.line_authority(line).is_none(),
            _ => false,
        };
        Ok((outcome.changes.clone(), (outcome, is_new_line)))
    })?;
    let held = outcome.notes.iter().find_map(|note| match note {
        Note::Held { replaced } => Some(replaced),
        _ => None,
    });
    let doubtful = outcome.notes.iter().filter_map(|note| match note {
        Note::Doubtful(doubtful) => Some(crate::words::doubtful(doubtful)),
        _ => None,
    });
    let warnings = doubtful.collect();
    let result = words::result(&operation, &outcome);
    let body = Body { subject: &outcome.subject, result, payloads: &payloads, held, warnings };
    let done = operation::show(&operation, &outcome, &body, terminal)?;
    if outcome.is_change() {
        // Only the targets keys can delegate a new line to release keys.
        let targets = if is_new_line { " --targets-key FILE" } else { "" };
        terminal.note(format_args!("next: `tidegate release sign {} --key FILE{targets}`", args.version));
    }
    Ok(done)
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        if !self.arch.is_empty() && self.arch.len() != self.payload.len() {
            return Err(refuse(
                format!("there are {} payloads but {} architectures", self.payload.len(), self.arch.len()),
                "give `--arch` once for each `--payload`, in the same order",
            ));
        }
        self.payload.iter().try_for_each(|path| check_file(path))
    }

    /// Returns the release to add, still without its payloads.
    fn add(&self) -> anyhow::Result<Add> {
        Ok(Add {
            version: self.version.clone(),
            line: self.line.clone(),
            payloads: [].into(),
            urgency: self.urgency,
            summary: self.summary.clone(),
            links: self.link.iter().cloned().collect(),
            components: self.component.iter().cloned().collect(),
            barrier: self.barrier,
            replaces: self.replaces.clone(),
            by: self.author.known()?,
        })
    }
}

/// Refuses a pipe, which cannot be read twice, and a pointer of Git LFS, which stands for the payload.
fn check_file(path: &Path) -> anyhow::Result<()> {
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(refuse(
            format!("payload `{}` is not a regular file", path.display()),
            "write the payload to a file first, and name that file with `--payload`",
        ));
    }
    if is_lfs_pointer(path)? {
        return Err(refuse(
            format!("`{}` is a Git LFS pointer, and not the file that it stands for", path.display()),
            "download the file with `git lfs pull`, and add the release again",
        ));
    }
    Ok(())
}

/// The payloads of a release, copied under temporary names. Their digests are computed while they are
/// copied, because they may be large. What is not kept is removed, so that a refusal leaves nothing behind.
struct Staged {
    payloads: Vec<Payload>,
    /// Payloads that are already in place have none.
    asides: Vec<Aside>,
    /// The folders that are new, the outer one first.
    folders: Vec<PathBuf>,
}

impl Staged {
    fn new(args: &Args, workspace: &Workspace) -> anyhow::Result<Self> {
        // Without a catalog, there is nothing to add to.
        workspace.store()?;
        let folder = workspace.payloads.join(args.version.to_string());
        let folders = [&workspace.payloads, &folder].into_iter().filter(|folder| !folder.exists());
        let folders = folders.cloned().collect();
        let mut staged = Self { payloads: Vec::new(), asides: Vec::new(), folders };
        durable::create_folder(&folder, Mode::Public)?;
        for (index, from) in args.payload.iter().enumerate() {
            let file = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let to = folder.join(&file);
            let (sha256, size) = if let Some(measured) = in_place(from, &to)? {
                measured
            } else {
                let (aside, measured) = copied(from, &to)?;
                staged.asides.push(aside);
                measured
            };
            staged.payloads.push(Payload { file, sha256, size, arch: args.arch.get(index).cloned() });
        }
        Ok(staged)
    }

    fn keep(&mut self) -> anyhow::Result<()> {
        for aside in self.asides.drain(..) {
            aside.keep()?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.asides.clear();
        for folder in self.folders.iter().rev() {
            // Only an empty folder can be removed.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Copies a payload next to its place.
fn copied(from: &Path, to: &Path) -> anyhow::Result<(Aside, (Sha256, u64))> {
    match stage(from, to) {
        Err(changed @ PayloadError::Changed(_)) => Err(changed).hint("add it again once it is complete"),
        copied => copied.with_context(|| format!("cannot copy `{}`", from.display())),
    }
}

/// Returns the digest and size of a payload if it is in its place, because an earlier run has copied it.
fn in_place(from: &Path, to: &Path) -> anyhow::Result<Option<(Sha256, u64)>> {
    let found = |path: &Path| fs::metadata(path).ok().filter(fs::Metadata::is_file);
    let (Some(source), Some(target)) = (found(from), found(to)) else { return Ok(None) };
    if source.len() != target.len() {
        return Ok(None);
    }
    let measured = measure(from)?;
    let is_itself = (source.dev(), source.ino()) == (target.dev(), target.ino());
    Ok((is_itself || measure(to)? == measured).then_some(measured))
}
