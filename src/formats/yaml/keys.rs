//! The keys of the catalog's files, in one table. The reader rejects any other key, and editors complete
//! keys from the JSON Schema that is generated from this table.

use crate::domain::rules::text;

/// A map with named keys.
#[derive(Debug)]
pub struct Shape {
    pub about: &'static str,
    pub keys: &'static [Key],
}

impl Shape {
    /// Whether the map can have a key with this name.
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

/// The form of a value.
#[derive(Debug)]
pub enum Form {
    /// The number of the file format.
    Format,
    /// One line of text, with its maximum length in bytes.
    Line(usize),
    /// Any number of lines of text, with their maximum total length in bytes.
    Lines(usize),
    Version,
    /// The name of a restraint.
    What,
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
    /// A map from names to values of one form.
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
const REASON: Key = must("reason", Form::Line(text::REASON), "The reason, for everyone to read.");
const AT: Key = must("at", Form::Time, "When it happened.");
const BY: Key = must("by", Form::Line(text::AUTHOR), "Who did it.");

pub const RELEASE: Shape = Shape {
    about: "Tidegate: a release",
    keys: &[
        FORMAT,
        must("version", Form::Version, "The version, which must match the file's name."),
        may("urgency", Form::Urgency, "How urgent the release is: `normal` or `security`."),
        may("summary", Form::Line(text::LINE), "A one-line description for people."),
        may("links", Form::Map(&Form::Link), "Links to more information, by name."),
        may("components", Form::Map(&Form::Line(text::LINE)), "The versions of its components, by name."),
        must("payloads", Form::List(&Form::Shape(&PAYLOAD)), "The files that a cluster applies."),
        may("barrier", Form::Flag, "Whether clusters must not skip this release."),
        may("replaces", Form::Version, "The release that this one replaces."),
        may("stages", Form::Map(&Form::Shape(&ENTRY)), "When it entered each stage."),
        may("hold", Form::Shape(&EVENT), "Set while the release is on hold."),
        may("yank", Form::Shape(&YANK), "Set once the release is yanked: it is no longer offered."),
        may("resumed", ENDED_STOPS, "The holds that somebody ended."),
        may("unyanked", ENDED_STOPS, "The yanks that somebody ended."),
        may(
            "unavailable",
            Form::List(&Form::Shape(&OUTAGE)),
            "When a server that promotes found a payload missing; that time is no soak.",
        ),
        may("note", Form::Lines(text::NOTE), "A note for readers of the catalog; never published."),
    ],
};

const MIN: Key = may("min", Form::Duration, "The minimum time; `14d` by default.");
const MAX: Key = may("max", Form::Duration, "The time after which a release is overdue; `28d` by default.");
const WHY: Key =
    may("why", Form::Line(text::REASON), "Why `min` or `max` is outside the range of 14 to 28 days.");

pub const SOAK: Shape = Shape {
    about: "How long a release stays in the previous stage",
    keys: &[
        MIN,
        MAX,
        WHY,
        may("security", Form::Shape(&SECURITY_SOAK), "The soak of security releases, if it differs."),
    ],
};

pub const SECURITY_SOAK: Shape =
    Shape { about: "How long a security release stays in the previous stage", keys: &[MIN, MAX, WHY] };

pub const WINDOWS: Shape = Shape {
    about: "The hours of the week in which promotions may happen",
    keys: &[
        must("days", Form::Days, "The days, as in `mon-thu` or `\"mon,wed-fri\"`, or a list of them."),
        must("hours", Form::Hours, "The hours, as in `09:00-16:00`."),
        must("zone", Form::Zone, "The time zone, as in `Europe/Berlin`."),
    ],
};

pub const FREEZE: Shape = Shape {
    about: "A period in which nothing is promoted",
    keys: &[
        must("from", Form::Time, "The first second of the freeze."),
        must("until", Form::Time, "The first second after the freeze."),
        REASON,
        may("except", Form::List(&Form::Urgency), "The urgencies of releases that are promoted anyway."),
    ],
};

pub const FOLLOWS: Shape = Shape {
    about: "The line from which clusters may enter this one",
    keys: &[
        must("line", Form::Name, "The name of that line."),
        may(
            "grace",
            Form::Duration,
            "How long clusters may still enter from a release that was its highest.",
        ),
    ],
};

pub const PAYLOAD: Shape = Shape {
    about: "A file that a cluster applies",
    keys: &[
        must("file", Form::FileName, "Its name in the release's payload folder."),
        must("sha256", Form::Digest, "Its SHA-256 digest."),
        must("size", Form::Size, "Its size in bytes."),
        may("arch", Form::Arch, "The architecture that the file is for, if there are several."),
    ],
};

pub const ENTRY: Shape = Shape {
    about: "A release's entry into a stage",
    keys: &[
        must("since", Form::Time, "When the release entered the stage."),
        must("by", Form::Line(text::AUTHOR), "Who promoted it: a person, or `schedule`."),
        may("reason", Form::Line(text::REASON), "The reason, for everyone to read."),
    ],
};

pub const EVENT: Shape = Shape { about: "What somebody did, when and why", keys: &[AT, BY, REASON] };

/// Stops that are over.
pub const ENDED_STOPS: Form = Form::List(&Form::Shape(&ENDED));

pub const ENDED: Shape = Shape {
    about: "A stop that somebody ended",
    keys: &[
        must("from", Form::Time, "When the stop began."),
        must("until", Form::Time, "When it was ended."),
        must("by", Form::Line(text::AUTHOR), "Who ended it."),
        must("reason", Form::Line(text::REASON), "Why it was ended, for everyone to read."),
    ],
};

pub const LOOSENED: Shape = Shape {
    about: "A restraint that no longer counts although the catalog has lost it",
    keys: &[must("what", Form::What, "Its name, as in `hold/1.8.4`."), AT, BY, REASON],
};

pub const OUTAGE: Shape = Shape {
    about: "A time in which a payload was missing",
    keys: &[
        must("from", Form::Time, "When it was found missing."),
        may("until", Form::Time, "When it was back; missing as long as it lasts."),
    ],
};

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
