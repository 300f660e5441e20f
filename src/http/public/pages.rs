//! The console's pages.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use chrono::DateTime;

use super::forecast::{self, Foretold};
use super::{channels, lost, releases, update};
use crate::console::board::{self, LineOnBoard};
use crate::console::calendar::{self, WhatIf};
use crate::console::channel::{Asked, Day, Told};
use crate::console::freezes::freezes;
use crate::console::history::Filter;
use crate::console::release::{Explained, Manifest, Records};
use crate::console::status::{Health, Published, Trouble};
use crate::console::view::LineView;
use crate::console::{self, frame, history, status};
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::degraded::{Degraded, DegradedKind};
use crate::domain::explain::Explanation;
use crate::domain::history::{Happened, history as of_line, history_of_release};
use crate::domain::promotion::{decide, decide_line};
use crate::domain::upgrade::{Views, entry};
use crate::domain::version::Version;
use crate::formats::api::{DegradedBody, ExplainBody, UpdateBody};
use crate::http::ask::{Ask, Find};
use crate::http::listener::Listener;
use crate::http::probes::kinds;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::reply::{self, Cache, Prepared};
use crate::http::url::parameter;
use crate::publish::Publication;
use crate::publish::page::Pages;
use crate::words::problem;

/// The longest text that is searched for.
const SEARCHED: usize = 200;

type Answered = Result<HttpResponse, Problem>;

pub fn styles(ask: &Ask<'_>) -> Answered {
    Prepared::new((Cow::Borrowed(&ask.state.styles), Cache::Minute)).reply(ask.request)
}

pub fn script(ask: &Ask<'_>) -> Answered {
    Prepared::new((Cow::Borrowed(&ask.state.script), Cache::Minute)).reply(ask.request)
}

pub fn board_page(ask: &Ask<'_>) -> Answered {
    let status = ask.state.shared.status.load();
    if status.publishes_nothing() {
        // The board is that of the last publication, which did not know that.
        return shown(ask.current().and_then(|current| {
            let kinds: Vec<DegradedKind> = status.degraded.iter().map(Degraded::kind).collect();
            let note = status::note(kinds.iter(), status.not_promoting);
            let page = String::from_utf8_lossy(&pages(&current)?.board.identity);
            Ok(fresh(StatusCode::OK, status::with_note(&page, &note)))
        }));
    }
    found(ask, |_, publication| Ok((Cow::Borrowed(&*pages(publication)?.board), Cache::Page)))
}

/// The calendar.
pub async fn calendar(ask: &Ask<'_>) -> Answered {
    match forecast::catalog(ask) {
        Some(catalog) => shown(foreseen(ask, catalog).await),
        None => found(ask, |_, publication| Ok((Cow::Borrowed(&*pages(publication)?.calendar), Cache::Page))),
    }
}

/// The calendar as of a time that the reader names.
async fn foreseen(ask: &Ask<'_>, catalog: Arc<Catalog>) -> Answered {
    let at = forecast::day(ask)?;
    let then = at.unwrap_or_else(|| ask.state.now());
    let page = forecast::made(ask, catalog, then, move |foretold| {
        let Foretold { catalog, promotions, not_promoting, left_out, .. } = foretold;
        let what_if = WhatIf { at, promotions, not_promoting, left_out };
        let lines: Vec<LineOnBoard> = catalog
            .lines()
            .map(|line| {
                let decisions = &decide_line(line, then);
                board::line(&LineView { line, decisions, refused: None, not_promoting, flags: "", now: then })
            })
            .collect();
        let lines: Vec<&LineOnBoard> = lines.iter().collect();
        let freezes = freezes(catalog.lines(), then);
        let windows = calendar::windows(catalog.lines());
        let page = calendar::calendar(&lines, &freezes, &windows, Some(&what_if), then);
        Ok(page.into_string())
    });
    Ok(fresh(StatusCode::OK, page.await?))
}

