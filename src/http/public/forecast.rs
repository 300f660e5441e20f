//! Forecasts: what will be on offer on another day, if nobody acts until then.

use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::Degraded;
use crate::domain::foresee::{Foreseen, foresee};
use crate::http::ask::Ask;
use crate::http::listener::Listener;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::url::parameter;

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
    let status = ask.state.shared.status.load();
    let refuses =
        |one: &Degraded| matches!(one, Degraded::LineRefused { line: refused, .. } if refused == line);
    status.degraded.iter().any(refuses)
}

/// The time that a reader asks about, if one is given.
///
/// # Errors
/// When it is not a day or a time.
pub fn day(ask: &Ask<'_>) -> Result<Option<Time>, Problem> {
    let day = parameter(ask.request.query_string(), "at")?.filter(|day| !day.is_empty());
    Ok(day.map(|day| end_of(&day)).transpose()?.map(|at| at.max(ask.state.now())))
}

/// The last second of a day, or a time.
fn end_of(text: &str) -> Result<Time, Problem> {
    let day =
        text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(23, 59, 59)).map(|end| end.and_utc());
    day.or_else(|| text.parse().ok()).ok_or_else(|| {
        Problem::new(ProblemKind::BadTime, format!("`{text}` is not a day"))
            .hint("a day looks like `2026-12-24`")
    })
}

/// Makes a page of the catalog as it will be at a time, and of what happens until then. There is one forecast at a
/// time. `make` can ask whether there is time left.
///
/// # Errors
/// When another forecast is being made, when this one takes too long, or those of `make`.
pub async fn made(
    ask: &Ask<'_>,
    catalog: Arc<Catalog>,
    then: Time,
    make: impl FnOnce(&Catalog, Vec<Foreseen>, &dyn Fn() -> bool) -> Result<String, Problem> + Send + 'static,
) -> Result<String, Problem> {
    let busy = || {
        Problem::new(ProblemKind::NotPublished, "another forecast is being made, or this one takes too long")
            .hint("ask again in a moment, or for an earlier time")
    };
    let turn = Arc::clone(&ask.state.foreseeing).try_acquire_owned().map_err(|_| busy())?;
    let (clock, now) = (Arc::clone(&ask.state.clock), ask.state.now());
    let page = tokio::task::spawn_blocking(move || {
        let until = clock.monotonic() + FORESEEING;
        let goes_on = || clock.monotonic() < until;
        let (catalog, foreseen) = foresee(&catalog, (now, then), goes_on)?;
        let page = make(&catalog, foreseen, &goes_on);
        drop(turn);
        goes_on().then_some(page)
    });
    page.await.ok().flatten().ok_or_else(busy)?
}
