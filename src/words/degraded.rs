//! Problems that do not stop a server from serving, and why lines were refused.

use super::ahead::{entry_ahead, redate};
use super::restraints::{forgotten, forgotten_hint, lost, lost_hint};
use super::{and_more, objection, step_back, step_back_hint};
use crate::domain::degraded::{Claim, ClockDoubt, Degraded, LineRefusal};
use crate::domain::rfc3339;

/// What the public sees of a problem, beside its kind, if operators have an address of their own.
pub const DETAILS_ELSEWHERE: &str = "for the details, ask `/readyz` at the server's admin address";

/// Describes a problem, and how to fix it.
pub fn degraded(degraded: &Degraded) -> String {
    match degraded {
        Degraded::LineRefused { line, keeps: _, refusal: LineRefusal::Lost { why, may_pass: true } } => format!(
            "what was published of line `{line}` cannot be read, so nothing is answered about it: {why}; mend that, and the server goes on by itself"
        ),
        Degraded::LineRefused { line, keeps: _, refusal: LineRefusal::Lost { why, may_pass: false } } => format!(
            "line `{line}` is lost, so nothing is answered about it: {why}; restore it with `tidegate recover --from URL|DIR` or, without a copy, `tidegate recover --anew {line} --reason TEXT`"
        ),
        Degraded::LineRefused { line, keeps, refusal } => {
            let keeps = if *keeps {
                "was refused (its last good documents stay published)"
            } else {
                "was refused and left out"
            };
            let check = match refusal {
                LineRefusal::Faulty { .. } => "; every fault, each with a hint: `tidegate catalog check`",
                LineRefusal::Lost { .. } | LineRefusal::StepsBack(_) | LineRefusal::Claims { .. } => "",
            };
            format!("line `{line}` {keeps}: {}{check}", line_refusal(refusal))
        }
        Degraded::NotOffered { version, evidence, more } => {
            let why = objection(evidence).map(|why| format!(": {why}")).unwrap_or_default();
            format!("`{version}`{} is not offered{why}; see `tidegate explain {version}`", and_more(*more))
        }
        Degraded::RestraintsLost { restraint, what, more } => {
            format!("{}{}; it still counts: {}", lost(restraint), and_more(*more), lost_hint(what))
        }
        Degraded::RestraintsForgotten(one) => {
            let until = if one.is_denied { "it can" } else { "somebody decides" };
            format!("{}; nothing is promoted until {until}: {}", forgotten(one), forgotten_hint(one))
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
        Degraded::DatedAhead { version, channel, since, more } => format!(
            "{}{}; {}",
            entry_ahead(version, channel, *since),
            and_more(*more),
            redate(version)
        ),
        Degraded::ExpiryNear { document, expires, expired } => {
            let word = if *expired { "expired" } else { "expires" };
            format!("`{document}` {word} at {}: {}", rfc3339(*expires), renew(document))
        }
        Degraded::MirrorExpiryNear { expires } => format!(
            "the imported content expires at {}: export it again on the vendor's server, and run `tidegate import DIR` here",
            rfc3339(*expires)
        ),
        Degraded::MirrorLost { line, why } => format!(
            "what was imported of line `{line}` is lost, so nothing is answered about it: {why}; import it again with `tidegate import DIR`"
        ),
        Degraded::MirrorLacks { version, file, more } => format!(
            "payload `{file}` of `{version}`{} is missing or damaged here, and is not served: run `tidegate import DIR` again with a good export",
            and_more(*more)
        ),
        Degraded::NotCopied { version, file, why, more } => format!(
            "payload `{file}` of `{version}`{} cannot be copied, and so cannot be served: {why}; mend that, and the server goes on by itself",
            and_more(*more)
        ),
        Degraded::ClockUntrusted(doubt) => clock_doubt(doubt),
        Degraded::RefusedByClock { now, expires } => format!(
            "what is served expires at {}, so clients whose clocks say {}, like this machine's, refuse it: if that is the right time, run `tidegate clock accept --reason TEXT`",
            rfc3339(*expires),
            rfc3339(*now)
        ),
        Degraded::NoKeys => {
            "the catalog has no keys yet, so nothing can be published: `tidegate init --offline-keys DIR` creates them".to_owned()
        }
        Degraded::NoOnlineKey => "the state folder does not have the online key that the root names: restore the key, or rotate it (`tidegate root change FILE --add online=PUBLIC.pem --drop online=KEYID`)".to_owned(),
        Degraded::StateAway { version, found } => {
            let found = found.map_or_else(
                || "it was removed, or its volume is not mounted".to_owned(),
                |found| format!("the one there has the version {found}"),
            );
            format!("the state folder does not have the last publication of this server, version {version} ({found}), so nothing is signed or promoted: bring the state folder back, and the server goes on by itself; if it is lost, stop the server, and run `tidegate recover --from URL|DIR`")
        }
        // Restoring what only cannot be read would lead back here.
        Degraded::TrustKept { why, is_unread: true } => format!(
            "`trust/` cannot be read ({why}), so the published keys and roles stay in use: mend that, and the server goes on"
        ),
        Degraded::TrustKept { why, is_unread: false } => format!(
            "`trust/` is not a valid successor to what was published ({why}), so the published keys and roles stay in use; restore `trust/` (`tidegate recover --trust` takes it from the last publication), or sign its next version"
        ),
        Degraded::Unread { why } => {
            format!("the catalog is not settled, so only stops are taken from it: {why}; find out which program keeps changing it, and run `tidegate catalog check`")
        }
        Degraded::WitnessUnasked { why } => format!(
            "the witness has not been asked yet, so nothing shows that this server is not behind what is published there: {why}; the server keeps trying: check that the witness is up, or restart the server without `--witness`"
        ),
        Degraded::MirrorGone => {
            "the imported content is gone; the server keeps serving what it has loaded: import it again with `tidegate import DIR`".to_owned()
        }
        Degraded::Panicked { why } => format!("the promoter failed because of a bug in tidegate: {why}; report it with the log, and restart the server if it does not go on by itself"),
        Degraded::NotCommitted { why, more } => format!(
            "{}{}; mend that, and the server goes on by itself; `tidegate catalog check` lists every file that it cannot edit",
            why.join("; "),
            and_more(*more)
        ),
        Degraded::Failed { why, .. } => format!("{why}; mend that, and the server goes on by itself"),
        Degraded::Reported { detail, since, .. } => {
            format!("{detail} (as the server has reported since {})", rfc3339(*since))
        }
    }
}

/// Says how to renew a signed document.
pub fn renew(document: &str) -> String {
    match document {
        "publication" => {
            "a running server renews it every day, so start it, or find out in its log why it cannot sign"
                .to_owned()
        }
        "root" | "targets" => {
            format!("renew it with its keys: `tidegate root change FILE --renew {document}`")
        }
        _ => "sign it anew with a release key: `tidegate release sign --key FILE`".to_owned(),
    }
}

/// Says why a line was refused, and how to fix it.
pub fn line_refusal(refusal: &LineRefusal) -> String {
    match refusal {
        LineRefusal::Faulty { why } => why.clone(),
        LineRefusal::Lost { why, may_pass: true } => {
            format!("what was published of the line cannot be read: {why}")
        }
        LineRefusal::Lost { why, may_pass: false } => format!(
            "what was published of the line is lost: {why}; `tidegate status` shows how to restore it"
        ),
        LineRefusal::StepsBack(steps) => match &steps[..] {
            [] => "the line would step back from what was published".to_owned(),
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
                "{claim} to line `{of}`, whose last good documents are still being served; fix line `{of}` first, or use something else here"
            )
        }
    }
}

