//! The board: what needs somebody, what is coming, and where every line stands.

use std::cmp::Reverse;

use chrono::TimeDelta;
use maud::{Markup, PreEscaped, html};

use super::frame::{Place, page, table};
use super::freezes::Frozen;
use super::mark::{Mark, mark};
use super::needs::{Need, items, needs, nothing_promoted, refused, stranding};
use super::status;
use super::text::{at_hour, channel, day, hour, release, sentence, until};
use super::track::Track;
use super::view::LineView;
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName};
use crate::domain::degraded::{DegradedKind, LineRefusal};
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, GateState, Verdict};
use crate::domain::version::Version;
use crate::words::{self, counted};

/// How many releases on their way a line shows. The others are on the channel's page.
const TRACKS: usize = 8;
/// How many items each list at the top shows.
const ITEMS: usize = 8;
/// How many more items that need somebody are folded below them.
const FOLDED: usize = 100;
/// A freeze is announced this long before it begins.
const SOON: TimeDelta = TimeDelta::days(14);
/// Up to this many lines with something on the way are shown unfolded.
const UNFOLDED: usize = 6;

/// Where pieces belong in [`frame()`]. No text of a catalog may have this character.
pub const HOLE: char = '\u{7f}';

/// What the board says of one line.
#[derive(Debug, Clone)]
pub struct LineOnBoard {
    pub line: LineName,
    pub releases: usize,
    pub on_the_way: usize,
    /// What needs somebody, and since when, if that is known.
    needs: Vec<Need>,
    /// What of that makes the server degraded.
    degraded: Vec<DegradedKind>,
    /// What enters a stage by itself.
    pub coming: Vec<Coming>,
    /// The line's card, or its row in the table if nothing is on its way.
    pub piece: Markup,
}

/// A release that enters a stage by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coming {
    pub at: Time,
    pub version: Version,
    pub channel: ChannelName,
    /// Whether the server promotes it, and not somebody by hand.
    pub is_promoted: bool,
}

impl Coming {
    /// The release, the channel, and the time. In a forecast, how far that is from now would only confuse.
    pub(super) fn says(&self, is_forecast: bool) -> Markup {
        let Self { at, version, channel: name, is_promoted } = self;
        html! {
            (release(&version.to_string())) @if *is_promoted { " enters " } @else { " can enter " }
            (channel(name.as_str())) " at " @if is_forecast { (hour(*at)) } @else { (at_hour(*at)) }
        }
    }
}

impl LineOnBoard {
    /// Whether the line has a card of its own.
    pub const fn has_card(&self) -> bool {
        self.on_the_way > 0
    }
}

/// Makes what the board says of a line.
pub fn line(view: &LineView<'_>) -> LineOnBoard {
    let LineView { line, decisions, now, .. } = *view;
    // Nothing of a retired line is on its way any more.
    let on_the_way: Vec<&Decision<'_>> =
        decisions.iter().filter(|one| one.retired().is_none() && one.release.yanked(now).is_none()).collect();
    let releases = line.releases.values().filter(|release| release.is_known(now)).count();
    let (needs, degraded) = needs(view, &on_the_way);
    let coming = on_the_way.iter().filter_map(|one| coming(view, one)).collect();
    let piece = if on_the_way.is_empty() { row(view) } else { card(view, &on_the_way) };
    LineOnBoard {
        line: line.name.clone(),
        releases,
        on_the_way: on_the_way.len(),
        needs,
        degraded,
        coming,
        piece,
    }
}

/// What the board says of a line that has nothing to show, because it was refused.
pub fn unshown(line: &LineName, why: &LineRefusal, flags: &str) -> LineOnBoard {
    let piece = html! {
        tr.line { td { (line) } td { span.soft { "nothing" } } td {} td.state { (mark(Mark::Stop, "Not updated")) } }
    };
    let needs = vec![(None, refused(line, why, flags))];
    let degraded = vec![DegradedKind::LineRefused];
    LineOnBoard { line: line.clone(), releases: 0, on_the_way: 0, needs, degraded, coming: Vec::new(), piece }
}

