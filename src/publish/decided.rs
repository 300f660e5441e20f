//! The decisions of one turn: which lines keep their last documents, and whether each release of the other
//! lines is promoted. Publishing, metrics and reports of a turn all use the same decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::part::Loss;
use super::publication::Publication;
use super::sources::Sources;
use crate::console::view::LineView;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::LineName;
use crate::domain::degraded::{Claim, LineRefusal};
use crate::domain::explain::Explanation;
use crate::domain::line::{Line, Stage};
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::{Decision, Fact, Gate, Verdict, decide_line};
use crate::domain::release::{Event, PayloadState, Release};
use crate::domain::stepback::{Offer, step_backs_of};

/// The decisions about a catalog at one time.
#[derive(Debug)]
#[must_use]
pub struct Decided<'a> {
    pub catalog: &'a Catalog,
    pub now: Time,
    /// The refused lines, which keep their last documents, and why each was refused. Some may be missing
    /// from the catalog.
    pub refused: Refused,
    /// The decisions about the releases of all other lines, sorted by line and version.
    pub decisions: Vec<Decision<'a>>,
    /// Why the server does not promote, if it does not.
    pub not_promoting: Option<NotPromoting>,
    /// What commands that are shown must have, so that they find the catalog.
    pub flags: &'a str,
}

impl<'a> Decided<'a> {
    /// Makes the decisions. `faulty` are the lines that could not be read, and why; `last` is the
    /// publication that is being served.
    pub fn of(
        catalog: &'a Catalog,
        faulty: &BTreeMap<LineName, String>,
        last: Option<&Publication>,
        now: Time,
    ) -> Self {
        Self::after(catalog, faulty, (last, &Catalog::default()), now)
    }

    /// The same if it is known what the last publication was made from. A line that is the same one as in that
    /// catalog is not compared with what was published of it. The catalog must lack the lines that were refused.
    pub fn after(
        catalog: &'a Catalog,
        faulty: &BTreeMap<LineName, String>,
        last: (Option<&Publication>, &Catalog),
        now: Time,
    ) -> Self {
        let refused = refused(catalog, faulty, last, now);
        let lines = catalog.lines().filter(|line| !refused.contains_key(&line.name));
        let decisions = lines.flat_map(|line| decide_line(line, now)).collect();
        Self { catalog, now, refused, decisions, not_promoting: None, flags: "" }
    }

    /// The decisions about one line.
    pub fn of_line(&self, line: &LineName) -> &[Decision<'a>] {
        let begin = self.decisions.partition_point(|decision| decision.line.name < *line);
        let length = self.decisions[begin..].partition_point(|decision| decision.line.name == *line);
        &self.decisions[begin..begin + length]
    }

    /// What the console shows of a line.
    pub fn view<'b>(&'b self, line: &'b Line) -> LineView<'b> {
        let refused = self.refused.get(&line.name);
        let (decisions, not_promoting) = (self.of_line(&line.name), self.not_promoting);
        LineView { line, decisions, refused, not_promoting, flags: self.flags, now: self.now }
    }

    /// The releases that go no further because their line was refused, as far as its files can be read.
    pub fn standing_still(&self) -> impl Iterator<Item = (&Line, &Release)> {
        let lines =
            self.refused.iter().filter_map(|(name, refusal)| Some((self.catalog.stoppable(name)?, refusal)));
        lines.flat_map(|(line, refusal)| {
            let stays = |release: &&Release| {
                let explanation = Explanation {
                    line,
                    release,
                    now: self.now,
                    decision: None,
                    refused: Some(refusal),
                    not_promoting: None,
                    entry: None,
                };
                explanation.state() == "blocked"
            };
            line.releases.values().filter(stays).map(move |release| (line, release))
        })
    }

    /// The promotions that are due.
    pub fn due(&self) -> impl Iterator<Item = Change> {
        let due = self.decisions.iter().filter(|decision| decision.verdict == Verdict::Promote);
        due.map(|decision| decision.entry(self.now))
    }

    /// The changes that record since when a payload of a release on its way has been missing, or until when
    /// it was. That time is no soak.
    pub fn outages(&self) -> impl Iterator<Item = Change> {
        let under_way = self.decisions.iter().filter(|decision| decision.retired().is_none());
        under_way.filter_map(|Decision { release, .. }| {
            let outages = release.outages_at(self.now)?;
            Some(Change::Unavailable { version: release.version.clone(), outages })
        })
    }

