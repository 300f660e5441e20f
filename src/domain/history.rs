//! What has happened in a line, from the records that the catalog keeps.

use super::Time;
use super::channel::ChannelName;
use super::line::Line;
use super::named::tagged;
use super::release::Release;
use super::version::Version;

/// One thing that happened: a promotion, or a stop that began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened<'a> {
    pub at: Time,
    /// Who did it: a person, or [`SCHEDULE`](super::release::SCHEDULE).
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub line: &'a Line,
    pub what: What<'a>,
}

tagged! {
    /// What happened.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum What<'a> {
        /// A release entered a channel.
        Entered { version: &'a Version, channel: &'a ChannelName } = "entered",
        Held { version: &'a Version } = "held",
        /// A hold that began at `from` was ended.
        Resumed { version: &'a Version, from: Time } = "resumed",
        Yanked { version: &'a Version, to: Option<&'a Version> } = "yanked",
        /// A yank that began at `from` was ended.
        Unyanked { version: &'a Version, from: Time } = "unyanked",
        Paused { channel: &'a ChannelName } = "paused",
        /// A pause that began at `from` was ended.
        Unpaused { channel: &'a ChannelName, from: Time } = "unpaused",
        Retired = "retired",
    }
}

/// What has happened in a line by `now`, in no order.
pub fn history(line: &Line, now: Time) -> impl Iterator<Item = Happened<'_>> {
    let retired = line.retired(now).map(|event| (event.at, &*event.by, Some(&*event.reason), What::Retired));
    let pauses = line.stages.iter().flat_map(move |stage| {
        let channel = &stage.channel;
        let now = stage
            .paused(now)
            .map(|event| (event.at, &*event.by, Some(&*event.reason), What::Paused { channel }));
        let ended = stage.resumed.iter().map(move |ended| {
            (ended.until, &*ended.by, Some(&*ended.reason), What::Unpaused { channel, from: ended.from })
        });
        now.into_iter().chain(ended)
    });
    let releases = line.releases.values().flat_map(move |release| of_release(line, release, now));
    let all = retired.into_iter().chain(pauses).chain(releases);
    all.filter(move |(at, ..)| *at <= now).map(move |(at, by, reason, what)| Happened {
        at,
        by,
        reason,
        line,
        what,
    })
}

/// What has happened to one release by `now`, in no order.
pub fn history_of_release<'a>(
    line: &'a Line,
    release: &'a Release,
    now: Time,
) -> impl Iterator<Item = Happened<'a>> {
    let all = of_release(line, release, now).filter(move |(at, ..)| *at <= now);
    all.map(move |(at, by, reason, what)| Happened { at, by, reason, line, what })
}

fn of_release<'a>(
    line: &'a Line,
    release: &'a Release,
    now: Time,
) -> impl Iterator<Item = (Time, &'a str, Option<&'a str>, What<'a>)> {
    let version = &release.version;
    let entries = line.stages.iter().zip(&release.entries).filter_map(move |(stage, entry)| {
        let entry = entry.as_ref()?;
        Some((
            entry.since,
            &*entry.by,
            entry.reason.as_deref(),
            What::Entered { version, channel: &stage.channel },
        ))
    });
    let held =
        release.held(now).map(|event| (event.at, &*event.by, Some(&*event.reason), What::Held { version }));
    let yanked = release.yanked(now).map(|yank| {
        (
            yank.event.at,
            &*yank.event.by,
            Some(&*yank.event.reason),
            What::Yanked { version, to: yank.to.as_ref() },
        )
    });
    let past = release.past.iter().flat_map(move |past| {
        let resumed =
            past.resumed.iter().map(move |ended| (ended, What::Resumed { version, from: ended.from }));
        let unyanked =
            past.unyanked.iter().map(move |ended| (ended, What::Unyanked { version, from: ended.from }));
        resumed.chain(unyanked).map(|(ended, what)| (ended.until, &*ended.by, Some(&*ended.reason), what))
    });
    entries.chain(held).chain(yanked).chain(past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::release::Past;
    use crate::domain::testing::{ended, event, line, release, t};

    #[test]
    fn what_a_line_records_is_its_history_and_nothing_of_it_lies_ahead() {
        let mut one = release("1.8.4", &["2018-01-02", "2018-01-20"]).held_at("2018-01-06");
        let resumed = vec![ended("2018-01-03", "2018-01-04")];
        one.past = Some(Box::new(Past { resumed, ..Past::default() }));
        let mut line = line("1.8", None).with(one);
        line.stages[1].paused = Some(event(t("2018-01-08"), "slow"));
        let told = |now| {
            let mut all: Vec<_> = history(&line, t(now)).map(|one| (one.at, one.what.name())).collect();
            all.sort_by_key(|(at, _)| *at);
            all
        };
        let at = |day: &str, what| (t(day), what);
        let early = [
            at("2018-01-02", "entered"),
            at("2018-01-04", "resumed"),
            at("2018-01-06", "held"),
            at("2018-01-08", "paused"),
        ];
        assert_eq!(told("2018-01-10"), early);
        assert_eq!(told("2018-01-20"), [&early[..], &[at("2018-01-20", "entered")]].concat());
    }
}
