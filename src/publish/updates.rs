//! The answers of a channel, computed once for every version that a cluster may run.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::document::Document;
use crate::domain::Time;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::line::{Line, Prefix};
use crate::domain::upgrade::{Advice, Answer, Relation, Views};
use crate::domain::version::Version;
use crate::formats::api::UpdateBody;

/// The answers of one channel, by the version of the cluster that asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Updates {
    /// The distinct answers.
    pub(crate) bodies: Vec<Arc<Document>>,
    /// The answers for the versions of each line, by the line's prefix.
    pub(crate) lines: HashMap<Prefix, LineUpdates>,
    /// The answers for unknown versions outside the channel's line: each entry is for the versions below
    /// its own that no earlier entry covers.
    pub(crate) below: Vec<(Version, u32)>,
    /// The answer for all other unknown versions.
    pub(crate) above: u32,
}

/// The answers for the versions of one line, by their positions among its [`Known`] versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LineUpdates {
    /// The answers for known versions, as runs: the first position of each run, and the index of its body.
    pub(crate) at: Vec<(u32, u32)>,
    /// The answers for unknown versions just below the known one at each position, as runs. Only the
    /// channel's own line has any.
    pub(crate) gaps: Vec<(u32, u32)>,
    /// The answers for other unknown versions of the channel's own line: each entry is for those between the
    /// known version or the entry before it and its own version. Those versions are releases that have not
    /// entered any stage yet, and what stands for a barrier.
    #[serde(default)]
    pub(crate) below: Vec<(Version, u32)>,
}

impl Updates {
    /// The answer for a cluster that runs `current`.
    ///
    /// `known` are the known versions of the line with a prefix.
    pub fn answer<'k>(
        &self,
        known: impl Fn(&Prefix) -> Option<&'k [Version]>,
        current: &Version,
    ) -> &Document {
        &self.bodies[self.place(known, current) as usize]
    }

    fn place<'k>(&self, known: impl Fn(&Prefix) -> Option<&'k [Version]>, current: &Version) -> u32 {
        let of = |prefix: Prefix| Some((self.lines.get(&prefix)?, known(&prefix)?));
        if let Some((line, known)) = Prefix::candidates(current).find_map(of) {
            match known.binary_search(current) {
                Ok(i) => return run(&line.at, i),
                Err(i) if !line.gaps.is_empty() => {
                    let next = known.get(i);
                    let cut = line.below.iter().find(|(version, _)| current < version);
                    let cut = cut.filter(|(version, _)| next.is_none_or(|next| version < next));
                    return cut.map_or_else(|| run(&line.gaps, i), |(_, body)| *body);
                }
                Err(_) => {}
            }
        }
        self.below.iter().find(|(version, _)| current < version).map_or(self.above, |(_, body)| *body)
    }
}

/// The index of the body of the run that contains a position.
fn run(runs: &[(u32, u32)], place: usize) -> u32 {
    let after = runs.partition_point(|(start, _)| *start as usize <= place);
    runs[after - 1].1
}

/// The lines of a catalog by the prefixes of their versions.
pub type Known = HashMap<Prefix, KnownLine>;

/// A line and its known versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownLine {
    pub(crate) line: LineName,
    /// In ascending order.
    pub versions: Box<[Version]>,
}

/// The versions of every line of a catalog that are known at `now`.
pub fn known(catalog: &Catalog, now: Time) -> Known {
    let of = |line: &Line| {
        let known = line.releases.values().filter(|release| release.is_known(now));
        let versions = known.map(|release| release.version.clone()).collect();
        (line.prefix, KnownLine { line: line.name.clone(), versions })
    };
    catalog.lines().map(of).collect()
}

