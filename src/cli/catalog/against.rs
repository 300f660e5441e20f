//! The comparison of `tidegate catalog check --against` with the catalog that is being served.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::failure::{Hint, refuse};
use super::super::workspace::{View, Workspace, is_catalog, no_catalog};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::early::new_and_too_early;
use crate::domain::line::{Line, Stage};
use crate::domain::release::{Evidence, ManifestState, PayloadState, Release};
use crate::domain::restraint::Restraint;
use crate::domain::rules::{At, Broken};
use crate::domain::stepback::{Offer, StepBack, StepBackKind, step_backs};
use crate::domain::version::Version;
use crate::formats::fault::{Fault, Spot};
use crate::formats::yaml::{
    POLICY_PATH, Reading, is_content, is_meant_as_policy, line_path, release_path, release_stem,
};
use crate::publish::evidence::with_evidence;
use crate::signing::trust::{Checked, Trust};
use crate::signing::verify::Violation;
use crate::store::plain;
use crate::store::port::Snapshot;
use crate::words;
use crate::words::rules::message_and_hint;

/// What a comparison with the served catalog finds.
#[derive(Default)]
pub(super) struct Against {
    /// Each offer that this catalog takes back.
    pub steps: Vec<StepBack>,
    /// A fault for each new entry that is too early, for each restraint that is gone, and for roles that step back.
    pub faults: Vec<Fault>,
    /// What could not be compared.
    pub warnings: Vec<String>,
}

/// Compares with the served catalog.
///
/// A release that is signed there must be signed here, and one that entered a stage there must have its
/// payload here. A signature that is missing or invalid there is not compared. Of a line that has faults
/// there, the files without faults are compared, so that a fault does not take the guard off every change that
/// comes after it. What a faulty file had is unknown, so it may be corrected, but not removed.
pub(super) fn against(
    served: &Path,
    view: &View,
    workspace: &Workspace,
    now: Time,
) -> anyhow::Result<Against> {
    let before = workspace
        .other(served)
        .hint("name the folder of the catalog that is being served: `--against DIR`; if this is the first catalog of the repository: `--against none`")?;
    let before = before.read(workspace.now())?;
    if !is_catalog(served) {
        return Err(no_catalog(served, "--against"));
    }
    let place = |folder: &Path| fs::canonicalize(folder).ok();
    if place(served).is_some() && place(served) == place(&workspace.catalog) {
        return Err(refuse(
            format!(
                "`{}` is the catalog that is checked, so comparing them would say nothing",
                served.display()
            ),
            "name a copy of what is being served instead: `git worktree add /tmp/served origin/main`, then `--against /tmp/served/channels`",
        ));
    }
    let written = view.as_written(workspace.now());
    let base = comparable(&before.reading, &written);
    let mut faults = removed_unread(&before.reading, served, view, workspace);
    let (trust, stepped, unread) = roles(&before, served, view);
    faults.extend(stepped);
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
    // Without the roles nothing is on offer, and they are reported.
    let has_roles = matches!(view.trust(), Ok(Some(_)));
    let after = written.into_owned().map_evidence(|release| Evidence {
        manifest: if has_roles && was_signed(&release.version) {
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
    let lines = before.reading.faulty_lines(served).into_iter().map(uncompared);
    let roles = trust.iter().flat_map(Trust::broken).map(|(line, why)| {
        format!("the role of line `{line}` there cannot be used, so it was not compared: {}", chain(why))
    });
    let warnings = lines.chain(unread).chain(roles).collect();
    Ok(Against { steps, faults, warnings })
}

/// Compares the roles in `trust/`. Returns the served ones if they can be used, a fault if clients that know them would
/// refuse those here, and a warning if there was nothing but the names of their files to compare.
fn roles(before: &Snapshot, served: &Path, view: &View) -> (Option<Trust>, Option<Fault>, Option<String>) {
    let hint = "restore `trust/` as it is in the catalog that is being served; only `tidegate root change`, `release sign` and the ceremonies make newer roles";
    let fault = |why: &Violation| Fault::new("trust", "", Spot::START, &chain(why), hint);
    let missing = |file: &str| fault(&Violation::Missing { path: format!("trust/{file}") });
    match Trust::read(&before.trust) {
        Ok(None) => (None, None, None),
        Ok(Some(known)) => {
            let stepped = match view.trust() {
                Ok(Some(trust)) => trust.check_follows(&known).err().map(|why| fault(&why)),
                Ok(None) => Some(missing("1.root.json")),
                // That is reported in any case.
                Err(_) => None,
            };
            (Some(known), stepped, None)
        }
        Err(why) => {
            let is_here = |file: &&String| {
                view.snapshot.trust.contains_key(*file) || view.snapshot.unread_roles.contains_key(*file)
            };
            let lost = before.trust.keys().find(|file| !is_here(file)).map(|file| missing(file));
            let warning = format!(
                "the keys in `{}` cannot be used, so only the names of the files there were compared: {}",
                served.join("trust").display(),
                chain(&why)
            );
            (None, lost, Some(warning))
        }
    }
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