pub fn feed(ask: &Ask<'_>) -> Answered {
    found(ask, |_, publication| Ok((Cow::Borrowed(&*pages(publication)?.feed), Cache::Minute)))
}

pub fn trust(ask: &Ask<'_>) -> Answered {
    found(ask, |_, publication| Ok((Cow::Borrowed(&*pages(publication)?.trust), Cache::Page)))
}

/// Replies with a page that was made at publication.
fn found(ask: &Ask<'_>, find: Find) -> Answered {
    shown(ask.current().and_then(|current| ask.reply(&current, find)))
}

fn pages(publication: &Publication) -> Result<&Pages, Problem> {
    publication.pages.as_ref().ok_or_else(unmade)
}

/// The pages of a publication that another version has stored are made once the catalog is read.
fn unmade() -> Problem {
    Problem::new(ProblemKind::NotPublished, "the pages are not made yet").hint("ask again in a minute")
}

/// Shows a problem as a page.
fn shown(result: Answered) -> Answered {
    let Err(problem) = result else { return result };
    // What concerns the request's form and not what it is about is for programs.
    if matches!(problem.kind, ProblemKind::NotAcceptable) {
        return Err(problem);
    }
    let (kind, detail, hint) = (problem.kind, problem.detail, problem.hint);
    let page = frame::problem(kind.title(), &detail, hint.as_deref());
    Ok(fresh(kind.status(), page.into_string()))
}

/// A page that is made for one request.
fn fresh(status: StatusCode, page: String) -> HttpResponse {
    let mut response = HttpResponse::build(status).insert_header((CACHE_CONTROL, "no-store")).body(page);
    reply::secure(response.headers_mut());
    response
}

/// A channel, or what it would tell a cluster.
pub async fn channel(ask: &Ask<'_>) -> Answered {
    shown(channel_page(ask).await)
}

async fn channel_page(ask: &Ask<'_>) -> Answered {
    let current = ask.current()?;
    let name = ask.channel()?.map_err(|text| channels::unknown(&current, &text))?;
    let version = parameter(ask.request.query_string(), "version")?;
    let version = version.map(|version| version.trim().to_owned()).filter(|version| !version.is_empty());
    let arch = update::arch(ask.request.query_string())?.map(Cow::into_owned);
    let catalog = forecast::catalog(ask);
    let Some(version) = version else {
        if let Some(page) = catalog.and_then(|catalog| channel_now(ask, &catalog, &name)) {
            return Ok(fresh(StatusCode::OK, page));
        }
        return ask.reply(&current, |ask, publication| {
            let name = ask.channel()?.map_err(|text| channels::unknown(publication, &text))?;
            if publication.channel(&name).is_none() {
                return Err(channels::missing(publication, &name));
            }
            Ok((Cow::Borrowed(publication.page(&name).ok_or_else(unmade)?), Cache::Page))
        });
    };
    current.check_expiry(ask.state.now())?;
    let publication = &*current;
    let version = Version::parse_query(&version)?;
    let mut day = Day::Today;
    if let Some(catalog) = catalog {
        if let Some(at) = forecast::day(ask)? {
            let page = channel_then(ask, catalog, (name, version, arch), at, publication);
            return Ok(fresh(StatusCode::OK, page.await?));
        }
        day = Day::Any(None);
    }
    if let Some(line) = publication.lost_on_the_way(&name, &version) {
        return Err(lost(line));
    }
    update::check_arches(publication, arch.as_deref())?;
    let told = |version: &str| -> Option<Told> {
        let answer = publication.update(&name, &Version::parse_query(version).ok()?, arch.as_deref())?;
        serde_json::from_slice(&answer.identity).ok()
    };
    let version = version.to_string();
    let answer = told(&version).ok_or_else(|| channels::missing(publication, &name))?;
    let way = console::channel::way(name.as_str(), &version, told);
    let cluster = Asked {
        version: &version,
        arch: arch.as_deref(),
        arches: publication.architectures(&name).collect(),
    };
    let page = console::channel::told(name.as_str(), &cluster, (&answer, &way), day);
    Ok(fresh(StatusCode::OK, page.into_string()))
}

