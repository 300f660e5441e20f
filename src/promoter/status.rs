//! What the promoter shares with the rest of the server: the publication that is served, and the status.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Gate, Verdict};
use crate::domain::report::Report;
use crate::publish::{Decided, Publication};
use crate::signing::trust::Trust;
use crate::words;

pub use crate::domain::degraded::{Degraded, DegradedKind};

/// What the promoter shares with the rest of the server. Each part is swapped as a whole and read without a
/// lock.
#[derive(Debug, Default)]
pub struct Shared {
    pub publication: ArcSwapOption<Publication>,
    pub status: ArcSwap<Status>,
    /// The catalog that was decided about last, with the names of people. A mirror has none.
    pub catalog: ArcSwapOption<Catalog>,
    /// Why the witness has not been asked yet, if it has not.
    pub unasked: ArcSwapOption<String>,
    /// The time that the promoter decides and signs by. A mirror has none.
    pub time: ArcSwapOption<Judged>,
    /// How many turns the loop has ended.
    pub turns: AtomicU64,
    /// Set once the process must stop. No publication is begun after that.
    pub stopping: AtomicBool,
}

/// A date and time that was checked against the monotonic clock, and the monotonic time at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub time: Time,
    pub at: Duration,
}

impl Shared {
    /// The time for checking whether documents have expired, which is also the time that they are signed
    /// by. A jump of the machine's clock neither makes renewed documents expire nor keeps old ones alive.
    pub fn now(&self, clock: &dyn Clock) -> Time {
        let judged = self.time.load();
        let Some(judged) = judged.as_deref() else { return clock.now() };
        let passed = TimeDelta::from_std(clock.monotonic().saturating_sub(judged.at)).ok();
        passed.and_then(|passed| judged.time.checked_add_signed(passed)).unwrap_or(judged.time)
    }
}

impl Shared {
    /// Shares how the server is. A kind of problem that goes on keeps the time since when it has been known.
    pub fn report(&self, mut status: Status, now: Time) {
        let before = self.status.load();
        let kinds = status.degraded.iter().map(Degraded::kind);
        status.since = kinds.map(|kind| (kind, before.since.get(&kind).copied().unwrap_or(now))).collect();
        self.status.store(Arc::new(status));
    }
}

/// The name of the online documents in [`Status::expiries`].
pub const PUBLICATION: &str = "publication";

/// How long before its expiry a document that is signed offline is reported. People need time to meet and
/// sign a new one.
const OFFLINE_NEAR: TimeDelta = TimeDelta::days(30);

/// The same for documents that are signed online. They are renewed daily, so one that is this near its
/// expiry has not been renewed for days.
pub const ONLINE_NEAR: TimeDelta = TimeDelta::days(3);

/// Whether a document is so close to its expiry that this is reported.
pub fn is_near(what: &str, expires: Time, now: Time) -> bool {
    expires - if what == PUBLICATION { ONLINE_NEAR } else { OFFLINE_NEAR } <= now
}

/// Reports releases that have entered a stage but are not offered. Refused lines are left out: each is
/// reported separately, and still offers its last good releases. So are payloads that cannot be copied.
pub fn not_offered(
    catalog: &Catalog,
    refused: &BTreeMap<LineName, LineRefusal>,
    now: Time,
) -> Option<Degraded> {
    let lines = catalog.lines().filter(|line| !refused.contains_key(&line.name));
    let releases = lines.flat_map(|line| line.releases.values());
    let releases = releases.filter(|release| !release.evidence.payload.is_only_here());
    let mut withheld = releases.filter(|release| Gate::withholding(release, now).is_some());
    let first = withheld.next()?;
    let (version, evidence) = (first.version.clone(), Box::new(first.evidence.clone()));
    Some(Degraded::NotOffered { version, evidence, more: withheld.count() })
}

/// Reports the entries that are dated ahead of the clock, naming the first release.
fn dated_ahead(catalog: &Catalog, now: Time) -> Option<Degraded> {
    // The catalog may have been read a while ago.
    let mut releases: Vec<_> = catalog.entries_ahead().filter(|ahead| now < ahead.since).collect();
    releases.dedup_by(|next, first| next.version == first.version);
    let (first, more) = releases.split_first()?;
    Some(Degraded::DatedAhead {
        version: first.version.clone(),
        channel: first.stage.channel.clone(),
        since: first.since,
        more: more.len(),
    })
}

