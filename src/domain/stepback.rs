//! Never step back: what was published stays so, unless a yank says why.
//!
//! A real channel server once moved whole fleets back by ten minors because its list of releases
//! arrived short. Here the offer that is about to be published is held against the one before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::catalog::{Catalog, ChannelRef};
use super::channel::{ChannelName, LineName, StageName};
use super::line::Prefix;
use super::payload::Payload;
use super::release::PayloadState;
use super::version::Version;
use super::{Time, rfc3339};

/// What one channel offers, as far as it may not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub channel: ChannelName,
    /// Further names of the channel.
    pub aliases: Vec<ChannelName>,
    pub line: LineName,
    /// `None` in what was stored before stages were kept.
    pub stage: Option<StageName>,
    pub prefix: Prefix,
    /// Whether nothing new comes in the line.
    pub retired: bool,
    /// Every release that has entered, yanked ones too.
    pub releases: BTreeMap<Version, Offered>,
}

/// One release of an [`Offer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    pub since: Time,
    pub yanked: bool,
    pub payloads: Arc<[Payload]>,
}

/// One way in which a new offer falls behind the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBack {
    pub line: LineName,
    pub channel: ChannelName,
    pub kind: StepBackKind,
}

/// How an offer falls behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepBackKind {
    /// The channel itself is gone.
    Channel,
    /// The channel's name is that of another line or stage now: clusters remember where a channel
    /// belongs, and take nothing from it any more.
    Place { stage: Option<StageName>, now: (LineName, Option<StageName>) },
    /// A release is gone from the channel.
    Release(Version),
    /// A release is there, and what lies beside the catalog keeps it from being offered: a payload, or
    /// what was signed.
    Withheld { version: Version, why: String, payload: bool },
    /// A release's entry bears another time.
    Since { version: Version, before: Time, after: Time },
    /// A release's payloads are others.
    Payloads(Version),
    /// A further name of the channel is gone, or is another channel's now.
    Alias { alias: ChannelName, now: Option<ChannelName> },
    /// The line was retired, and is not any more.
    Retired,
}

impl Offer {
    /// What a channel of a catalog offers at `now`. A release whose payload is not at hand is not
    /// on offer, and so counts as gone; the payload of a yanked one is missed by nobody.
    #[must_use]
    pub fn of(channel: ChannelRef<'_>, now: Time) -> Self {
        let releases = channel
            .line
            .releases
            .values()
            .filter(|release| {
                release.is_deliverable() || release.is_vouched_for() && release.yanked(now).is_some()
            })
            .filter_map(|release| {
                let offered = Offered {
                    since: release.entered(channel.index, now)?.since,
                    yanked: release.yanked(now).is_some(),
                    payloads: release.payloads.clone(),
                };
                Some((release.version.clone(), offered))
            })
            .collect();
        Self {
            channel: channel.name().clone(),
            aliases: channel.stage().aliases.clone(),
            line: channel.line.name.clone(),
            stage: Some(channel.stage().name.clone()),
            prefix: channel.line.prefix,
            retired: channel.line.retired(now).is_some(),
            releases,
        }
    }

    /// What every channel of a catalog offers.
    #[must_use]
    pub fn all(catalog: &Catalog, now: Time) -> Vec<Self> {
        catalog.channels().map(|channel| Self::of(channel, now)).collect()
    }
}

