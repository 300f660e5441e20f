//! `tidegate release add`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::super::author::Author;
use super::super::failure::{Hint, refuse};
use super::super::operation::{self, SubjectBody};
use super::super::terminal::Terminal;
use super::super::workspace::{View, Workspace};
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::payload::{Payload, is_file_name};
use crate::domain::policy::Urgency;
use crate::domain::version::Version;
use crate::formats::edit::edit;
use crate::formats::yaml::{Source, parse};
use crate::operations::{Add, Note, Operation};
use crate::store::durable::{self, Mode};
use crate::store::payloads::measure;
use crate::words::operations as words;

/// Add a release with its payload files
///
/// Computes digests and sizes, copies the payloads to `payloads/VERSION/`, and writes the release
/// into its line. The release is offered once it is signed and promoted into its first stage. Adding
/// the same again changes nothing.
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
    /// The architecture of each payload, in the same order; without it, every machine takes them all
    #[arg(long, value_name = "ARCH")]
    arch: Vec<String>,
    /// The line; by default the one whose versions begin so
    #[arg(long, value_name = "LINE")]
    line: Option<LineName>,
    /// How soon it must go out: `normal` or `security`
    #[arg(long, value_name = "URGENCY", value_parser = urgency)]
    urgency: Option<Urgency>,
    /// One line for people
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// A link, `notes=https://…`
    #[arg(long, value_name = "NAME=URL", value_parser = named)]
    link: Vec<(String, String)>,
    /// The version of a part, `kubernetes=1.8.9`
    #[arg(long, value_name = "NAME=VERSION", value_parser = named)]
    component: Vec<(String, String)>,
    /// No cluster may jump over this release
    #[arg(long)]
    barrier: bool,
    /// The release that this one replaces, which is held unless it is in its last stage
    #[arg(long, value_name = "VERSION")]
    replaces: Option<Version>,
    #[command(flatten)]
    author: Author,
}

fn urgency(text: &str) -> Result<Urgency, String> {
    [Urgency::Normal, Urgency::Security]
        .into_iter()
        .find(|urgency| urgency.as_str() == text)
        .ok_or_else(|| "`normal` or `security` is wanted".to_owned())
}

fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// What adding came to, as JSON.
#[derive(Debug, Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    subject: SubjectBody,
    /// `added` or `unchanged`.
    result: &'static str,
    payloads: &'a [Payload],
    /// The release that is on hold because this one replaces it.
    held: Option<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let add = args.add()?;
    let payloads = Arc::clone(&add.payloads);
    let operation = Operation::Add(Box::new(add));
    let outcome = workspace.commit(|view| {
        refuse_faulty(view, workspace)?;
        let outcome = operation::plan(&operation, view, workspace)?;
        if let Some(change) = outcome.changes.last() {
            check_file(change, view)?;
        }
        // A release that is in the catalog may have lost its files since.
        args.copy_payloads(&payloads, workspace)?;
        Ok((outcome.changes.clone(), outcome))
    })?;
    let held = outcome.notes.iter().find_map(|note| match note {
        Note::Held { replaced } => Some(replaced.to_string()),
        _ => None,
    });
    let result = words::result(&operation, &outcome);
    let body = Body { subject: SubjectBody::of(&outcome.subject), result, payloads: &payloads, held };
    operation::show(&operation, &outcome, &body, terminal)?;
    if outcome.is_change() {
        terminal.note(format_args!("next: `tidegate release sign {} --key FILE`", args.version));
    }
    Ok(ExitCode::SUCCESS)
}

/// A fault may hide the release's line, or what it replaces.
fn refuse_faulty(view: &View, workspace: &Workspace) -> anyhow::Result<()> {
    let Some(fault) = view.snapshot.reading.faults.first() else { return Ok(()) };
    let folder = workspace.catalog.display().to_string();
    Err(refuse(
        format!("cannot add a release while the catalog has faults\n{}", fault.within(&folder)),
        "see them all: `tidegate catalog check`",
    ))
}

impl Args {
    /// What is asked for, with the payloads as they are.
    fn add(&self) -> anyhow::Result<Add> {
        if !self.arch.is_empty() && self.arch.len() != self.payload.len() {
            return Err(refuse(
                format!("{} payloads and {} architectures", self.payload.len(), self.arch.len()),
                "give `--arch` once for each `--payload`, in the same order",
            ));
        }
        let mut payloads: Vec<Payload> = Vec::new();
        for (index, path) in self.payload.iter().enumerate() {
            let file = file_name(path)?;
            if payloads.iter().any(|payload| payload.file == file) {
                return Err(refuse(
                    format!("two payloads are named `{file}`"),
                    "give them different names: they are stored in one folder",
                ));
            }
            let (sha256, size) = measure(path)?;
            payloads.push(Payload { file, sha256, size, arch: self.arch.get(index).cloned() });
        }
        Ok(Add {
            version: self.version.clone(),
            line: self.line.clone(),
            payloads: payloads.into(),
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

/// The name that a payload file keeps.
fn file_name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_file_name(name) {
        return Ok(name.to_owned());
    }
    Err(refuse(
        format!("`{}` cannot name a payload", path.display()),
        "letters, digits, `.`, `_`, `-` and `+` are allowed; not a leading dot or dash, and not `release.json`",
    ))
}

/// Checks the new file by itself before anything is copied. How it stands beside the other files is
/// checked by the commit.
fn check_file(add: &Change, view: &View) -> anyhow::Result<()> {
    let edit = edit(add, &view.catalog, |_| None).context("the release cannot be written")?;
    let Some(edit) = edit else { return Ok(()) };
    let parsed = parse(Source { path: &edit.file, bytes: edit.text.as_bytes() });
    match parsed.faults().first() {
        None => Ok(()),
        Some(fault) => {
            Err(refuse(format!("the release would be faulty: {}", fault.message), fault.hint.clone()))
        }
    }
}

/// Copies a payload, unless it is there. What lies there with other content belongs to no release
/// of the catalog: it is what a run left that was cut short.
fn copy(from: &Path, to: &Path, payload: &Payload) -> anyhow::Result<()> {
    let expected = (payload.sha256, payload.size);
    if to.is_file() && measure(to)? == expected {
        return Ok(());
    }
    let copied = durable::fill(to, Mode::Public, |file| {
        let mut source = File::open(from)?;
        io::copy(&mut source, file).map(drop)
    });
    copied.with_context(|| format!("`{}` was not copied", from.display()))?;
    if measure(to)? == expected {
        return Ok(());
    }
    // Not to be mistaken for the payload.
    let _ = fs::remove_file(to);
    let changed = Err(anyhow::anyhow!("`{}` changed while it was copied", from.display()));
    changed.hint("add it again once it is whole")
}
