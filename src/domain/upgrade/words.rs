//! The sentences for answers. None of them names the version that asks: the same text serves all.

use std::fmt;

use super::super::release::Event;
use super::super::rfc3339;
use super::{Advice, Answer, Blocked, Coming, NoneCode, Step, UpdateCode, Wait};

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = self.channel.name();
        match &self.advice {
            Advice::Update { target, code } => {
                let version = &target.version;
                match code {
                    UpdateCode::Latest => write!(f, "update to `{version}`, the latest of `{channel}`"),
                    UpdateCode::Barrier => {
                        write!(
                            f,
                            "update to `{version}` first: nothing above it in `{channel}` may be taken before"
                        )
                    }
                    UpdateCode::Yanked => write!(f, "this version was yanked; update to `{version}`"),
                    UpdateCode::NextLine => {
                        write!(
                            f,
                            "update to `{version}`: the way into line `{}` is open",
                            self.channel.line.name
                        )
                    }
                }
            }
            Advice::None { code, coming } => {
                match code {
                    NoneCode::UpToDate => write!(f, "up to date: this is the latest of `{channel}`"),
                    NoneCode::Retired { retired: Event { at, reason, .. }, next } => {
                        let line = &self.channel.line.name;
                        let at = rfc3339(*at);
                        write!(
                            f,
                            "up to date, and nothing new comes: line `{line}` is retired since {at}: {reason}"
                        )?;
                        let next = next.map(|next| (&next.line.name, next.name()));
                        next.map_or(Ok(()), |(line, channel)| {
                            write!(f, "; line `{line}` follows, in channel `{channel}`")
                        })
                    }
                    NoneCode::Ahead => {
                        write!(f, "nothing to do: `{channel}` offers nothing higher than this version")
                    }
                    NoneCode::UnknownVersion => {
                        write!(
                            f,
                            "nothing to do: this version is not in the catalog, and `{channel}` offers nothing higher"
                        )
                    }
                    NoneCode::NothingOffered => write!(f, "nothing to do: `{channel}` offers nothing yet"),
                }?;
                coming.as_ref().map_or(Ok(()), |coming| write!(f, "; {coming}"))
            }
            Advice::Wait(Wait::Paused { pause }) => {
                write!(f, "wait: `{channel}` is paused since {}: {}", rfc3339(pause.at), pause.reason)
            }
            Advice::Wait(Wait::Coming(coming)) => {
                let there = coming.channel.name();
                if coming.channel.line.name == self.channel.line.name {
                    return write!(f, "wait: nothing in `{there}` may be taken yet; {coming}");
                }
                let line = &self.channel.line.name;
                write!(
                    f,
                    "wait: the way to line `{line}` leads through `{there}`, and nothing there may be taken yet; {coming}"
                )
            }
            Advice::Blocked(blocked) => self.blocked(blocked, f),
        }
    }
}

impl Answer<'_> {
    fn blocked(&self, blocked: &Blocked<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.channel.line.name;
        match blocked {
            Blocked::MinorGate { take: None, .. } => {
                write!(f, "blocked: line `{line}` is entered from the line before, and that offers nothing")
            }
            Blocked::MinorGate { take: Some(take), next } => {
                write!(f, "blocked: line `{line}` is entered from {take}")?;
                match next {
                    Some(next) if next.release.version != take.release.version => {
                        write!(f, "; take {next} next")
                    }
                    _ => f.write_str("; take that first"),
                }
            }
            Blocked::Yanked { yank, fix } => {
                write!(
                    f,
                    "blocked: this version was yanked ({}) and nothing higher is on offer",
                    yank.event.reason
                )?;
                fix.as_ref().map_or(Ok(()), |fix| write!(f, "; {fix}"))
            }
            Blocked::Barrier { barrier, channel } => write!(
                f,
                "blocked: `{barrier}` must be taken first, and `{}` does not offer it yet",
                channel.name()
            ),
            Blocked::UnknownVersion { take } => {
                write!(
                    f,
                    "blocked: this version is not in the catalog, and line `{line}` is entered from known ones only"
                )?;
                take.as_ref().map_or(Ok(()), |take| write!(f, ": {take} opens the way"))
            }
            Blocked::NoWay => write!(f, "blocked: no way leads from this version's line to line `{line}`"),
        }
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of channel `{}`", self.release.version, self.channel.name())
    }
}

impl fmt::Display for Coming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` comes at {} at the earliest", self.release.version, rfc3339(self.until))
    }
}
