//! `tidegate status`.

mod standing;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use chrono::TimeDelta;
use serde::Serialize;

use super::catalog::check::count_faults;
use super::failure::{Hint as _, refuse};
use super::table::{Table, counted, pairs};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::degraded::ClockDoubt;
use crate::domain::release::ManifestState;
use crate::domain::report::Report;
use crate::domain::{Time, rfc3339};
use crate::formats::api::{DecisionBody, DegradedBody, NotPromotingBody};
use crate::promoter::status::{Degraded, DegradedKind, ONLINE_NEAR, Status, not_offered};
use crate::promoter::stored;
use crate::publish::continuity::trusted;
use crate::publish::publication::Anew;
use crate::publish::{Decided, Publication};
use crate::signing::trust::{Checked, Trust};
use crate::words;

/// Show what is published, when it expires, and what is degraded
///
/// Reads the folders, and needs no running server. Exits with 1 if nothing is published or something has
/// expired. With `--expires-within`, exits with 1 if something expires within that time, for a daily job.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show the status at this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
    /// List what expires within this time (`30d`), and exit with 1 if anything does
    ///
    /// This covers every role and channel manifest. What the server itself signs is valid for days and
    /// renewed daily, so it is listed only if it has less than 3 days left.
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    expires_within: Option<TimeDelta>,
}

#[derive(Debug, Serialize)]
struct Body {
    catalog: CatalogBody,
    /// The last publication, if there is one.
    publication: Option<PublicationBody>,
    /// What the server last reported about itself, if one has worked on the state folder.
    server: Option<ServerBody>,
    /// The decision about every release that is not in its last stage.
    promotions: Vec<DecisionBody>,
    /// The releases that have entered a stage and are not offered.
    not_offered: Vec<NotOfferedBody>,
    expiries: Vec<ExpiryBody>,
    degraded: Vec<DegradedBody>,
    /// What expires within the time that the user gave, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_within: Option<Vec<ExpiryBody>>,
}

#[derive(Debug, Serialize)]
struct CatalogBody {
    revision: String,
    lines: usize,
    /// The refused lines.
    refused: Vec<String>,
    /// Whether files of a refused line cannot be read, so that its releases are not counted.
    #[serde(skip)]
    is_unread: bool,
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
    /// Whether it was signed with throw-away keys.
    demo: bool,
    /// The lines that somebody let begin anew after their documents were lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anew: Vec<Anew>,
}

/// What a server last reported about itself.
#[derive(Debug, Serialize)]
struct ServerBody {
    /// Since when it has reported this, RFC 3339.
    since: String,
    /// Why it does not promote, if it does not.
    not_promoting: Option<NotPromotingBody>,
}

/// A release that has entered a stage and is not offered.
#[derive(Debug, Serialize)]
struct NotOfferedBody {
    version: String,
    why: String,
}

