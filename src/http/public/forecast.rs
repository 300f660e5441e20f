//! Forecasts: what will be on offer on another day, if nobody acts until then.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::Degraded;
use crate::domain::foresee::{Foreseen, foresee};
use crate::domain::not_promoting::NotPromoting;
use crate::http::ask::Ask;
use crate::http::listener::Listener;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::url::parameter;
use crate::promoter::status::Status;

/// How long a forecast may take.
const FORESEEING: Duration = Duration::from_secs(2);

/// The catalog to forecast from, for readers who may ask about another time: operators, and who tries the demo.
pub fn catalog(ask: &Ask<'_>) -> Option<Arc<Catalog>> {
    let publication = ask.state.shared.publication.load();
    let is_demo = publication.as_deref().is_some_and(|publication| publication.demo);
    ask.state.shared.catalog.load_full().filter(|_| is_demo || ask.listener == Listener::Admin)
}

/// Whether a line keeps what was published of it, so that its catalog says nothing about it.
pub fn is_refused(ask: &Ask<'_>, line: &LineName) -> bool {
    refused(&ask.state.shared.status.load()).any(|refused| refused == line)
}

/// The lines that keep what was published of them.
fn refused(status: &Status) -> impl Iterator<Item = &LineName> {
    status.degraded.iter().filter_map(|one| match one {
        Degraded::LineRefused { line, .. } => Some(line),
        _ => None,
    })
}

/// The time that a reader asks about, if one is given.
///
/// # Errors
/// When it is not a day or a time, or has passed.
pub fn day(ask: &Ask<'_>) -> Result<Option<Time>, Problem> {
    let day = parameter(ask.request.query_string(), "at")?.filter(|day| !day.is_empty());
    let Some(day) = day else { return Ok(None) };
    let bad = |why: &str| {
        Problem::new(ProblemKind::BadTime, format!("`{day}` {why}")).hint("a day looks like `2026-12-24`")
    };
    let at = end_of(&day).ok_or_else(|| bad("is not a day"))?;
    if at < ask.state.now() { Err(bad("has passed")) } else { Ok(Some(at)) }
}

/// The last second of a day, or a time.
fn end_of(text: &str) -> Option<Time> {
    let day =
        text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(23, 59, 59)).map(|end| end.and_utc());
    day.or_else(|| text.parse().ok())
}

/// What is foreseen for a time.
pub struct Foretold<'a> {
    /// The catalog as it will be, without the lines that are not updated.
    pub catalog: &'a Catalog,
    /// What will have been promoted.
    pub promotions: Vec<Foreseen>,
    /// Why the server does not promote now, if it does not.
    pub not_promoting: Option<NotPromoting>,
    /// The lines that are not updated, so that nobody knows what they will offer.
    pub left_out: Vec<LineName>,
    /// Whether there is time left.
    pub goes_on: &'a dyn Fn() -> bool,
}

/// Makes a page from a forecast for a time. The server makes one forecast at a time.
///
/// # Errors
/// When other forecasts, or this one, take too long, or those of `make`.
pub async fn made(
    ask: &Ask<'_>,
    catalog: Arc<Catalog>,
    then: Time,
    make: impl FnOnce(Foretold<'_>) -> Result<String, Problem> + Send + 'static,
) -> Result<String, Problem> {
    let late = || {
        Problem::new(ProblemKind::NoForecast, "this forecast, or others before it, take too long")
            .hint("ask again in a moment, or for an earlier time")
    };
    let turn = Arc::clone(&ask.state.foreseeing).acquire_owned();
    let turn = tokio::time::timeout(FORESEEING, turn).await.ok().and_then(Result::ok).ok_or_else(late)?;
    let (clock, now) = (Arc::clone(&ask.state.clock), ask.state.now());
    let status = ask.state.shared.status.load_full();
    let page = tokio::task::spawn_blocking(move || {
        let until = clock.monotonic() + FORESEEING;
        let goes_on = || clock.monotonic() < until;
        let left_out: Vec<LineName> = refused(&status).cloned().collect();
        let lines = catalog.shared_lines().filter(|line| !left_out.contains(&line.name)).map(Arc::clone);
        let (catalog, promotions) = foresee(&Catalog::published(lines), (now, then), goes_on)?;
        let not_promoting = status.not_promoting;
        let page =
            make(Foretold { catalog: &catalog, promotions, not_promoting, left_out, goes_on: &goes_on });
        drop(turn);
        goes_on().then_some(page)
    });
    page.await.ok().flatten().ok_or_else(late)?
}
