//! What a question or an operation is about, and which lines have to be read for it.
//!
//! A stop must not wait until a large catalog has been read, and most questions are about one release.

use super::catalog::Catalog;
use super::channel::{ChannelName, LineName};
use super::line::{Line, Prefix, Stage};
use super::version::Version;

/// What a question or an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// A release.
    Release(Version),
    /// A release, and from where clusters enter its line: this also needs the line that it follows.
    ReleaseAndEntry(Version),
    /// A channel, by its name or an alias.
    Channel(ChannelName),
    /// A line.
    Line(LineName),
}

impl Topic {
    /// Whether the topic may be in a line, judged by the line's `name` and, if it can be read, by what its own
    /// file says. Versions and channels of a line whose files cannot be read are recognised by its name.
    pub fn may_be_in(&self, name: &LineName, line: Option<&Line>) -> bool {
        match self {
            Self::Release(version) | Self::ReleaseAndEntry(version) => {
                is_named_for(name, version) || line.is_some_and(|line| line.prefix.accepts(version))
            }
            Self::Channel(channel) => {
                let mut names = line.iter().flat_map(|line| &line.stages).flat_map(Stage::names);
                let rest = channel.as_str().strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.starts_with('-')) || names.any(|name| name == channel)
            }
            Self::Line(line) => line == name,
        }
    }

    /// The lines whose releases must be read, out of `names`, all lines that there are. `outline` has these lines
    /// without their releases, as far as their own files can be read.
    pub fn lines<'n>(&self, names: impl Iterator<Item = &'n LineName>, outline: &Catalog) -> Vec<LineName> {
        let mut lines: Vec<LineName> =
            names.filter(|name| self.may_be_in(name, outline.stoppable(name))).cloned().collect();
        if matches!(self, Self::ReleaseAndEntry(_)) {
            let follows = |name: &LineName| Some(outline.stoppable(name)?.follows.as_ref()?.line.clone());
            let followed: Vec<LineName> = lines.iter().filter_map(follows).collect();
            lines.extend(followed);
        }
        lines
    }

    /// Whether the topic is in a catalog of which only [its lines](Self::lines) have their releases, and the whole
    /// catalog could not have it in another line instead. If not, read the whole catalog.
    pub fn is_in(&self, catalog: &Catalog) -> bool {
        match self {
            Self::Release(version) | Self::ReleaseAndEntry(version) => {
                // A copy of a faulty line can have the same release, and is not read if it has another name.
                let is_certain =
                    |line: &Line| catalog.line(&line.name).is_some() || is_named_for(&line.name, version);
                catalog.stoppable_release(version).is_some_and(|(line, _)| is_certain(line))
            }
            Self::Channel(channel) => !catalog.stoppable_channels(channel).is_empty(),
            Self::Line(line) => catalog.stoppable(line).is_some(),
        }
    }
}

/// Whether a line's name is a prefix of a version.
fn is_named_for(name: &LineName, version: &Version) -> bool {
    Prefix::parse(name.as_str()).is_ok_and(|prefix| prefix.accepts(version))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{catalog, line, release, v};
    use super::*;

    fn name(text: &str) -> LineName {
        text.parse().unwrap()
    }

    #[test]
    fn the_lines_of_a_topic_are_those_that_it_may_be_in() {
        let mut beta = line("2", Some("1.9"));
        beta.name = name("beta");
        beta.stages[1].aliases = vec!["newest".parse().unwrap()];
        let outline = catalog([line("1.8", None), line("1.9", Some("1.8")), beta]);
        // The file of line `1.10` cannot be read.
        let names = ["1.8", "1.9", "1.10", "beta"].map(name);
        let release = |version: &str| Topic::Release(v(version));
        let with_entry = |version: &str| Topic::ReleaseAndEntry(v(version));
        let channel = |name: &str| Topic::Channel(name.parse().unwrap());
        for (topic, lines) in [
            (release("1.8.4"), &["1.8"][..]),
            (release("v1.9.0-rc.1"), &["1.9"]),
            (release("1.10.2"), &["1.10"]),
            (release("2.0.0"), &["beta"]),
            (release("3.0.0"), &[]),
            (with_entry("1.9.0"), &["1.9", "1.8"]),
            (with_entry("1.8.4"), &["1.8"]),
            (channel("1.8-production"), &["1.8"]),
            (channel("1.10-production"), &["1.10"]),
            (channel("newest"), &["beta"]),
            (channel("oldest"), &[]),
            (Topic::Line(name("1.9")), &["1.9"]),
        ] {
            let found = topic.lines(names.iter(), &outline);
            assert_eq!(found, lines.iter().map(|line| name(line)).collect::<Vec<_>>(), "{topic:?}");
        }
    }

    #[test]
    fn a_release_of_a_faulty_line_with_another_name_may_be_in_a_line_that_was_not_read() {
        let with = |name: &str| {
            let line = line("1.8", None).with(release("1.8.4", &["2018-01-01"]));
            Line { name: name.parse().unwrap(), ..line }
        };
        let topic = Topic::Release(v("1.8.4"));
        let salvaged = |name: &str| Catalog::default().with_salvaged([with(name)]);
        assert!(topic.is_in(&catalog([with("main")])));
        assert!(topic.is_in(&salvaged("1.8")));
        assert!(!topic.is_in(&salvaged("main")));
        assert!(!Topic::Release(v("1.8.5")).is_in(&salvaged("1.8")));
    }
}
