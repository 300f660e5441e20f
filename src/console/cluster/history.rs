//! What a cluster's agent and its operator have done.

use maud::{Markup, html};

use super::super::mark::{Mark, mark};
use super::super::text::{sentence, time};
use crate::domain::Time;

/// Something that the agent did or refused, or that an operator ordered.
#[derive(Debug)]
pub struct Entry {
    pub at: Time,
    /// The release of an update, or the one that was approved.
    pub version: Option<String>,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// The cluster was updated, from this version.
    Applied(Option<String>),
    Failed {
        kind: String,
        reason: String,
    },
    /// An order, with the reason that was given, and by whom if that is known.
    Ordered {
        order: Order,
        reason: String,
        by: Option<String>,
    },
}

/// What an operator can order.
#[derive(Debug)]
pub enum Order {
    Approve,
    Pause,
    Resume,
    /// Another channel.
    Follow {
        from: String,
        to: String,
    },
    /// Another strategy.
    Strategy {
        from: String,
        to: String,
    },
}

/// The latest entry comes last, and is shown first.
pub(super) fn past(history: &[Entry]) -> Markup {
    html! {
        @if history.is_empty() { p.soft { "Nothing yet." } }
        ul.list {
            @for entry in history.iter().rev() {
                li { span.when { (time(entry.at)) } div { (told(entry)) } }
            }
        }
    }
}

fn told(Entry { version, what, .. }: &Entry) -> Markup {
    let version = html! { @if let Some(version) = version { " " span.v { (version) } } };
    match what {
        What::Applied(from) => html! {
            p { "Updated" @if let Some(from) = from { " from " span.v { (from) } } " to" (version) }
        },
        What::Failed { kind, reason } => html! {
            p {
                @if version.0.is_empty() { (mark(Mark::Stop, "Check failed")) }
                @else { (mark(Mark::Stop, "Failed")) " to update to" (version) }
            }
            p { (sentence(reason)) }
            p.soft.small { code { (kind) } }
        },
        What::Ordered { order, reason, by } => html! {
            p {
                @match order {
                    Order::Approve => { "Approved" (version) }
                    Order::Pause => "Updates paused",
                    Order::Resume => "Updates resumed",
                    Order::Follow { from, to } => { "Channel changed from " span.v { (from) } " to " span.v { (to) } }
                    Order::Strategy { from, to } => { "Strategy changed from " (from) " to " (to) }
                }
                @if let Some(by) = by { " " (by) }
                @if !reason.is_empty() { ": " (reason) }
            }
        },
    }
}
