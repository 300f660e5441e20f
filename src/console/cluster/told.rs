//! What a session has done last, and what came of it.

use maud::{Markup, html};

use super::super::mark::{Mark, mark};
use super::super::text::{sentence, until};
use super::advice::Advice;
use super::follow;
use crate::domain::Time;

/// What a session has done last.
#[derive(Debug, Clone)]
pub struct Told {
    pub at: Time,
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done(String),
    Refused(String),
    /// What a channel would tell the cluster.
    Answer {
        channel: String,
        /// Whether the cluster follows that channel already.
        is_own: bool,
        /// Whether it would not update the cluster until somebody acts: mostly, its gate is closed.
        is_blocked: bool,
        /// With the channel to follow first, if the cluster does not follow that yet.
        advice: Advice,
    },
}

pub(super) fn told(Told { at, outcome }: &Told, csrf: &str) -> Markup {
    let (class, sign) = match outcome {
        Outcome::Done(_) => ("card coming", mark(Mark::Go, "Done")),
        Outcome::Refused(_) => ("card halt-edge", mark(Mark::Stop, "Refused")),
        Outcome::Answer { is_blocked: true, .. } => ("card halt-edge", mark(Mark::Stop, "Not yet")),
        Outcome::Answer { .. } => ("card coming", mark(Mark::Go, "Answer")),
    };
    html! {
        section class=(class) role="status" {
            @match outcome {
                Outcome::Done(text) | Outcome::Refused(text) => p { (sign) " " (sentence(text)) },
                Outcome::Answer { channel, advice, .. } => {
                    p { (sign) " for " span.v { (channel) } }
                    p { (sentence(&advice.text)) }
                    (advice.unsigned())
                }
            }
            p.soft.small { (until(*at)) }
            @if let Outcome::Answer { channel, is_own: false, is_blocked, advice } = outcome {
                @if let Some(first) = &advice.first { (follow(csrf, first, true)) }
                @if *is_blocked { p { "If you follow " span.v { (channel) } " anyway, this cluster gets no updates, not even of its present minor, until that is resolved." } }
                p.soft.small { "An approval for the present channel does not count in another one." }
                (follow(csrf, channel, !is_blocked))
            }
        }
    }
}
