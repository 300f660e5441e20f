//! Gates: what a promotion is waiting for, and until when.

use std::fmt;

use chrono::TimeDelta;

use super::{ahead, event, evidence, retired, yanked};
use crate::domain::channel::ChannelName;
use crate::domain::named::named;
use crate::domain::promotion::{Fact, Gate, GateState, SoakEnd};
use crate::domain::release::{ManifestFault, ManifestState, PayloadState};
use crate::domain::rfc3339;
use crate::domain::span::Span;
use crate::domain::version::Version;

/// Says what a gate checked, and what it found.
pub fn gate(gate: &Gate<'_>) -> String {
    let passes = gate.state == GateState::Passes;
    let skipped = if gate.is_waived() { "skipped: " } else { "" };
    match gate.fact {
        Fact::Recorded { since, ahead } => {
            let since = rfc3339(since);
            if ahead {
                format!(
                    "its promotion is already recorded, dated {since}, which is ahead of this machine's clock, so it takes effect only then"
                )
            } else {
                format!("the catalog already has an entry dated {since}")
            }
        }
        Fact::Yanked { yank } => yanked(yank),
        Fact::Signed { manifest } => evidence::manifest(manifest, passes),
        Fact::Expired { at } => format!(
            "the signature of its line's releases expired at {}, so clusters refuse them",
            rfc3339(at)
        ),
        Fact::Payload { payload } => evidence::payload(payload),
        Fact::Soak { since, soak, ends, waived } => {
            let (min, since) = (Span(soak.min), rfc3339(since));
            let (due, lost) = match ends {
                SoakEnd::Paused { channel, pause, .. } => {
                    return format!(
                        "{skipped}the soak of {min} since {since} stands still: channel `{channel}` has been paused {}",
                        event(pause)
                    );
                }
                SoakEnd::Yanked => {
                    return format!(
                        "{skipped}the soak of {min} since {since} stands still: the release is yanked"
                    );
                }
                SoakEnd::Unavailable => {
                    return format!(
                        "{skipped}the soak of {min} since {since} stands still: a payload is missing"
                    );
                }
                SoakEnd::At { due, lost } => (rfc3339(due), lost),
            };
            let said = match gate.state {
                GateState::Passes if waived => format!("{skipped}the soak of {min} since {since} ends {due}"),
                GateState::Passes => format!("the soak of {min} since {since} is over"),
                GateState::Waits { .. } | GateState::Blocks => {
                    format!("soaking for {min} since {since}, until {due}")
                }
            };
            if lost > TimeDelta::zero() {
                format!("{said}, not counting `{}` in which it was not on offer", Span(lost).rough())
            } else {
                said
            }
        }
        Fact::NotBefore { at, .. } => format!("its signature allows it to enter at {} or later", rfc3339(at)),
        Fact::Retired { line, retired: event } => retired(line, event),
        Fact::Hold { hold: None } => "not held".to_owned(),
        Fact::Hold { hold: Some(hold) } => format!("held {}", event(hold)),
        Fact::Freeze { freeze: None, .. } => "no freeze".to_owned(),
        Fact::Freeze { freeze: Some(freeze), .. } => {
            let (from, until) = (rfc3339(freeze.from), rfc3339(freeze.until));
            format!("{skipped}frozen from {from} until {until}: {}", freeze.reason)
        }
        Fact::Window { window, .. } => match gate.state {
            GateState::Waits { until } => {
                format!("outside the promotion window ({window}), which opens at {}", rfc3339(until))
            }
            GateState::Passes => format!("{skipped}promotions happen {window}"),
            GateState::Blocks => format!("promotions happen {window}, which is never"),
        },
        Fact::Order { barrier: None, .. } => "no older barrier is pending".to_owned(),
        Fact::Order { barrier: Some(barrier), is_due } => {
            let barrier = &barrier.version;
            match gate.state {
                GateState::Waits { until } => {
                    format!(
                        "waiting for barrier `{barrier}` (no cluster may skip it), which enters at {} at the earliest",
                        rfc3339(until)
                    )
                }
                GateState::Passes | GateState::Blocks if is_due => {
                    format!(
                        "waiting for barrier `{barrier}` (no cluster may skip it), which is due but not promoted yet"
                    )
                }
                GateState::Passes | GateState::Blocks => {
                    format!(
                        "waiting for barrier `{barrier}` (no cluster may skip it), which is itself blocked"
                    )
                }
            }
        }
        Fact::Paused { pause: None, .. } => "the channel is not paused".to_owned(),
        Fact::Paused { channel, pause: Some(pause) } => {
            format!("channel `{channel}` has been paused {}", event(pause))
        }
    }
}