/// A channel's page for readers who may see names and ask about another day. `None` if only what was published of it
/// counts.
fn channel_now(ask: &Ask<'_>, catalog: &Catalog, name: &ChannelName) -> Option<String> {
    let ChannelRef { line, index } = catalog.channel(name)?;
    let (now, not_promoting) = (ask.state.now(), ask.state.shared.status.load().not_promoting);
    let decisions = &decide_line(line, now);
    let view = LineView { line, decisions, refused: None, not_promoting, flags: "", now };
    let page = || console::channel::channel(&view, index, Day::Any(None)).into_string();
    (!forecast::is_refused(ask, &line.name)).then(page)
}

/// What a channel will tell a cluster at another time, and its whole way then.
async fn channel_then(
    ask: &Ask<'_>,
    catalog: Arc<Catalog>,
    (name, version, arch): (ChannelName, Version, Option<String>),
    at: Time,
    publication: &Publication,
) -> Result<String, Problem> {
    if publication.channel(&name).is_none() {
        return Err(channels::missing(publication, &name));
    }
    let page = forecast::made(ask, catalog, at, move |foretold| {
        let Foretold { catalog, not_promoting, left_out, goes_on, .. } = foretold;
        // The way of a cluster can lead through any line.
        if let Some(line) = left_out.first() {
            let detail = format!("line `{line}` is not updated, so nobody knows what it will offer");
            return Err(Problem::new(ProblemKind::NoForecast, detail).hint("see `/status`"));
        }
        let decisions = decide(catalog, at);
        let views = Views::new(catalog, &decisions, at);
        let views = arch.as_deref().map(|arch| views.for_arch(arch)).unwrap_or(views);
        let channel = catalog.channel(&name);
        let told = |version: &str| -> Option<Told> {
            let version = Version::parse(version).ok().filter(|_| goes_on())?;
            let answer = views.answer(channel?, &version);
            serde_json::from_value(serde_json::to_value(UpdateBody::of(&answer)).ok()?).ok()
        };
        let version = version.to_string();
        // Too late is the only way to no answer: the channel is there.
        let answer = told(&version).ok_or_else(unmade)?;
        let way = console::channel::way(name.as_str(), &version, told);
        let arches = channel.map(|channel| channel.line.architectures()).unwrap_or_default();
        let cluster = Asked { version: &version, arch: arch.as_deref(), arches };
        let day = Day::Any(Some((at, not_promoting)));
        Ok(console::channel::told(name.as_str(), &cluster, (&answer, &way), day).into_string())
    });
    page.await
}

/// A release.
pub fn release(ask: &Ask<'_>) -> Answered {
    shown(release_page(ask))
}

fn release_page(ask: &Ask<'_>) -> Answered {
    let (current, version) = (ask.current()?, ask.version()?);
    let explain = current
        .explain(&version)
        .and_then(|explain| serde_json::from_slice::<Explained>(&explain.identity).ok());
    let explained = explain.ok_or_else(|| releases::missing(&current, &version))?;
    let explained = explained_with_names(ask, &version).unwrap_or(explained);
    let manifest = current.release(&version);
    let manifest = manifest.and_then(|manifest| serde_json::from_slice::<Manifest>(&manifest.identity).ok());
    let catalog = ask.state.shared.catalog.load();
    let own = catalog.as_deref().and_then(|catalog| catalog.stoppable_release(&version));
    let records = own.map(|(line, release)| Records {
        summary: release.summary.as_deref(),
        happened: history_of_release(line, release, ask.state.now()).collect(),
        names: names(ask),
    });
    let page = console::release::release_page(&explained, manifest.as_ref(), records.as_ref());
    Ok(fresh(StatusCode::OK, page.into_string()))
}

