//! `tidegate promote`.

mod before;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use self::before::Witness;
use super::author::Author;
use super::failure::refuse;
use super::operation;
use super::table::{Table, counted};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::catalog::Catalog;
use crate::domain::chain;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::promotion::{Decision, Fact, Verdict, decide};
use crate::domain::release::ManifestState;
use crate::domain::restraint::Restraint;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::api::DecisionBody;
use crate::operations::PromoteEarly;
use crate::operations::promote::{Due, Promote};
use crate::promoter::promote::{Next, Run};
use crate::words;

/// Promote what is due, or one release early
///
/// A run promotes each release by one stage at most. A release whose file cannot be written does not stop
/// the others. A release that is not due is listed with its date, or with what blocks it.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Examples:
  tidegate promote --dry-run
  tidegate promote
  tidegate promote 1.8.9-tectonic.4 --early --reason 'fixes the current outage'
  tidegate promote --redate                               after a machine with a fast clock has promoted
  tidegate promote --at 2018-04-01T00:00:00Z              what would be promoted then
  tidegate promote --at 2018-04-01T00:00:00Z --backfill   and record it as of then")]
pub struct Args {
    /// The releases; by default all
    versions: Vec<Version>,
    /// Only show what would be promoted
    #[arg(long)]
    dry_run: bool,
    /// Decide as of this time (RFC 3339), from the current catalog, as if nothing were promoted until then;
    /// a dry run unless `--backfill` is given
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
    /// Record promotions as of `--at`, which must be in the past; this gives a catalog its history
    #[arg(long, requires = "at", conflicts_with = "early")]
    backfill: bool,
    /// Promote one release before its soak is over or outside its window; a hold, an older barrier and
    /// the earliest times that release keys signed still apply
    #[arg(long, requires_all = ["reason", "versions"])]
    early: bool,
    /// With `--early`: promote even during a freeze
    #[arg(long, requires = "early")]
    during_freeze: bool,
    /// With `--early`: the reason, which is public
    #[arg(long, value_name = "TEXT", requires = "early")]
    reason: Option<String>,
    /// Remove the entries that are dated ahead of this machine's clock, and promote those releases when they
    /// are due
    #[arg(long, conflicts_with_all = ["at", "early"])]
    redate: bool,
    #[command(flatten)]
    witness: Witness,
    #[command(flatten)]
    author: Author,
}

/// The result of a run, as JSON.
#[derive(Debug, Default, Serialize)]
struct Body {
    /// The time of the decisions, RFC 3339.
    at: String,
    /// Whether nothing was written.
    dry_run: bool,
    /// What was promoted, or would be.
    promoted: Vec<DecisionBody>,
    /// What was not promoted.
    promotions: Vec<DecisionBody>,
    /// What the catalog has lost although nobody recorded that, so it still counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost: Vec<LostBody>,
    /// The entries that were removed, or would be, because they are dated ahead of the clock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removed: Vec<RemovedBody>,
}

/// A restraint that the catalog has lost.
#[derive(Debug, Serialize)]
struct LostBody {
    /// What `tidegate catalog loosen` takes, if it was meant.
    what: String,
    line: String,
    /// The commit that lost it. Left out if no commit did, as with changes that are not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    message: String,
}

/// An entry that was dated ahead of the clock.
#[derive(Debug, Serialize)]
struct RemovedBody {
    version: String,
    channel: String,
    /// The date of the entry, RFC 3339.
    since: String,
}

/// The result of a run, with everything that is shown to people.
#[derive(Default)]
struct Report {
    body: Body,
    rows: Vec<[String; 4]>,
    /// For each retired line: how many releases are blocked and were not named by the user, and why.
    retired: BTreeMap<LineName, (usize, String)>,
    notes: Vec<String>,
    /// A note on the lines that are left out because of their faults.
    faulty: Option<String>,
    /// The promotions that failed, and why.
    failed: Vec<anyhow::Error>,
    /// Whether any release is blocked, rather than just waiting.
    blocked: bool,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let asked = Promote { versions: args.versions.iter().cloned().collect(), backfill: args.backfill };
    if let Some(at) = args.at {
        asked.check(at, workspace.now()).map_err(|refused| operation::refusal(&refused))?;
    }
    if args.early && args.versions.len() > 1 {
        return Err(refuse(
            "only one release at a time can be promoted early",
            "promote each one separately, with its own reason",
        ));
    }
    let unsure = workspace.heed_history()?;
    let dry_run = args.dry_run || (args.at.is_some() && !args.backfill);
    let warnings = if dry_run { Vec::new() } else { args.witness.check(&workspace.read()?, workspace)? };
    let Report { body, rows, notes, faulty, failed, blocked, .. } = if dry_run || args.early {
        workspace.commit(|view| {
            let mut report = Report::default();
            let now = args.look(&mut report, view, workspace, &Run::default())?;
            report.body.dry_run = dry_run;
            let changes = if args.early {
                args.early(&mut report, view, now)?
            } else {
                let catalog = args.redated(&mut report, &asked, view)?;
                asked.foresee(&catalog, now, |due| args.foresee(&mut report, due))?;
                Vec::new()
            };
            Ok((if dry_run { Vec::new() } else { changes }, report))
        })?
    } else {
        args.promote(&asked, workspace)?
    };

