//! Makes the answers of lines and channels.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    Arches, ChannelUpdates, Cuts, Filling, LineUpdates, Runs, Template, Variants, ViewsByArch, json,
};
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::degraded::LineRefusal;
use crate::domain::line::Line;
use crate::domain::release::Release;
use crate::domain::steps;
use crate::domain::upgrade::{Advice, Answer, Views};
use crate::domain::version::Version;
use crate::formats::api::UpdateBody;
use crate::publish::document::Document;

/// Computes the templates of a line. They depend on this line and on the one that it follows.
pub fn line_updates<'a>(catalog: &'a Catalog, views: &ViewsByArch<'a>, line: &'a Line) -> LineUpdates {
    let arches = Arches::make((catalog, views), line, |views| of_line(catalog, views, line));
    LineUpdates { arches: Some(arches), ..of_line(catalog, &views.any, line) }
}

fn of_line<'a>(catalog: &'a Catalog, views: &Views<'a>, line: &'a Line) -> LineUpdates {
    let now = views.now();
    let mut templates = Distinct::default();
    let mut beyond = Runs::default();
    let mut last = None;
    for (before, release) in followed(catalog, line, now) {
        let advice = views.beyond(before, line, release);
        if last.as_ref() != Some(&advice) {
            let [open, closed] =
                [true, false].map(|take| templates.place(Template::new(&advice, take, true)));
            extend(&mut beyond, &release.version, Variants { open, closed });
            last = Some(advice);
        }
    }
    let yanked = known(line, now).filter(|release| release.yanked(now).is_some());
    let yanked = yanked.map(|release| {
        let template = Template::new(&views.above(release), false, false);
        (release.version.clone(), templates.place(template))
    });
    let yanked = yanked.collect();
    let stay = (0..line.stages.len()).map(|index| {
        let channel = ChannelRef { line, index };
        let advice = Advice::stay(channel);
        let [open, closed] =
            [true, false].map(|before| templates.place(Template::new(&advice, false, before)));
        (channel.stage().name.clone(), Variants { open, closed })
    });
    let stay = stay.collect();
    let versions = known(line, now).map(|release| release.version.clone()).collect();
    LineUpdates { versions, templates: templates.all, beyond, yanked, stay, arches: None }
}

/// Computes the answers of a channel. They depend on its line, on the one that this follows, and on the
/// stages of the first line that follows it. `refused` is why its line was refused, if it was. Bodies that
/// `reuse` already contains are shared with it.
pub fn channel_updates<'a>(
    catalog: &'a Catalog,
    views: &ViewsByArch<'a>,
    channel: ChannelRef<'a>,
    refused: Option<&'a LineRefusal>,
    reuse: Option<&ChannelUpdates>,
) -> ChannelUpdates {
    let any = of_channel(catalog, &views.any, channel, refused, reuse);
    let arches = Arches::make((catalog, views), channel.line, |views| {
        of_channel(catalog, views, channel, refused, Some(&any))
    });
    ChannelUpdates { arches: Some(arches), ..any }
}

fn of_channel<'a>(
    catalog: &'a Catalog,
    views: &Views<'a>,
    channel: ChannelRef<'a>,
    refused: Option<&'a LineRefusal>,
    reuse: Option<&ChannelUpdates>,
) -> ChannelUpdates {
    let ChannelRef { line, .. } = channel;
    let mut bodies = Bodies::new(channel, refused, reuse);
    let mut updates = ChannelUpdates {
        stage: channel.stage().name.clone(),
        bodies: Vec::new(),
        paused: views.paused(channel).map(|advice| bodies.place(advice)),
        own: Runs::default(),
        unknown: Cuts::default(),
        before: Runs::default(),
        elsewhere: Cuts::default(),
        ahead: 0,
        latest: None,
        take: None,
        filling: Filling::of(channel, None, None),
        arches: None,
    };
    if updates.paused.is_none() {
        let own = known(line, views.now()).map(|release| (line, release));
        updates.own = runs(views, own, &mut bodies);
        updates.before = runs(views, followed(catalog, line, views.now()), &mut bodies);
        updates.unknown = unknown(views, &mut bodies);
        updates.elsewhere = elsewhere(views, &mut bodies);
        updates.ahead = bodies.place(Advice::ahead());
        updates.latest = views.latest(channel).map(|latest| latest.version.clone());
        let take = views.entry(line);
        updates.take = take.map(|step| step.release.version.clone());
        updates.filling = Filling::of(channel, take, refused);
    }
    updates.bodies = bodies.documents;
    updates
}

/// The releases of a line that are known at `now`, in ascending order.
fn known(line: &Line, now: Time) -> impl Iterator<Item = &Release> {
    line.releases.values().filter(move |release| release.is_known(now))
}

/// The known releases of the line that a line follows, each with that line.
fn followed<'a>(
    catalog: &'a Catalog,
    line: &'a Line,
    now: Time,
) -> impl Iterator<Item = (&'a Line, &'a Release)> {
    let before = line.follows.as_ref().and_then(|follows| catalog.line(&follows.line));
    before.into_iter().flat_map(move |before| known(before, now).map(move |release| (before, release)))
}

