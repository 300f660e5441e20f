//! Pausing a channel, and ending the pause.

use super::{Note, Outcome, Refused, Subject};
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::change::Change;
use crate::domain::channel::ChannelName;
use crate::domain::release::Event;

/// Pauses a channel. A channel that is already paused for the same reason is left unchanged.
///
/// # Errors
/// When the channel is unknown, or is paused for another reason.
pub(super) fn pause<'a>(
    catalog: &'a Catalog,
    name: &'a ChannelName,
    pause: &Event,
) -> Result<Outcome, Refused<'a>> {
    let channels = catalog.stoppable_channels(name);
    let channel = *channels.first().ok_or(Refused::NoChannel(name))?;
    let running = channels.iter().filter(|one| one.stage().paused.as_ref().is_none_or(Event::is_unread));
    let changes: Vec<Change> = running
        .map(|channel| Change::Pause {
            line: channel.line.name.clone(),
            stage: channel.stage().name.clone(),
            pause: pause.clone(),
        })
        .collect();
    let stage = channel.stage();
    if let Some(present) = stage.paused.as_ref().filter(|_| changes.is_empty())
        && present.reason != pause.reason
    {
        return Err(Refused::Paused { channel: &stage.channel, pause: present });
    }
    let notes = channels.iter().flat_map(|channel| Note::of_line(catalog, channel.line)).collect();
    let subject = match channels[..] {
        [channel] => subject(channel),
        _ => Subject::Channel { channel: name.clone() },
    };
    Ok(Outcome { notes, ..Outcome::of(subject, changes) })
}

/// Ends the pause of a channel.
///
/// # Errors
/// When the channel is unknown.
pub(super) fn unpause<'a>(
    catalog: &'a Catalog,
    name: &'a ChannelName,
    end: Event,
) -> Result<Outcome, Refused<'a>> {
    let channel = catalog.channel(name).ok_or(Refused::NoChannel(name))?;
    let stage = channel.stage();
    let (line, name) = (&channel.line.name, &stage.name);
    let unpause =
        |pause: &Event| Change::Unpause { line: line.clone(), stage: name.clone(), ended: pause.ended(end) };
    Ok(Outcome::of(subject(channel), stage.paused.as_ref().map(unpause)))
}

fn subject(channel: ChannelRef<'_>) -> Subject {
    Subject::Channel { channel: channel.name().clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, ended, event, line, t};

    /// Production is paused, and is called `stable` too.
    fn paused() -> Catalog {
        let mut line = line("1.8", None);
        line.stages[1].paused = Some(event(t("2018-02-02"), "slow nodes"));
        line.stages[1].aliases = vec!["stable".parse().unwrap()];
        catalog([line])
    }

    fn name(text: &str) -> ChannelName {
        text.parse().unwrap()
    }

    #[test]
    fn a_channel_is_paused_once_and_for_one_reason() {
        let (catalog, now) = (paused(), t("2018-02-03"));
        let pause_of = |stage: &str, reason: &str| Change::Pause {
            line: "1.8".parse().unwrap(),
            stage: stage.parse().unwrap(),
            pause: event(now, reason),
        };
        let (production, unknown) = (name("1.8-production"), name("1.9-production"));
        let since = event(t("2018-02-02"), "slow nodes");
        for (channel, reason, expected) in [
            ("1.8-preproduction", "an outage", Ok(vec![pause_of("preproduction", "an outage")])),
            ("stable", "slow nodes", Ok(vec![])),
            ("stable", "an outage", Err(Refused::Paused { channel: &production, pause: &since })),
            ("1.9-production", "an outage", Err(Refused::NoChannel(&unknown))),
        ] {
            let asked = name(channel);
            let outcome = pause(&catalog, &asked, &event(now, reason));
            assert_eq!(outcome.map(|outcome| outcome.changes), expected, "{channel}");
        }
    }

    #[test]
    fn an_alias_resumes_its_channel() {
        let catalog = paused();
        let end = || event(t("2018-02-03"), "it was the network");
        let outcome = |channel: &str| unpause(&catalog, &name(channel), end()).unwrap();
        let stable = outcome("stable");
        assert_eq!(stable.subject, Subject::Channel { channel: name("1.8-production") });
        let (line, stage) = ("1.8".parse().unwrap(), "production".parse().unwrap());
        let ended = ended("2018-02-02", "2018-02-03");
        assert_eq!(stable.changes, [Change::Unpause { line, stage, ended }]);
        assert!(!outcome("1.8-preproduction").is_change());
        assert_eq!(unpause(&catalog, &name("edge"), end()), Err(Refused::NoChannel(&name("edge"))));
    }
}
