//! Stopping one channel, and letting it go on.

use super::{Author, Outcome, Refused, Subject, find_channel};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::ChannelName;
use crate::domain::release::Event;

/// Stop a channel: its clusters wait, and nothing is promoted into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The channel's name or an alias.
    pub channel: ChannelName,
    pub reason: String,
    pub by: Author,
}

/// End a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpause {
    /// The channel's name or an alias.
    pub channel: ChannelName,
}

/// Pauses a channel. One that is paused for the same reason is left as it is.
///
/// # Errors
/// When the channel is unknown, or is paused for another reason.
pub fn pause<'a>(catalog: &'a Catalog, ask: &'a Pause, now: Time) -> Result<Outcome, Refused<'a>> {
    let channel = find_channel(catalog, &ask.channel)?;
    let stage = channel.stage();
    let subject = Subject::Channel(stage.channel.clone());
    match &stage.paused {
        Some(pause) if pause.reason == ask.reason => return Ok(Outcome::unchanged(subject)),
        Some(pause) => return Err(Refused::Paused { channel: &stage.channel, pause }),
        None => {}
    }
    let pause = Event::new(now, ask.by.to_string(), ask.reason.clone());
    let (line, stage) = (channel.line.name.clone(), stage.name.clone());
    Ok(Outcome::changed(subject, Change::Pause { line, stage, pause }))
}

/// Lets a paused channel go on.
///
/// # Errors
/// When the channel is unknown.
pub fn unpause<'a>(catalog: &'a Catalog, ask: &'a Unpause) -> Result<Outcome, Refused<'a>> {
    let channel = find_channel(catalog, &ask.channel)?;
    let stage = channel.stage();
    let subject = Subject::Channel(stage.channel.clone());
    if stage.paused.is_none() {
        return Ok(Outcome::unchanged(subject));
    }
    let (line, stage) = (channel.line.name.clone(), stage.name.clone());
    Ok(Outcome::changed(subject, Change::Unpause { line, stage }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, t};

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
            let by = Author::named("ada").unwrap();
            let ask = Pause { channel: name(channel), reason: reason.to_owned(), by };
            assert_eq!(pause(&catalog, &ask, now).map(|outcome| outcome.changes), expected, "{channel}");
        }
    }

    #[test]
    fn an_alias_resumes_its_channel() {
        let catalog = paused();
        let outcome = |channel: &str| unpause(&catalog, &Unpause { channel: name(channel) }).unwrap();
        let stable = outcome("stable");
        assert_eq!(stable.subject, Subject::Channel(name("1.8-production")));
        let (line, stage) = ("1.8".parse().unwrap(), "production".parse().unwrap());
        assert_eq!(stable.changes, [Change::Unpause { line, stage }]);
        assert!(!outcome("1.8-preproduction").is_change());
        assert_eq!(
            unpause(&catalog, &Unpause { channel: name("edge") }),
            Err(Refused::NoChannel(&name("edge")))
        );
    }
}