named! {
    /// The kinds of remedies, with their names in JSON.
    pub enum RemedyKind {
        Init = "init",
        Sign = "sign",
        SignAgain = "sign_again",
        RestoreTrust = "restore_trust",
        RestorePayload = "restore_payload",
        BringForward = "bring_forward",
        NextLine = "next_line",
        Resume = "resume",
        ResumeChannel = "resume_channel",
        Unyank = "unyank",
        YankTo = "yank_to",
        Promote = "promote",
        PromoteEarly = "promote_early",
        Redate = "redate",
        Check = "check",
        MendServer = "mend_server",
        Explain = "explain",
        Hold = "hold",
        AddHigher = "add_higher",
        Follow = "follow",
        OpenWay = "open_way",
    }
}

/// Something that a person can do about a problem, and who can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    pub kind: RemedyKind,
    pub(super) who: String,
    /// The command to type, if there is one. Words in capitals are placeholders.
    pub command: Option<String>,
    /// What follows the command in the sentence.
    pub(super) then: String,
}

impl Remedy {
    pub(super) fn new(kind: RemedyKind, who: impl Into<String>, command: impl Into<Option<String>>) -> Self {
        Self { kind, who: who.into(), command: command.into(), then: String::new() }
    }

    /// Numbers the remedy, as one step of several that only help together.
    pub(super) fn step(self, number: &str) -> Self {
        Self { who: format!("{number}. {}", self.who), ..self }
    }

    pub(super) fn then(self, then: impl Into<String>) -> Self {
        Self { then: then.into(), ..self }
    }
}

/// How the pause of a channel ends.
pub fn resume_remedy(channel: &ChannelName) -> Remedy {
    Remedy::new(
        RemedyKind::ResumeChannel,
        "a release engineer can end the pause",
        format!("tidegate channel resume {channel} --reason TEXT"),
    )
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: `{command}`{}", self.who, self.then),
            None => write!(f, "{}{}", self.who, self.then),
        }
    }
}

/// Returns what a person can do about a release whose signed manifest cannot be used.
pub fn manifest_remedy(fault: &ManifestFault, version: &Version) -> Remedy {
    match fault {
        ManifestFault::Keys(_) | ManifestFault::Role(_) => Remedy::new(
            RemedyKind::RestoreTrust,
            "a release engineer can put back what was in `trust/`, from git, a backup or the last publication",
            "tidegate recover --trust".to_owned(),
        ),
        ManifestFault::Unread(_) => {
            Remedy::new(RemedyKind::MendServer, "the operator must let this process read it", None)
        }
        ManifestFault::Index(_) => Remedy::new(
            RemedyKind::SignAgain,
            "a keeper of a release key of the line can sign the line's index",
            "tidegate release sign --key FILE".to_owned(),
        ),
        _ => Remedy::new(
            RemedyKind::SignAgain,
            "a release engineer can restore the signed version; if the change is intended, a keeper of a release key can sign it",
            format!("tidegate release sign {version} --key FILE"),
        ),
    }
}

