//! What changes for clusters and people with a publication, for the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::part::Part;
use super::publication::Publication;
use crate::console::history::says;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::history::{What, history};
use crate::domain::line::Line;
use crate::formats::manifest::ChannelManifest;

/// How many changes are named. The first publication of a large catalog has thousands.
const NAMED: usize = 20;

/// What is different from the publication before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The first ones, each in a few words, ordered by line.
    pub named: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Changes {
    /// Compares two publications by what their channels offer.
    pub fn between(before: Option<&Publication>, after: &Publication) -> Self {
        let mut changes = Self::default();
        for part in after.parts() {
            let before = before.and_then(|before| before.parts.line(&part.line));
            if !before.is_some_and(|before| Arc::ptr_eq(before, part)) {
                changes.of_part(before.map(|before| &**before), part);
            }
        }
        changes
    }

    /// Adds the holds that began or ended, which no signed document tells: by `now` in one catalog, and not by the time
    /// `then` of the publication that was made from the other. A line that is missing there is compared by that time
    /// alone.
    pub fn with_holds(mut self, (before, then): (&Catalog, Time), (after, now): (&Catalog, Time)) -> Self {
        for line in after.lines() {
            let known = before.line(&line.name);
            let known: Option<Vec<_>> = known.map(|line| holds(line, then).collect());
            for (at, what) in holds(line, now) {
                if known.as_ref().map_or(then < at, |known| !known.contains(&(at, what))) {
                    self.add(&says(&line.name, &what));
                }
            }
        }
        self
    }

    fn of_part(&mut self, before: Option<&Part>, after: &Part) {
        let mut told = |what: What<'_>| self.add(&says(&after.line, &what));
        let old = |channel: &ChannelManifest| {
            let mut all = before.into_iter().flat_map(|part| &part.channels);
            let found = all.find(|old| old.manifest.signed().channel == channel.channel);
            found.map(|old| old.manifest.signed())
        };
        let (mut retired, mut stops) = (false, BTreeMap::new());
        for channel in after.channels.iter().map(|channel| channel.manifest.signed()) {
            let old = old(channel);
            let name = &channel.channel;
            let known: BTreeMap<_, _> =
                old.into_iter().flat_map(|old| &old.releases).map(|one| (&one.version, one)).collect();
            for release in &channel.releases {
                let (version, known) = (&release.version, known.get(&release.version));
                if known.is_none() {
                    told(What::Entered { version, channel: name });
                }
                // A release is yanked in all its channels at once.
                match (known.and_then(|known| known.yank.as_ref()), &release.yank) {
                    (None, Some(yank)) => {
                        stops.insert(version, What::Yanked { version, to: yank.to.as_ref() });
                    }
                    (Some(yank), None) => {
                        stops.insert(version, What::Unyanked { version, from: yank.at });
                    }
                    _ => {}
                }
            }
            match (old.and_then(|old| old.paused.as_ref()), &channel.paused) {
                (None, Some(_)) => told(What::Paused { channel: name }),
                (Some(pause), None) => told(What::Unpaused { channel: name, from: pause.at }),
                _ => {}
            }
            retired |= channel.retired.is_some() && old.is_none_or(|old| old.retired.is_none());
        }
        stops.into_values().for_each(&mut told);
        if retired {
            told(What::Retired);
        }
    }

    fn add(&mut self, change: &str) {
        if self.named.len() < NAMED {
            self.named.push(change.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.named.len() + self.more
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.named.join("; "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

fn holds(line: &Line, now: Time) -> impl Iterator<Item = (Time, What<'_>)> {
    let all = history(line, now).map(|one| (one.at, one.what));
    all.filter(|(_, what)| matches!(what, What::Held { .. } | What::Resumed { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_changes_are_named_and_the_others_counted() {
        let mut changes = Changes::default();
        assert_eq!((changes.count(), changes.to_string().as_str()), (0, ""));
        for number in 1..=NAMED {
            changes.add(&format!("1.8.{number} entered 1.8-production"));
        }
        assert!(changes.to_string().ends_with("; 1.8.20 entered 1.8-production"), "{changes}");
        changes.add("1.9.1 was yanked");
        changes.add("1.9.2 was yanked");
        assert_eq!(changes.count(), NAMED + 2);
        assert!(changes.to_string().ends_with("; 1.8.20 entered 1.8-production; and 2 more"), "{changes}");
    }
}
