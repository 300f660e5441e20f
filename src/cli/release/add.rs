//! `tidegate release add`.

use std::fs;
use std::io;
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
use super::super::workspace::{View, Workspace};
use crate::domain::channel::LineName;
use crate::domain::payload::Payload;
use crate::domain::policy::Urgency;
use crate::domain::version::Version;
use crate::operations::{Add, Note, Operation, Subject};
use crate::store::durable::{self, Mode};
use crate::store::payloads::{is_lfs_pointer, measure};
use crate::store::plain;
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
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let add = args.add()?;
    let payloads = Arc::clone(&add.payloads);
    let operation = Operation::Add(Box::new(add));
    let (outcome, is_new_line) = workspace.commit(|view| {
        refuse_faulty(view, workspace)?;
        let outcome = operation::plan(&operation, view, workspace)?;
        // A release that is already in the catalog may have lost its files since.
        args.copy_payloads(&payloads, workspace)?;
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
    let result = words::result(&operation, &outcome);
    let body = Body { subject: &outcome.subject, result, payloads: &payloads, held };
    let done = operation::show(&operation, &outcome, &body, terminal)?;
    if outcome.is_change() {
        // Only the targets keys can delegate a new line to release keys.
        let targets = if is_new_line { " --targets-key FILE" } else { "" };
        terminal.note(format_args!("next: `tidegate release sign {} --key FILE{targets}`", args.version));
    }
    Ok(done)
}

/// Refuses a catalog with faults: a fault may hide the release's line, or the release that it replaces.
fn refuse_faulty(view: &View, workspace: &Workspace) -> anyhow::Result<()> {
    let Some(fault) = view.snapshot.reading.faults.first() else { return Ok(()) };
    let folder = workspace.catalog.display().to_string();
    Err(refuse(
        format!("cannot add a release while the catalog has faults\n{}", fault.within(&folder)),
        "see them all: `tidegate catalog check`",
    ))
}

impl Args {
    /// Returns the release to add, with the digests and sizes of its payload files.
    fn add(&self) -> anyhow::Result<Add> {
        if !self.arch.is_empty() && self.arch.len() != self.payload.len() {
            return Err(refuse(
                format!("there are {} payloads but {} architectures", self.payload.len(), self.arch.len()),
                "give `--arch` once for each `--payload`, in the same order",
            ));
        }
        let payloads = self.payload.iter().enumerate().map(|(index, path)| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            check_file(path)?;
            let (sha256, size) = measure(path)?;
            Ok(Payload { file, sha256, size, arch: self.arch.get(index).cloned() })
        });
        Ok(Add {
            version: self.version.clone(),
            line: self.line.clone(),
            payloads: payloads.collect::<anyhow::Result<_>>()?,
            urgency: self.urgency,
            summary: self.summary.clone(),
            links: self.link.iter().cloned().collect(),
            components: self.component.iter().cloned().collect(),
            barrier: self.barrier,
            replaces: self.replaces.clone(),
            by: self.author.known()?,
        })
    }

    fn copy_payloads(&self, payloads: &[Payload], workspace: &Workspace) -> anyhow::Result<()> {
        let folder = workspace.payloads.join(self.version.to_string());
        durable::create_folder(&folder, Mode::Public)?;
        for (from, payload) in self.payload.iter().zip(payloads) {
            copy(from, &folder.join(&payload.file), payload)?;
        }
        Ok(())
    }
}

/// Refuses a pointer of Git LFS, which stands for the payload.
fn check_file(path: &Path) -> anyhow::Result<()> {
    if is_lfs_pointer(path)? {
        return Err(refuse(
            format!("`{}` is a Git LFS pointer, and not the file that it stands for", path.display()),
            "download the file with `git lfs pull`, and add the release again",
        ));
    }
    Ok(())
}

/// Copies a payload, unless it is there already. Overwrites a file with other content, which an interrupted
/// run left and no release of the catalog uses.
fn copy(from: &Path, to: &Path, payload: &Payload) -> anyhow::Result<()> {
    let expected = (payload.sha256, payload.size);
    if to.is_file() && measure(to)? == expected {
        return Ok(());
    }
    let copied = durable::fill(to, Mode::Public, |file| {
        let mut source = plain::open(from)?;
        io::copy(&mut source, file).map(drop)
    });
    copied.with_context(|| format!("cannot copy `{}`", from.display()))?;
    if measure(to)? == expected {
        return Ok(());
    }
    // Remove the bad copy, so that nobody mistakes it for the payload.
    let _ = fs::remove_file(to);
    let changed = Err(anyhow::anyhow!("`{}` changed while it was being copied", from.display()));
    changed.hint("add it again once it is complete")
}