/// Where a release is, with the names that the published explanation lacks: for operators. `None` if there are none to
/// add, or if only what was published of the release counts.
fn explained_with_names(ask: &Ask<'_>, version: &Version) -> Option<Explained> {
    let catalog = ask.state.shared.catalog.load();
    let (line, release) = catalog.as_deref()?.release(version)?;
    if ask.state.names || ask.listener != Listener::Admin || forecast::is_refused(ask, &line.name) {
        return None;
    }
    let (now, not_promoting) = (ask.state.now(), ask.state.shared.status.load().not_promoting);
    let decisions = decide_line(line, now);
    let decision = decisions.iter().find(|decision| decision.release.version == *version);
    let entry = entry(catalog.as_deref()?, line, now);
    let explanation = Explanation { line, release, now, decision, refused: None, not_promoting, entry };
    serde_json::from_value(serde_json::to_value(ExplainBody::of(&explanation)).ok()?).ok()
}

/// How the server is.
pub fn health(ask: &Ask<'_>) -> HttpResponse {
    let now = ask.state.now();
    let shared = &ask.state.shared;
    let status = shared.status.load();
    let publication = shared.publication.load();
    let is_brief = ask.listener == Listener::Public;
    let trouble = |kind| Trouble {
        kind,
        detail: None,
        since: status.since.get(&kind).copied(),
        channels: Vec::new(),
        release: None,
    };
    let degraded = if is_brief {
        kinds(&status.degraded).map(trouble).collect()
    } else {
        let detailed = |one: &Degraded| {
            let DegradedBody { detail, line, version, .. } = DegradedBody::of(one);
            let line = line.and_then(|line| LineName::parse(&line).ok());
            let part = line.zip(publication.as_deref()).and_then(|(line, own)| own.parts.line(&line));
            let channels = part.into_iter().flat_map(|part| part.names()).map(ToString::to_string);
            Trouble {
                detail: Some(detail),
                channels: channels.collect(),
                release: version,
                ..trouble(one.kind())
            }
        };
        status.degraded.iter().map(detailed).collect()
    };
    let health = Health {
        now,
        degraded,
        is_brief,
        not_promoting: status.not_promoting,
        counts: [status.promote, status.wait, status.blocked, status.overdue],
        publication: publication.as_deref().map(|publication| Published {
            version: publication.version,
            made: publication.made,
            expires: publication.expires,
        }),
    };
    fresh(StatusCode::OK, status::status(&health).into_string())
}

/// Whether a reader sees who has done something: everybody does, or it is an operator.
fn names(ask: &Ask<'_>) -> bool {
    ask.state.names || ask.listener == Listener::Admin
}

/// What has happened.
pub async fn history_page(ask: &Ask<'_>) -> Answered {
    shown(history_of(ask).await)
}

async fn history_of(ask: &Ask<'_>) -> Answered {
    let query = ask.request.query_string();
    let text = |name| -> Result<String, Problem> {
        let found = parameter(query, name)?.unwrap_or(Cow::Borrowed(""));
        Ok(found.trim().chars().take(SEARCHED).collect())
    };
    let before = text("before")?.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let skip = text("skip")?.parse().unwrap_or_default();
    let filter = Filter { line: text("line")?, what: text("what")?, text: text("text")?, before, skip };
    let names = names(ask);
    let page = told(ask, move |catalog, now| {
        let found = catalog.map(|catalog| happened(catalog, &filter, now));
        history::history(&found.unwrap_or_default(), &filter, names, catalog.is_some()).into_string()
    });
    Ok(fresh(StatusCode::OK, page.await?))
}

/// What has happened, as a feed.
pub async fn history_feed(ask: &Ask<'_>) -> Answered {
    let names = names(ask);
    let feed = told(ask, move |catalog, now| {
        let found = catalog.map(|catalog| happened(catalog, &Filter::default(), now)).unwrap_or_default();
        history::feed(&found, names, now)
    });
    let mut response = fresh(StatusCode::OK, feed.await?);
    let media = HeaderValue::from_static("application/atom+xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}

/// Runs what reads the records of the whole catalog, for one reader after the other: it takes a worker's time for
/// long, and clusters must not wait for that.
async fn told(
    ask: &Ask<'_>,
    work: impl FnOnce(Option<&Catalog>, Time) -> String + Send + 'static,
) -> Result<String, Problem> {
    let (catalog, now) = (ask.state.shared.catalog.load_full(), ask.state.now());
    let turn = Arc::clone(&ask.state.telling).acquire_owned().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(catalog.as_deref(), now)
    });
    done.await.map_err(|_| unmade())
}