/// Makes the board without the pieces of its lines. It has [`HOLE`]s for the cards and for the rows, in this order.
pub fn frame(
    lines: &[&LineOnBoard],
    freezes: &[Frozen<'_>],
    (not_promoting, has_plans): (Option<NotPromoting>, bool),
    now: Time,
) -> Markup {
    let count = |of: fn(&LineOnBoard) -> usize| lines.iter().map(|line| of(line)).sum::<usize>();
    let (releases, on_the_way) = (count(|line| line.releases), count(|line| line.on_the_way));
    let cards = lines.iter().filter(|line| line.has_card()).count();
    let fault = not_promoting.filter(|_| has_plans).and_then(nothing_promoted);
    let mut needs: Vec<_> = fault.iter().chain(lines.iter().flat_map(|line| &line.needs)).collect();
    needs.sort_by_key(|(since, _)| *since);
    let mut coming: Vec<&Coming> = lines.iter().flat_map(|line| &line.coming).collect();
    coming.sort_unstable();
    let content = html! {
        div {
            h1 { "Board" }
            (status::note(lines.iter().flat_map(|line| &line.degraded), not_promoting))
            p.soft {
                (counted(lines.len(), "line")) ", " (counted(releases, "release")) @if has_plans { ", " (on_the_way) " on the way" } ". As of "
                time datetime=(crate::domain::rfc3339(now)) data-made="" { (super::text::moment(now)) } "."
            }
            @if let Some(NotPromoting::Off) = not_promoting {
                p.note { (mark(Mark::Wait, "Nothing is promoted by itself")) " " (sentence(&words::not_promoting(NotPromoting::Off))) }
            }
        }
        @for frozen in freezes.iter().filter(|frozen| frozen.freeze.from - SOON <= now) {
            p.note {
                @if frozen.freeze.from <= now { (mark(Mark::Wait, "Frozen")) } @else { (mark(Mark::Wait, "Freeze")) " from " (day(frozen.freeze.from)) }
                " until " (day(frozen.freeze.until)) ": " bdi { (frozen.freeze.reason) } ". " (frozen.for_lines(lines.len())) "."
            }
        }
        @if !has_plans {
            p.note { "This is a mirror: it shows what is on offer. What is on its way, and what keeps it, is known to the vendor's server alone." }
        }
        @if has_plans { div.two {
            section.card.halt-edge[!needs.is_empty()] aria-labelledby="needs" {
                h2 #needs { "Needs somebody (" (needs.len()) ")" }
                p.soft.small { "Releases, channels and lines that go on only once somebody acts. How the server is: " a href="/status" { "Status" } "." }
                @if needs.is_empty() {
                    p.soft { "Nothing now." @if not_promoting.is_none() { " What is on its way goes on by itself." } }
                }
                @else { (items(needs.iter().take(ITEMS))) }
                @if needs.len() > ITEMS {
                    details {
                        summary { "and " (needs.len() - ITEMS) " more" }
                        (items(needs.iter().skip(ITEMS).take(FOLDED)))
                        @if needs.len() > ITEMS + FOLDED { p { "All are in " a href="/v1/promotions" { code { "/v1/promotions" } } "." } }
                    }
                }
            }
            section.card.coming aria-labelledby="coming" {
                h2 #coming { "Coming (" (coming.len()) ")" }
                @if coming.is_empty() { p.soft { "Nothing has a date yet." } } @else {
                    ul.list {
                        @for one in coming.iter().take(ITEMS) { li { span.when { (day(one.at)) } p { (one.says(false)) } } }
                    }
                }
                @if coming.len() > ITEMS { p { a href="/calendar" { "and " (coming.len() - ITEMS) " more" } } }
            }
        } }
        @if !lines.is_empty() {
            div.filter hidden {
                label { "Find a line or a release" input type="search" id="filter" autocomplete="off"; }
                p #other hidden { "Nothing here has that name. " a href="/" { "Look for a release of that version" } }
            }
        }
        @if cards > 0 { (legend()) }
        div.stack.lines data-folded=[(cards > UNFOLDED).then_some("")] { (PreEscaped(HOLE.to_string())) }
        @if cards < lines.len() {
            section.card aria-labelledby="quiet" {
                h2 #quiet { @if has_plans { "Lines with nothing on the way (" } @else { "Lines (" } (lines.len() - cards) ")" }
                (table(&["Line", "Offers", "Since", "State"], &PreEscaped(HOLE.to_string())))
            }
        } @else { (PreEscaped(HOLE.to_string())) }
        @if lines.is_empty() {
            section.card { p { "There is no line yet. " code { "tidegate release add" } " makes the first one." } }
        }
    };
    page("Board", Place::Board, &content)
}

fn coming(view: &LineView<'_>, decision: &Decision<'_>) -> Option<Coming> {
    let at = decision.verdict.earliest(view.now).filter(|_| view.refused.is_none())?;
    let (version, channel) = (decision.release.version.clone(), decision.target().channel.clone());
    Some(Coming { at, version, channel, is_promoted: view.not_promoting.is_none() })
}

/// The card of a line with something on the way.
fn card(view: &LineView<'_>, on_the_way: &[&Decision<'_>]) -> Markup {
    let LineView { line, now, .. } = *view;
    // What needs somebody comes first, then what comes next.
    let mut sorted = on_the_way.to_vec();
    sorted.sort_by_key(|one| {
        (one.blocking().is_none(), one.verdict.earliest(now), Reverse(&one.release.version))
    });
    let min = sorted.iter().find_map(|one| Track::of(one));
    let blocked = on_the_way.iter().filter(|one| one.blocking().is_some()).count();
    let next = on_the_way.iter().filter_map(|one| one.verdict.earliest(now)).min();
    html! {
        details.card.line open {
            summary {
                h2 { (line.name) }
                @if let Some(title) = &line.title { bdi.soft { (title) } }
                @if blocked > 0 { (mark(Mark::Stop, &format!("{blocked} blocked"))) }
                span.soft.small { (on_the_way.len()) " on the way" @if let Some(next) = next { ", next " (day(next)) } }
            }
            div.stages {
                @for index in 0..line.stages.len() { (stage(view, index)) }
            }
            @if let Some(track) = &min { (track.axis()) }
            @for one in sorted.iter().take(TRACKS) { (track(one)) }
            @if sorted.len() > TRACKS {
                p.small {
                    "and " (sorted.len() - TRACKS) " more on the way: "
                    @for stage in &line.stages[1..] { (channel(stage.channel.as_str())) " " }
                }
            }
        }
    }
}