/// Computes the answers of a channel. `refused` is why its line was refused, if it was. Bodies that `reuse`
/// already contains are shared with it.
pub fn updates<'a>(
    catalog: &'a Catalog,
    views: &Views<'a>,
    known: &Known,
    channel: ChannelRef<'a>,
    refused: Option<&'a LineRefusal>,
    reuse: Option<&Updates>,
) -> Updates {
    let mut bodies = Bodies::new(channel, refused, reuse);
    let mut lines = HashMap::new();
    for line in catalog.lines() {
        let relation = views.relation(line, channel.line);
        let versions = &known[&line.prefix].versions;
        let mut at = Runs::default();
        for (place, version) in versions.iter().enumerate() {
            at.push(place, views.known(channel, &relation, &line.releases[version]), &mut bodies);
        }
        let (mut gaps, mut below) = (Runs::default(), Vec::new());
        if relation == Relation::Own {
            // The answer changes at every release that may be a target, a barrier, or coming.
            let barriers = line.barriers(views.now()).map(|(_, version)| version);
            let cuts: BTreeSet<&Version> = line.releases.keys().chain(barriers).collect();
            for version in cuts {
                if versions.binary_search(version).is_err() {
                    let advice = views.unknown_in_line(channel, Bound::Included(version));
                    below.push((version.clone(), bodies.place(advice)));
                }
            }
            for place in 0..=versions.len() {
                let last = below.last().map(|(version, _)| version).max(versions.last());
                let above = match (versions.get(place), last) {
                    (Some(next), _) => Bound::Included(next),
                    (None, Some(last)) => Bound::Excluded(last),
                    (None, None) => Bound::Unbounded,
                };
                gaps.push(place, views.unknown_in_line(channel, above), &mut bodies);
            }
        }
        lines.insert(line.prefix, LineUpdates { at: at.runs, gaps: gaps.runs, below });
    }
    let [latest, required] = views.landmarks(channel);
    let mut marks: Vec<&Version> = [latest, required].into_iter().flatten().collect();
    marks.sort_unstable();
    marks.dedup();
    let mut elsewhere = |below_latest: bool, below_required: bool| {
        bodies.place(views.unknown_elsewhere(channel, below_latest, below_required))
    };
    let below = marks
        .into_iter()
        .map(|mark| {
            let is_below = |landmark: Option<&Version>| landmark.is_some_and(|landmark| mark <= landmark);
            (mark.clone(), elsewhere(is_below(latest), is_below(required)))
        })
        .collect();
    let above = elsewhere(false, false);
    Updates { bodies: bodies.documents, lines, below, above }
}

#[derive(Default)]
struct Runs<'a> {
    runs: Vec<(u32, u32)>,
    last: Option<Advice<'a>>,
}

impl<'a> Runs<'a> {
    fn push(&mut self, place: usize, advice: Advice<'a>, bodies: &mut Bodies<'a>) {
        if self.last.as_ref() == Some(&advice) {
            return;
        }
        self.last = Some(advice.clone());
        let body = bodies.place(advice);
        if self.runs.last().is_none_or(|(_, last)| *last != body) {
            let start = u32::try_from(place).expect("a line has fewer than 2^32 releases");
            self.runs.push((start, body));
        }
    }
}

/// The distinct bodies of a channel.
struct Bodies<'a> {
    channel: ChannelRef<'a>,
    refused: Option<&'a LineRefusal>,
    documents: Vec<Arc<Document>>,
    places: HashMap<Bytes, u32>,
    made: HashMap<Bytes, Arc<Document>>,
}

impl<'a> Bodies<'a> {
    fn new(channel: ChannelRef<'a>, refused: Option<&'a LineRefusal>, reuse: Option<&Updates>) -> Self {
        let made = reuse.iter().flat_map(|updates| &updates.bodies);
        let made = made.map(|document| (document.identity.clone(), Arc::clone(document))).collect();
        Self { channel, refused, documents: Vec::new(), places: HashMap::new(), made }
    }

