//! Never step back: what was published stays published, unless it is yanked.
//!
//! A real channel server once moved whole fleets back by ten minor versions because its list of releases
//! was truncated. That is why every new offer is compared with the previous one before it is published.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Time;
use super::catalog::{Catalog, ChannelRef};
use super::channel::{ChannelName, LineName, StageName};
use super::named::tagged;
use super::payload::Payload;
use super::release::Evidence;
use super::version::Version;

/// The part of a channel's offer that is checked for step backs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub channel: ChannelName,
    /// Other names of the channel.
    pub aliases: Vec<ChannelName>,
    pub line: LineName,
    pub stage: StageName,
    /// Whether the line is retired.
    pub retired: bool,
    /// Every release that has entered the stage, including yanked ones.
    pub releases: BTreeMap<Version, Offered>,
}

/// One release of an [`Offer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    pub since: Time,
    pub yanked: bool,
    pub payloads: Arc<[Payload]>,
}

/// One way in which a new offer steps back from the previous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBack {
    pub line: LineName,
    pub channel: ChannelName,
    pub kind: StepBackKind,
}

tagged! {
    /// How an offer steps back.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum StepBackKind {
        /// The channel is gone, of a line that has offered something.
        Channel = "channel",
        /// The channel now belongs to another line or stage. Clusters remember the line and stage of their
        /// channel, and would reject everything in it.
        Place { stage: StageName, now: (LineName, StageName) } = "place",
        /// A release is gone from the channel.
        Release(Version) = "release",
        /// A release has entered the channel but cannot be offered, because of its payload or its signed
        /// manifest.
        Withheld { version: Version, evidence: Evidence } = "withheld",
        /// The time of a release's entry has changed.
        Since { version: Version, before: Time, after: Time } = "since",
        /// The payloads of a release have changed.
        Payloads(Version) = "payloads",
        /// An alias of the channel is gone, or now belongs to another channel.
        Alias { alias: ChannelName, now: Option<ChannelName> } = "alias",
        /// The line was retired and no longer is.
        Retired = "retired",
    }
}

impl Offer {
    /// Returns what a channel of a catalog offers at `now`. A release whose payload is missing counts as
    /// gone, unless it was yanked.
    pub fn of(channel: ChannelRef<'_>, now: Time) -> Self {
        let offered = channel.line.releases.values().filter_map(|release| {
            let yanked = release.yanked(now).is_some();
            let since = release.entered(channel.index, now)?.since;
            let is_offered = release.is_deliverable() || release.is_vouched_for() && yanked;
            let offered = Offered { since, yanked, payloads: release.payloads.clone() };
            is_offered.then(|| (release.version.clone(), offered))
        });
        Self {
            channel: channel.name().clone(),
            aliases: channel.stage().aliases.clone(),
            line: channel.line.name.clone(),
            stage: channel.stage().name.clone(),
            retired: channel.line.retired(now).is_some(),
            releases: offered.collect(),
        }
    }

    /// Returns what every channel of a catalog offers.
    pub fn all(catalog: &Catalog, now: Time) -> Vec<Self> {
        catalog.channels().map(|channel| Self::of(channel, now)).collect()
    }
}

/// Finds every way in which the offers in `after` step back from those in `before`.
///
/// A line that has never offered anything may go: nobody runs anything of it.
///
/// If there is none, every release is still there with the same entry time, so only a yank can have moved a
/// channel's latest release back.
pub fn step_backs<'o>(
    before: impl IntoIterator<Item = &'o Offer>,
    after: impl IntoIterator<Item = &'o Offer>,
) -> Vec<StepBack> {
    let now: BTreeMap<&ChannelName, &Offer> =
        after.into_iter().map(|offer| (&offer.channel, offer)).collect();
    let names: BTreeMap<&ChannelName, &ChannelName> = now
        .values()
        .flat_map(|offer| {
            offer.aliases.iter().chain([&offer.channel]).map(move |name| (name, &offer.channel))
        })
        .collect();
    let find = |channel: &ChannelName| now.get(channel).map(|offer| Cow::Borrowed(*offer));
    compare(before, &find, &|name| names.get(name).copied().cloned())
}

