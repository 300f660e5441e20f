//! `tidegate promote`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::author::Author;
use super::failure::refuse;
use super::operation;
use super::table::{Table, counted};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::chain;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::promotion::{Decision, Fact, Gate, Verdict, decide};
use crate::domain::release::ManifestState;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::api::DecisionBody;
use crate::operations::PromoteEarly;
use crate::operations::promote::{Due, Promote};
use crate::promoter::promote::{Next, Run};
use crate::words;

/// Promote what is due, or one release early
///
/// A release moves at most one stage in a run. One whose file cannot be written leaves the others alone.
/// What is not due is listed with its date, or with what blocks it.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "\
Examples:
  tidegate promote --dry-run
  tidegate promote
  tidegate promote 1.8.9-tectonic.4 --early --reason 'fixes the outage of today'
  tidegate promote --at 2018-04-01T00:00:00Z              what would be promoted then
  tidegate promote --at 2018-04-01T00:00:00Z --backfill   and write it down as of then")]
pub struct Args {
    /// The releases; by default all
    versions: Vec<Version>,
    /// Only say what would be promoted
    #[arg(long)]
    dry_run: bool,
    /// Decide as of this time, RFC 3339, from the catalog as it is now, without the runs that come
    /// before it; a dry run unless `--backfill` is given
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
    /// Write promotions as of `--at`, which lies in the past: for a catalog that is given its history
    #[arg(long, requires = "at", conflicts_with = "early")]
    backfill: bool,
    /// Promote one release before its soak is over or outside its window; never past a hold, an older
    /// barrier, or what release keys signed
    #[arg(long, requires_all = ["reason", "versions"])]
    early: bool,
    /// With `--early`: promote during a freeze, too
    #[arg(long, requires = "early")]
    during_freeze: bool,
    /// With `--early`: why; it is public
    #[arg(long, value_name = "TEXT", requires = "early")]
    reason: Option<String>,
    #[command(flatten)]
    author: Author,
}

/// What a run is reported to have done.
#[derive(Default)]
struct Report {
    body: Body,
    faulty: Option<String>,
    notes: Vec<String>,
    /// What could not be done, in words.
    failed: Vec<String>,
}

/// What a run came to.
#[derive(Debug, Default, Serialize)]
struct Body {
    /// RFC 3339: the time that was decided for.
    at: String,
    /// Whether nothing was written.
    dry_run: bool,
    /// What was promoted, or would be.
    promoted: Vec<DecisionBody>,
    /// What was not.
    promotions: Vec<DecisionBody>,
    /// Whether something that was decided about is blocked, and not only waiting.
    #[serde(skip)]
    blocked: bool,
    /// What would be promoted in the past, and is held now.
    #[serde(skip)]
    held: Vec<Version>,
    /// How many of each retired line nobody asked for by name, and why none goes on.
    #[serde(skip)]
    retired: BTreeMap<LineName, (usize, String)>,
    /// Of history that was not written: why, and the way out.
    #[serde(skip)]
    stuck: Option<String>,
    #[serde(skip)]
    rows: Vec<[String; 4]>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let asked = Promote { versions: args.versions.iter().cloned().collect(), backfill: args.backfill };
    if let Some(at) = args.at {
        asked.check(at, workspace.now()).map_err(|refused| operation::refusal(&refused))?;
    }
    if args.early && args.versions.len() > 1 {
        return Err(refuse(
            "one release at a time is promoted early",
            "promote each by itself, with its own reason",
        ));
    }
    let dry_run = args.dry_run || (args.at.is_some() && !args.backfill);
    let Report { body, faulty, notes, failed } = if dry_run || args.early {
        workspace.commit(|view| {
            let mut report = Report::default();
            let now = args.look(&mut report, view, workspace, &Run::default())?;
            report.body = Body { at: rfc3339(now), dry_run, ..Body::default() };
            let changes = if args.early {
                args.early(&mut report.body, view, now)?
            } else {
                asked.foresee(&view.catalog, now, |due| args.foresee(&mut report.body, due))?;
                Vec::new()
            };
            Ok((if dry_run { Vec::new() } else { changes }, report))
        })?
    } else {
        args.promote(&asked, workspace)?
    };

