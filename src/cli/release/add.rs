//! `tidegate release add`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::super::author::Author;
use super::super::failure::{Hint, refuse};
use super::super::table::counted;
use super::super::terminal::Terminal;
use super::super::workspace::{View, Workspace};
use crate::domain::Time;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::payload::{Payload, is_file_name};
use crate::domain::policy::Urgency;
use crate::domain::release::{Event, Evidence, Release};
use crate::domain::version::Version;
use crate::formats::edit::edit;
use crate::formats::yaml::{Source, parse};
use crate::store::durable::{self, Mode};
use crate::store::payloads::measure;

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

#[derive(Debug, Serialize)]
struct Body {
    version: String,
    line: String,
    /// `added` or `unchanged`.
    result: &'static str,
    payloads: Vec<Payload>,
    /// The release that was held because this one replaces it.
    held: Option<String>,
    /// Why the release that this one replaces is not held.
    #[serde(skip)]
    unheld: Option<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let wanted = args.release()?;
    // By this run, in a try that went no further.
    let mut replaced_by_now = None;
    let body = workspace.commit(|view| {
        if let Some(fault) = view.snapshot.reading.faults.first() {
            let folder = workspace.catalog.display().to_string();
            return Err(refuse(
                format!(
                    "the catalog has faults, and is not added to before they are mended\n{}",
                    fault.within(&folder)
                ),
                "see them all: `tidegate catalog check`",
            ));
        }
        let line = args.line(view)?;
        let mut release = wanted.clone();
        release.entries = vec![None; line.stages.len()];
        let mut body = Body {
            version: release.version.to_string(),
            line: line.name.to_string(),
            result: "unchanged",
            payloads: release.payloads.to_vec(),
            held: None,
            unheld: None,
        };
        if let Some(known) = line.releases.get(&release.version) {
            args.check_same(known, &release)?;
            // The file may have been lost since.
            args.copy_payloads(workspace, known)?;
            return Ok((Vec::new(), body));
        }
        if let Some(retired) = &line.retired {
            return Err(refuse(
                format!("line `{}` is retired {}: {}", line.name, retired.since(), retired.reason),
                "nothing new comes in it: add the release to the line that follows",
            ));
        }
        let mut changes = Vec::new();
        body.held.clone_from(&replaced_by_now);
        if let Some(replaced) = args.replaced(line)? {
            replaced_by_now = Some(replaced.version.to_string());
            body.held.clone_from(&replaced_by_now);
            let reason = format!("replaced by {}", release.version);
            let hold = Event::new(workspace.now(), args.author.name()?, reason);
            changes.push(Change::Hold { version: replaced.version.clone(), hold });
        } else {
            body.unheld = args.unheld(line, workspace.now());
        }
        let add = Change::Add { line: line.name.clone(), release: Box::new(release.clone()) };
        check_file(&add, view)?;
        args.copy_payloads(workspace, &release)?;
        // The hold is written first: were the release there without it, adding it again would find
        // nothing to do.
        changes.push(add);
        body.result = "added";
        Ok((changes, body))
    })?;