/// Reports the overdue promotions, naming the one that has been overdue the longest.
fn overdue(decisions: &[Decision<'_>], now: Time) -> Option<Degraded> {
    let overdue = || decisions.iter().filter(|decision| is_overdue(decision, now));
    let (since, oldest) =
        overdue().filter_map(|decision| Some((decision.deadline?, decision))).min_by_key(|(at, _)| *at)?;
    let version = oldest.release.version.clone();
    Some(Degraded::PromotionsOverdue { count: overdue().count(), version, since })
}

/// Whether a promotion is overdue. Nobody is waiting for a yanked release.
fn is_overdue(decision: &Decision<'_>, now: Time) -> bool {
    decision.overdue && decision.release.yanked(now).is_none()
}

/// Reports every signed document that expires soon, not just the one that expires first. Otherwise a line's
/// long-expired role would hide a root that is about to expire.
fn expiries_near(expiries: &[(String, Time)], now: Time) -> impl Iterator<Item = Degraded> {
    expiries.iter().filter(move |(document, expires)| is_near(document, *expires, now)).map(
        move |(document, expires)| Degraded::ExpiryNear {
            document: document.clone(),
            expires: *expires,
            expired: *expires <= now,
        },
    )
}

/// The status after the last turn of the loop.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Problems that do not stop the server from serving.
    pub degraded: Vec<Degraded>,
    /// Since when the server has known of each kind of problem.
    pub since: BTreeMap<DegradedKind, Time>,
    /// The last time the catalog was read without a fault.
    pub last_good_read: Option<Time>,
    /// How many releases are in each state. Those of refused lines that go no further are blocked.
    pub promote: usize,
    pub wait: usize,
    pub blocked: usize,
    pub overdue: usize,
    /// When the oldest overdue promotion became overdue.
    pub oldest_overdue: Option<Time>,
    /// When each role and the publication expire.
    pub expiries: Vec<(String, Time)>,
    /// Whether this server promotes releases (`serve --promote`).
    pub promoting: bool,
    /// Why it does not promote at the moment, if it does not.
    pub not_promoting: Option<NotPromoting>,
}

impl Status {
    /// Makes the status from what was decided, the keys and the publication. `degraded` is what else is
    /// wrong.
    pub fn of(
        decided: &Decided<'_>,
        trust: Option<&Trust>,
        last: Option<&Publication>,
        mut degraded: Vec<Degraded>,
    ) -> Self {
        let Decided { now, ref decisions, .. } = *decided;
        let count =
            |wanted: fn(&Decision<'_>) -> bool| decisions.iter().filter(|decision| wanted(decision)).count();
        let overdue = overdue(decisions, now);
        let (count_overdue, oldest_overdue) = match &overdue {
            Some(Degraded::PromotionsOverdue { count, since, .. }) => (*count, Some(*since)),
            _ => (0, None),
        };
        let online = last.map(|last| (PUBLICATION.to_owned(), last.expires));
        let expiries: Vec<_> = trust.into_iter().flat_map(Trust::expiries).chain(online).collect();
        degraded.extend(overdue);
        degraded.extend(dated_ahead(decided.catalog, now));
        degraded.extend(expiries_near(&expiries, now));
        Self {
            degraded,
            promote: count(|decision| decision.verdict == Verdict::Promote),
            wait: count(|decision| matches!(decision.verdict, Verdict::Wait { .. })),
            blocked: count(|decision| decision.verdict == Verdict::Blocked)
                + decided.standing_still().count(),
            overdue: count_overdue,
            oldest_overdue,
            expiries,
            not_promoting: decided.not_promoting,
            ..Self::default()
        }
    }
}

impl Status {
    /// Whether what is served cannot be replaced.
    pub fn publishes_nothing(&self) -> bool {
        use DegradedKind::{PublishFailing, ReadFailing, SigningFailing};
        self.degraded.iter().any(|one| matches!(one.kind(), ReadFailing | SigningFailing | PublishFailing))
    }

    /// What a state keeps of it, for commands that read only the folders.
    pub fn report(&self, since: Time) -> Report {
        let own = self.degraded.iter().filter(|degraded| degraded.is_of_server());
        let problems = own.map(|degraded| (degraded.kind(), words::degraded(degraded))).collect();
        Report { since, not_promoting: self.not_promoting, problems }
    }
}

/// A handle to [`Shared`], for the HTTP server.
pub type Handle = Arc<Shared>;