/// Finds every way in which a catalog steps back at `now` from the offers in `before`. Looks only at what these
/// name.
pub fn step_backs_of<'o>(
    before: impl IntoIterator<Item = &'o Offer>,
    catalog: &Catalog,
    now: Time,
) -> Vec<StepBack> {
    let own = |name: &ChannelName| catalog.channel(name).filter(|channel| channel.name() == name);
    let find = |channel: &ChannelName| own(channel).map(|channel| Cow::Owned(Offer::of(channel, now)));
    compare(before, &find, &|name| catalog.channel(name).map(|channel| channel.name().clone()))
}

/// Compares offers with those that `find` returns by a channel's own name. `channel` returns a channel's own name
/// by any of its names.
fn compare<'o>(
    before: impl IntoIterator<Item = &'o Offer>,
    find: &dyn Fn(&ChannelName) -> Option<Cow<'o, Offer>>,
    channel: &dyn Fn(&ChannelName) -> Option<ChannelName>,
) -> Vec<StepBack> {
    let before: Vec<&Offer> = before.into_iter().collect();
    let offering = |line: &LineName| before.iter().any(|old| old.line == *line && !old.releases.is_empty());
    let mut found = Vec::new();
    for old in &before {
        let mut report =
            |kind| found.push(StepBack { line: old.line.clone(), channel: old.channel.clone(), kind });
        let Some(new) = find(&old.channel) else {
            if offering(&old.line) {
                report(StepBackKind::Channel);
            }
            continue;
        };
        if (&old.line, &old.stage) != (&new.line, &new.stage) {
            let now = (new.line.clone(), new.stage.clone());
            report(StepBackKind::Place { stage: old.stage.clone(), now });
        }
        if old.retired && !new.retired {
            report(StepBackKind::Retired);
        }
        for alias in &old.aliases {
            let now = channel(alias);
            if now.as_ref() != Some(&new.channel) {
                report(StepBackKind::Alias { alias: alias.clone(), now });
            }
        }
        for (version, was) in &old.releases {
            match new.releases.get(version) {
                None => report(StepBackKind::Release(version.clone())),
                Some(is) if is.since != was.since => report(StepBackKind::Since {
                    version: version.clone(),
                    before: was.since,
                    after: is.since,
                }),
                Some(is) if is.payloads != was.payloads => report(StepBackKind::Payloads(version.clone())),
                Some(_) => {}
            }
        }
    }
    found
}