/// How long a page waits before it asks again what is published, in milliseconds.
const RETRY: u32 = 5_000;

/// The digest of the board, and what is degraded, as a stream of events that ends at once, so that the browser comes back after [`RETRY`]. A
/// stream that stayed open would keep a connection busy for everybody who looks. The version of the publication would
/// not do: it stays the same if nothing is signed anew.
pub fn events(ask: &Ask<'_>) -> HttpResponse {
    let publication = ask.state.shared.publication.load();
    let pages = publication.as_deref().and_then(|publication| publication.pages.as_ref());
    let id = pages.map(|pages| pages.board.sha256.to_string());
    let seen = ask.request.headers().get("last-event-id").and_then(|seen| seen.to_str().ok());
    let event = id.filter(|id| seen != Some(id.as_str()));
    let event = event.map(|id| format!("event: published\nid: {id}\ndata: {id}\n\n"));
    let status = ask.state.shared.status.load();
    let titles: Vec<&str> = kinds(&status.degraded).map(|kind| problem(kind).title).collect();
    let titles = serde_json::json!(titles);
    let body = format!("retry: {RETRY}\n\nevent: degraded\ndata: {titles}\n\n{}", event.unwrap_or_default());
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).content_type("text/event-stream").body(body)
}

/// What has happened, the latest first: as much as one page shows, and one item more. Items of the same time keep the
/// order of the catalog, so that no page repeats or skips any.
fn happened<'a>(catalog: &'a Catalog, filter: &Filter, now: Time) -> Vec<Happened<'a>> {
    let wants = filter.wants();
    let all = catalog.lines().flat_map(|line| of_line(line, now)).filter(|one| wants(one));
    let mut all: Vec<(usize, Happened<'a>)> = all.enumerate().collect();
    let latest_first = |(place, one): &(usize, Happened<'_>),
                        (other_place, other): &(usize, Happened<'_>)| {
        other.at.cmp(&one.at).then(place.cmp(other_place))
    };
    let most = filter.skip.saturating_add(history::LISTED);
    if all.len() > most {
        all.select_nth_unstable_by(most, latest_first);
        all.truncate(most + 1);
    }
    all.sort_unstable_by(latest_first);
    all.into_iter().skip(filter.skip).map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, line, release, t};

    #[test]
    fn whoever_turns_all_pages_sees_everything_once_also_what_happened_at_one_time() {
        let days = ["2018-01-02", "2018-01-02", "2018-01-03"];
        let all = (0..250).map(|n| release(&format!("1.8.{n}"), &days[n % 3..=n % 3]));
        let catalog = catalog([all.fold(line("1.8", None), crate::domain::line::Line::with)]);
        let (mut filter, mut seen) = (Filter::default(), Vec::new());
        loop {
            let found = happened(&catalog, &filter, t("2018-02-01"));
            let page = history::history(&found, &filter, false, true).into_string();
            seen.extend(found.iter().take(history::LISTED).map(|one| (one.at, format!("{:?}", one.what))));
            let Some((_, older)) = page.split_once("href=\"/history?before=") else { break };
            let older = older.split('"').next().unwrap().replace("&amp;", "&");
            let (before, skip) = older.split_once("&skip=").unwrap();
            filter.before = DateTime::from_timestamp(before.parse().unwrap(), 0);
            filter.skip = skip.parse().unwrap();
        }
        assert_eq!(seen.len(), 250);
        assert!(seen.windows(2).all(|pair| pair[0].0 >= pair[1].0));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 250);
    }
}
