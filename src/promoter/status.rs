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
use crate::domain::promotion::Gate;
use crate::publish::{Publication, Refusal};

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

/// What is said of releases that entered a stage and are not offered. A refused line is left out: it
/// says so itself, and goes on offering what it did.
#[must_use]
pub fn not_offered(catalog: &Catalog, refused: &BTreeMap<LineName, Refusal>, now: Time) -> Option<Degraded> {
    let lines = catalog.lines().filter(|line| !refused.contains_key(&line.name));
    let releases = lines.flat_map(|line| line.releases.values());
    let mut withheld = releases.filter_map(|release| Some((release, Gate::withholding(release, now)?)));
    let (release, gate) = withheld.next()?;
    let version = &release.version;
    let more = withheld.count();
    let others = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let detail = format!("`{version}`{others} is not offered: {gate}: `tidegate explain {version}`");
    Some(Degraded { kind: DegradedKind::NotOffered, detail })
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

/// One thing that is wrong, by a stable kind: the same word in `/readyz` and in the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    pub kind: DegradedKind,
    pub detail: String,
}

/// The kinds of being degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DegradedKind {
    /// A line was refused: its last good documents go on being served.
    LineRefused,
    /// The catalog could not be read at all.
    ReadFailing,
    SigningFailing,
    /// A publication did not pass its own verification, or could not be stored.
    PublishFailing,
    CommitFailing,
    ExpiryNear,
    PromotionsOverdue,
    /// A release entered a stage and is offered in none: its payload or its signature is not at hand.
    NotOffered,
    /// The machine's clock jumped or stands behind the last publication: nothing is promoted.
    ClockUntrusted,
}

impl DegradedKind {
    /// Every kind, for metrics.
    pub const ALL: [Self; 9] = [
        Self::LineRefused,
        Self::ReadFailing,
        Self::SigningFailing,
        Self::PublishFailing,
        Self::CommitFailing,
        Self::ExpiryNear,
        Self::PromotionsOverdue,
        Self::NotOffered,
        Self::ClockUntrusted,
    ];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LineRefused => "line_refused",
            Self::ReadFailing => "read_failing",
            Self::SigningFailing => "signing_failing",
            Self::PublishFailing => "publish_failing",
            Self::CommitFailing => "commit_failing",
            Self::ExpiryNear => "expiry_near",
            Self::PromotionsOverdue => "promotions_overdue",
            Self::NotOffered => "not_offered",
            Self::ClockUntrusted => "clock_untrusted",
        }
    }
}

/// A handle that the HTTP side holds.
pub type Handle = Arc<Shared>;
