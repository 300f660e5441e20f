//! `tidegate status`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use chrono::TimeDelta;
use serde::Serialize;

use super::table::{Table, counted, pairs};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::chain;
use crate::domain::channel::LineName;
use crate::domain::promotion::{Decision, Verdict, decide};
use crate::domain::release::ManifestState;
use crate::domain::{Time, rfc3339};
use crate::formats::api::DegradedBody;
use crate::promoter::status::{
    Degraded, DegradedKind, ONLINE_NEAR, PUBLICATION, expiries_near, is_overdue, not_offered, overdue,
};
use crate::promoter::stored;
use crate::publish::{self, Publication};
use crate::signing::trust::Trust;
use crate::words;

/// Say what is published, what expires when, and what is degraded
///
/// Looks at the folders, and asks no server. Exits with 1 if nothing is published, or something has
/// expired; with `--expires-within`, if something expires by then, for a job that runs daily.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As of this time, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
    /// List what expires within this time (`30d`), and exit with 1 if anything does
    ///
    /// Every role and channel manifest is looked at. What the server signs by itself lasts for days
    /// and is renewed daily: it counts only once it has less than 3 days left.
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    expires_within: Option<TimeDelta>,
}

#[derive(Debug, Serialize)]
struct Body {
    catalog: CatalogBody,
    /// The last publication; none before the first.
    publication: Option<PublicationBody>,
    expiries: Vec<ExpiryBody>,
    degraded: Vec<DegradedBody>,
    /// What expires within the time that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_within: Option<Vec<ExpiryBody>>,
}

#[derive(Debug, Serialize)]
struct CatalogBody {
    revision: String,
    lines: usize,
    releases: usize,
    faults: usize,
    unsigned: usize,
    /// Promotions that are due now.
    promote: usize,
    wait: usize,
    blocked: usize,
    overdue: usize,
}

#[derive(Debug, Serialize)]
struct PublicationBody {
    version: u64,
    /// RFC 3339.
    made: String,
    /// RFC 3339.
    expires: String,
    releases: usize,
    /// Whether it was signed by throw-away keys.
    demo: bool,
}