    let Body { version, line, payloads, .. } = &body;
    terminal.show(&body, || {
        let held = body.held.as_ref().map(|held| format!("; `{held}` is held")).unwrap_or_default();
        if body.result == "unchanged" {
            return format!("unchanged: `{version}` is in line `{line}` already");
        }
        let size: u64 = payloads.iter().map(|payload| payload.size).sum();
        let payloads = counted(payloads.len(), "payload");
        format!("added `{version}` to line `{line}`: {payloads} of {size} bytes{held}")
    })?;
    if body.result == "added" {
        if let Some(unheld) = &body.unheld {
            terminal.note(unheld);
        }
        terminal.note(format_args!("next: `tidegate release sign {version} --key FILE`"));
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    /// The release as it is asked for, with the payloads as they are.
    fn release(&self) -> anyhow::Result<Release> {
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
                    "name the files apart: they lie in one folder",
                ));
            }
            let (sha256, size) = measure(path)?;
            payloads.push(Payload { file, sha256, size, arch: self.arch.get(index).cloned() });
        }
        Ok(Release {
            version: self.version.clone(),
            urgency: self.urgency.unwrap_or_default(),
            summary: self.summary.clone(),
            links: self.link.iter().cloned().collect(),
            components: self.component.iter().cloned().collect(),
            payloads: payloads.into(),
            barrier: self.barrier,
            replaces: self.replaces.clone(),
            entries: Vec::new(),
            hold: None,
            yank: None,
            evidence: Evidence::default(),
        })
    }

    fn line<'v>(&self, view: &'v View) -> anyhow::Result<&'v Line> {
        let Some(name) = &self.line else {
            return view.catalog.line_of(&self.version).ok_or_else(|| {
                refuse(
                    format!("no line takes versions like `{}`", self.version),
                    "write its line first, `LINE/line.yaml` in the catalog",
                )
            });
        };
        let line = view.line(name)?;
        if !line.prefix.accepts(&self.version) {
            return Err(refuse(
                format!("`{}` does not belong to line `{name}`", self.version),
                format!("versions of this line begin with `{}`", line.prefix),
            ));
        }
        Ok(line)
    }

    /// The release to hold because this one replaces it; none if it is held, or has nowhere left to
    /// go.
    fn replaced<'v>(&self, line: &'v Line) -> anyhow::Result<Option<&'v Release>> {
        let Some(version) = &self.replaces else { return Ok(None) };
        if *version == self.version {
            return Err(refuse("a release does not replace itself", "name another with `--replaces`"));
        }
        let replaced = line.releases.get(version).ok_or_else(|| {
            refuse(
                format!("`{version}`, which is to be replaced, is not in line `{}`", line.name),
                format!("see its releases: `tidegate release list --line {}`", line.name),
            )
        })?;
        let done = replaced.entries.last().is_some_and(Option::is_some);
        Ok((replaced.hold.is_none() && !done).then_some(replaced))
    }

    /// What to do about a replaced release that a hold would not stop any more.
    fn unheld(&self, line: &Line, now: Time) -> Option<String> {
        let replaced = line.releases.get(self.replaces.as_ref()?)?;
        let last = line.stages.last()?;
        if replaced.entries.last().is_none_or(Option::is_none) || replaced.yanked(now).is_some() {
            return None;
        }
        let (old, new) = (&replaced.version, &self.version);
        Some(format!(
            "`{old}` is not held: it is in `{}`, its last stage, and stays on offer; to end that, `tidegate release yank {old} --to {new} --reason TEXT`",
            last.channel
        ))
    }

    /// Whether a known release is what is asked for. What is not said is not compared: people add to
    /// the file later.
    fn check_same(&self, known: &Release, wanted: &Release) -> anyhow::Result<()> {
        let holds =
            |said: &Labels, known: &Labels| said.iter().all(|(name, value)| known.get(name) == Some(value));
        let what = if known.version.to_string() != wanted.version.to_string() {
            "another spelling"
        } else if known.payloads != wanted.payloads {
            "other payloads"
        } else if self.urgency.is_some_and(|urgency| urgency != known.urgency) {
            "another urgency"
        } else if self.summary.is_some() && self.summary != known.summary {
            "another summary"
        } else if !holds(&wanted.links, &known.links) {
            "other links"
        } else if !holds(&wanted.components, &known.components) {
            "other components"
        } else if self.barrier && !known.barrier {
            "no barrier"
        } else if self.replaces.is_some() && self.replaces != known.replaces {
            "another `replaces`"
        } else {
            return Ok(());
        };
        Err(refuse(
            format!("`{}` is in the catalog already, with {what}", self.version),
            "a version stands for one content: add the changed one as a new version",
        ))
    }

    fn copy_payloads(&self, workspace: &Workspace, release: &Release) -> anyhow::Result<()> {
        let folder = workspace.payloads.join(release.version.to_string());
        durable::create_folder(&folder, Mode::Public)?;
        for (from, payload) in self.payload.iter().zip(&*release.payloads) {
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
