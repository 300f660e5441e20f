//! What is wrong while a server keeps serving, and why lines were refused.

use super::{and_more, objection, step_back, step_back_hint};
use crate::domain::degraded::{Claim, ClockDoubt, Degraded, LineRefusal};
use crate::domain::rfc3339;

/// What is wrong, and the way out.
#[must_use]
pub fn degraded(degraded: &Degraded) -> String {
    match degraded {
        Degraded::LineRefused { line, keeps, refusal } => {
            let keeps = if *keeps { "keeps its last documents" } else { "is left out" };
            format!("line `{line}` {keeps}: {}", line_refusal(refusal))
        }
        Degraded::NotOffered { version, evidence, more } => {
            let why = objection(evidence).map(|why| format!(": {why}")).unwrap_or_default();
            format!("`{version}`{} is not offered{why}: `tidegate explain {version}`", and_more(*more))
        }
        Degraded::PromotionsOverdue { count, version, since } => {
            let since = rfc3339(*since);
            let overdue = if *count == 1 {
                format!("the promotion of `{version}` has been overdue since {since}")
            } else {
                format!("{count} promotions are overdue, that of `{version}` since {since}")
            };
            format!("{overdue}: see why with `tidegate explain {version}`")
        }
        Degraded::ExpiryNear { document, expires, expired } => {
            let word = if *expired { "expired" } else { "expires" };
            format!("`{document}` {word} at {}", rfc3339(*expires))
        }
        Degraded::MirrorExpiryNear { expires } => format!(
            "what was imported expires at {}: export it again at the vendor's, and import it here",
            rfc3339(*expires)
        ),
        Degraded::ClockUntrusted(doubt) => clock_doubt(doubt),
        Degraded::NoKeys => {
            "the catalog has no keys yet, so nothing can be published: `tidegate init` creates them".to_owned()
        }
        Degraded::NoOnlineKey => "no key in the state folder is the online key that the root names: bring it back, or rotate it (`tidegate root change --add online=PUBLIC.pem --drop online=KEYID`)".to_owned(),
        Degraded::TrustKept { why } => format!(
            "`trust/` cannot follow what was published, so its last keys and roles are kept: {why}; put it back, or sign its next version"
        ),
        Degraded::Unread { why } => {
            format!("the catalog has changed, and the change has not been read: {why}")
        }
        Degraded::MirrorGone => "what was imported is gone; what was served before still is".to_owned(),
        Degraded::Panicked { why } => format!("the promoter failed, which is a fault in tidegate: {why}"),
        Degraded::NotCommitted { why, more } => format!("{}{}", why.join("; "), and_more(*more)),
        Degraded::Failed { why, .. } => why.clone(),
    }
}

/// Why a line was refused, and how to put it right.
#[must_use]
pub fn line_refusal(refusal: &LineRefusal) -> String {
    match refusal {
        LineRefusal::Faulty { why } => why.clone(),
        LineRefusal::StepsBack(steps) => match &steps[..] {
            [] => "it would step back".to_owned(),
            [first, rest @ ..] => {
                format!("{}; {}{}", step_back(first), step_back_hint(first), and_more(rest.len()))
            }
        },
        LineRefusal::Claims { claim, of } => {
            let claim = match claim {
                Claim::Channel(name) => format!("channel `{name}` belongs"),
                Claim::Versions(prefix) => format!("versions `{prefix}` belong"),
            };
            format!(
                "{claim} to line `{of}`, which keeps its last documents; put line `{of}` right first, or use something else here"
            )
        }
    }
}

/// Why a clock is not trusted, and how to put it right.
#[must_use]
pub fn clock_doubt(doubt: &ClockDoubt) -> String {
    match doubt {
        ClockDoubt::Turned { now, expected } => format!(
            "the clock was turned: it says {}, and should say {}; set it right, or restart the server if it is right now",
            rfc3339(*now),
            rfc3339(*expected)
        ),
        ClockDoubt::Behind { now, made } => format!(
            "the clock says {}, and the last publication was made at {}; set the clock right; if it is right, and was ahead when that was made, stop the server, move `publication` out of the state folder, and start it again with `serve --first`",
            rfc3339(*now),
            rfc3339(*made)
        ),
    }
}
