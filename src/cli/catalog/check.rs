//! `tidegate catalog check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::super::table::counted;
use super::super::terminal::Terminal;
use super::super::time;
use super::super::workspace::{View, Workspace, no_catalog};
use super::against::{Against, against};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::promotion::{Decision, decide};
use crate::domain::release::{Entry, ManifestFault, ManifestState, PayloadState, Release};
use crate::domain::restraint::Restraint;
use crate::domain::rules::doubtful::doubtful;
use crate::domain::stepback::StepBackKind;
use crate::domain::version::Version;
use crate::domain::{chain, rfc3339};
use crate::formats::api::StepBackBody;
use crate::formats::fault::{Fault, Spot};
use crate::formats::tuf::names;
use crate::formats::yaml::release_path;
use crate::publish::continuity::trusted;
use crate::signing::trust::{Checked, Trust};
use crate::store::port::{CommitError, Snapshot};
use crate::words;

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
    faults.extend(expired(&view, now));
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

/// Counts the faults of the catalog's files, as `catalog check` shows them.
pub(in crate::cli) fn count_faults(view: &View, workspace: &Workspace, now: Time) -> usize {
    let lost = releases(&view.catalog).any(|release| lost_keys(release).is_some());
    let trust = usize::from(lost || view.trust().is_err());
    let files = view.snapshot.reading.faults.len() + faults_outside(view, workspace, now).len();
    files + expired(view, now).count() + trust
}

/// A fault for each role in `trust/` that has expired: clusters refuse it, and nothing is promoted by it.
fn expired(view: &View, now: Time) -> impl Iterator<Item = Fault> {
    let trust = view.trust().ok().flatten();
    let expired = trust.into_iter().flat_map(Trust::expiries).filter(move |(_, expires)| *expires <= now);
    expired.map(|(role, expires)| {
        let message = format!("`{role}` expired at {}", rfc3339(expires));
        let hint = match names::line_of(&role).filter(|line| view.catalog.line(line).is_none()) {
            Some(line) => format!(
                "the catalog has no line `{line}` any more, so renew the role by itself: `tidegate root change --renew release:{line} --reason TEXT --key FILE`"
            ),
            None => words::renew(&role),
        };
        Fault::new("trust", "", Spot::START, &message, &hint)
    })
}

/// The faults of payload files and signed manifests, by release.
fn faults_outside<'a>(view: &'a View, workspace: &Workspace, now: Time) -> BTreeMap<&'a Version, Fault> {
    if !workspace.payloads.is_dir() {
        return BTreeMap::new();
    }
    let fault = |release: &Release| match (&release.evidence.payload, &release.evidence.manifest) {
        (missing @ PayloadState::Missing { .. }, _) if !release.is_withdrawn(now) => {
            Some((words::payload(missing), words::payload_hint(missing).to_owned()))
        }
        (wrong @ (PayloadState::Differs { .. } | PayloadState::Unreadable { .. }), _) => {
            Some((words::payload(wrong), words::payload_hint(wrong).to_owned()))
        }
        // Before a release enters a stage, nobody relies on its signature, and signing it again is normal.
        // If the keys cannot be used, that is reported once, and not for each release.
        (_, ManifestState::Invalid(why)) if lost_keys(release).is_none() && release.is_known(now) => {
            Some((why.to_string(), words::manifest_remedy(why, &release.version).to_string()))
        }
        _ => None,
    };
    let faults = view.catalog.lines().flat_map(|line| {
        line.releases.values().filter_map(|release| {
            let (message, hint) = fault(release)?;
            let file = release_path(&line.name, &release.version);
            Some((&release.version, Fault::new(&file, "", Spot::START, &message, &hint)))
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
            ManifestState::Invalid(why) if lost_keys(release).is_none() && !release.is_known(now) => {
                warnings.push(format!(
                    "`{version}` cannot be offered: {why}; {}",
                    words::manifest_remedy(why, version)
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
    let gone = || releases(&view.catalog).find_map(lost_keys).cloned();
    view.trust().err().map(|error| chain(error)).or(kept).or_else(gone)
}

/// Why the keys by which a release is signed cannot be used, if they cannot.
fn lost_keys(release: &Release) -> Option<&String> {
    match &release.evidence.manifest {
        ManifestState::Invalid(why) => match &**why {
            ManifestFault::Keys(why) => Some(why),
            _ => None,
        },
        _ => None,
    }
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
