//! `tidegate explain`.

use std::fmt::Write;
use std::process::ExitCode;

use serde::Serialize;

use super::channel;
use super::failure::refuse;
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::Time;
use crate::domain::catalog::ChannelRef;
use crate::domain::channel::ChannelName;
use crate::domain::explain::Explanation;
use crate::domain::promotion::decide;
use crate::domain::upgrade::{Advice, Answer, Blocked, Views};
use crate::domain::version::Version;
use crate::formats::api::{ExplainBody, StepBody, UpdateBody};
use crate::words;

/// The most updates that are shown. Real paths are shorter: each update goes up, and a line has few
/// barriers.
const STEPS: usize = 100;

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
  tidegate explain --on 1.8-production --from 1.7.9-tectonic.3"
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
    /// Answer for this time (RFC 3339), from the current catalog, as if nothing were promoted until then
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
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
    workspace.heed_history()?;
    let view = workspace.read()?;
    terminal.notes(view.lost_notes());
    match (&args.version, &args.on, &args.from) {
        (Some(version), ..) => release(version, now, &view, terminal),
        (None, Some(on), Some(from)) => way(on, from, now, &view, terminal),
        // Clap accepts nothing else.
        _ => Err(refuse("nothing to explain", "name a release, or `--on CHANNEL --from VERSION`")),
    }
}

fn release(
    version: &Version,
    now: Time,
    view: &View,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let (line, release) = view.release(version)?;
    let decisions = decide(&view.catalog, now);
    let decision = decisions.iter().find(|decision| decision.release.version == *version);
    let explanation = Explanation { line, release, now, decision, refused: None };
    terminal.show(&ExplainBody::of(&explanation), || words::explanation_page(&explanation))?;
    Ok(ExitCode::SUCCESS)
}

fn way(
    on: &ChannelName,
    from: &Version,
    now: Time,
    view: &View,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let channel = view.channel(on)?;
    let decisions = decide(&view.catalog, now);
    let views = Views::new(&view.catalog, &decisions, now);
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
