//! Taking stops from a catalog that is changing.

use std::sync::Arc;

use super::super::catalog::Catalog;
use super::super::line::Line;
use super::{Limit, Restraint};

impl Catalog {
    /// Returns the catalog with stops of a later `reading`, of which nothing else may be taken. If what they stop is
    /// published, but could not be read before, it is salvaged from there, so that it can be stopped.
    pub fn with_stops(
        mut self,
        stops: &[Restraint],
        reading: &Self,
        is_published: impl Fn(&Restraint) -> bool,
    ) -> Self {
        for stop in stops {
            let Restraint { line: name, limit, .. } = stop;
            let Some(read) = reading.stoppable(name) else { continue };
            let is_salvaged = limit.is_about(read) && is_published(stop);
            if is_salvaged
                && self.line(name).is_some_and(|line| !limit.is_about(line))
                && let Some(line) = self.lines_mut().remove(name)
            {
                self.salvaged_mut().insert(name.clone(), line);
            }
            if let Some(line) = self.lines_mut().get_mut(name) {
                limit.impose_later(Arc::make_mut(line));
                continue;
            }
            let line = self.salvaged_mut().entry(name.clone()).or_insert_with(|| Arc::new(read.clone()));
            let line = Arc::make_mut(line);
            if is_salvaged {
                limit.salvage(line, read);
            }
            limit.impose_later(line);
        }
        self
    }
}

impl Limit {
    /// Whether a line has the stage or the release that this is about.
    fn is_about(&self, line: &Line) -> bool {
        match self {
            Self::Pause { stage, .. } => line.stage(stage).is_some(),
            _ => self.release().is_none_or(|version| line.releases.contains_key(version)),
        }
    }

    /// Adds the stage or the release that this is about to a line, as another reading of the line has it.
    fn salvage(&self, line: &mut Line, read: &Line) {
        if self.is_about(line) {
            return;
        }
        if let Some(release) = self.release().and_then(|version| read.releases.get(version)) {
            line.releases.insert(release.version.clone(), release.clone());
        }
        if let Self::Pause { stage, .. } = self {
            line.stages.extend(read.stage(stage).map(|place| read.stages[place].clone()));
        }
        for release in line.releases.values_mut() {
            release.entries = release.entries.resized(line.stages.len());
        }
    }

    /// Puts a stop of a later reading into a line.
    fn impose_later(&self, line: &mut Line) {
        // Somebody has corrected what clusters install instead of a yanked release.
        if let Self::Yank { version, yank } = self
            && let Some(release) = line.releases.get_mut(version)
            && release.yank.as_ref().is_some_and(|known| known.to != yank.to)
        {
            release.yank = None;
        }
        self.impose(line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Time;
    use super::super::super::release::Release;
    use super::super::super::testing::{catalog, event, line, release, t, v};
    use super::*;

    /// The catalog of the first line with all stops of a later reading, of which everything is published.
    fn stopped(before: Line, later: Line) -> Catalog {
        let (before, later) = (catalog([before]), catalog([later]));
        let now: Time = t("2018-02-01");
        before.with_stops(&Restraint::all(&later, now), &later, |_| true)
    }

    #[test]
    fn a_corrected_replacement_of_a_yanked_release_counts_at_once() {
        let yanked = |to| {
            let releases = ["1.8.6", "1.8.7"].map(|version| release(version, &["2018-01-01"]));
            let line = releases.into_iter().fold(line("1.8", None), Line::with);
            line.with(release("1.8.5", &["2018-01-01"]).yanked_at("2018-01-02", to))
        };
        for (before, later) in [(Some("1.8.6"), Some("1.8.7")), (Some("1.8.6"), None), (None, Some("1.8.7"))]
        {
            let stopped = stopped(yanked(before), yanked(later));
            let release: &Release = &stopped.line(&"1.8".parse().unwrap()).unwrap().releases[&v("1.8.5")];
            assert_eq!(release.yank.as_ref().unwrap().to, later.map(v), "{before:?}");
        }
    }

    #[test]
    fn a_pause_of_a_stage_that_was_missing_before_counts_at_once() {
        let with = || line("1.8", None).with(release("1.8.4", &["2018-01-01"]).held_at("2018-01-02"));
        let mut before = with();
        before.stages.pop();
        for release in before.releases.values_mut() {
            release.entries = release.entries.resized(1);
        }
        let mut later = with();
        later.stages[1].paused = Some(event(t("2018-01-03"), "an outage"));
        let stopped = stopped(before, later);
        // Nothing else of the line may be relied on.
        assert_eq!(stopped.lines().count(), 0);
        let line = stopped.salvaged(&"1.8".parse().unwrap()).unwrap();
        assert!(line.stages[1].paused.is_some());
        assert!(line.releases[&v("1.8.4")].hold.is_some());
        assert_eq!(line.releases[&v("1.8.4")].entries.len(), 2);
    }
}