    let mut table = Table::new(["RELEASE", "CHANNEL", "STATE", "WHY"]);
    for row in &body.rows {
        table.row(row.clone());
    }
    let none = if faulty.is_some() {
        "nothing to promote in the lines without fault"
    } else {
        "every release is where it can be"
    };
    terminal.table(&body, &table, none)?;
    let held = body.held.iter().filter(|_| args.backfill).map(|version| {
        format!("`{version}` is held, and the past is no way around that: first `tidegate release resume {version}`")
    });
    for note in notes.into_iter().chain(held).chain(body.stuck.clone()).chain(faulty.clone()) {
        terminal.note(note);
    }
    for failed in &failed {
        terminal.note(format_args!("error: {failed}"));
    }
    if dry_run && !body.promoted.is_empty() {
        terminal.note("dry run: nothing was written");
    }
    // Who names a release wants it promoted; a run for all of them finds some blocked on most days.
    let refused = body.blocked && !args.versions.is_empty();
    Ok(if faulty.is_some() || refused || !failed.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Args {
    /// Notes what can be said of a catalog before anything is decided, and gives the time to decide for.
    fn look(
        &self,
        report: &mut Report,
        view: &View,
        workspace: &Workspace,
        run: &Run,
    ) -> anyhow::Result<Time> {
        // A commit that came first is dated by its own moment, and must be seen.
        let now = self.at.unwrap_or_else(|| workspace.now());
        view.usable_trust()?;
        report.faulty = view.faulty_note();
        report.notes.clear();
        for version in &self.versions {
            let (line, release) = view.release(version)?;
            let last = line.stages.len() - 1;
            if release.is_in(last, now) && !run.moved().contains(&release.version) {
                report.notes.push(format!("`{version}` is in `{}` already", line.stages[last].channel));
            }
        }
        Ok(now)
    }

    /// Promotes what is due, again and again until nothing is.
    fn promote(&self, asked: &Promote, workspace: &Workspace) -> anyhow::Result<Report> {
        let (mut report, mut run) = (Report::default(), Run::default());
        loop {
            let view = workspace.read()?;
            let now = self.look(&mut report, &view, workspace, &run)?;
            let decisions = decide(&view.catalog, now);
            let due = asked.due(&decisions, run.moved(), |version| run.has_tried(version));
            let changes = due.promote.iter().map(|decision| decision.entry(now)).collect();
            let next = run.round(&**workspace.store()?, &view.snapshot.revision, changes, workspace.now());
            report.body.at = rfc3339(now);
            for decision in due.promote.iter().filter(|one| run.moved().contains(&one.release.version)) {
                report.body.promoted(decision);
            }
            if next == Next::Done {
                self.leave(&mut report.body, &due);
                break;
            }
        }
        let failed = run.failed().iter();
        report.failed = failed
            .map(|(version, error)| format!("`{version}` was not promoted: {}", chain(error)))
            .collect();
        let is_changed = !run.moved().is_empty();
        match run.into_stopped() {
            Some(error) if is_changed => {
                report.failed.push(format!("the rest was not promoted: {}", chain(&error)));
            }
            Some(error) => return Err(error).context("the catalog was not changed"),
            None => {}
        }
        Ok(report)
    }

    /// Notes a round of a run that nobody makes.
    fn foresee(&self, body: &mut Body, due: &Due<'_, '_>) {
        for decision in &due.promote {
            body.promoted(decision);
        }
        if due.promote.is_empty() {
            self.leave(body, due);
        }
    }

    /// Notes what is not promoted, and why.
    fn leave(&self, body: &mut Body, due: &Due<'_, '_>) {
        for decision in &due.left {
            body.left(decision, !self.versions.is_empty());
        }
        body.retired_lines();
        if self.backfill && body.promoted.is_empty() {
            body.stuck = stuck(due);
        }
    }

    fn early(&self, body: &mut Body, view: &View, now: Time) -> anyhow::Result<Vec<Change>> {
        let early = PromoteEarly {
            version: self.versions[0].clone(),
            during_freeze: self.during_freeze,
            reason: self.reason.clone().unwrap_or_default(),
            by: self.author.author()?,
        };
        let decision = early.decide(&view.catalog, now).map_err(|refused| operation::refusal(&refused))?;
        Ok(decision
            .iter()
            .map(|decision| {
                body.promoted(decision);
                early.entry(decision, now)
            })
            .collect())
    }
}

/// Why no history was written where something is blocked, and what to do first.
fn stuck(due: &Due<'_, '_>) -> Option<String> {
    let first = due.blocked().next()?;
    let gate = first.blocking()?;
    let (version, stage) = (&first.release.version, &first.target().name);
    let way = match gate.fact {
        // A history without keys is taken up from where somebody said that it began.
        Fact::Signed { manifest: ManifestState::NoTrust } => format!(
            "write into its file since when it was in its first stage, `stages: {{ {stage}: {{ since: TIME, by: NAME }} }}`: what comes after that is filled in"
        ),
        Fact::Signed { manifest: ManifestState::Unsigned } if first.stage > 0 => format!(
            "a holder of a release key can sign it for that time: `tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE`"
        ),
        _ => words::gate_remedy(gate, version)?.to_string(),
    };
    let count = counted(due.blocked().count(), "release");
    Some(format!(
        "nothing was written, and {count} did not get further; the first, `{version}`, does not enter `{}`: {}\nhint: {way}",
        first.target().channel,
        words::gate(gate)
    ))
}

impl Body {
    fn promoted(&mut self, decision: &Decision<'_>) {
        let state = if self.dry_run { "would be promoted" } else { "promoted" };
        let soaked = |gate: &&Gate<'_>| matches!(gate.fact, Fact::Soak { .. });
        // All that a person passed over, and not only the first.
        let mut told: Vec<String> =
            decision.gates.iter().filter(|gate| gate.is_waived()).map(words::gate).collect();
        if told.is_empty() {
            told.extend(decision.gates.iter().find(soaked).map(words::gate));
        }
        let why =
            if told.is_empty() { "signed, and its payload is there".to_owned() } else { told.join("; ") };
        self.rows.push(row(decision, state.to_owned(), why));
        self.promoted.push(DecisionBody::of(decision));
    }

    fn left(&mut self, decision: &Decision<'_>, by_name: bool) {
        let overdue = if decision.overdue { "overdue, " } else { "" };
        let (state, decisive) = match decision.verdict {
            // Another version was asked for, it is held since, or it could not be written.
            Verdict::Promote => {
                if decision.release.hold.is_some() {
                    self.held.push(decision.release.version.clone());
                }
                ("due".to_owned(), None)
            }
            Verdict::Wait { until } => {
                // Of several that open together the first says it best: the soak, not what was signed for it.
                let last = decision.obstacles().reduce(|a, b| if a.opens() < b.opens() { b } else { a });
                (format!("waits until {}", rfc3339(until)), last)
            }
            Verdict::Blocked => ("blocked".to_owned(), decision.blocking()),
        };
        let why = decisive.map(words::gate).unwrap_or_default();
        self.blocked |= decision.verdict == Verdict::Blocked;
        self.promotions.push(DecisionBody::of(decision));
        // It is the same for all of them, and for ever.
        if let Some(retired) = decision.retired().filter(|_| state == "blocked" && !by_name) {
            let line = decision.line.name.clone();
            self.retired.entry(line).or_insert_with(|| (0, words::gate(retired))).0 += 1;
            return;
        }
        self.rows.push(row(decision, format!("{overdue}{state}"), why));
    }

    fn retired_lines(&mut self) {
        for (line, (count, why)) in &self.retired {
            let releases = format!("{} of {line}", counted(*count, "release"));
            self.rows.push([releases, String::new(), "blocked".to_owned(), why.clone()]);
        }
    }
}

fn row(decision: &Decision<'_>, state: String, why: String) -> [String; 4] {
    let channel = decision.target().channel.to_string();
    [decision.release.version.to_string(), channel, state, why]
}