/// The answers to known releases of one line.
fn runs<'a>(
    views: &Views<'a>,
    releases: impl Iterator<Item = (&'a Line, &'a Release)>,
    bodies: &mut Bodies<'a>,
) -> Runs<u32> {
    let mut runs = Runs::default();
    for (line, release) in releases {
        let body = bodies.place(views.known(bodies.channel, line, release));
        extend(&mut runs, &release.version, body);
    }
    runs
}

/// Begins a new run at a version, unless the last one says the same.
fn extend<T: PartialEq>(runs: &mut Runs<T>, version: &Version, value: T) {
    if runs.last().is_none_or(|(_, last)| *last != value) {
        runs.push((version.clone(), value));
    }
}

/// The answers to unknown versions of the channel's own line. They change at every release that may be a
/// target, a barrier, or coming.
fn unknown<'a>(views: &Views<'a>, bodies: &mut Bodies<'a>) -> Cuts {
    let channel = bodies.channel;
    let barriers = channel.line.barriers(views.now()).map(|(_, version)| version);
    let cuts: BTreeSet<&Version> = channel.line.releases.keys().chain(barriers).collect();
    let mut below: Vec<(Version, u32)> = Vec::new();
    for &version in &cuts {
        let body = bodies.place(views.unknown_in_line(channel, Bound::Included(version)));
        match below.last_mut() {
            Some((last, same)) if *same == body => last.clone_from(version),
            _ => below.push((version.clone(), body)),
        }
    }
    let above = cuts.last().map_or(Bound::Unbounded, |last| Bound::Excluded(*last));
    Cuts { below, above: bodies.place(views.unknown_in_line(channel, above)) }
}

/// The answers to unknown versions outside the channel's line.
fn elsewhere<'a>(views: &Views<'a>, bodies: &mut Bodies<'a>) -> Cuts {
    let channel = bodies.channel;
    let [latest, required] = views.landmarks(channel);
    let mut marks: Vec<&Version> = [latest, required].into_iter().flatten().collect();
    marks.sort_unstable();
    marks.dedup();
    let mut answer = |below_latest: bool, below_required: bool| {
        bodies.place(views.unknown_elsewhere(channel, below_latest, below_required))
    };
    let below = marks.into_iter().map(|mark| {
        let is_below = |landmark: Option<&Version>| landmark.is_some_and(|landmark| mark <= landmark);
        (mark.clone(), answer(is_below(latest), is_below(required)))
    });
    let below = below.collect();
    Cuts { below, above: answer(false, false) }
}

/// Distinct values in the order in which they came.
struct Distinct<T> {
    all: Vec<T>,
    places: HashMap<T, u32>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { all: Vec::new(), places: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    fn place(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.all.len()).expect("a line has fewer than 2^32 answers");
        *self.places.entry(value).or_insert_with_key(|value| {
            self.all.push(value.clone());
            next
        })
    }
}

/// The distinct bodies of a channel.
struct Bodies<'a> {
    channel: ChannelRef<'a>,
    refused: Option<&'a LineRefusal>,
    documents: Vec<Arc<Document>>,
    places: HashMap<Bytes, u32>,
    /// Most versions are told the same as the one before.
    last: Option<(Advice<'a>, u32)>,
    made: HashMap<Bytes, Arc<Document>>,
}

impl<'a> Bodies<'a> {
    fn new(
        channel: ChannelRef<'a>,
        refused: Option<&'a LineRefusal>,
        reuse: Option<&ChannelUpdates>,
    ) -> Self {
        let made = reuse.iter().flat_map(|updates| &updates.bodies);
        let made = made.map(|document| (document.identity.clone(), Arc::clone(document))).collect();
        let (documents, places) = (Vec::new(), HashMap::new());
        Self { channel, refused, documents, places, last: None, made }
    }

    fn place(&mut self, advice: Advice<'a>) -> u32 {
        if let Some((last, place)) = &self.last
            && *last == advice
        {
            return *place;
        }
        let place = self.place_of(&advice);
        self.last = Some((advice, place));
        place
    }

    fn place_of(&mut self, advice: &Advice<'a>) -> u32 {
        steps::count();
        let answer = Answer { channel: self.channel, advice: advice.clone() };
        let mut body = UpdateBody::of(&answer);
        // Who has an update to install need not hear that nothing comes after it.
        if let Some(refusal) = self.refused.filter(|_| advice.target().is_none()) {
            body.refuse_line(refusal);
        }
        let body = json(&body);
        if let Some(place) = self.places.get(&body) {
            return *place;
        }
        let place = u32::try_from(self.documents.len()).expect("a channel has fewer than 2^32 answers");
        self.documents.push(Document::reusing(self.made.get(&body), body.clone()));
        self.places.insert(body, place);
        place
    }
}
