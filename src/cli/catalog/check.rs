//! `tidegate catalog check`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::super::failure::Hint;
use super::super::table::counted;
use super::super::terminal::Terminal;
use super::super::time;
use super::super::workspace::{View, Workspace, no_catalog};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::early::new_and_too_early;
use crate::domain::line::{Line, Stage};
use crate::domain::promotion::{Decision, decide};
use crate::domain::release::{Entry, Evidence, ManifestState, PayloadState, Release};
use crate::domain::restraint::Restraint;
use crate::domain::rules::doubtful::doubtful;
use crate::domain::rules::{At, Broken};
use crate::domain::stepback::{Offer, StepBack, StepBackKind, step_backs};
use crate::domain::version::Version;
use crate::formats::api::StepBackBody;
use crate::formats::fault::{Fault, Spot};
use crate::formats::yaml::{
    POLICY_PATH, Reading, is_content, is_meant_as_policy, line_path, release_path, release_stem,
};
use crate::publish::continuity::trusted;
use crate::publish::evidence::with_evidence;
use crate::signing::trust::{Checked, Trust};
use crate::store::plain;
use crate::store::port::{CommitError, Snapshot};
use crate::words;
use crate::words::rules::message_and_hint;

/// Report every fault in the catalog's files
///
/// Reports all faults at once, each with its file, line and column, and a hint. With `--against`, also
/// reports each offer of another catalog (usually the branch that is being served) that this one takes
/// back: the server would refuse to publish that. It also reports each freeze, window, soak, hold, pause, yank
/// or barrier of that catalog that is gone without a record, and each file of it that cannot be read and is gone.
/// An unsigned release is only a warning, on stderr.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate catalog check
  git worktree add /tmp/served origin/main && tidegate catalog check --against /tmp/served/channels")]