    let mut table = Table::new(["RELEASE", "CHANNEL", "STATE", "WHY"]);
    for row in rows {
        table.row(row);
    }
    let none = if faulty.is_some() {
        "nothing to promote in the lines without faults"
    } else {
        "every release is as far as it can go"
    };
    terminal.table(&body, &table, none)?;
    let is_faulty = faulty.is_some() || !body.lost.is_empty();
    for note in unsure.into_iter().chain(warnings).chain(notes).chain(faulty) {
        terminal.note(note);
    }
    for RemovedBody { version, channel, since } in &body.removed {
        let done = if dry_run { "would be removed" } else { "was removed" };
        terminal.note(format_args!(
            "the entry of `{version}` into `{channel}`, dated {since}, {done}: `{version}` enters when it is due"
        ));
    }
    for failed in &failed {
        terminal.fail(failed);
    }
    if dry_run && !body.promoted.is_empty() {
        terminal.note("dry run: nothing was written");
    }
    // If the user named releases, a blocked one is a failure. In a run for all, some are usually blocked.
    let is_refused = blocked && !args.versions.is_empty();
    Ok(if is_faulty || is_refused || !failed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl LostBody {
    fn of(one: &Restraint, lost: &[Restraint]) -> Self {
        Self {
            what: one.way_out(lost).to_string(),
            line: one.line.to_string(),
            commit: one.lost_in.clone(),
            message: words::restraints::lost(one),
        }
    }
}

impl Args {
    /// Records what is known before anything is decided. Returns the time to decide for.
    fn look(
        &self,
        report: &mut Report,
        view: &View,
        workspace: &Workspace,
        run: &Run,
    ) -> anyhow::Result<Time> {
        // Take the time again for each attempt, so that a commit that came first is not dated in the
        // future.
        let now = self.at.unwrap_or_else(|| workspace.now());
        view.usable_trust()?;
        view.check_memory()?;
        report.body.at = rfc3339(now);
        report.faulty = view.faulty_note();
        report.notes = view.lost_notes().collect();
        report.body.lost = view.lost.iter().map(|lost| LostBody::of(lost, &view.lost)).collect();
        // The entries that `--redate` removes are shown as removed.
        if !self.redate {
            let ahead = view.catalog.entries_ahead();
            report.notes.extend(ahead.map(|ahead| format!("warning: {}", words::dated_ahead(&ahead))));
        }
        for version in &self.versions {
            let (line, release) = view.release(version)?;
            let last = line.stages.len() - 1;
            if release.is_in(last, now) && !run.moved.contains(&release.version) {
                report.notes.push(format!("`{version}` is in `{}` already", line.stages[last].channel));
            }
        }
        Ok(now)
    }

    /// Returns the catalog without the entries that `--redate` removes, and records them.
    fn redated<'v>(
        &self,
        report: &mut Report,
        asked: &Promote,
        view: &'v View,
    ) -> anyhow::Result<Cow<'v, Catalog>> {
        if !self.redate {
            return Ok(Cow::Borrowed(&view.catalog));
        }
        report.remove(asked, &view.catalog);
        let changes = asked.redate(&view.catalog);
        let after = changes.iter().try_fold(view.catalog.clone(), |after, change| change.apply(after))?;
        Ok(Cow::Owned(after))
    }

    /// Promotes what is due, until nothing is due any more.
    fn promote(&self, asked: &Promote, workspace: &Workspace) -> anyhow::Result<Report> {
        let (mut report, mut run) = (Report::default(), Run::default());
        if self.redate {
            workspace.commit(|view| {
                report.remove(asked, &view.catalog);
                Ok((asked.redate(&view.catalog), ()))
            })?;
        }
        loop {
            let view = workspace.read()?;
            let now = self.look(&mut report, &view, workspace, &run)?;
            let decisions = decide(&view.catalog, now);
            let due = asked.due(&decisions, &run.moved, |version| run.has_tried(version));
            let changes = due.promote.iter().map(|decision| decision.entry(now)).collect();
            let next = run.round(&**workspace.store()?, &view.snapshot.revision, changes, workspace.now());
            for decision in due.promote.iter().filter(|one| run.moved.contains(&one.release.version)) {
                report.promoted(decision);
            }
            if next == Next::Done {
                self.leave(&mut report, &due);
                break;
            }
        }
        let failed = run.failed.iter();
        report.failed = failed
            .map(|(version, error)| anyhow::anyhow!("`{version}` was not promoted: {}", chain(error)))
            .collect();
        match run.stopped {
            Some(error) if run.moved.is_empty() => Err(error).context("the catalog was not changed"),
            stopped => {
                let rest = |error| anyhow::anyhow!("the rest was not promoted: {}", chain(&error));
                report.failed.extend(stopped.map(rest));
                Ok(report)
            }
        }
    }