/// Says why the clock is not trusted, and how to fix it.
pub fn clock_doubt(doubt: &ClockDoubt) -> String {
    let remedy = match doubt {
        ClockDoubt::Turned { has_booted: true, .. } => {
            "it is believed once a time server has set it (`timedatectl` shows that), or confirm it if it is right: `tidegate clock accept --reason TEXT`"
        }
        ClockDoubt::Turned { .. } => {
            "correct it, or confirm it if it is right now: `tidegate clock accept --reason TEXT`"
        }
        ClockDoubt::Behind { .. } => {
            "correct the clock; if it is correct now and was ahead then, stop the server, move `publication` out of the state folder, and start it again with `serve --first`"
        }
    };
    format!("{}; {remedy}", clock_reading(doubt))
}

/// Says why the clock is not trusted.
pub fn clock_reading(doubt: &ClockDoubt) -> String {
    match doubt {
        ClockDoubt::Turned { now, expected, has_booted: true } => format!(
            "after a boot, the clock says {}, more than a day later than the last time known, {}, and no time server confirms that",
            rfc3339(*now),
            rfc3339(*expected)
        ),
        ClockDoubt::Turned { now, expected, .. } => {
            format!("the clock was changed: it says {}, but should say {}", rfc3339(*now), rfc3339(*expected))
        }
        ClockDoubt::Behind { now, made } => format!(
            "the clock says {}, but the last publication was made at {}",
            rfc3339(*now),
            rfc3339(*made)
        ),
    }
}