    /// When the next publication is due if the catalog does not change: the first time after `now` at which
    /// a decision or an answer changes, or the time at which `last`, the publication being served, is due
    /// for renewal.
    pub fn next_due(&self, last: Option<&Publication>) -> Option<Time> {
        let lines = self.catalog.lines().filter_map(|line| self.until(self.catalog, line));
        // A part that rests on the last good documents of another line changes by itself, too.
        let parts = last.iter().flat_map(|last| last.sources.values()).filter_map(Sources::ends);
        let parts = parts.filter(|at| self.now < *at);
        lines.chain(parts).chain(last.map(|last| last.renew)).min()
    }

    /// Whether what is said about a line changes from one second to the next: a release is due, and nobody
    /// promotes it, so that everything after it moves on, or an outage has ended, and nobody has recorded that.
    pub fn is_moving(&self, line: &Line) -> bool {
        let is_due = |decision: &Decision<'_>| decision.verdict == Verdict::Promote;
        let is_back = |release: &Release| {
            release.evidence.payload == PayloadState::Present && release.outage().is_some()
        };
        self.of_line(&line.name).iter().any(is_due) || line.releases.values().any(is_back)
    }

    /// The first time after `now` at which a decision or an answer about a line of `catalog` changes.
    pub fn until(&self, catalog: &Catalog, line: &Line) -> Option<Time> {
        let decided = self.of_line(&line.name).iter().flat_map(|decision| {
            let until = match decision.verdict {
                Verdict::Wait { until } => Some(until),
                Verdict::Promote | Verdict::Blocked => None,
            };
            // A gate that opens changes the explanation, even if another gate stays closed.
            let gates = decision.gates.iter().filter_map(Gate::opens);
            let windows = decision.gates.iter().filter_map(|gate| match gate.fact {
                Fact::Window { window, .. } if window.is_open(self.now) => Some(window.open_until(self.now)),
                _ => None,
            });
            until.into_iter().chain(gates).chain(windows).chain(decision.deadline)
        });
        dated(catalog, line).chain(decided).filter(|at| self.now < *at).min()
    }
}

/// The times at which something in a line takes effect or ends.
fn dated<'a>(catalog: &'a Catalog, line: &'a Line) -> impl Iterator<Item = Time> {
    // A stop that is already in force changes nothing at its date.
    let begins = |event: &Event| (!event.at_once).then_some(event.at);
    let grace = line.follows.as_ref().map_or(TimeDelta::zero(), |follows| follows.grace);
    let before = line.follows.as_ref().and_then(|follows| catalog.line(&follows.line));
    // When the grace after an entry ends, the release that was the highest before that entry no longer
    // opens the minor gate.
    let graces = before
        .into_iter()
        .filter(move |_| grace > TimeDelta::zero())
        .flat_map(|before| before.releases.values())
        .flat_map(move |release| release.entries.iter().flatten().map(move |entry| entry.since + grace));
    let events = line.releases.values().flat_map(move |release| {
        let entries = release.entries.iter().flatten().map(|entry| entry.since);
        let yank = release.yank.as_ref().map(|yank| &yank.event);
        entries.chain(release.hold.as_deref().into_iter().chain(yank).filter_map(begins))
    });
    let pauses = line.stages.iter().filter_map(|stage| stage.paused.as_ref());
    let freezes = line.freezes.iter().map(|freeze| freeze.from);
    graces.chain(events).chain(freezes).chain(pauses.chain(&line.retired).filter_map(begins))
}

/// Refused lines, which keep their last documents, and why each was refused.
pub type Refused = BTreeMap<LineName, LineRefusal>;

/// The lines that keep their last documents: those that could not be read, those whose last documents are lost,
/// those that would step back from the last publication, and those that claim a channel or versions of another refused line.
pub fn refusals(
    catalog: &Catalog,
    faulty: &BTreeMap<LineName, String>,
    last: Option<&Publication>,
    now: Time,
) -> Refused {
    refused(catalog, faulty, (last, &Catalog::default()), now)
}

