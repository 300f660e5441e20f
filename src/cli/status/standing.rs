//! The releases that are on their way to a stage or withheld from one, grouped by what they wait for.

use super::NotOfferedBody;
use crate::cli::table::Table;
use crate::domain::line::Line;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Gate, Verdict};
use crate::domain::release::Release;
use crate::domain::report::Report;
use crate::domain::rfc3339;
use crate::promoter::status::Status;
use crate::publish::Decided;
use crate::words;

/// The most releases that are named in one row, and the most rows of releases that only wait for their time.
const NAMED: usize = 20;
const WAITING: usize = 10;

/// A row of releases for which the same is true.
struct Row {
    state: String,
    releases: Vec<String>,
    why: String,
}

/// Returns the table, most urgent first; empty if every release is as far as it can go.
pub fn table(decided: &Decided<'_>, status: &Status) -> String {
    let (mut acting, mut waiting) = (Vec::new(), Vec::new());
    for NotOfferedBody { version, why } in not_offered(decided) {
        add(&mut acting, "not offered", &version, why);
    }
    for (line, release) in releases(decided) {
        let is_last = release.stage(decided.now).is_some_and(|stage| stage + 1 == line.stages.len());
        if let (true, Some(yank), Some(stage)) =
            (is_last, release.yanked(decided.now), line.stranding(release, decided.now))
        {
            let why = format!("{}; {}", words::yanked(yank), words::nothing_higher(stage));
            add(&mut acting, "yanked", &release.version, why);
        }
    }
    for (line, release) in decided.standing_still() {
        let why = format!("line `{}` was refused, see `line_refused` below", line.name);
        add(&mut acting, "blocked", &release.version, why);
    }
    let stopped = status.not_promoting.filter(|why| why.concerns(false));
    let mut dated: Vec<_> = Vec::new();
    for decision in &decided.decisions {
        let version = &decision.release.version;
        let (state, why) = words::promotion(decision);
        match (decision.verdict, decision.retired()) {
            (Verdict::Blocked, Some(retired)) => add(&mut acting, &state, version, words::gate(retired)),
            (Verdict::Blocked, None) => add(&mut acting, &state, version, why),
            (Verdict::Promote, _) => {
                let why = status.not_promoting.map(words::not_promoting);
                add(&mut acting, &state, version, why.unwrap_or_else(|| words::PROMOTES.to_owned()));
            }
            (Verdict::Wait { until }, _) => {
                let state = match stopped {
                    Some(NotPromoting::Clock(_)) => format!("{state} and for the server's clock"),
                    Some(_) => format!("{state} and for the server"),
                    None => state,
                };
                dated.push((until, version, state, why));
            }
        }
    }
    dated.sort_by_key(|(until, version, ..)| (*until, *version));
    for (_, version, state, why) in dated {
        add(&mut waiting, &state, version, why);
    }
    let mut table = Table::new(["STATE", "RELEASES", "WHY"]);
    let last = waiting.get(WAITING).map(|row| row.state.clone());
    let more: usize = waiting.iter().skip(WAITING).map(|row| row.releases.len()).sum();
    for Row { state, releases, why } in acting.into_iter().chain(waiting.into_iter().take(WAITING)) {
        let hidden = words::and_more(releases.len().saturating_sub(NAMED));
        let named = releases.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
        table.row([state, format!("{named}{hidden}"), why]);
    }
    if table.is_empty() {
        return String::new();
    }
    let rest =
        last.map(|state| format!("{more} more releases wait, the next: {state}\n")).unwrap_or_default();
    format!(
        "\n{table}{rest}`tidegate explain VERSION` says who can change that, and `tidegate release list` lists every release\n"
    )
}

/// The releases that have entered a stage and are not offered.
pub fn not_offered(decided: &Decided<'_>) -> impl Iterator<Item = NotOfferedBody> {
    releases(decided).filter_map(|(_, release)| {
        let gate = Gate::withholding(release, decided.now)?;
        Some(NotOfferedBody { version: release.version.to_string(), why: words::gate(&gate) })
    })
}

/// The releases of all lines that were not refused.
fn releases<'a>(decided: &Decided<'a>) -> impl Iterator<Item = (&'a Line, &'a Release)> {
    let lines = decided.catalog.lines().filter(|line| !decided.refused.contains_key(&line.name));
    lines.flat_map(|line| line.releases.values().map(move |release| (line, release)))
}

fn add(rows: &mut Vec<Row>, state: &str, version: &impl ToString, why: String) {
    match rows.iter_mut().find(|row| row.state == state && row.why == why) {
        Some(row) => row.releases.push(version.to_string()),
        None => rows.push(Row { state: state.to_owned(), releases: vec![version.to_string()], why }),
    }
}

/// Says whether the server promotes, as far as it has reported that and the state can be read.
pub fn server(report: Option<&Report>, decided: &Decided<'_>, is_unread: bool) -> String {
    match report {
        None if is_unread => "what it reports cannot be read".to_owned(),
        None => "none has worked on this state folder yet".to_owned(),
        Some(report) => {
            let refused = if decided.refused.is_empty() { "" } else { ", except in refused lines" };
            let says = report
                .not_promoting
                .map_or_else(|| format!("promotes what is due{refused}"), words::not_promoting);
            format!("{says} (last report {})", rfc3339(report.since))
        }
    }
}