pub struct Args {
    /// The catalog that is being served; `none` for the first catalog of a repository
    #[arg(long, value_name = "DIR|none")]
    against: Option<PathBuf>,
    /// Evaluate as of this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

/// What `--against` names where nothing was ever served.
const NO_BASE: &str = "none";

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
    let served = args.against.as_deref().filter(|served| *served != Path::new(NO_BASE));
    let compared = served.map(|served| against(served, &view, workspace, now)).transpose()?;
    let Against { mut steps, faults: against, warnings: uncompared } = compared.unwrap_or_default();
    let mut faults = view.snapshot.reading.faults.clone();
    faults.extend(against);
    let is_empty = view.catalog.lines().next().is_none() && faults.is_empty();
    if is_empty && !workspace.catalog.join("policy.yaml").exists() {
        return Err(no_catalog(&workspace.catalog, "--catalog"));
    }
    // There is at most one such fault for each release, so `good` can subtract them.
    let outside = faults_outside(&view, workspace, now);
    // A release whose own files are faulty is not also reported as a step back in each channel.
    steps.retain(|step| !matches!(&step.kind, StepBackKind::Release(gone) if outside.contains_key(gone)));
    let good = releases(&view.catalog).count() - outside.len();
    faults.extend(outside.into_values());
    let mut warnings = unwritable(&view, workspace, now)?;
    warnings.extend(view.stops_ahead());
    let found = doubtful(&view.catalog);
    warnings.extend(view.snapshot.reading.doubtful.iter().chain(&found).map(words::doubtful));
    let ignored = |path: &String| {
        format!("{} is not a catalog file and is ignored: remove it", view.path(path).display())
    };
    warnings.extend(view.snapshot.reading.leftovers.iter().map(ignored));
    warnings.extend(view.catalog.entries_ahead().map(|ahead| words::dated_ahead(&ahead)));
    warnings.extend(unoffered(&view, workspace, now));
    warnings.extend(uncompared);
    let gone = |lost: &Restraint| {
        format!(
            "{}; it still counts: {}",
            words::restraints::lost(lost),
            words::restraints::lost_hint(&lost.way_out(&view.lost))
        )
    };
    warnings.extend(view.lost.iter().map(gone));
    let body = Body {
        faults,
        step_backs: steps.iter().map(StepBackBody::of).collect(),
        trust: untrusted(&view, workspace),
        warnings,
    };
    let count = body.faults.len() + body.step_backs.len() + usize::from(body.trust.is_some());
    terminal.show(&body, || body.words(&workspace.catalog, &view.trust_hint()))?;
    terminal.notes(body.warnings.iter().map(|warning| format!("warning: {warning}")));
    let found = if count == 0 { "no faults".to_owned() } else { counted(count, "fault") };
    let lines = view.catalog.lines().count();
    let good = format!("{} in {}", counted(good, "release"), counted(lines, "line"));
    terminal.note(format_args!("{found}; valid: {good}"));
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn releases(catalog: &Catalog) -> impl Iterator<Item = &Release> {
    catalog.lines().flat_map(|line| line.releases.values())
}

/// What a comparison with the served catalog finds.
#[derive(Default)]
struct Against {
    /// Each offer that this catalog takes back.
    steps: Vec<StepBack>,
    /// A fault for each new entry that is too early, and for each restraint that is gone.
    faults: Vec<Fault>,
    /// What could not be compared.
    warnings: Vec<String>,
}

/// Compares with the served catalog.
///
/// A release that is signed there must be signed here, and one that entered a stage there must have its
/// payload here. A signature that is missing or invalid there is not compared. Of a line that has faults
/// there, the files without faults are compared, so that a fault does not take the guard off every change that
/// comes after it. What a faulty file had is unknown, so it may be corrected, but not removed.
fn against(served: &Path, view: &View, workspace: &Workspace, now: Time) -> anyhow::Result<Against> {
    let before = workspace
        .other(served)
        .hint("name the folder of the catalog that is being served: `--against DIR`; if this is the first catalog of the repository: `--against none`")?;
    let before = before.read(workspace.now())?;
    let has_lines = before.reading.catalog.stoppable_lines().next().is_some();
    if !has_lines && before.reading.faulty.is_empty() && !served.join(POLICY_PATH).exists() {
        return Err(no_catalog(served, "--against"));
    }
    let written = view.as_written(workspace.now());
    let base = comparable(&before.reading, &written);
    let mut faults = removed_unread(&before.reading, served, view, workspace);
    // Which entries are new is unknown where a file cannot be read.
    let early = new_and_too_early(&base, &view.snapshot.reading.catalog);
    let is_read = |early: &&Broken| match &early.at {
        At::Release(version, _) => can_be_read(&before.reading, &early.line, Some(version)),
        _ => true,
    };
    faults.extend(early.iter().filter(is_read).filter_map(too_early));
    let mut known = Restraint::all(&base, workspace.now());
    known.retain(|one| one.is_stop() || can_be_read(&before.reading, &one.line, one.release()));
    let lost = Restraint::lost(&known, &written, workspace.now());
    faults.extend(lost.iter().map(|one| gone(one, &lost)));
    let trust = Trust::read(&before.trust).ok().flatten();
    let base = with_evidence(
        base.judged_by(workspace.now()),
        Ok(trust.as_ref()),
        &|version| before.manifest(version),
        &|_| PayloadState::Present,
        &Checked::default(),
    );
    let was_signed = |version: &Version| {
        let release = base.release(version);
        release.is_some_and(|(_, release)| matches!(release.evidence.manifest, ManifestState::Signed(_)))
    };
    let has_payloads = workspace.payloads.is_dir();
    let after = written.into_owned().map_evidence(|release| Evidence {
        manifest: if was_signed(&release.version) {
            release.evidence.manifest.clone()
        } else {
            ManifestState::NoTrust
        },
        payload: if has_payloads { release.evidence.payload.clone() } else { PayloadState::Present },
    });
    let base =
        base.map_evidence(|_| Evidence { manifest: ManifestState::NoTrust, payload: PayloadState::Present });
    // A faulty line has its own report, and the server keeps serving its last good documents.
    let refused = &view.snapshot.reading.faulty;
    let mut steps = step_backs(&Offer::all(&base, now), &Offer::all(&after, now));
    // What a faulty file had is unknown. If it is gone, it was moved, or is reported.
    let is_removed = |step: &StepBack| {
        let is_here = |version: &Version| view.snapshot.reading.catalog.release(version).is_some();
        let path = match &step.kind {
            StepBackKind::Release(version) => release_path(&step.line, version),
            StepBackKind::Channel
                if base.line(&step.line).is_some_and(|line| line.releases.keys().all(is_here)) =>
            {
                line_path(&step.line)
            }
            _ => return false,
        };
        is_gone(workspace, &path) && before.reading.faults.iter().any(|fault| fault.file == path)
    };
    steps.retain(|step| !refused.contains_key(step.line.as_str()) && !is_removed(step));
    let uncompared = |(line, why): (LineName, String)| {
        format!(
            "line `{line}` has faults in the catalog that it is compared with, so only its other files were compared: {why}"
        )
    };
    let warnings = before.reading.faulty_lines(served).into_iter().map(uncompared).collect();
    Ok(Against { steps, faults, warnings })
}

/// Whether files have no faults: the policy, the own file of a line, and that of a release, if one is named.
fn can_be_read(reading: &Reading, line: &LineName, release: Option<&Version>) -> bool {
    let release = release.map(|version| release_path(line, version));
    let line = line_path(line);
    let is_one = |file: &String| *file == line || release.as_ref() == Some(file) || is_meant_as_policy(file);
    !reading.faults.iter().any(|fault| is_one(&fault.file))
}

/// A fault for each file of the served catalog that has faults there and is gone here: nobody can tell what it
/// had. A file whose name has no meaning in a catalog had nothing, and one that was moved is checked where it is now.
fn removed_unread(before: &Reading, served: &Path, view: &View, workspace: &Workspace) -> Vec<Fault> {
    let has_meaning = |file: &str| {
        let line = file.strip_suffix("/line.yaml").map(LineName::parse);
        let version = release_stem(file).map(Version::parse);
        let is_line =
            line.is_some_and(|line| line.is_ok_and(|line| before.catalog.salvaged(&line).is_some()));
        let is_policy = is_meant_as_policy(file) && !workspace.catalog.join(POLICY_PATH).exists();
        is_line || version.is_some_and(|version| version.is_ok()) || is_policy
    };
    let is_moved = |file: &str| {
        let version = release_stem(file).and_then(|stem| Version::parse(stem).ok());
        version.is_some_and(|version| view.snapshot.reading.catalog.release(&version).is_some())
            || has_new_copy(&workspace.catalog, served, file)
    };
    let is_lost = |file: &str| has_meaning(file) && is_gone(workspace, file) && !is_moved(file);
    let gone = before.faults.iter().filter(|fault| is_lost(&fault.file));
    let first: BTreeMap<&str, &Fault> = gone.rev().map(|fault| (&*fault.file, fault)).collect();
    let fault = |(file, fault): (&str, &Fault)| {
        let place = served.join(file);
        let message = format!(
            "it is gone, and what it had cannot be compared: `{}:{}:{}`: {}",
            place.display(),
            fault.line,
            fault.column,
            fault.message
        );
        let hint =
            "correct it in this change, or move it as it is to its own place; remove it in a later one";
        Fault::new(file, "", Spot::START, &message, hint)
    };
    first.into_iter().map(fault).collect()
}

/// Whether a catalog has nothing at the path of a file.
fn is_gone(workspace: &Workspace, file: &str) -> bool {
    fs::symlink_metadata(workspace.catalog.join(file)).is_err()
}

/// Whether a catalog has the content of a served file in a file of a line or a release that is not served. One that is
/// served already had that content of its own.
fn has_new_copy(catalog: &Path, served: &Path, file: &str) -> bool {
    let Ok(content) = plain::whole(&served.join(file)) else { return false };
    let files =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let counts = |path: &PathBuf| {
        let path = path.strip_prefix(catalog).ok().and_then(Path::to_str);
        path.is_some_and(|path| is_content(path) && fs::symlink_metadata(served.join(path)).is_err())
    };
    let mut all = files(catalog.to_owned()).flat_map(files).filter(counts);
    all.any(|path| plain::whole(&path).is_ok_and(|own| own == content))
}

/// The served catalog, with its faulty lines as far as they can be compared. A line whose own file cannot be read
/// gets the stages that this catalog has.
fn comparable(before: &Reading, after: &Catalog) -> Catalog {
    let comparable = |salvaged: &Line| {
        if can_be_read(before, &salvaged.name, None) {
            return (salvaged.name.clone(), Some(salvaged.clone()));
        }
        let mut line = after.line(&salvaged.name).unwrap_or(salvaged).clone();
        let entries = |release: &Release| {
            let entry = |stage: &Stage| release.entries.get(salvaged.stage(&stage.name)?)?.clone();
            line.stages.iter().map(entry).collect()
        };
        let release = |release: &Release| Release { entries: entries(release), ..release.clone() };
        let releases = salvaged.releases.values().map(|one| (one.version.clone(), release(one))).collect();
        for stage in &mut line.stages {
            let paused = salvaged.stage(&stage.name).and_then(|place| salvaged.stages[place].paused.clone());
            stage.paused = paused;
        }
        line.releases = releases;
        (line.name.clone(), Some(line))
    };
    let salvaged: Vec<_> = before.catalog.salvaged_lines().map(comparable).collect();
    let loosened = before.catalog.loosened().to_vec();
    before.catalog.clone().with_published(salvaged).with_loosened(loosened)
}

/// The fault for a restraint that is gone.
fn gone(one: &Restraint, lost: &[Restraint]) -> Fault {
    let file = one.release().map_or_else(|| line_path(&one.line), |version| release_path(&one.line, version));
    let hint = words::restraints::lost_hint(&one.way_out(lost));
    Fault::new(&file, "", Spot::START, &words::restraints::lost(one), &hint)
}

/// The fault for an entry whose author is the schedule, although no promoter can have made it.
fn too_early(early: &Broken) -> Option<Fault> {
    let At::Release(version, _) = &early.at else { return None };
    let (message, hint) = message_and_hint(&early.rule);
    Some(Fault::new(&release_path(&early.line, version), "", Spot::START, &message, &hint))
}

/// Counts the faults of the catalog's files, as `catalog check` shows them.
pub(in crate::cli) fn count_faults(view: &View, workspace: &Workspace, now: Time) -> usize {
    let trust = usize::from(view.trust().is_err());
    view.snapshot.reading.faults.len() + faults_outside(view, workspace, now).len() + trust
}

/// The faults of payload files and signed manifests, by release.
fn faults_outside<'a>(view: &'a View, workspace: &Workspace, now: Time) -> BTreeMap<&'a Version, Fault> {
    if !workspace.payloads.is_dir() {
        return BTreeMap::new();
    }
    let fault = |release: &Release| match (&release.evidence.payload, &release.evidence.manifest) {
        (missing @ PayloadState::Missing { .. }, _) if !release.is_withdrawn(now) => {
            Some((words::payload(missing), words::payload_hint(missing)))
        }
        (wrong @ PayloadState::Differs { .. }, _) => {
            Some((words::payload(wrong), words::payload_hint(wrong)))
        }
        // Before a release enters a stage, nobody relies on its signature, and signing it again is normal.
        // If the keys cannot be used, that is reported once, and not for each release.
        (_, ManifestState::Invalid(why)) if view.trust().is_ok() && release.is_known(now) => Some((
            why.to_string(),
            "restore what was signed; if the change is intended, run `tidegate release sign --key FILE`",
        )),
        _ => None,
    };
    let faults = view.catalog.lines().flat_map(|line| {
        line.releases.values().filter_map(|release| {
            let (message, hint) = fault(release)?;
            let file = release_path(&line.name, &release.version);
            Some((&release.version, Fault::new(&file, "", Spot::START, &message, hint)))
        })
    });
    faults.collect()
}