    /// Records one round of a dry run.
    fn foresee(&self, report: &mut Report, due: &Due<'_, '_>) {
        for decision in &due.promote {
            report.promoted(decision);
        }
        if due.promote.is_empty() {
            self.leave(report, due);
        }
    }

    /// Records what is not promoted, and why.
    fn leave(&self, report: &mut Report, due: &Due<'_, '_>) {
        for decision in &due.left {
            let version = &decision.release.version;
            if self.backfill && decision.verdict == Verdict::Promote && decision.release.hold.is_some() {
                report.notes.push(format!(
                    "`{version}` is held, and `--backfill` does not promote a held release: first run `tidegate release resume {version} --reason TEXT`"
                ));
            }
            report.left(decision, !self.versions.is_empty());
        }
        for (line, (count, why)) in &report.retired {
            let releases = format!("{} of {line}", counted(*count, "release"));
            report.rows.push([releases, String::new(), "blocked".to_owned(), why.clone()]);
        }
        if self.backfill && report.body.promoted.is_empty() {
            report.notes.extend(stuck(due));
        }
    }

    fn early(&self, report: &mut Report, view: &View, now: Time) -> anyhow::Result<Vec<Change>> {
        let early = PromoteEarly {
            version: self.versions[0].clone(),
            during_freeze: self.during_freeze,
            reason: self.reason.clone().unwrap_or_default(),
            by: self.author.author()?,
        };
        let decision = early.decide(&view.catalog, now).map_err(|refused| operation::refusal(&refused))?;
        let decision = decision.as_ref().inspect(|decision| report.promoted(decision));
        Ok(decision.map(|decision| early.entry(decision, now)).into_iter().collect())
    }
}

/// Explains what blocks the first of the releases, so that a backfill wrote nothing, and what to do first.
fn stuck(due: &Due<'_, '_>) -> Option<String> {
    let first = due.blocked().next()?;
    let gate = first.blocking()?;
    let (version, stage) = (&first.release.version, &first.target().name);
    let way = match gate.fact {
        // Without keys, a release's history can begin only with an entry that somebody recorded.
        Fact::Signed { manifest: ManifestState::NoTrust } => format!(
            "in the release's file, record when it entered its first stage: `stages: {{ {stage}: {{ since: TIME, by: NAME }} }}`; the later stages are then filled in"
        ),
        Fact::Signed { manifest: manifest @ (ManifestState::Unsigned | ManifestState::Undelegated) }
            if first.stage > 0 =>
        {
            let targets = if *manifest == ManifestState::Undelegated { " --targets-key FILE" } else { "" };
            format!(
                "a keeper of a release key can sign it for that time: `tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE{targets}`"
            )
        }
        _ => words::gate_remedy(gate, version)?.to_string(),
    };
    let count = counted(due.blocked().count(), "release");
    Some(format!(
        "nothing was written, and {count} could not be promoted; the first, `{version}`, cannot enter `{}`: {}\nhint: {way}",
        first.target().channel,
        words::gate(gate)
    ))
}

impl Report {
    /// Records the entries that `--redate` removes.
    fn remove(&mut self, asked: &Promote, catalog: &Catalog) {
        self.body.removed.clear();
        for ahead in asked.ahead(catalog) {
            self.body.removed.push(RemovedBody {
                version: ahead.version.to_string(),
                channel: ahead.stage.channel.to_string(),
                since: rfc3339(ahead.since),
            });
        }
    }

    fn promoted(&mut self, decision: &Decision<'_>) {
        let state = if self.body.dry_run { "would be promoted" } else { "promoted" };
        // List every gate that a person waived, and not only the first.
        let waived: Vec<String> =
            decision.gates.iter().filter(|gate| gate.is_waived()).map(words::gate).collect();
        let soak = decision.gates.iter().find(|gate| matches!(gate.fact, Fact::Soak { .. }));
        let why = match soak {
            _ if !waived.is_empty() => waived.join("; "),
            Some(soak) => words::gate(soak),
            None => "signed, and its payload is present".to_owned(),
        };
        self.row(decision, state.to_owned(), why);
        self.body.promoted.push(DecisionBody::of(decision));
    }

    fn left(&mut self, decision: &Decision<'_>, by_name: bool) {
        self.body.promotions.push(DecisionBody::of(decision));
        self.blocked |= decision.verdict == Verdict::Blocked;
        // The reason is the same for all releases of a retired line, so it is shown once.
        if let Some(retired) = decision.retired().filter(|_| decision.verdict == Verdict::Blocked && !by_name)
        {
            let line = decision.line.name.clone();
            self.retired.entry(line).or_insert_with(|| (0, words::gate(retired))).0 += 1;
            return;
        }
        // What is due was not promoted: the user named others, it is held now, or its file could not be
        // written.
        let (state, why) = words::promotion(decision);
        self.row(decision, state, why);
    }

    fn row(&mut self, decision: &Decision<'_>, state: String, why: String) {
        let channel = decision.target().channel.to_string();
        self.rows.push([decision.release.version.to_string(), channel, state, why]);
    }
}