/// When something that is signed expires.
#[derive(Debug, Serialize)]
struct ExpiryBody {
    what: String,
    /// RFC 3339.
    expires: String,
    expired: bool,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    let view = workspace.read()?;
    let mut degraded = Vec::new();
    let publication = stored::publication(&*workspace.state_store()).unwrap_or_else(|error| {
        degraded.push(Degraded::Failed { kind: DegradedKind::PublishFailing, why: chain(&error) });
        None
    });
    let faulty = faulty(&view);
    let refused = publish::refusals(&view.catalog, &faulty, publication.as_ref(), now);
    for (line, refusal) in &refused {
        let keeps = publication.as_ref().is_some_and(|last| last.prefix(line).is_some());
        let (line, refusal) = (line.clone(), refusal.clone());
        degraded.push(Degraded::LineRefused { line, keeps, refusal });
    }
    // Without keys that can be used nothing is, and that is said.
    degraded.extend(not_offered(&view.catalog, &refused, now).filter(|_| view.trust().is_ok()));
    match view.trust() {
        Ok(Some(_)) => {}
        Ok(None) => degraded.push(Degraded::NoKeys),
        Err(error) => {
            degraded.push(Degraded::Failed { kind: DegradedKind::SigningFailing, why: chain(error) });
        }
    }
    let decisions = decide(&view.catalog, now);
    degraded.extend(overdue(&decisions, now));
    let expiries = expiries(&view, publication.as_ref());
    degraded.extend(expiries_near(&expiries, now));
    let expiries = bodies(expiries, now);
    let within = args.expires_within.map(|within| expires_within(&view, publication.as_ref(), within, now));
    let body = Body {
        catalog: CatalogBody::of(&view, &decisions, now),
        publication: publication.as_ref().map(PublicationBody::of),
        expiries,
        degraded: degraded.iter().map(DegradedBody::of).collect(),
        expires_within: within,
    };
    terminal.show(&body, || body.words())?;
    for note in view.stops_ahead() {
        terminal.note(format_args!("warning: {note}"));
    }
    if let Some(within) = &body.expires_within {
        return Ok(if within.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if body.publication.is_none() {
        terminal.note("error: nothing is published yet\nhint: `tidegate serve` publishes what is signed; if something was published before, `tidegate recover --from URL`");
    }
    let expired = body.expiries.iter().any(|expiry| expiry.expired);
    Ok(if expired || body.publication.is_none() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The lines that cannot be read, each with the place of its first fault.
fn faulty(view: &View) -> BTreeMap<LineName, String> {
    let faulty = view.snapshot.reading.faulty.iter().filter_map(|(folder, faults)| {
        let first = faults.first()?;
        let place = format!("{}:{}:{}", view.path(&first.file).display(), first.line, first.column);
        let more = words::and_more(faults.len().saturating_sub(1));
        Some((LineName::parse(folder).ok()?, format!("{place}: {}{more}", first.message)))
    });
    faulty.collect()
}

/// What expires when, the first first.
fn expiries(view: &View, publication: Option<&Publication>) -> Vec<(String, Time)> {
    let mut expiries = offline(view);
    expiries.extend(publication.map(|publication| (PUBLICATION.to_owned(), publication.expires)));
    expiries.sort_by_key(|(_, at)| *at);
    expiries
}

/// Every role and manifest that expires within a time, the first first.
fn expires_within(
    view: &View,
    publication: Option<&Publication>,
    within: TimeDelta,
    now: Time,
) -> Vec<ExpiryBody> {
    let mut expiries = offline(view);
    expiries.retain(|(_, at)| *at - within <= now);
    let online = publication.map(Publication::online_expiries).unwrap_or_default();
    expiries.extend(online.into_iter().filter(|(_, at)| *at - within.min(ONLINE_NEAR) <= now));
    expiries.sort_by_key(|(_, at)| *at);
    bodies(expiries, now)
}

fn offline(view: &View) -> Vec<(String, Time)> {
    view.trust().ok().flatten().into_iter().flat_map(Trust::expiries).collect()
}

fn bodies(expiries: Vec<(String, Time)>, now: Time) -> Vec<ExpiryBody> {
    expiries
        .into_iter()
        .map(|(what, at)| ExpiryBody { what, expires: rfc3339(at), expired: at <= now })
        .collect()
}

impl CatalogBody {
    fn of(view: &View, decisions: &[Decision<'_>], now: Time) -> Self {
        let releases = || view.catalog.lines().flat_map(|line| line.releases.values());
        let count = |wanted: &dyn Fn(&Decision<'_>) -> bool| {
            decisions.iter().filter(|decision| wanted(decision)).count()
        };
        Self {
            revision: view.snapshot.revision.to_string(),
            lines: view.catalog.lines().count(),
            releases: releases().count(),
            faults: view.snapshot.reading.faults.len(),
            unsigned: releases()
                .filter(|release| !matches!(release.evidence.manifest, ManifestState::Signed(_)))
                .count(),
            promote: count(&|decision| decision.verdict == Verdict::Promote),
            wait: count(&|decision| matches!(decision.verdict, Verdict::Wait { .. })),
            blocked: count(&|decision| decision.verdict == Verdict::Blocked),
            overdue: count(&|decision| is_overdue(decision, now)),
        }
    }
}

impl PublicationBody {
    fn of(publication: &Publication) -> Self {
        Self {
            version: publication.version,
            made: rfc3339(publication.made),
            expires: rfc3339(publication.expires),
            releases: publication.releases(),
            demo: publication.demo,
        }
    }
}

impl Body {
    fn words(&self) -> String {
        let CatalogBody { revision, lines, releases, faults, unsigned, promote, wait, blocked, overdue } =
            &self.catalog;
        let published = self.publication.as_ref().map_or_else(
            || "nothing yet".to_owned(),
            |publication| {
                let PublicationBody { version, made, releases, .. } = publication;
                let demo = if publication.demo { ", by throw-away keys" } else { "" };
                format!("version {version} with {}, made {made}{demo}", counted(*releases, "release"))
            },
        );
        let mut words = pairs(&[
            (
                "catalog",
                format!(
                    "revision {revision}: {} in {}, {}",
                    counted(*releases, "release"),
                    counted(*lines, "line"),
                    counted(*faults, "fault")
                ),
            ),
            ("unsigned", unsigned.to_string()),
            ("promotions", format!("{promote} due, {wait} waiting, {blocked} blocked, {overdue} overdue")),
            ("published", published),
        ]);
        // Writing to a `String` cannot fail.
        let mut table = Table::new(["EXPIRES", "WHAT"]);
        for expiry in &self.expiries {
            let expired = if expiry.expired { " (expired)" } else { "" };
            table.row([expiry.expires.clone(), format!("{}{expired}", expiry.what)]);
        }
        if !table.is_empty() {
            let _ = write!(words, "\n{table}");
        }
        if let Some(within) = &self.expires_within {
            let mut table = Table::new(["EXPIRES WITHIN THAT TIME", "WHAT"]);
            for expiry in within {
                table.row([expiry.expires.clone(), expiry.what.clone()]);
            }
            let none = if table.is_empty() { "nothing expires within that time\n" } else { "" };
            let _ = write!(words, "\n{none}{table}");
        }
        let mut table = Table::new(["DEGRADED", "WHY"]);
        for degraded in &self.degraded {
            table.row([degraded.kind.to_owned(), degraded.detail.clone()]);
        }
        if !table.is_empty() {
            let _ = write!(words, "\n{table}");
        }
        words
    }
}