/// Warns of releases that cannot be promoted automatically because of how their files are written. Tries
/// the next promotion of each release even if it is not due, because a person may promote it at any time.
fn unwritable(view: &View, workspace: &Workspace, now: Time) -> anyhow::Result<Vec<String>> {
    let decisions = decide(&view.catalog, now);
    // A release that waits for the date of an entry gets no second one.
    let is_new = |decision: &&Decision<'_>| {
        decision.release.yank.is_none()
            && decision.release.entries[decision.stage..].iter().all(Option::is_none)
    };
    let coming = decisions.iter().filter(is_new);
    let (versions, changes): (Vec<_>, Vec<_>) = coming
        .map(|decision| {
            let last = decision.release.entries.iter().flatten().map(|entry| entry.since).max();
            let since = last.map_or(now, |last| last.max(now));
            let entry = Entry::new(since, "check".to_owned(), Some("check".to_owned()));
            (&decision.release.version, decision.enter(entry))
        })
        .unzip();
    let tried = workspace.store()?.try_each(&view.snapshot.revision, &changes, workspace.now())?;
    let failed = tried.iter().filter(|(_, error)| error.is_in_the_text()).map(|(place, error)| {
        let why = match error {
            CommitError::Faulty(fault) => format!("the edit would cause a fault: {}", fault.message),
            error => chain(error),
        };
        format!("`{}` cannot be promoted automatically: {why}", versions[*place])
    });
    Ok(failed.collect())
}