/// Every way in which the offers `after` fall behind those `before`.
///
/// No channel's latest goes back but by a yank, where none of these is found: every release is still
/// there, and each at its time.
#[must_use]
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
    let mut found = Vec::new();
    for old in before {
        let mut report =
            |kind| found.push(StepBack { line: old.line.clone(), channel: old.channel.clone(), kind });
        let Some(new) = now.get(&old.channel) else {
            report(StepBackKind::Channel);
            continue;
        };
        let other_stage = old.stage.is_some() && new.stage.is_some() && old.stage != new.stage;
        if old.line != new.line || other_stage {
            let now = (new.line.clone(), new.stage.clone());
            report(StepBackKind::Place { stage: old.stage.clone(), now });
        }
        if old.retired && !new.retired {
            report(StepBackKind::Retired);
        }
        for alias in &old.aliases {
            let now = names.get(alias).copied();
            if now != Some(&new.channel) {
                report(StepBackKind::Alias { alias: alias.clone(), now: now.cloned() });
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
    /// Blames what lies beside the catalog, where a release is gone for that alone.
    #[must_use]
    pub fn blaming_files(self, catalog: &Catalog, now: Time) -> Self {
        let why = |version: &Version| {
            let channel = catalog.channel(&self.channel)?;
            let release = channel.line.releases.get(version)?;
            release.entered(channel.index, now)?;
            Some((release.evidence.objection()?, release.evidence.payload != PayloadState::Present))
        };
        let kind = match self.kind {
            StepBackKind::Release(version) => match why(&version) {
                Some((why, payload)) => StepBackKind::Withheld { version, why, payload },
                None => StepBackKind::Release(version),
            },
            kind => kind,
        };
        Self { kind, ..self }
    }

    /// What to write to make it right.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.kind {
            StepBackKind::Channel => {
                format!("put line `{}` and its stages back as they were", self.line)
            }
            StepBackKind::Place { stage, .. } => {
                let stage = of_stage(stage.as_ref());
                format!("give the channel back to {stage}line `{}`, by the names that these had", self.line)
            }
            StepBackKind::Release(version) => format!(
                "put its file, its entry, its signed manifest and its payloads back; to end its offer, `tidegate release yank {version} --reason TEXT`"
            ),
            StepBackKind::Withheld { version, payload: false, .. } => format!(
                "put back what was signed, `payloads/{version}/release.json` and what its file in the catalog said; if a change is meant, a holder of a release key can sign it: `tidegate release sign {version} --key FILE`; to end its offer, `tidegate release yank {version} --reason TEXT`"
            ),
            StepBackKind::Withheld { version, .. } => format!(
                "put back into `payloads/{version}/` what was published; to end its offer, `tidegate release yank {version} --reason TEXT`: then its payloads may go, and its signed manifest may not"
            ),
            StepBackKind::Since { before, .. } => format!("write `since: {}` again", rfc3339(*before)),
            StepBackKind::Payloads(_) => {
                "put the payloads back as they were, and add the changed ones as a new version".to_owned()
            }
            StepBackKind::Retired => format!("put `retired` back into `{}/line.yaml`", self.line),
            StepBackKind::Alias { alias, .. } => format!(
                "put `{alias}` back into `aliases` of that stage in `{}/line.yaml`: clusters follow it",
                self.line
            ),
        }
    }
}

impl fmt::Display for StepBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = &self.channel;
        match &self.kind {
            StepBackKind::Channel => write!(f, "channel `{channel}` was published and is gone"),
            StepBackKind::Place { stage, now: (now, now_stage) } => write!(
                f,
                "channel `{channel}` was published for {}line `{}` and is that of {}line `{now}` now, which its clusters would refuse for ever",
                of_stage(stage.as_ref()),
                self.line,
                of_stage(now_stage.as_ref()),
            ),
            StepBackKind::Release(version) => {
                write!(f, "`{version}` was published in `{channel}` and is no longer on offer there")
            }
            StepBackKind::Withheld { version, why, .. } => {
                write!(f, "`{version}` was published in `{channel}`, and {why}")
            }
            StepBackKind::Since { version, before, after } => write!(
                f,
                "`{version}` was published in `{channel}` since {} and now says {}",
                rfc3339(*before),
                rfc3339(*after)
            ),
            StepBackKind::Payloads(version) => {
                write!(f, "the payloads of `{version}` in `{channel}` are not those that were published")
            }
            StepBackKind::Retired => {
                write!(f, "channel `{channel}` was published as one of a retired line, and is not any more")
            }
            StepBackKind::Alias { alias, now: None } => {
                write!(
                    f,
                    "channel `{channel}` was published as `{alias}` too, and no channel is called that now"
                )
            }
            StepBackKind::Alias { alias, now: Some(now) } => {
                write!(f, "channel `{channel}` was published as `{alias}` too, and that is `{now}` now")
            }
        }
    }
}

fn of_stage(stage: Option<&StageName>) -> String {
    stage.map_or_else(String::new, |stage| format!("stage `{stage}` of "))
}

#[cfg(test)]
mod tests {
    use super::super::release::PayloadState;
    use super::super::testing::{catalog, line, release, t, v};
    use super::*;

    fn offers(catalog: &Catalog) -> Vec<Offer> {
        Offer::all(catalog, t("2019-01-01"))
    }

