//! `tidegate catalog check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::super::failure::{Hint, refuse};
use super::super::table::counted;
use super::super::terminal::Terminal;
use super::super::time;
use super::super::workspace::{View, Workspace};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::change::Change;
use crate::domain::early::new_and_too_early;
use crate::domain::promotion::decide;
use crate::domain::release::{Entry, Evidence, ManifestState, PayloadState, Release};
use crate::domain::rules::{At, Broken};
use crate::domain::stepback::{Offer, StepBack, StepBackKind, step_backs};
use crate::domain::version::Version;
use crate::formats::api::StepBackBody;
use crate::formats::fault::{Fault, Spot};
use crate::formats::yaml::release_path;
use crate::publish::evidence::with_evidence;
use crate::signing::trust::{Checked, Trust};
use crate::store::port::CommitError;
use crate::words;
use crate::words::rules::message_and_hint;

/// Report every fault of the catalog's files
///
/// All faults at once, each with its file, line and column, and a way out. With `--against`, also
/// every way in which this catalog takes back what another one, as a rule the branch that is being
/// served, offers: what the server would refuse to publish. What is not signed yet is told of on stderr
/// and is no fault.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate catalog check
  git worktree add /tmp/served origin/main && tidegate catalog check --against /tmp/served/channels")]