    fn place(&mut self, advice: Advice<'a>) -> u32 {
        let answer = Answer { channel: self.channel, advice };
        let mut body = UpdateBody::of(&answer);
        // Who has an update to install need not hear that nothing comes after it.
        if let Some(refusal) = self.refused.filter(|_| answer.advice.target().is_none()) {
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

/// Serialises a JSON body.
pub(crate) fn json<T: Serialize>(body: &T) -> Bytes {
    let mut bytes = serde_json::to_vec(body).expect("bodies contain only strings and numbers");
    // A publication keeps tens of thousands of bodies, and the buffer may be twice as large as needed.
    bytes.shrink_to_fit();
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::promotion::decide;
    use crate::domain::properties::{any_catalog, any_version, day};
    use crate::domain::testing::{catalog, line, release, t, v};
    use proptest::prelude::*;

    #[test]
    fn every_version_gets_the_answer_that_the_domain_gives_it() {
        let catalog = catalog([
            line("1.6", None).with(release("1.6.1", &["2017-01-01", "2017-02-01"])),
            line("1.7", Some("1.6"))
                .with(release("1.7.5-t.1", &["2017-10-10", "2017-10-24"]))
                .with(release("1.7.9-t.3", &["2017-12-11", "2017-12-25"]).yanked_at("2018-01-01", None))
                .with(release("1.7.14-t.2", &["2018-04-09", "2018-04-23"])),
            line("1.8", Some("1.7"))
                .with(release("1.8.4-t.1", &["2017-12-19", "2018-01-02"]))
                .with(release("1.8.5-t.1", &["2018-01-10", "2018-01-30"]).barrier())
                .with(release("1.8.9-t.4", &["2018-12-06", "2018-12-20"]))
                .with(release("1.8.9-t.5", &["2018-12-30"])),
            line("1.9", Some("1.8")).with(release("1.9.6-t.3", &["2018-05-21"])),
            line("3", None).with(release("3.0.0", &["2018-05-21", "2018-06-30"])),
        ]);
        let now = t("2019-01-01");
        let mut asked = Vec::new();
        for minor in 4..=10 {
            for patch in 0..=15 {
                for end in ["", "-t.0", "-t.1", "-t.2", "-t.3", "-t.4", "-t.5", "-t.1-rc.5", "+build"] {
                    asked.push(v(&format!("1.{minor}.{patch}{end}")));
                }
            }
        }
        asked.extend(["0.1.0", "2.0.0", "3.0.0", "3.0.1", "4.0.0", "v1.8.4-t.1"].map(v));
        let different = check_answers(&catalog, now, &asked);
        assert!(different.len() > 30, "the table must not be a dull one");
    }

    /// Compares the table of every channel with the answers of the domain, and returns these.
    fn check_answers(catalog: &Catalog, now: Time, asked: &[Version]) -> BTreeSet<Bytes> {
        let mut different = BTreeSet::new();
        let decisions = decide(catalog, now);
        let views = Views::new(catalog, &decisions, now);
        let known = known(catalog, now);
        for channel in catalog.channels() {
            let updates = updates(catalog, &views, &known, channel, None, None);
            for version in asked {
                let expected = json(&UpdateBody::of(&views.answer(channel, version)));
                let name = channel.name();
                let of = |prefix: &Prefix| Some(&*known.get(prefix)?.versions);
                assert_eq!(updates.answer(of, version).identity, expected, "{version} asking {name}");
                different.insert(expected);
            }
        }
        different
    }

    proptest! {
        #[test]
        fn an_unknown_version_gets_the_answer_that_the_domain_gives_it(
            catalog in any_catalog(),
            n in 0..70_i64,
            asked in prop::collection::vec(any_version(), 40),
        ) {
            // Just above and below each release, where the answers change.
            let releases = catalog.lines().flat_map(|line| line.releases.keys());
            let near = releases.flat_map(|release| [format!("{release}-0"), format!("{release}.0"), format!("{release}+hotfix")]);
            let asked: Vec<Version> = near.map(|text| v(&text)).chain(asked).collect();
            check_answers(&catalog, day(n), &asked);
        }
    }

    #[test]
    fn no_answer_jumps_over_a_barrier_that_has_not_entered_any_stage() {
        let line = line("1.8", None)
            .with(release("1.8.1", &["2018-01-01", "2018-01-20"]))
            .with(
                release("1.8.3", &["2018-01-01", "2018-01-20"])
                    .barrier()
                    .yanked_at("2018-02-01", Some("1.8.5")),
            )
            .with(release("1.8.5", &[]).barrier())
            .with(release("1.8.7", &["2018-01-01", "2018-01-20"]));
        let asked = ["1.8.2", "1.8.4", "1.8.4+hotfix", "1.8.5", "1.8.5+hotfix", "1.8.6", "1.8.8"].map(v);
        check_answers(&catalog([line]), t("2018-03-01"), &asked);
    }
}