/// What a stage of a line offers.
fn stage(view: &LineView<'_>, index: usize) -> Markup {
    let LineView { line, now, .. } = *view;
    let stage = &line.stages[index];
    let latest = line.latest(index, now);
    let since = latest.and_then(|latest| latest.entered(index, now));
    html! {
        div.stage {
            span.small { (channel(stage.channel.as_str())) }
            @match latest {
                Some(latest) => b { (release(&latest.version.to_string())) },
                None => b.soft { "nothing yet" },
            }
            span.small.soft {
                @if let Some(entry) = since { "since " (day(entry.since)) }
                @if stage.paused(now).is_some() { " " (mark(Mark::Stop, "Paused")) }
            }
        }
    }
}

/// How to read the tracks below it.
pub(super) fn legend() -> Markup {
    html! { p.soft.small { "A track: the bar is the soak so far; from the upright line on, the release may enter; the hatched part ends where it is late." } }
}

/// A release on its way: its version, its soak, and what it waits for.
pub(super) fn track(decision: &Decision<'_>) -> Markup {
    let stop = decision.gates.iter().find_map(|gate| match gate.fact {
        Fact::Hold { hold } => hold.filter(|_| gate.state == GateState::Blocks),
        _ => None,
    });
    let soak = Track::of(decision);
    let (_, why) = words::promotion(decision);
    html! {
        div.track {
            (release(&decision.release.version.to_string()))
            @match &soak { Some(soak) => (soak.picture()), None => span {} }
            div {
                p {
                    @match (stop, decision.verdict) {
                        (Some(hold), _) => { (mark(Mark::Stop, "On hold")) " since " (day(hold.at)) }
                        (None, Verdict::Blocked) => (mark(Mark::Stop, "Blocked")),
                        (None, Verdict::Promote) => (mark(Mark::Wait, "Due")),
                        (None, Verdict::Wait { until: at }) => { (mark(Mark::Wait, "Waits")) " until " (until(at)) }
                    }
                    @if decision.overdue { " " (mark(Mark::Stop, "Overdue")) }
                }
                p.soft.small {
                    @match (stop, &soak) {
                        (Some(hold), _) => (hold.reason),
                        (None, _) if !why.is_empty() => (sentence(&why)),
                        (None, Some(soak)) => (soak.words()),
                        (None, None) => "",
                    }
                }
            }
        }
    }
}