/// Returns what a person can do about a gate, or `None` if it passes or has no remedy of its own.
pub fn gate_remedy(gate: &Gate<'_>, version: &Version) -> Option<Remedy> {
    if gate.state == GateState::Passes {
        return None;
    }
    let sign = || format!("tidegate release sign {version} --key FILE");
    Some(match gate.fact {
        // [`early_remedy`] covers these gates together.
        Fact::Soak { ends: SoakEnd::Paused { channel, .. }, .. } | Fact::Paused { channel, .. } => {
            resume_remedy(channel)
        }
        Fact::Soak { .. }
        | Fact::Window { .. }
        | Fact::Freeze { .. }
        | Fact::Recorded { ahead: false, .. } => {
            return None;
        }
        Fact::Recorded { ahead: true, .. } => Remedy::new(
            RemedyKind::Redate,
            "if this machine's clock is right, a release engineer can remove the entry",
            ahead::command(version),
        ),
        Fact::Yanked { .. } => unyank(version),
        Fact::Signed { manifest: ManifestState::NoTrust } => Remedy::new(
            RemedyKind::Init,
            "a release engineer can create a root and keys",
            "tidegate init --offline-keys DIR".to_owned(),
        ),
        Fact::Signed { manifest: ManifestState::Invalid(fault) } => manifest_remedy(fault, version),
        Fact::Signed { manifest: ManifestState::Undelegated } => Remedy::new(
            RemedyKind::Sign,
            "keepers of a release key and, because the line is new, of the targets key (both are needed) can sign it",
            format!("{} --targets-key FILE", sign()),
        ),
        Fact::Signed { .. } => Remedy::new(RemedyKind::Sign, "a keeper of a release key can sign it", sign()),
        Fact::Expired { .. } => Remedy::new(
            RemedyKind::SignAgain,
            "a keeper of a release key of the line can sign its role again",
            "tidegate release sign --key FILE".to_owned(),
        ),
        Fact::Payload { payload: PayloadState::Missing { file } | PayloadState::Differs { file, .. } } => {
            Remedy::new(
                RemedyKind::RestorePayload,
                format!(
                    "a release engineer can put `{file}`, exactly as it was signed, back into `payloads/{version}/`; if it is lost or was changed on purpose, publish the release under a new version"
                ),
                None,
            )
        }
        Fact::Payload { payload: PayloadState::Unreadable { file, .. } } => Remedy::new(
            RemedyKind::MendServer,
            format!("the operator must let this process read `{file}` of `{version}`"),
            None,
        ),
        Fact::Payload { payload: PayloadState::NotCopied { .. } } => Remedy::new(
            RemedyKind::MendServer,
            "the server's operator must give the state folder room, or make it writable",
            "tidegate status".to_owned(),
        )
        .then(" says why; after that, the server goes on by itself"),
        Fact::Payload { payload: PayloadState::Present } => return None,
        Fact::NotBefore { stage, .. } => Remedy::new(
            RemedyKind::BringForward,
            "a keeper of a release key signs an earlier time",
            format!("tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE"),
        ),
        Fact::Retired { line, .. } => Remedy::new(
            RemedyKind::NextLine,
            format!("retiring cannot be undone: add the change to the line that follows `{line}`"),
            None,
        ),
        Fact::Hold { .. } => Remedy::new(
            RemedyKind::Resume,
            "a release engineer can end the hold",
            format!("tidegate release resume {version} --reason TEXT"),
        ),
        Fact::Order { barrier, .. } => {
            let barrier = &barrier?.version;
            Remedy::new(
                RemedyKind::Explain,
                format!("barrier `{barrier}` must enter first; see what is holding it up"),
                format!("tidegate explain {barrier}"),
            )
        }
    })
}

pub(super) fn unyank(version: &Version) -> Remedy {
    Remedy::new(
        RemedyKind::Unyank,
        "a release engineer can offer it again",
        format!("tidegate release unyank {version} --reason TEXT"),
    )
}
