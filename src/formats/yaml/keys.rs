//! The keys of the catalog's files: one table for the reader, which refuses any other key, and for
//! the JSON Schema, which editors complete from.

use crate::domain::rules::text;

/// A map with named keys.
#[derive(Debug)]
pub struct Shape {
    pub about: &'static str,
    pub keys: &'static [Key],
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
    /// Any number of lines, of at most so many bytes together.
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
    /// From names to values.
    Map(&'static Form),
    Shape(&'static Shape),
}

const fn must(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, required: true, form, about }
}

const fn may(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, required: false, form, about }
}

// A form within a form needs a place of its own.
static A_FREEZE: Form = Form::Shape(&FREEZE);
static A_POLICY_STAGE: Form = Form::Shape(&POLICY_STAGE);
static A_LINE_STAGE: Form = Form::Shape(&LINE_STAGE);
static A_PAYLOAD: Form = Form::Shape(&PAYLOAD);
static AN_ENTRY: Form = Form::Shape(&ENTRY);
static AN_EVENT: Form = Form::Shape(&EVENT);

const FORMAT: Key = must("format", Form::Format, "The format of this file: 1.");
const FREEZES: Key = may("freezes", Form::List(&A_FREEZE), "Times in which nothing is promoted.");
const REASON: Key = must("reason", Form::Line(text::REASON), "Why, for everybody to read.");
const AT: Key = must("at", Form::Time, "When.");
const BY: Key = must("by", Form::Line(text::AUTHOR), "Who.");

pub static POLICY: Shape = Shape {
    about: "Tidegate: what holds for every line that says nothing else",
    keys: &[
        FORMAT,
        may("stages", Form::List(&A_POLICY_STAGE), "The stages, in the order in which releases pass them."),
        FREEZES,
    ],
};

pub static LINE: Shape = Shape {
    about: "Tidegate: a release line",
    keys: &[
        FORMAT,
        must("line", Form::Name, "The line's name, which is its folder's."),
        may("title", Form::Line(text::LINE), "What people call it."),
        may("prefix", Form::Prefix, "How its versions begin, where that is not its name."),
        may("follows", Form::Shape(&FOLLOWS), "The line from which clusters may enter this one."),
        may(
            "stages",
            Form::List(&A_LINE_STAGE),
            "The stages, where they are not the policy's. What a stage does not say, the policy's stage of that name does.",
        ),
        FREEZES,
        may("paused", Form::Map(&AN_EVENT), "The channels that are paused, by stage."),
        may("retired", Form::Shape(&EVENT), "Set once nothing new comes in this line."),
    ],
};

pub static RELEASE: Shape = Shape {
    about: "Tidegate: a release",
    keys: &[
        FORMAT,
        must("version", Form::Version, "The version, which is the file's name."),
        may("urgency", Form::Urgency, "How soon it must go out: `normal` or `security`."),
        may("summary", Form::Line(text::LINE), "One line for people."),
        may("links", Form::Map(&Form::Link), "Where to read more, by name."),
        may("components", Form::Map(&Form::Line(text::LINE)), "The versions of its parts, by name."),
        must("payloads", Form::List(&A_PAYLOAD), "The files that a cluster applies."),
        may("barrier", Form::Flag, "Whether no cluster may jump over this release."),
        may("replaces", Form::Version, "The release that this one replaces."),
        may("stages", Form::Map(&AN_ENTRY), "When it entered each stage."),
        may("hold", Form::Shape(&EVENT), "Set while the release goes no further."),
        may("yank", Form::Shape(&YANK), "Set when the release is no longer on offer."),
        may("note", Form::Lines(text::NOTE), "For the catalog's readers only: never published."),
    ],
};

pub static POLICY_STAGE: Shape =
    Shape { about: "A stage of every line", keys: &[STAGE_NAME, STAGE_SOAK, STAGE_WINDOWS] };

pub static LINE_STAGE: Shape = Shape {
    about: "A stage, and the channel that clusters follow there",
    keys: &[
        STAGE_NAME,
        may("channel", Form::Name, "The channel's name, where that is not `LINE-STAGE`."),
        may("aliases", Form::List(&Form::Name), "Further names of the channel."),
        STAGE_SOAK,
        STAGE_WINDOWS,
    ],
};

const STAGE_NAME: Key = must("name", Form::Name, "The stage's name.");
const STAGE_SOAK: Key =
    may("soak", Form::Shape(&SOAK), "How long a release stays in the stage before. A first stage has none.");
const STAGE_WINDOWS: Key =
    may("windows", Form::Shape(&WINDOWS), "When promotions into this stage may happen.");

const MIN: Key = may("min", Form::Duration, "The least time, `14d` if not given.");
const MAX: Key = may("max", Form::Duration, "After this time a release is overdue, `28d` if not given.");
const WHY: Key = may("why", Form::Line(text::REASON), "Why a time lies outside 14 to 28 days.");

pub static SOAK: Shape = Shape {
    about: "How long a release stays in the stage before",
    keys: &[MIN, MAX, WHY, may("security", Form::Shape(&SECURITY_SOAK), "The same for security releases.")],
};

pub static SECURITY_SOAK: Shape =
    Shape { about: "How long a security release stays in the stage before", keys: &[MIN, MAX, WHY] };

pub static WINDOWS: Shape = Shape {
    about: "The hours of the week in which promotions may happen",
    keys: &[
        must("days", Form::Days, "`mon-thu`, `mon,wed-fri`, or a list."),
        must("hours", Form::Hours, "`09:00-16:00`."),
        must("zone", Form::Zone, "The time zone, `Europe/Berlin`."),
    ],
};

pub static FREEZE: Shape = Shape {
    about: "A time in which nothing is promoted",
    keys: &[
        must("from", Form::Time, "The first second of it."),
        must("until", Form::Time, "The first second after it."),
        REASON,
        may("except", Form::List(&Form::Urgency), "What is promoted all the same."),
    ],
};

pub static FOLLOWS: Shape = Shape {
    about: "From where a line is entered",
    keys: &[
        must("line", Form::Name, "The line before."),
        may("grace", Form::Duration, "For so long what was its highest release still opens the way."),
    ],
};

pub static PAYLOAD: Shape = Shape {
    about: "A file that a cluster applies",
    keys: &[
        must("file", Form::FileName, "Its name in the release's payload folder."),
        must("sha256", Form::Digest, "Its SHA-256 digest."),
        must("size", Form::Size, "Its size in bytes."),
        may("arch", Form::Arch, "The architecture it is for, where there are several."),
    ],
};

pub static ENTRY: Shape = Shape {
    about: "A release entering a stage",
    keys: &[
        must("since", Form::Time, "When it entered."),
        must("by", Form::Line(text::AUTHOR), "Who promoted it: a person, or `schedule`."),
        may("reason", Form::Line(text::REASON), "Why, for everybody to read."),
    ],
};

pub static EVENT: Shape = Shape { about: "What somebody did, and why", keys: &[AT, BY, REASON] };

pub static YANK: Shape = Shape {
    about: "The end of a release's offer",
    keys: &[AT, BY, REASON, may("to", Form::Version, "The release to take instead.")],
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
            ("depth of maps and lists in each other", MAX_DEPTH.to_string()),
            ("entries of one map or list", MAX_ENTRIES.to_string()),
            ("faults of one file that are told", MAX_FAULTS.to_string()),
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
