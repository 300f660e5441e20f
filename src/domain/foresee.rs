//! What will have been promoted at another time, if nobody does anything until then.

use std::sync::Arc;

use super::Time;
use super::catalog::Catalog;
use super::channel::ChannelName;
use super::line::Line;
use super::promotion::{Verdict, decide_line};
use super::release::{Entry, SCHEDULE};
use super::version::Version;

/// A promotion that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreseen {
    pub at: Time,
    pub version: Version,
    pub channel: ChannelName,
}

/// Returns the catalog as it will be at `at`, and the promotions until then, by time: each release is promoted as soon
/// as its gates let it. `None` if `goes_on` says that it takes too long; it is asked once for each step.
pub fn foresee(
    catalog: &Catalog,
    (now, at): (Time, Time),
    mut goes_on: impl FnMut() -> bool,
) -> Option<(Catalog, Vec<Foreseen>)> {
    let mut all = Vec::new();
    let mut lines = Vec::new();
    for line in catalog.shared_lines() {
        let (mut own, mut time) = (Arc::clone(line), now);
        while goes_on() {
            let decisions = decide_line(&own, time);
            let due: Vec<(Version, usize)> = decisions
                .iter()
                .filter(|one| one.verdict == Verdict::Promote)
                .map(|one| (one.release.version.clone(), one.stage))
                .collect();
            let next = decisions.iter().filter_map(|one| one.verdict.waits_until()).min();
            if due.is_empty() {
                match next {
                    Some(next) if next <= at => time = next,
                    Some(_) | None => break,
                }
                continue;
            }
            all.extend(enter(Arc::make_mut(&mut own), due, time));
        }
        lines.push(own);
    }
    all.sort();
    goes_on().then(|| (Catalog::published(lines), all))
}

fn enter(line: &mut Line, due: Vec<(Version, usize)>, at: Time) -> Vec<Foreseen> {
    let mut entered = Vec::new();
    for (version, stage) in due {
        let Some(entry) = line.releases.get_mut(&version).and_then(|one| one.entries.get_mut(stage)) else {
            continue;
        };
        *entry = Some(Entry::new(at, SCHEDULE.to_owned(), None));
        entered.push(Foreseen { at, version, channel: line.stages[stage].channel.clone() });
    }
    entered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, line, release, t};

    #[test]
    fn each_release_goes_on_as_soon_as_it_may_and_what_is_held_stays() {
        let soaking = release("1.8.5", &["2018-01-04"]);
        let held = release("1.8.4", &["2018-01-02"]).held_at("2018-01-03");
        let later = release("1.8.6", &["2018-01-20"]);
        let whole = catalog([line("1.8", None).with(held).with(soaking).with(later)]);
        let at = |until| foresee(&whole, (t("2018-01-10"), t(until)), || true).unwrap();
        let (_, none) = at("2018-01-17");
        assert_eq!(none, []);
        let (then, entered) = at("2018-02-10");
        let told: Vec<_> = entered.iter().map(|one| (one.at, one.version.to_string())).collect();
        assert_eq!(told, [(t("2018-01-18"), "1.8.5".to_owned()), (t("2018-02-03"), "1.8.6".to_owned())]);
        assert!(entered.iter().all(|one| one.channel.as_str() == "1.8-production"));
        let line = then.lines().next().unwrap();
        assert_eq!(line.latest(1, t("2018-02-10")).unwrap().version.to_string(), "1.8.6");
    }

    #[test]
    fn what_takes_too_long_is_given_up() {
        let whole = catalog([line("1.8", None).with(release("1.8.5", &["2018-01-04"]))]);
        let mut steps = 0;
        let goes_on = || {
            steps += 1;
            steps < 2
        };
        assert!(foresee(&whole, (t("2018-01-10"), t("2018-02-10")), goes_on).is_none());
    }
}