/// The row of a line with nothing on its way.
fn row(view: &LineView<'_>) -> Markup {
    let LineView { line, now, refused, .. } = *view;
    let last = line.stages.len() - 1;
    let latest = line.latest(last, now);
    let since = latest.and_then(|latest| latest.entered(last, now));
    let is_paused = line.stages.iter().any(|stage| stage.paused(now).is_some());
    html! {
        tr.line {
            td { a href={ "/channels/" (line.stages[last].channel) } { (line.name) } }
            td { @match latest { Some(latest) => (release(&latest.version.to_string())), None => span.soft { "nothing" } } }
            td data-head="since" { @if let Some(entry) = since { (day(entry.since)) } }
            td.state {
                @if refused.is_some() { (mark(Mark::Stop, "Not updated")) }
                @else if stranding(view, &[]).is_some() { (mark(Mark::Stop, "Yanked")) }
                @else if is_paused { (mark(Mark::Stop, "Paused")) }
                @else if line.retired(now).is_some() { span.soft { "Retired" } }
                @else if latest.is_some() { (mark(Mark::Go, "Current")) }
                @else if line.releases.values().any(|one| one.is_known(now)) { (mark(Mark::Stop, "Offers nothing")) }
                @else { span.soft { "Empty" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::console::freezes::freezes;
    use crate::domain::catalog::Catalog;
    use crate::domain::line::Line;
    use crate::domain::promotion::decide_line;
    use crate::domain::release::PayloadState;
    use crate::domain::testing::{catalog, line as line_of, release as release_of, t};

    /// A catalog with this many lines, each with this many releases, of which the last fifth soaks.
    fn large(lines: usize, releases: usize) -> Catalog {
        let lines = (0..lines).map(|line| {
            let all = (0..releases).map(|release| {
                let version = format!("1.{line}.{release}");
                let entered = ["2018-01-02", "2018-01-20"];
                let soaks = release * 5 >= releases * 4;
                release_of(&version, if soaks { &["2018-01-28"] } else { &entered })
            });
            all.fold(line_of(&format!("1.{line}"), None), Line::with)
        });
        catalog(lines)
    }

    /// The whole board.
    fn board(catalog: &Catalog, now: Time) -> String {
        board_of(catalog, None, now)
    }

    fn board_of(catalog: &Catalog, not_promoting: Option<NotPromoting>, now: Time) -> String {
        let on_board = |line| {
            let decisions = decide_line(line, now);
            super::line(&LineView {
                line,
                decisions: &decisions,
                refused: None,
                not_promoting,
                flags: "",
                now,
            })
        };
        let lines: Vec<LineOnBoard> = catalog.lines().map(on_board).collect();
        let all: Vec<&LineOnBoard> = lines.iter().collect();
        let page = frame(&all, &freezes(catalog.lines(), now), (not_promoting, true), now).into_string();
        let (cards, rows): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.has_card());
        let join =
            |lines: Vec<&LineOnBoard>| lines.iter().map(|line| line.piece.0.as_str()).collect::<String>();
        let mut holes = [join(cards), join(rows)].into_iter();
        page.split(HOLE).map(|part| part.to_owned() + &holes.next().unwrap_or_default()).collect()
    }

    fn compressed(page: &str) -> usize {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(page.as_bytes()).unwrap();
        encoder.finish().unwrap().len()
    }

    #[test]
    fn a_board_of_many_releases_or_lines_stays_small_and_counts_what_it_leaves_out() {
        let now = t("2018-02-01");
        let made = |lines, releases| board(&large(lines, releases), now);
        let releases = made(5, 200);
        assert!(compressed(&releases) < 100_000, "{}", compressed(&releases));
        assert!(
            releases.contains("1000 releases, 200 on the way") && releases.contains("and 32 more on the way")
        );
        let lines = made(200, 5);
        assert!(compressed(&lines) < 100_000, "{}", compressed(&lines));
        assert!(lines.contains("data-folded"), "many lines are folded");
        assert!(!made(2, 5).contains("data-folded"));
    }

    #[test]
    fn a_release_that_cannot_be_served_needs_somebody_and_its_line_is_not_current() {
        let now = t("2018-02-01");
        let mut one = release_of("1.8.4", &["2018-01-02", "2018-01-20"]);
        one.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
        let page = board(&catalog([line_of("1.8", None).with(one)]), now);
        assert!(page.contains("Needs somebody (1)") && page.contains("is not on offer"), "{page}");
        assert!(page.contains("Degraded</span>: a release cannot be served. <a href=\"/status\""), "{page}");
        assert!(page.contains("Offers nothing") && !page.contains("Current"), "{page}");
    }

    #[test]
    fn what_nobody_promotes_needs_somebody() {
        let now = t("2018-02-01");
        let due = catalog([line_of("1.8", None).with(release_of("1.8.4", &["2018-01-10"]))]);
        assert!(board(&due, now).contains("goes on by itself"));
        let off = board_of(&due, Some(NotPromoting::Off), now);
        assert!(off.contains("Needs somebody (1)") && off.contains("tidegate promote 1.8.4"), "{off}");
        let fails = board_of(&due, Some(NotPromoting::Failing(DegradedKind::SigningFailing)), now);
        assert!(fails.contains("Needs somebody (1)") && fails.contains("it cannot sign"), "{fails}");
        assert!(!fails.contains("tidegate promote") && !fails.contains("goes on by itself"), "{fails}");
    }

    #[test]
    fn a_yank_that_leaves_clusters_without_a_way_needs_somebody() {
        let now = t("2018-02-01");
        let both = ["2018-01-02", "2018-01-20"];
        let yanked = || line_of("1.8", None).with(release_of("1.8.4", &both).yanked_at("2018-01-21", None));
        let page = board(&catalog([yanked()]), now);
        assert!(page.contains("Needs somebody (1)") && page.contains("breaks DNS"), "{page}");
        assert!(page.contains("Yanked") && !page.contains("Current"), "{page}");
        let coming = board(&catalog([yanked().with(release_of("1.8.5", &["2018-01-28"]))]), now);
        assert!(coming.contains("Needs somebody (0)"), "{coming}");
    }

    #[test]
    fn what_a_catalog_says_is_never_markup() {
        let now = t("2018-02-01");
        let mut one = line_of("1.8", None).with(release_of("1.8.4", &["2018-01-28"]).held_at("2018-01-29"));
        one.title = Some("<i>title</i>".to_owned());
        one.releases.values_mut().for_each(|release| {
            let hold = release.hold.as_mut().unwrap();
            hold.reason = "\"><script>alert(1)</script>".to_owned();
        });
        let page = board(&catalog([one]), now);
        assert!(!page.contains("<i>") && !page.contains("<script>alert"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("&lt;i&gt;title"), "{page}");
    }
}