/// Warns of releases that are not offered although they have no fault.
fn unoffered(view: &View, workspace: &Workspace, now: Time) -> Vec<String> {
    if !workspace.payloads.is_dir() {
        let warning = |_: &Release| {
            let folder = workspace.payloads.display();
            format!("there is no folder `{folder}`: payloads and signed manifests were not checked")
        };
        return releases(&view.catalog).take(1).map(warning).collect();
    }
    let mut warnings = Vec::new();
    let (mut unsigned, mut targets) = (Vec::new(), "");
    for release in releases(&view.catalog) {
        let version = &release.version;
        if release.is_withdrawn(now) {
            warnings
                .push(format!("`{version}` was yanked and its payload removed, so it is no longer served"));
        }
        match &release.evidence.manifest {
            ManifestState::Unsigned => unsigned.push(version),
            ManifestState::Undelegated => {
                unsigned.push(version);
                targets = " --targets-key FILE";
            }
            ManifestState::Invalid(why) if view.trust().is_ok() && !release.is_known(now) => {
                warnings.push(format!(
                    "`{version}` cannot be offered: {why}; restore what was signed, or run `tidegate release sign {version} --key FILE`"
                ));
            }
            ManifestState::Invalid(_) | ManifestState::NoTrust | ManifestState::Signed(_) => {}
        }
    }
    if let [first, others @ ..] = &unsigned[..] {
        let (more, are) = (words::and_more(others.len()), if others.is_empty() { "is" } else { "are" });
        warnings.push(format!(
            "`{first}`{more} {are} not signed yet: `tidegate release sign --key FILE{targets}`"
        ));
    }
    warnings
}

/// Why the catalog's keys and roles cannot be used: in themselves, or after those that this server published
/// last, if it has published anything.
fn untrusted(view: &View, workspace: &Workspace) -> Option<String> {
    let last = crate::promoter::stored::publication(&*workspace.state_store()).ok().flatten();
    let Snapshot { trust, unread_roles, .. } = &view.snapshot;
    let kept = trusted(trust, unread_roles, last.as_ref(), &Checked::default()).kept.map(|why| chain(&why));
    view.trust().err().map(|error| chain(error)).or(kept)
}

impl Body {
    fn words(&self, catalog: &Path, trust_hint: &str) -> String {
        let folder = catalog.display().to_string();
        let faults = self.faults.iter().map(|fault| fault.within(&folder));
        let steps = self
            .step_backs
            .iter()
            .map(|step| format!("{folder}/{}: {}\n  hint: {}", step.line, step.message, step.hint));
        let trust = self
            .trust
            .iter()
            .map(|why| format!("{folder}/trust: the keys cannot be used: {why}\n  hint: {trust_hint}"));
        let words: Vec<String> = faults.chain(steps).chain(trust).collect();
        words.join("\n")
    }
}