impl StepBack {
    /// Reports a missing release as withheld if only its payload or its signed manifest is at fault.
    pub fn blaming_files(self, catalog: &Catalog, now: Time) -> Self {
        let withheld = |version: &Version| {
            let channel = catalog.channel(&self.channel)?;
            let release = channel.line.releases.get(version)?;
            release.entered(channel.index, now)?;
            (!release.is_deliverable()).then(|| release.evidence.clone())
        };
        let kind = match self.kind {
            StepBackKind::Release(version) => match withheld(&version) {
                Some(evidence) => StepBackKind::Withheld { version, evidence },
                None => StepBackKind::Release(version),
            },
            kind => kind,
        };
        Self { kind, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::super::release::{ManifestState, PayloadState};
    use super::super::testing::{catalog, line, release, t, v};
    use super::*;

    fn offers(catalog: &Catalog) -> Vec<Offer> {
        Offer::all(catalog, t("2019-01-01"))
    }

    /// What is found, as channel and kind.
    fn kinds(steps: &[StepBack]) -> Vec<(&str, &StepBackKind)> {
        steps.iter().map(|step| (step.channel.as_str(), &step.kind)).collect()
    }

    fn check(after: &Catalog, expected: &[(&str, StepBackKind)]) {
        let before = catalog([line("1.8", None)
            .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.5", &["2018-02-01", "2018-02-15"]))]);
        let found = step_backs(&offers(&before), &offers(after));
        assert_eq!(step_backs_of(&offers(&before), after, t("2019-01-01")), found);
        let expected: Vec<_> = expected.iter().map(|(channel, kind)| (*channel, kind)).collect();
        assert_eq!(kinds(&found), expected);
    }

    fn eighteen() -> Line {
        line("1.8", None).with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
    }

    #[test]
    fn what_goes_on_is_no_step_back() {
        let same = || eighteen().with(release("1.8.5", &["2018-02-01", "2018-02-15"]));
        check(&catalog([same()]), &[]);
        check(&catalog([same().with(release("1.8.4-backport", &["2018-03-01"]))]), &[]);
        check(&catalog([same().with(release("1.8.6", &["2018-03-01"]))]), &[]);
    }

    #[test]
    fn a_yank_says_why_a_latest_goes_back() {
        let yanked = release("1.8.5", &["2018-02-01", "2018-02-15"]).yanked_at("2018-03-01", None);
        check(&catalog([eighteen().with(yanked)]), &[]);
    }

    #[test]
    fn the_payload_of_a_yanked_release_may_go_and_its_signed_manifest_may_not() {
        let without = |yanked: bool, signed: bool| {
            let mut five = release("1.8.5", &["2018-02-01"]);
            if yanked {
                five = five.yanked_at("2018-03-01", None);
            }
            five.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
            if !signed {
                five.evidence.manifest = ManifestState::Unsigned;
            }
            offers(&catalog([eighteen().with(five)]))
        };
        let before = offers(&catalog([eighteen().with(release("1.8.5", &["2018-02-01"]))]));
        for (yanked, signed, steps) in [(true, true, 0), (true, false, 1), (false, true, 1)] {
            let found = step_backs(&before, &without(yanked, signed));
            assert_eq!(found.len(), steps, "yanked {yanked}, signed {signed}: {found:?}");
        }
        // It comes back with its payload, or not at all.
        assert_eq!(step_backs(&without(true, true), &without(false, true)).len(), 1);
        assert_eq!(step_backs(&without(true, true), &before), []);
    }

    #[test]
    fn a_release_or_channel_that_is_gone_is_refused() {
        let gone = |channel| (channel, StepBackKind::Release(v("1.8.5")));
        check(&catalog([eighteen()]), &[gone("1.8-preproduction"), gone("1.8-production")]);
        check(&catalog([eighteen().with(release("1.8.5", &["2018-02-01"]))]), &[gone("1.8-production")]);
        check(
            &catalog([]),
            &[("1.8-preproduction", StepBackKind::Channel), ("1.8-production", StepBackKind::Channel)],
        );
    }

    #[test]
    fn a_line_that_never_offered_anything_may_go_and_its_empty_channels_only_with_it() {
        let steps = |line: Line| step_backs(&offers(&catalog([line])), &offers(&catalog([])));
        assert_eq!(steps(line("1.8", None)), []);
        let offering = steps(line("1.8", None).with(release("1.8.4", &["2018-01-01"])));
        assert_eq!(
            kinds(&offering),
            [("1.8-preproduction", &StepBackKind::Channel), ("1.8-production", &StepBackKind::Channel)]
        );
    }

    #[test]
    fn a_release_whose_payload_is_gone_is_told_with_its_file() {
        let now = t("2019-01-01");
        let before = catalog([eighteen()]);
        let withheld = |entered: &[&str]| {
            let mut release = release("1.8.4", entered);
            release.evidence.payload = PayloadState::Missing { file: "payload.json".to_owned() };
            let after = catalog([line("1.8", None).with(release)]);
            let steps = step_backs(&offers(&before), &offers(&after));
            steps.into_iter().map(|step| step.blaming_files(&after, now)).next_back().unwrap().kind
        };
        let StepBackKind::Withheld { version, evidence } = withheld(&["2018-01-01", "2018-01-15"]) else {
            panic!("its payload is what is missing")
        };
        let missing = PayloadState::Missing { file: "payload.json".to_owned() };
        assert_eq!((version, evidence.payload), (v("1.8.4"), missing));
        // Where its entry is gone, too, the file alone would not help.
        assert_eq!(withheld(&["2018-01-01"]), StepBackKind::Release(v("1.8.4")));
    }

    #[test]
    fn a_retired_line_stays_retired() {
        let retired = |reason: Option<&str>| {
            let mut line = eighteen();
            line.retired = reason.map(|reason| super::super::testing::event(t("2018-06-01"), reason));
            offers(&catalog([line]))
        };
        assert_eq!(step_backs(&retired(None), &retired(Some("no fixes"))), []);
        assert_eq!(step_backs(&retired(Some("no fixes")), &retired(Some("no fixes any more"))), []);
        let steps = step_backs(&retired(Some("no fixes")), &retired(None));
        assert_eq!(
            kinds(&steps),
            [("1.8-preproduction", &StepBackKind::Retired), ("1.8-production", &StepBackKind::Retired)]
        );
    }

    #[test]
    fn a_channel_stays_with_its_line_and_stage() {
        let stage = |name: &str| StageName::parse(name).unwrap();
        let placed = |line_name: &str, stage: &str| {
            let mut other = line("1.8", None);
            other.name = LineName::parse(line_name).unwrap();
            other.stages[1].name = StageName::parse(stage).unwrap();
            offers(&catalog([other]))
        };
        let before = placed("1.8", "production");
        let moved = StepBackKind::Place {
            stage: stage("production"),
            now: (LineName::parse("1.8").unwrap(), stage("prod")),
        };
        assert_eq!(kinds(&step_backs(&before, &placed("1.8", "prod"))), [("1.8-production", &moved)]);
        let other_line = step_backs(&before, &placed("eight", "production"));
        assert_eq!(other_line.len(), 2, "one for each channel");
    }

    #[test]
    fn a_further_name_stays_with_its_channel() {
        let named = |eighteen: &str, nine: &str| {
            let alias = |text: &str| ChannelName::parse(text).into_iter().collect::<Vec<_>>();
            let mut lines = [line("1.8", None), line("1.9", None)];
            lines[0].stages[1].aliases = alias(eighteen);
            lines[1].stages[1].aliases = alias(nine);
            offers(&catalog(lines))
        };
        let name = |text: &str| ChannelName::parse(text).unwrap();
        let lost = |now: Option<&str>| StepBackKind::Alias { alias: name("stable"), now: now.map(name) };
        let before = named("stable", "");
        for (after, expected) in [
            (named("stable", "newest"), vec![]),
            (named("", ""), vec![lost(None)]),
            (named("steady", "stable"), vec![lost(Some("1.9-production"))]),
        ] {
            let steps = step_backs(&before, &after);
            assert_eq!(steps.iter().map(|step| step.kind.clone()).collect::<Vec<_>>(), expected);
            assert!(steps.iter().all(|step| step.line.as_str() == "1.8"));
        }
    }

    #[test]
    fn a_published_entry_does_not_change() {
        let since = |before: &str, after: &str| StepBackKind::Since {
            version: v("1.8.5"),
            before: t(before),
            after: t(after),
        };
        check(
            &catalog([eighteen().with(release("1.8.5", &["2018-02-01", "2018-02-16"]))]),
            &[("1.8-production", since("2018-02-15", "2018-02-16"))],
        );
        let mut other = release("1.8.5", &["2018-02-01", "2018-02-15"]);
        Arc::make_mut(&mut other.payloads)[0].size += 1;
        let payloads = || StepBackKind::Payloads(v("1.8.5"));
        check(
            &catalog([eighteen().with(other)]),
            &[("1.8-preproduction", payloads()), ("1.8-production", payloads())],
        );
    }
}
