//! Messages for broken rules of the catalog, and hints on how to fix them.

use crate::domain::channel::StageName;
use crate::domain::policy::{SOAK_MIN, Urgency};
use crate::domain::release::SCHEDULE;
use crate::domain::rfc3339;
use crate::domain::rules::text::{DAYS, arch};
use crate::domain::rules::{Limit, Reference, Rule};
use crate::domain::span::Span;
use crate::domain::version::Version;

/// Parses the name of an architecture.
///
/// # Errors
/// When it is not one.
pub fn parse_arch(text: &str) -> Result<String, String> {
    match arch(text) {
        None => Ok(text.to_owned()),
        Some(rule) => {
            let (message, hint) = message_and_hint(&rule);
            Err(format!("{message}; {hint}"))
        }
    }
}

/// Returns the message and the hint for a broken rule.
pub fn message_and_hint(rule: &Rule) -> (String, String) {
    let (message, hint) = match rule {
        Rule::EmptyText => ("the text is empty".to_owned(), "write some text, or remove the key"),
        Rule::LongText { length, most } => (
            format!("text of {length} bytes is longer than the limit of {most}"),
            "shorten it, and link to the rest",
        ),
        Rule::SeveralLines => ("the text has several lines".to_owned(), "write it on one line"),
        Rule::ControlCharacter => ("the text has a control character".to_owned(), "remove it"),
        Rule::NotALabel(text) => (
            format!("`{text}` is not a name for a component or a link"),
            "write it like `release-notes`: a name in signed documents has ASCII only, and no space, `!`, `\"` or `\\`",
        ),
        Rule::LinkWithUser => (
            "this link has a user or a password, and links are published".to_owned(),
            "write it without what is before the `@`, and replace the password if anybody has seen it",
        ),
        Rule::NotALink(text) => (format!("`{text}` is not a web address"), "begin it with `https://`"),
        Rule::NotAnArch(text) => {
            (format!("`{text}` is not an architecture"), "use a name like `amd64` or `x86_64`")
        }
        Rule::NotAFileName(text) => (
            format!("`{text}` is not a name for a payload file"),
            "name a file in the release's folder, using only letters, digits, `.`, `_`, `-` and `+`; `release.json` is the signed manifest",
        ),
        Rule::Size(size) => (
            format!("a payload cannot have a size of {size} bytes"),
            "name a file that is neither empty nor too large; `release add` computes its size",
        ),
        Rule::Duration(duration) => (
            format!("`{}` is not a duration of at most {DAYS} days", Span(*duration)),
            "write a shorter duration",
        ),
        Rule::NoStages => ("there are no stages".to_owned(), "name at least one, or remove `stages`"),
        Rule::StageTwice { stage, .. } => {
            (format!("stage `{stage}` is listed twice"), "name each stage once")
        }
        Rule::FirstSoak(stage) => (
            format!("stage `{stage}` is the first and cannot have a soak"),
            "remove it: a release enters its first stage at once",
        ),
        Rule::NoSoak(stage) => (
            format!("stage `{stage}` has no soak"),
            "add one: without a soak, releases would enter it at once",
        ),
        Rule::UnusualSoak { stage, urgency, limit, bound } => {
            let word = if *bound == SOAK_MIN { "below the minimum" } else { "above the maximum" };
            let message = format!("soak `{}` of stage `{stage}` is {word} `{}`", Span(*limit), Span(*bound));
            return (message, format!("give `{}.why` to allow it", soak_key(*urgency)));
        }
        Rule::SoakBackwards { stage, urgency, soak, inherited } => {
            let from = match urgency {
                Urgency::Normal => "by default",
                Urgency::Security => "unless `security` sets it",
            };
            let told = |limit: Limit, span| {
                let source = if *inherited == Some(limit) { format!(", {from}") } else { String::new() };
                format!("`{}`{source}", Span(span))
            };
            let (min, max) = (told(Limit::Min, soak.min), told(Limit::Max, soak.max));
            let key = soak_key(*urgency);
            (
                format!("`{key}` of stage `{stage}` has a `min` of {min}, above its `max` of {max}"),
                "give both, with `min` no greater than `max`",
            )
        }
        Rule::FreezeBackwards => ("the freeze ends before it begins".to_owned(), "write a time after `from`"),
        Rule::StopBackwards => {
            ("the stop ended before it began".to_owned(), "write an `until` that is not before `from`")
        }
        Rule::ChannelName { stage, why } => (
            format!("the channel of stage `{stage}` has no valid name: {why}"),
            "give the stage a short `channel`",
        ),
        Rule::NoSuchStage { line, stage, stages } => {
            return (format!("line `{line}` has no stage `{stage}`"), stage_names(stages));
        }
        Rule::NoSuchLine(line) => (
            format!("there is no line `{line}` to follow"),
            "name a line of this catalog, or remove `follows`",
        ),
        Rule::FollowsInCircle { line, follows } => {
            (format!("line `{line}` follows `{follows}` in a cycle"), "remove `follows` from the oldest line")
        }
        Rule::NameWithin { outer, inner } => (
            format!("the name of line `{outer}` is a prefix of the name of line `{inner}`"),
            "rename one of them: the signing roles of the two would overlap",
        ),
        Rule::SharedVersions { line, other } => (
            format!("versions of line `{line}` belong to line `{other}` too"),
            "give one of them another `prefix`",
        ),
        Rule::ChannelTwice { channel, .. } => (
            format!("channel `{channel}` is defined twice"),
            "give one of the two another name, with `channel` or `aliases`",
        ),
        Rule::ForeignVersion { line, version, prefix } => {
            let hint = format!(
                "versions of this line begin with `{prefix}`: put the release into the line that it belongs to"
            );
            return (format!("version `{version}` does not belong to line `{line}`"), hint);
        }
        Rule::VersionTwice { version, first } => (
            format!(
                "release `{version}` is in `{first}.yaml` already: a leading `v` does not make it another version"
            ),
            "keep one of the two files",
        ),
        Rule::NoPayload => {
            ("a release needs a payload".to_owned(), "add one with `release add --payload FILE`")
        }
        Rule::PayloadTwice { file, .. } => {
            (format!("payload file `{file}` is listed twice"), "name each file once")
        }
        Rule::NamesItself(reference) => {
            let key = key(*reference);
            let hint = format!("name another release of the line, or remove `{key}`");
            return (format!("`{key}` names the release itself"), hint);
        }
        Rule::NoSuchRelease { line, reference, version } => (
            format!("`{}` names `{version}`, but line `{line}` has no such release", key(*reference)),
            "name a release of this line",
        ),
        Rule::StageLeftOut { stage, before } => {
            let message = format!("the release entered `{stage}`, but not the stage before it");
            return (message, format!("add the entry for `{before}`"));
        }
        Rule::EnteredBackwards { stage, before, since } => {
            let hint =
                format!("a release goes through its stages in order: write a time after {}", rfc3339(*since));
            return (format!("the release entered `{stage}` before `{before}`"), hint);
        }
        Rule::Early { stage, before, spent, min, scheduled } => {
            let early = format!(
                "the release entered `{stage}` after `{}` in `{before}`, before its soak of `{}` was over",
                Span(*spent).rough(),
                Span(*min)
            );
            if !scheduled {
                return (format!("{early}, without a reason"), "give a `reason`".to_owned());
            }
            let hint = format!("`{SCHEDULE}` never does that: say who did it in `by`, and why in `reason`");
            return (early, hint);
        }
        Rule::ScheduledWhileHeld { stage, since } => (
            format!(
                "`{SCHEDULE}` promoted the release to `{stage}` although it had been held since {}",
                rfc3339(*since)
            ),
            "give the hold the time of the entry, or a later one, as its `at`: a promotion that was published cannot be taken back",
        ),
        Rule::YankedInCircle { version, to } => (
            format!("`{version}` is replaced by `{to}`, and that by `{version}` again, in a cycle"),
            "make the last of them name a release that is on offer, or remove its `to`",
        ),
        Rule::NoReplacement { version, barrier } => (
            format!("{}, and has no replacement", yanked(version, barrier)),
            "name a higher release to take instead (`to`, or `--to` of `release yank`): without one, clusters below would be stuck",
        ),
        Rule::LowerReplacement { version, barrier, to } => (
            format!("{}, and its replacement `{to}` is older", yanked(version, barrier)),
            "name a higher release: clusters between the two would jump over the barrier",
        ),
    };
    (message, hint.to_owned())
}

fn yanked(version: &Version, barrier: &Version) -> String {
    if version == barrier {
        format!("`{version}` is a yanked barrier")
    } else {
        format!("`{version}` was yanked and replaces the yanked barrier `{barrier}`")
    }
}

fn stage_names(stages: &[StageName]) -> String {
    let names: Vec<String> = stages.iter().map(|stage| format!("`{stage}`")).collect();
    format!("its stages are {}", names.join(", "))
}

const fn key(reference: Reference) -> &'static str {
    match reference {
        Reference::Replaces => "replaces",
        Reference::YankTo => "to",
    }
}

const fn soak_key(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Normal => "soak",
        Urgency::Security => "soak.security",
    }
}
