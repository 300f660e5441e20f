//! The keys of the catalog's files, in one table: the reader rejects any other key, and editors complete
//! keys from the JSON Schema that is made from it.

use crate::domain::rules::text;

/// A map with named keys.
#[derive(Debug)]
pub struct Shape {
    pub about: &'static str,
    pub keys: &'static [Key],
}

impl Shape {
    /// Whether the map may have a key.
    pub fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

/// One key of a [`Shape`].
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub required: bool,
    pub form: Form,
    pub about: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub enum Form {
    /// The number of the catalog's format.
    Format,
    /// One line of at most so many bytes.
    Line(usize),
    /// Any number of lines, of at most so many bytes in total.
    Lines(usize),
    Version,
    Prefix,
    Name,
    Time,
    Duration,
    Flag,
    Size,
    Digest,
    FileName,
    Arch,
    Link,
    Urgency,
    Days,
    Hours,
    Zone,
    List(&'static Form),
    /// A map of names to values.
    Map(&'static Form),
    Shape(&'static Shape),
}

pub const fn must(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, required: true, form, about }
}

pub const fn may(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, required: false, form, about }
}

pub const FORMAT: Key = must("format", Form::Format, "The format of this file: 1.");
const REASON: Key = must("reason", Form::Line(text::REASON), "The reason, for everybody to read.");
const AT: Key = must("at", Form::Time, "When.");
const BY: Key = must("by", Form::Line(text::AUTHOR), "Who.");

pub const RELEASE: Shape = Shape {
    about: "Tidegate: a release",
    keys: &[
        FORMAT,
        must("version", Form::Version, "The version, which must match the file's name."),
        may("urgency", Form::Urgency, "How soon it must go out: `normal` or `security`."),
        may("summary", Form::Line(text::LINE), "One line of text for people."),
        may("links", Form::Map(&Form::Link), "Where to read more, by name."),
        may("components", Form::Map(&Form::Line(text::LINE)), "The versions of its components, by name."),
        must("payloads", Form::List(&Form::Shape(&PAYLOAD)), "The files that a cluster applies."),
        may("barrier", Form::Flag, "Whether no cluster may jump over this release."),
        may("replaces", Form::Version, "The release that this one replaces."),
        may("stages", Form::Map(&Form::Shape(&ENTRY)), "When it entered each stage."),
        may("hold", Form::Shape(&EVENT), "Set while the release is on hold."),
        may("yank", Form::Shape(&YANK), "Set when the release is no longer on offer."),
        may("note", Form::Lines(text::NOTE), "For the catalog's readers only: never published."),
    ],
};

const MIN: Key = may("min", Form::Duration, "The shortest time; `14d` by default.");
const MAX: Key = may("max", Form::Duration, "After this time a release is overdue; `28d` by default.");
const WHY: Key = may("why", Form::Line(text::REASON), "Why a time is outside the range of 14 to 28 days.");

pub const SOAK: Shape = Shape {
    about: "How long a release stays in the previous stage",
    keys: &[MIN, MAX, WHY, may("security", Form::Shape(&SECURITY_SOAK), "The same for security releases.")],
};

pub const SECURITY_SOAK: Shape =
    Shape { about: "How long a security release stays in the previous stage", keys: &[MIN, MAX, WHY] };

pub const WINDOWS: Shape = Shape {
    about: "The hours of the week in which promotions may happen",
    keys: &[
        must("days", Form::Days, "`mon-thu`, `mon,wed-fri`, or a list."),
        must("hours", Form::Hours, "`09:00-16:00`."),
        must("zone", Form::Zone, "The time zone, `Europe/Berlin`."),
    ],
};

pub const FREEZE: Shape = Shape {
    about: "A period in which nothing is promoted",
    keys: &[
        must("from", Form::Time, "The first second of the freeze."),
        must("until", Form::Time, "The first second after the freeze."),
        REASON,
        may("except", Form::List(&Form::Urgency), "The urgencies that are promoted anyway."),
    ],
};

pub const FOLLOWS: Shape = Shape {
    about: "The line from which clusters may enter this one",
    keys: &[
        must("line", Form::Name, "The previous line."),
        may("grace", Form::Duration, "How long a release that used to be its highest still opens the way."),
    ],
};

pub const PAYLOAD: Shape = Shape {
    about: "A file that a cluster applies",
    keys: &[
        must("file", Form::FileName, "Its name in the release's payload folder."),
        must("sha256", Form::Digest, "Its SHA-256 digest."),
        must("size", Form::Size, "Its size in bytes."),
        may("arch", Form::Arch, "The architecture that it is for, if there are several."),
    ],
};

pub const ENTRY: Shape = Shape {
    about: "A release's entry into a stage",
    keys: &[
        must("since", Form::Time, "When it entered."),
        must("by", Form::Line(text::AUTHOR), "Who promoted it: a person, or `schedule`."),
        may("reason", Form::Line(text::REASON), "The reason, for everybody to read."),
    ],
};

pub const EVENT: Shape = Shape { about: "What somebody did, and why", keys: &[AT, BY, REASON] };

pub const YANK: Shape = Shape {
    about: "Why a release is no longer on offer",
    keys: &[AT, BY, REASON, may("to", Form::Version, "The release to install instead.")],
};

#[cfg(test)]
mod tests {
    use super::super::faults::MAX_FAULTS;
    use super::super::node::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
    use crate::domain::rules::text::{AUTHOR, DAYS, LINE, LINK, NOTE, REASON, SIZE};
    use crate::domain::{channel, version};

    #[test]
    fn the_documentation_tells_every_limit() {
        let docs = include_str!("../../../docs/catalog.md");
        let section =
            docs.split("\n### Limits\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
        let told: Vec<(&str, String)> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
            .filter(|(_, most)| most.starts_with(|c: char| c.is_ascii_digit()))
            .map(|(what, most)| (what, most.chars().take_while(char::is_ascii_digit).collect()))
            .collect();
        let expected = [
            ("a file", MAX_BYTES.to_string()),
            ("nesting of maps and lists", MAX_DEPTH.to_string()),
            ("entries of one map or list", MAX_ENTRIES.to_string()),
            ("faults that are reported for one file", MAX_FAULTS.to_string()),
            ("`reason`, `why`", REASON.to_string()),
            ("`note`", NOTE.to_string()),
            (
                "`title`, `summary`, the version of a component, the name of a component or a link",
                LINE.to_string(),
            ),
            ("`by`", AUTHOR.to_string()),
            ("the address of a link", LINK.to_string()),
            ("the name of a line, stage or channel, an alias", channel::MAX_NAME.to_string()),
            ("a version", version::MAX_LENGTH.to_string()),
            ("a duration", DAYS.to_string()),
            ("the size of a payload", SIZE.to_string()),
        ];
        assert_eq!(told, expected, "the table of limits in docs/catalog.md");
    }
}