fn refused(
    catalog: &Catalog,
    faulty: &BTreeMap<LineName, String>,
    (last, published): (Option<&Publication>, &Catalog),
    now: Time,
) -> Refused {
    let mut refused: Refused =
        faulty.iter().map(|(line, why)| (line.clone(), LineRefusal::Faulty { why: why.clone() })).collect();
    let Some(last) = last else { return refused };
    let unreadable = last.parts.iter().filter(|part| !last.begins_anew(part));
    refused.extend(unreadable.filter_map(|part| {
        let Loss { why, may_pass } = part.lost.as_ref()?.loss.clone();
        Some((part.line.clone(), LineRefusal::Lost { why, may_pass }))
    }));
    // As time goes by, a line that nobody changes only offers more.
    let is_as_published = |line: &LineName| {
        let line = catalog.shared_line(line).zip(published.shared_line(line));
        last.made <= now && line.is_some_and(|(line, published)| Arc::ptr_eq(line, published))
    };
    let compared = last.parts.iter().filter(|part| !refused.contains_key(&part.line));
    let compared = compared.filter(|part| !is_as_published(&part.line));
    let before: Vec<Offer> = compared.flat_map(|part| part.offers()).collect();
    for step in step_backs_of(&before, catalog, now) {
        let line = step.line.clone();
        match refused.entry(line).or_insert_with(|| LineRefusal::StepsBack(Vec::new())) {
            LineRefusal::StepsBack(steps) => steps.push(step.blaming_files(catalog, now)),
            LineRefusal::Faulty { .. } | LineRefusal::Lost { .. } | LineRefusal::Claims { .. } => {}
        }
    }
    claims(catalog, last, &mut refused);
    refused
}

/// Refuses lines that claim a channel's name or versions of a refused line. The refused line is published
/// as it was, so the channel or the release would belong to two lines, and nothing could be published.
fn claims(catalog: &Catalog, last: &Publication, refused: &mut Refused) {
    // Repeat this, since a line that is refused for its claims keeps its last documents, and another line
    // may claim a channel or versions of those.
    while let Some((line, refusal)) = catalog
        .lines()
        .filter(|line| !refused.contains_key(&line.name))
        .find_map(|line| Some((line.name.clone(), claim(line, last, refused)?)))
    {
        refused.insert(line, refusal);
    }
}

/// Returns why a line is refused, if it claims a channel or versions of a refused line.
fn claim(line: &Line, last: &Publication, refused: &Refused) -> Option<LineRefusal> {
    if refused.is_empty() {
        return None;
    }
    let names = line.stages.iter().flat_map(Stage::names);
    let channels = names.filter_map(|name| Some((Claim::Channel(name.clone()), last.line_of(name)?)));
    let prefixes = last.parts.iter().filter_map(|part| Some((part.prefix?, &part.line)));
    let overlapping = prefixes.filter(|(prefix, _)| prefix.overlaps(&line.prefix));
    let versions = overlapping.map(|(prefix, line)| (Claim::Versions(prefix), line));
    let (claim, of) =
        channels.chain(versions).find(|(_, of)| **of != line.name && refused.contains_key(*of))?;
    Some(LineRefusal::Claims { claim, of: of.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::properties::{any_catalog, day};
    use crate::domain::upgrade::Views;
    use crate::formats::api::{ChannelsBody, ExplainBody, PromotionsBody, UpdateBody};

    /// Every time that a document says something waits for.
    fn untils(document: &Value, found: &mut Vec<Time>) {
        match document {
            Value::Object(fields) => {
                let until = fields.get("until").and_then(Value::as_str);
                found.extend(until.map(|until| until.parse::<Time>().unwrap()));
                fields.values().for_each(|value| untils(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| untils(item, found)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn every_time_that_is_published_lies_ahead_until_the_next_publication(
            catalog in any_catalog(),
            n in 0..70_i64,
        ) {
            // Nobody promotes, so much of it is due.
            let now = day(n);
            let decided = Decided::of(&catalog, &BTreeMap::new(), None, now);
            let views = Views::new(&catalog, &decided.decisions, now);
            let mut found = Vec::new();
            untils(&json!(ChannelsBody::of(&catalog, &decided.decisions, now)), &mut found);
            untils(&json!(PromotionsBody::of(&decided.decisions, None)), &mut found);
            for decision in &decided.decisions {
                let Decision { line, release, .. } = *decision;
                let explanation = Explanation { line, release, now, decision: Some(decision), refused: None, not_promoting: None, entry: None };
                untils(&json!(ExplainBody::of(&explanation)), &mut found);
            }
            for channel in catalog.channels() {
                for line in catalog.lines() {
                    for version in line.releases.keys() {
                        untils(&json!(UpdateBody::of(&views.answer(channel, version))), &mut found);
                    }
                }
            }
            let next = decided.next_due(None);
            for until in found {
                prop_assert!(now < until && next.is_some_and(|next| next <= until), "{until} at {now}, {next:?}");
            }
        }
    }
}