pub struct Args {
    /// The catalog that is being served
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// As of this time, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct Body {
    faults: Vec<Fault>,
    step_backs: Vec<StepBackBody>,
    /// Why the catalog's keys cannot be used.
    trust: Option<String>,
    warnings: Vec<String>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    let view = workspace.read()?;
    let (steps, early) = match &args.against {
        Some(served) => against(served, &view, workspace, now)?,
        None => (Vec::new(), Vec::new()),
    };
    let mut faults = view.snapshot.reading.faults.clone();
    faults.extend(early);
    let is_empty = view.catalog.lines().next().is_none() && faults.is_empty();
    if is_empty && !workspace.catalog.join("policy.yaml").exists() {
        return Err(no_catalog(&workspace.catalog, "--catalog"));
    }
    let beside = beside(&view, workspace, now);
    // What is told of a release's own files is not told a second time for each of its channels.
    let steps: Vec<StepBack> = steps
        .into_iter()
        .filter(|step| {
            !matches!(&step.kind, StepBackKind::Release(gone) if beside.iter().any(|(version, _)| version == gone))
        })
        .collect();
    // Each is another release's.
    let good = releases(&view.catalog) - beside.len();
    faults.extend(beside.into_iter().map(|(_, fault)| fault));
    let body = Body {
        faults,
        step_backs: steps.iter().map(StepBackBody::of).collect(),
        trust: view.trust().err().map(|error| chain(error)),
        warnings: unwritable(&view, workspace, now)?
            .into_iter()
            .chain(warnings(&view, workspace, now))
            .collect(),
    };
    let count = body.faults.len() + body.step_backs.len() + usize::from(body.trust.is_some());
    terminal.show(&body, || body.words(&workspace.catalog))?;
    for warning in &body.warnings {
        terminal.note(format_args!("warning: {warning}"));
    }
    let lines = view.catalog.lines().count();
    let found = if count == 0 { "no faults".to_owned() } else { counted(count, "fault") };
    let good = format!("{} in {}", counted(good, "release"), counted(lines, "line"));
    terminal.note(format_args!("{found}; without fault: {good}"));
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn releases(catalog: &Catalog) -> usize {
    catalog.lines().map(|line| line.releases.len()).sum()
}

/// How this catalog falls behind another.
///
/// What only the files around a catalog can tell counts if it was good with the other one: a release
/// that was signed there must be so here, and one that entered a stage there must have its payload.
fn against(
    served: &Path,
    view: &View,
    workspace: &Workspace,
    now: Time,
) -> anyhow::Result<(Vec<StepBack>, Vec<Fault>)> {
    let before = workspace
        .other(served)
        .hint("name the folder of the catalog that is being served: `--against DIR`")?;
    let before = before.read(workspace.now())?;
    if before.reading.catalog.lines().next().is_none() && before.reading.faulty.is_empty() {
        return Err(no_catalog(served, "--against"));
    }
    // Of a line that cannot be read there, nobody knows what is new.
    let unread = &before.reading.faulty;
    let early = new_and_too_early(&before.reading.catalog, &view.snapshot.reading.catalog);
    let early = early.iter().filter(|early| !unread.contains_key(early.line.as_str())).filter_map(too_early);
    let early: Vec<Fault> = early.collect();
    let trust = Trust::read(&before.trust).ok().flatten();
    let before = with_evidence(
        before.reading.catalog.clone().with_stops_at_once(workspace.now()),
        Ok(trust.as_ref()),
        &|version| before.found_manifest(version),
        &|_| PayloadState::Present,
        &Checked::default(),
    );
    let was_signed = |version: &Version| {
        let release = before.release(version);
        release.is_some_and(|(_, release)| matches!(release.evidence.manifest, ManifestState::Signed(_)))
    };
    let has_payloads = workspace.payloads.is_dir();
    let after = view.catalog.clone().map_evidence(|Release { version, evidence, .. }| Evidence {
        manifest: if was_signed(version) { evidence.manifest.clone() } else { ManifestState::NoTrust },
        payload: if has_payloads { evidence.payload.clone() } else { PayloadState::Present },
    });
    let before = before
        .map_evidence(|_| Evidence { manifest: ManifestState::NoTrust, payload: PayloadState::Present });
    // A faulty line is told of as such, and keeps its last documents.
    let faulty = &view.snapshot.reading.faulty;
    let steps = step_backs(&Offer::all(&before, now), &Offer::all(&after, now));
    Ok((steps.into_iter().filter(|step| !faulty.contains_key(step.line.as_str())).collect(), early))
}

/// A promotion that says it was the schedule's, and that no promoter can have made.
fn too_early(early: &Broken) -> Option<Fault> {
    let At::Release(version, _) = &early.at else { return None };
    let (message, hint) = message_and_hint(&early.rule);
    Some(Fault::new(&release_path(&early.line, version), "", Spot::START, &message, &hint))
}

fn no_catalog(folder: &Path, flag: &str) -> anyhow::Error {
    refuse(
        format!("there is no catalog in `{}`", folder.display()),
        format!("name the folder that holds `policy.yaml` and the lines: `{flag} DIR/channels`, perhaps"),
    )
}

/// What is wrong beside the catalog's files: payloads, and signed manifests of what was offered.
fn beside(view: &View, workspace: &Workspace, now: Time) -> Vec<(Version, Fault)> {
    if !workspace.payloads.is_dir() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for line in view.catalog.lines() {
        for release in line.releases.values() {
            let wrong = wrong_payload(release, now).or_else(|| wrong_manifest(view, release, now));
            if let Some((message, hint)) = wrong {
                let file = release_path(&line.name, &release.version);
                let fault = Fault::new(&file, "", Spot::START, &message, hint);
                faults.push((release.version.clone(), fault));
            }
        }
    }
    faults
}

fn wrong_payload(release: &Release, now: Time) -> Option<(String, &'static str)> {
    match &release.evidence.payload {
        PayloadState::Present => None,
        PayloadState::Missing { .. } if release.is_withdrawn(now) => None,
        wrong @ PayloadState::Missing { .. } => {
            Some((words::payload(wrong), "put the file back into the release's payload folder"))
        }
        wrong @ PayloadState::Differs { .. } => {
            Some((words::payload(wrong), "put the right file back, or correct `sha256` and `size` here"))
        }
    }
}

/// Before a release enters a stage nobody relies on what was signed, and signing anew is the usual way.
fn wrong_manifest(view: &View, release: &Release, now: Time) -> Option<(String, &'static str)> {
    let ManifestState::Invalid(why) = &release.evidence.manifest else { return None };
    // Where no keys can be used, that is told once.
    if view.trust().is_err() || !release.is_known(now) {
        return None;
    }
    Some((
        why.to_string(),
        "put back what was signed; if the change is meant, `tidegate release sign --key FILE`",
    ))
}

/// Which releases no machine could promote, because of how their files are written. As if by a person,
/// who may promote at any time: when is not the question here.
fn unwritable(view: &View, workspace: &Workspace, now: Time) -> anyhow::Result<Vec<String>> {
    let decisions = decide(&view.catalog, now);
    let coming = decisions.iter().filter(|decision| decision.release.yank.is_none());
    let (versions, changes): (Vec<_>, Vec<_>) = coming
        .map(|decision| {
            let release = decision.release;
            let last = release.entries.iter().flatten().map(|entry| entry.since).max();
            let since = last.map_or(now, |last| last.max(now));
            let (by, reason) = ("check".to_owned(), Some("check".to_owned()));
            let (version, stage) = (release.version.clone(), decision.target().name.clone());
            let entry = Entry { since, by, reason };
            (&release.version, Change::Enter { version, stage, entry })
        })
        .unzip();
    let revision = &view.snapshot.revision;
    let tried = workspace.store()?.try_each(revision, &changes, workspace.now())?;
    let told = |(place, error): &(usize, CommitError)| {
        let why = match error {
            CommitError::Faulty(fault) => format!("its edit would be a fault: {}", fault.message),
            error => chain(error),
        };
        format!("`{}` cannot be promoted by a machine: {why}", versions[*place])
    };
    Ok(tried.iter().filter(|(_, error)| error.is_in_the_text()).map(told).collect())
}

/// What keeps releases from being offered, though nothing is wrong.
fn warnings(view: &View, workspace: &Workspace, now: Time) -> Vec<String> {
    let mut warnings = view.stops_ahead();
    let mut unsigned = Vec::new();
    if !workspace.payloads.is_dir() && releases(&view.catalog) > 0 {
        warnings.push(format!(
            "there is no folder `{}`: payloads and signed manifests were not looked at",
            workspace.payloads.display()
        ));
        return warnings;
    }
    for release in view.catalog.lines().flat_map(|line| line.releases.values()) {
        let version = &release.version;
        if release.is_withdrawn(now) {
            warnings
                .push(format!("the payload of `{version}`, which was yanked, is gone and served no more"));
        }
        match &release.evidence.manifest {
            ManifestState::Unsigned => unsigned.push(version.to_string()),
            ManifestState::Invalid(why) if view.trust().is_ok() && !release.is_known(now) => {
                warnings.push(format!(
                    "`{version}` cannot be offered: {why}; put back what was signed, or `tidegate release sign {version} --key FILE`"
                ));
            }
            ManifestState::Invalid(_) | ManifestState::NoTrust | ManifestState::Signed(_) => {}
        }
    }
    match &unsigned[..] {
        [] => {}
        [one] => warnings.push(format!("`{one}` is not signed yet: `tidegate release sign --key FILE`")),
        [first, ..] => warnings.push(format!(
            "{} releases are not signed yet, `{first}` the first: `tidegate release sign --key FILE`",
            unsigned.len()
        )),
    }
    warnings
}

impl Body {
    fn words(&self, catalog: &Path) -> String {
        let folder = catalog.display().to_string();
        let faults = self.faults.iter().map(|fault| fault.within(&folder));
        let steps = self
            .step_backs
            .iter()
            .map(|step| format!("{folder}/{}: {}\n  hint: {}", step.line, step.message, step.hint));
        let trust = self.trust.iter().map(|why| {
            format!("{folder}/trust: the keys cannot be used: {why}\n  hint: put the files of `trust/` back as they were")
        });
        let words: Vec<String> = faults.chain(steps).chain(trust).collect();
        words.join("\n")
    }
}
