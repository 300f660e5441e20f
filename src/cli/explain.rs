//! `tidegate explain`.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::channel;
use super::failure::refuse;
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::Time;
use crate::domain::catalog::ChannelRef;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::degraded::LineRefusal;
use crate::domain::explain::Explanation;
use crate::domain::promotion::{decide, decide_line};
use crate::domain::topic::Topic;
use crate::domain::upgrade::{Advice, Answer, Blocked, Views, entry};
use crate::domain::version::Version;
use crate::formats::api::{ExplainBody, StepBody, UpdateBody};
use crate::formats::fault::Fault;
use crate::promoter::stored;
use crate::publish::refusals;
use crate::words;

/// The most updates that are shown. Real paths are shorter: each update goes up, and a line has few
/// barriers.
const STEPS: usize = 100;

/// The most faults of a line that are shown. They often have one cause.
const FAULTS: usize = 3;

/// Explain why a release is in its stage, or which updates a cluster will get
///
/// For a release, shows every gate before its next stage, how long the release waits for it, and who can
/// do what about it. With `--on` and `--from`, shows what a cluster that runs this version and follows this
/// channel should do next, and every update after that.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "tidegate explain [OPTIONS] <VERSION>\n       tidegate explain [OPTIONS] --on <CHANNEL> --from <VERSION>",
    after_help = "\
Examples:
  tidegate explain 1.8.9-tectonic.4
  tidegate explain 1.8.9-tectonic.4 --at 2018-04-01T00:00:00Z
  tidegate explain --on 1.8-production --from 1.7.9-tectonic.3
  tidegate explain --on 1.8-production --from 1.7.9-tectonic.3 --arch arm64"
)]
pub struct Args {
    /// The release
    #[arg(required_unless_present = "on")]
    version: Option<Version>,
    /// The channel that a cluster follows
    #[arg(long, value_name = "CHANNEL", requires = "from", conflicts_with = "version", value_parser = channel::name)]
    on: Option<ChannelName>,
    /// The version that the cluster runs
    #[arg(long, value_name = "VERSION", requires = "on")]
    from: Option<Version>,
    /// The architecture of the cluster: releases that have no payload for it are passed over
    #[arg(long, value_name = "ARCH", requires = "on", value_parser = words::rules::parse_arch)]
    arch: Option<String>,
    /// Answer for this time (RFC 3339), from the current catalog, as if nothing were promoted until then
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct ReleaseBody {
    #[serde(flatten)]
    explanation: ExplainBody,
    /// The faults of the release's line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
}

#[derive(Debug, Serialize)]
struct WayBody {
    #[serde(flatten)]
    answer: UpdateBody,
    /// Every update from this version on, as far as is known now.
    way: Vec<StepBody>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    let unsure = workspace.heed_readable_history();
    let topic = args.version.clone().map(Topic::ReleaseAndEntry);
    let view = workspace.read_about(topic.as_ref())?;
    terminal.notes(unsure.into_iter().chain(view.lost_notes()));
    match (&args.version, &args.on, &args.from) {
        (Some(version), ..) => release(args, version, workspace, &view, terminal),
        (None, Some(on), Some(from)) => way(on, (from, args.arch.as_deref()), now, &view, terminal),
        // Clap accepts nothing else.
        _ => Err(refuse("nothing to explain", "name a release, or `--on CHANNEL --from VERSION`")),
    }
}

fn release(
    args: &Args,
    version: &Version,
    workspace: &Workspace,
    view: &View,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    // What is published, and what a server reports, is so now and not at another time.
    let state = args.at.is_none().then(|| workspace.state_store());
    let report = state.as_ref().and_then(|state| state.reported());
    let unread = view.snapshot.reading.faulty_lines(Path::new(""));
    let salvaged = match (view.catalog.release(version), view.catalog.stoppable_release(version)) {
        (None, Some((line, _))) => workspace.salvaged(view, line),
        _ => None,
    };
    let found = salvaged.as_ref().and_then(|line| Some((line, line.releases.get(version)?)));
    let (line, release) = found.map_or_else(|| view.release(version), Ok)?;
    let is_wanted = |name: &LineName| *name == line.name || unread.contains_key(name);
    let last = state.and_then(|state| stored::publication_about(&*state, &is_wanted).ok().flatten());
    // Other lines may lack their releases here. If this line claims what was another one's, that line's own file
    // shows that it steps back.
    let refused = refusals(&view.catalog, &unread, last.as_ref(), now);
    let decisions = if salvaged.is_some() { Vec::new() } else { decide_line(line, now) };
    let explanation = Explanation {
        line,
        release,
        now,
        decision: decisions.iter().find(|decision| decision.release.version == *version),
        refused: refused.get(&line.name),
        not_promoting: report.as_ref().and_then(|report| report.not_promoting),
        entry: entry(&view.catalog, line, now),
    };
    let faults = view.snapshot.reading.faulty.get(line.name.as_str()).cloned().unwrap_or_default();
    let body = ReleaseBody { explanation: ExplainBody::of(&explanation), faults };
    terminal.show(&body, || {
        let mut page = words::explanation_page(&explanation, report.as_ref());
        if let Some(refusal) = explanation.refused {
            page.push_str(&fault_page(&line.name, &body.faults, refusal));
        }
        page
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what is wrong with a line, and what the server does meanwhile.
fn fault_page(line: &LineName, faults: &[Fault], refusal: &LineRefusal) -> String {
    let mut text = format!(
        "\nThe server publishes and promotes nothing new in line `{line}`, but takes stops, until a release engineer mends this (`tidegate catalog check`):\n"
    );
    // Writing to a `String` cannot fail.
    for fault in faults.iter().take(FAULTS) {
        let _ = writeln!(text, "{fault}");
    }
    if faults.is_empty() {
        let _ = writeln!(text, "{}", words::line_refusal(refusal));
    } else if faults.len() > FAULTS {
        let _ = writeln!(text, "and {} more: `tidegate catalog check`", faults.len() - FAULTS);
    }
    text
}

fn way(
    on: &ChannelName,
    (from, arch): (&Version, Option<&str>),
    now: Time,
    view: &View,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let channel = view.channel(on)?;
    let decisions = decide(&view.catalog, now);
    let views = Views::new(&view.catalog, &decisions, now);
    let views = arch.map(|arch| views.for_arch(arch)).unwrap_or(views);
    let answer = views.answer(channel, from);
    let steps = std::iter::successors(step(&answer), |(version, _)| step(&views.answer(channel, version)));
    let way = steps.take(STEPS).map(|(version, offering)| StepBody {
        version: version.to_string(),
        channel: offering.name().to_string(),
    });
    let body = WayBody { answer: UpdateBody::of(&answer), way: way.collect() };
    terminal.show(&body, || {
        let mut words = format!("{}.\n", words::answer(&answer));
        // If there is only one update, the sentence above already names it.
        if body.way.len() > 1 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(words, "\nThe updates from `{from}`, as far as is known now:");
            for (index, step) in body.way.iter().enumerate() {
                let _ = writeln!(words, "  {}. `{}` of channel `{}`", index + 1, step.version, step.channel);
            }
        }
        words
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The release that an answer sends a cluster to next, and the channel that offers it.
fn step<'a>(answer: &Answer<'a>) -> Option<(&'a Version, ChannelRef<'a>)> {
    match &answer.advice {
        Advice::Update { target, .. } => Some((&target.version, answer.channel)),
        Advice::Blocked(Blocked::MinorGate { next: Some(next), .. }) => {
            Some((&next.release.version, next.channel))
        }
        Advice::None { .. } | Advice::Wait(_) | Advice::Blocked(_) => None,
    }
}