    fn check(after: &Catalog, expected: &[&str]) {
        let before = catalog([line("1.8", None)
            .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.5", &["2018-02-01", "2018-02-15"]))]);
        let found: Vec<String> =
            step_backs(&offers(&before), &offers(after)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    fn eighteen() -> super::super::line::Line {
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
        use super::super::release::{ManifestState, PayloadState};
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
        check(
            &catalog([eighteen()]),
            &[
                "`1.8.5` was published in `1.8-preproduction` and is no longer on offer there",
                "`1.8.5` was published in `1.8-production` and is no longer on offer there",
            ],
        );
        check(
            &catalog([eighteen().with(release("1.8.5", &["2018-02-01"]))]),
            &["`1.8.5` was published in `1.8-production` and is no longer on offer there"],
        );
        check(
            &catalog([]),
            &[
                "channel `1.8-preproduction` was published and is gone",
                "channel `1.8-production` was published and is gone",
            ],
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
            steps.into_iter().map(|step| step.blaming_files(&after, now)).next_back().unwrap()
        };
        let step = withheld(&["2018-01-01", "2018-01-15"]);
        assert_eq!(
            step.to_string(),
            "`1.8.4` was published in `1.8-production`, and payload `payload.json` is missing"
        );
        assert!(step.hint().starts_with("put back into `payloads/1.8.4/`"), "{}", step.hint());
        // Where its entry is gone, too, the file alone would not help.
        assert_eq!(withheld(&["2018-01-01"]).kind, StepBackKind::Release(v("1.8.4")));
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
        assert_eq!(steps.len(), 2, "one for each channel");
        assert_eq!(
            steps[0].to_string(),
            "channel `1.8-preproduction` was published as one of a retired line, and is not any more"
        );
        assert_eq!(steps[0].hint(), "put `retired` back into `1.8/line.yaml`");
    }

    #[test]
    fn a_channel_stays_with_its_line_and_stage() {
        let placed = |line_name: &str, stage: &str| {
            let mut other = line("1.8", None);
            other.name = LineName::parse(line_name).unwrap();
            other.stages[1].name = StageName::parse(stage).unwrap();
            offers(&catalog([other]))
        };
        let before = placed("1.8", "production");
        let told = |after: &[Offer]| {
            let steps = step_backs(&before, after);
            steps.iter().map(|step| format!("{step}; {}", step.hint())).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&placed("1.8", "prod")),
            [
                "channel `1.8-production` was published for stage `production` of line `1.8` and is that of stage `prod` of line `1.8` now, which its clusters would refuse for ever; give the channel back to stage `production` of line `1.8`, by the names that these had"
            ]
        );
        assert_eq!(told(&placed("eight", "production")).len(), 2, "one for each channel");
        let mut unknown = placed("1.8", "prod");
        for offer in &mut unknown {
            offer.stage = None;
        }
        assert_eq!(told(&unknown), [""; 0]);
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
        let before = named("stable", "");
        for (after, expected) in [
            (named("stable", "newest"), vec![]),
            (
                named("", ""),
                vec![
                    "channel `1.8-production` was published as `stable` too, and no channel is called that now",
                ],
            ),
            (
                named("steady", "stable"),
                vec![
                    "channel `1.8-production` was published as `stable` too, and that is `1.9-production` now",
                ],
            ),
        ] {
            let steps = step_backs(&before, &after);
            assert_eq!(steps.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
            assert!(
                steps.iter().all(|step| step.hint().contains("`stable` back into `aliases`")
                    && step.line.as_str() == "1.8")
            );
        }
    }

    #[test]
    fn a_published_entry_does_not_change() {
        check(
            &catalog([eighteen().with(release("1.8.5", &["2018-02-01", "2018-02-16"]))]),
            &[
                "`1.8.5` was published in `1.8-production` since 2018-02-15T00:00:00Z and now says 2018-02-16T00:00:00Z",
            ],
        );
        let mut other = release("1.8.5", &["2018-02-01", "2018-02-15"]);
        Arc::make_mut(&mut other.payloads)[0].size += 1;
        check(
            &catalog([eighteen().with(other)]),
            &[
                "the payloads of `1.8.5` in `1.8-preproduction` are not those that were published",
                "the payloads of `1.8.5` in `1.8-production` are not those that were published",
            ],
        );
    }
}
