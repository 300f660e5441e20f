//! What the promoter lets others see: the publication that is served, and how things stand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use chrono::TimeDelta;

use crate::clock::Clock;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::promotion::{Decision, Gate};
use crate::publish::Publication;

pub use crate::domain::degraded::{Degraded, DegradedKind};

/// The promoter's side of the server: swapped whole, read without a lock.
#[derive(Debug, Default)]
pub struct Shared {
    pub publication: ArcSwapOption<Publication>,
    pub status: ArcSwap<Status>,
    /// The time by which the promoter decides and signs; never there in a mirror.
    pub time: ArcSwapOption<Judged>,
}

/// A time of day that is not only the clock's own word for it, and the monotonic time at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub time: Time,
    pub at: Duration,
}

impl Shared {
    /// The time by which what is served has expired or not: that by which it is signed. A clock that
    /// was turned neither ends what the promoter renews, nor keeps alive what it does not.
    #[must_use]
    pub fn now(&self, clock: &dyn Clock) -> Time {
        let Some(judged) = self.time.load_full() else { return clock.now() };
        let passed = clock.monotonic().saturating_sub(judged.at);
        let passed = TimeDelta::from_std(passed).ok();
        passed.and_then(|passed| judged.time.checked_add_signed(passed)).unwrap_or(judged.time)
    }
}

/// What the online documents are called among the expiries.
pub const PUBLICATION: &str = "publication";

/// What is signed offline is told of so long before: people must come together.
const OFFLINE_NEAR: TimeDelta = TimeDelta::days(30);

/// What is signed online is renewed daily; so near its end it has not been for days.
pub const ONLINE_NEAR: TimeDelta = TimeDelta::days(3);

/// Whether one of the expiries is so near that it is told of.
#[must_use]
pub fn is_near(what: &str, expires: Time, now: Time) -> bool {
    expires - if what == PUBLICATION { ONLINE_NEAR } else { OFFLINE_NEAR } <= now
}

/// The releases that entered a stage and are not offered. A refused line is left out: it says so itself,
/// and goes on offering what it did.
#[must_use]
pub fn not_offered(
    catalog: &Catalog,
    refused: &BTreeMap<LineName, LineRefusal>,
    now: Time,
) -> Option<Degraded> {
    let lines = catalog.lines().filter(|line| !refused.contains_key(&line.name));
    let releases = lines.flat_map(|line| line.releases.values());
    let mut withheld = releases.filter(|release| Gate::withholding(release, now).is_some());
    let first = withheld.next()?;
    let (version, evidence) = (first.version.clone(), Box::new(first.evidence.clone()));
    Some(Degraded::NotOffered { version, evidence, more: withheld.count() })
}

/// The overdue promotions, of which the one that is so for longest is named.
#[must_use]
pub fn overdue(decisions: &[Decision<'_>], now: Time) -> Option<Degraded> {
    let overdue = || decisions.iter().filter(|decision| is_overdue(decision, now));
    let (since, oldest) =
        overdue().filter_map(|decision| Some((decision.deadline?, decision))).min_by_key(|(at, _)| *at)?;
    let version = oldest.release.version.clone();
    Some(Degraded::PromotionsOverdue { count: overdue().count(), version, since })
}

/// Whether a promotion is overdue: nobody waits for that of a yanked release.
#[must_use]
pub fn is_overdue(decision: &Decision<'_>, now: Time) -> bool {
    decision.overdue && decision.release.yanked(now).is_none()
}

/// The signed documents that expire soon. Each of them: a line's role that expired long ago must not
/// hide the root that is about to.
pub fn expiries_near(expiries: &[(String, Time)], now: Time) -> impl Iterator<Item = Degraded> {
    expiries.iter().filter(move |(document, expires)| is_near(document, *expires, now)).map(
        move |(document, expires)| Degraded::ExpiryNear {
            document: document.clone(),
            expires: *expires,
            expired: *expires <= now,
        },
    )
}

/// How things stand, as of the last turn of the loop.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// What is wrong while the server goes on serving.
    pub degraded: Vec<Degraded>,
    /// The last time the catalog was read without a fault.
    pub last_good_read: Option<Time>,
    /// Decisions by state.
    pub promote: usize,
    pub wait: usize,
    pub blocked: usize,
    pub overdue: usize,
    /// Since when the promotion that is longest overdue is so.
    pub oldest_overdue: Option<Time>,
    /// What expires when, by role.
    pub expiries: Vec<(String, Time)>,
    /// Whether this server promotes (`serve --promote`).
    pub promoting: bool,
}

/// A handle that the HTTP side holds.
pub type Handle = Arc<Shared>;