/// When a signed document expires.
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
    let (publication, unread) = match stored::publication(&*workspace.state_store()) {
        Ok(publication) => (publication, None),
        Err(error) => {
            degraded.push(Degraded::failed(DegradedKind::PublishFailing, &error));
            (None, Some(error))
        }
    };
    let faulty = view.snapshot.reading.faulty_lines(Path::new(""));
    let decided = Decided::of(&view.catalog, &faulty, publication.as_ref(), now);
    for (line, refusal) in &decided.refused {
        let keeps = publication.as_ref().is_some_and(|last| last.has_line(line));
        let (line, refusal) = (line.clone(), refusal.clone());
        degraded.push(Degraded::LineRefused { line, keeps, refusal });
    }
    degraded.extend(view.lost());
    // Without usable keys no release is offered at all, which is reported below.
    degraded.extend(not_offered(&view.catalog, &decided.refused, now).filter(|_| view.trust().is_ok()));
    let last = publication.as_ref();
    let trusted = trusted(&view.snapshot.trust, &view.snapshot.unread_roles, last, &Checked::default());
    match (trusted.degraded(), view.trust()) {
        (Some(kept), _) => degraded.push(kept),
        (None, Ok(Some(_))) => {}
        (None, Ok(None)) => degraded.push(Degraded::NoKeys),
        (None, Err(error)) => degraded.push(Degraded::failed(DegradedKind::SigningFailing, error)),
    }
    let trust = view.trust().ok().flatten();
    let report = workspace.state_store().reported();
    if let Some(last) = publication.as_ref().filter(|last| args.at.is_none() && now < last.made) {
        degraded.push(Degraded::ClockUntrusted(ClockDoubt::Behind { now, made: last.made }));
    }
    // What the folders show is newer than what a server has reported.
    for (kind, detail) in report.iter().flat_map(|report| &report.problems) {
        if let Some(Report { since, .. }) =
            report.as_ref().filter(|_| degraded.iter().all(|one| one.kind() != *kind))
        {
            degraded.push(Degraded::Reported { kind: *kind, detail: detail.clone(), since: *since });
        }
    }
    let not_promoting = report.as_ref().and_then(|report| report.not_promoting);
    let decided = Decided { not_promoting, ..decided };
    let status = Status::of(&decided, trust, publication.as_ref(), degraded);
    let (server, releases) =
        (standing::server(report.as_ref(), &decided, unread.is_some()), standing::table(&decided, &status));
    let body = Body {
        catalog: CatalogBody::of(&view, &decided, &status, count_faults(&view, workspace, now)),
        publication: publication.as_ref().map(PublicationBody::of),
        server: report.as_ref().map(|report| ServerBody {
            since: rfc3339(report.since),
            not_promoting: report.not_promoting.map(NotPromotingBody::of),
        }),
        promotions: decided.decisions.iter().map(DecisionBody::of).collect(),
        not_offered: standing::not_offered(&decided).collect(),
        degraded: status.degraded.iter().map(DegradedBody::of).collect(),
        expiries: bodies(status.expiries, now),
        expires_within: args
            .expires_within
            .map(|within| bodies(expires_within(trust, publication.as_ref(), within, now), now)),
    };
    let none = if unread.is_some() { "cannot be read, see `publish_failing` below" } else { "nothing yet" };
    terminal.show(&body, || body.words(server, none, &releases))?;
    for note in view.stops_ahead() {
        terminal.note(format_args!("warning: {note}"));
    }
    if let Some(within) = &body.expires_within {
        return Ok(if within.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if let Some(error) = unread {
        let hint = "restore it from a backup, or run `tidegate recover --from URL|DIR`";
        return Err(error).context("what is published cannot be told").hint(hint);
    }
    if body.publication.is_none() {
        return Err(refuse(
            "nothing is published yet",
            "start `tidegate serve`, which publishes what is signed; if something was published before, run `tidegate recover --from URL`",
        ));
    }
    let expired = body.expiries.iter().any(|expiry| expiry.expired);
    Ok(if expired { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Returns every role and manifest that expires within the given time.
fn expires_within(
    trust: Option<&Trust>,
    publication: Option<&Publication>,
    within: TimeDelta,
    now: Time,
) -> Vec<(String, Time)> {
    let offline = trust.into_iter().flat_map(Trust::expiries).filter(|(_, at)| *at - within <= now);
    let online = publication.map(Publication::online_expiries).unwrap_or_default();
    offline.chain(online.into_iter().filter(|(_, at)| *at - within.min(ONLINE_NEAR) <= now)).collect()
}

/// Returns the expiries, sorted by time.
fn bodies(mut expiries: Vec<(String, Time)>, now: Time) -> Vec<ExpiryBody> {
    expiries.sort_by_key(|(_, at)| *at);
    expiries
        .into_iter()
        .map(|(what, at)| ExpiryBody { what, expires: rfc3339(at), expired: at <= now })
        .collect()
}

impl CatalogBody {
    fn of(view: &View, decided: &Decided<'_>, status: &Status, faults: usize) -> Self {
        let releases = || view.catalog.lines().flat_map(|line| line.releases.values());
        let Status { promote, wait, blocked, overdue, .. } = *status;
        Self {
            revision: view.snapshot.revision.to_string(),
            lines: view.catalog.lines().count(),
            refused: decided.refused.keys().map(ToString::to_string).collect(),
            is_unread: decided.refused.keys().any(|line| view.catalog.line(line).is_none()),
            releases: releases().count(),
            faults,
            unsigned: releases()
                .filter(|release| match release.evidence.manifest {
                    ManifestState::Unsigned | ManifestState::Undelegated | ManifestState::NoTrust => true,
                    ManifestState::Invalid(_) | ManifestState::Signed(_) => false,
                })
                .count(),
            promote,
            wait,
            blocked,
            overdue,
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
            anew: publication.anew.clone(),
        }
    }
}

impl Body {
    fn words(&self, server: String, none: &str, standing: &str) -> String {
        let CatalogBody {
            revision,
            lines,
            refused,
            is_unread,
            releases,
            faults,
            unsigned,
            promote,
            wait,
            blocked,
            overdue,
        } = &self.catalog;
        let published = self.publication.as_ref().map_or_else(
            || none.to_owned(),
            |publication| {
                let PublicationBody { version, made, releases, .. } = publication;
                let demo = if publication.demo { ", signed with throw-away keys" } else { "" };
                format!("version {version} with {}, made {made}{demo}", counted(*releases, "release"))
            },
        );
        let refused = match &refused[..] {
            [] => String::new(),
            [line] => format!("; line `{line}` is refused"),
            [line, more @ ..] => format!("; line `{line}`{} is refused", words::and_more(more.len())),
        };
        let mut words = pairs(&[
            (
                "catalog",
                format!(
                    "revision {revision}: {} in {}, {}{refused}",
                    counted(*releases, "release"),
                    counted(*lines, if *is_unread { "readable line" } else { "line" }),
                    counted(*faults, "fault")
                ),
            ),
            ("unsigned", unsigned.to_string()),
            ("promotions", format!("{promote} due, {wait} waiting, {blocked} blocked, {overdue} overdue")),
            ("server", server),
            ("published", published),
        ]);
        words += standing;
        let mut add = |head: [&'static str; 2], rows: Vec<[String; 2]>, none: &str| {
            let mut table = Table::new(head);
            let is_empty = rows.is_empty();
            for row in rows {
                table.row(row);
            }
            let shown = if is_empty { none.to_owned() } else { format!("\n{table}") };
            words += &shown;
        };
        let expired = |expiry: &ExpiryBody| if expiry.expired { " (expired)" } else { "" };
        let expiries = self.expiries.iter();
        let expiries = expiries.map(|one| [one.expires.clone(), format!("{}{}", one.what, expired(one))]);
        add(["EXPIRES", "WHAT"], expiries.collect(), "");
        if let Some(within) = &self.expires_within {
            let within = within.iter().map(|one| [one.expires.clone(), one.what.clone()]).collect();
            add(["EXPIRES WITHIN THAT TIME", "WHAT"], within, "\nnothing expires within that time\n");
        }
        let degraded = self.degraded.iter().map(|one| [one.kind.to_owned(), one.detail.clone()]);
        add(["DEGRADED", "WHY"], degraded.collect(), "");
        words
    }
}
