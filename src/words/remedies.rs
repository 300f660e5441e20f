//! What people can do, who they are, and the commands to copy.

use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::explain::Explanation;
use crate::domain::promotion::{Decision, EarlyWay, Fact, Gate, GateState, Verdict};
use crate::domain::release::ManifestState;
use crate::domain::version::Version;

/// What a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy<'a> {
    /// Restore a yanked release.
    Unyank(&'a Version),
    /// Make a root and keys for the catalog.
    Init,
    /// Sign a release.
    Sign(&'a Version),
    /// Put back what was signed, or sign the change.
    SignAgain(&'a Version),
    /// Put the right payload file back.
    RestorePayload(&'a Version),
    /// Sign an earlier time of entry.
    BringForward { version: &'a Version, stage: &'a StageName },
    /// Bring the change into the line that follows a retired one.
    NextLine(&'a LineName),
    /// End a hold.
    Resume(&'a Version),
    /// See what keeps a barrier back.
    Explain(&'a Version),
    /// End a channel's pause.
    ResumeChannel(&'a ChannelName),
    /// Promote a release before its time.
    PromoteEarly { version: &'a Version, way: EarlyWay },
    /// Promote a release that is due, without waiting for the server.
    Promote(&'a Version),
}

impl Remedy<'_> {
    /// The name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unyank(_) => "unyank",
            Self::Init => "init",
            Self::Sign(_) => "sign",
            Self::SignAgain(_) => "sign_again",
            Self::RestorePayload(_) => "restore_payload",
            Self::BringForward { .. } => "bring_forward",
            Self::NextLine(_) => "next_line",
            Self::Resume(_) => "resume",
            Self::Explain(_) => "explain",
            Self::ResumeChannel(_) => "resume_channel",
            Self::PromoteEarly { .. } => "promote_early",
            Self::Promote(_) => "promote",
        }
    }

    /// The command that does it.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        Some(match self {
            Self::Unyank(version) => format!("tidegate release unyank {version} --reason TEXT"),
            Self::Init => "tidegate init".to_owned(),
            Self::Sign(version) | Self::SignAgain(version) => {
                format!("tidegate release sign {version} --key FILE")
            }
            Self::BringForward { version, stage } => {
                format!("tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE")
            }
            Self::Resume(version) => format!("tidegate release resume {version}"),
            Self::Explain(version) => format!("tidegate explain {version}"),
            Self::ResumeChannel(channel) => format!("tidegate channel resume {channel}"),
            Self::PromoteEarly { version, way } => {
                let during = if way.during_freeze { " --during-freeze" } else { "" };
                format!("tidegate promote {version} --early{during} --reason TEXT")
            }
            Self::Promote(version) => format!("tidegate promote {version}"),
            Self::RestorePayload(_) | Self::NextLine(_) => return None,
        })
    }
}

/// Who can do it, and how.
#[must_use]
pub fn remedy(remedy: &Remedy<'_>) -> String {
    let who = match remedy {
        Remedy::Unyank(_) => "anyone who may change the catalog can restore it".to_owned(),
        Remedy::Init => "the owner of the catalog can create a root and keys".to_owned(),
        Remedy::Sign(_) => "a holder of a release key can sign it".to_owned(),
        Remedy::SignAgain(_) => {
            "whoever changed it can put back what was signed; if the change is intended, a holder of a release key can sign it".to_owned()
        }
        Remedy::RestorePayload(version) => format!(
            "a release engineer can put the right file into `payloads/{version}/`, or add the changed one as a new version"
        ),
        Remedy::BringForward { .. } => {
            "only a holder of a release key can bring this forward, by signing it again".to_owned()
        }
        Remedy::NextLine(line) => {
            format!("nobody can undo this: add the change to the line that follows `{line}`")
        }
        Remedy::Resume(_) => "anyone who may change the catalog can end the hold".to_owned(),
        Remedy::Explain(_) => "see what keeps the barrier back".to_owned(),
        Remedy::ResumeChannel(_) => "anyone who may change the catalog can end the pause".to_owned(),
        Remedy::PromoteEarly { way, .. } => {
            let signed = if way.once_signed { ", once that is signed" } else { "" };
            format!("a release engineer can promote it early{signed}")
        }
        Remedy::Promote(_) => {
            "the server will do it by itself; anyone who may change the catalog can do it now".to_owned()
        }
    };
    match remedy.command() {
        Some(command) => format!("{who}: `{command}`"),
        None => who,
    }
}

/// What a person can do about a gate that does not pass.
#[must_use]
pub fn gate_remedy<'a>(gate: &Gate<'a>, version: &'a Version) -> Option<Remedy<'a>> {
    if gate.state == GateState::Passes {
        return None;
    }
    Some(match gate.fact {
        // An early promotion skips these together: [`early_remedy`].
        Fact::Soak { .. } | Fact::Window { .. } | Fact::Freeze { .. } | Fact::Recorded { .. } => return None,
        Fact::Yanked { .. } => Remedy::Unyank(version),
        Fact::Signed { manifest: ManifestState::NoTrust } => Remedy::Init,
        Fact::Signed { manifest: ManifestState::Invalid(_) } => Remedy::SignAgain(version),
        Fact::Signed { .. } => Remedy::Sign(version),
        Fact::Payload { .. } => Remedy::RestorePayload(version),
        Fact::NotBefore { stage, .. } => Remedy::BringForward { version, stage },
        Fact::Retired { line, .. } => Remedy::NextLine(line),
        Fact::Hold { .. } => Remedy::Resume(version),
        Fact::Order { barrier } => Remedy::Explain(&barrier?.version),
        Fact::Paused { channel, .. } => Remedy::ResumeChannel(channel),
    })
}

/// What people can do about the gates that do not pass; each thing once.
#[must_use]
pub fn remedies<'a>(decision: &Decision<'a>) -> Vec<Remedy<'a>> {
    let version = &decision.release.version;
    // In a retired line nothing lets a release go on; what it offers already can be put right.
    let retired = decision.retired().is_some();
    let helps = |gate: &&Gate<'_>| !retired || gate.fact.outlasts_retirement();
    let mut remedies = Vec::new();
    for gate in decision.obstacles().filter(helps) {
        push(&mut remedies, gate_remedy(gate, version));
    }
    push(&mut remedies, early_remedy(decision));
    remedies
}

/// How a person can promote the release early, if an early promotion is enough.
#[must_use]
pub fn early_remedy<'a>(decision: &Decision<'a>) -> Option<Remedy<'a>> {
    Some(Remedy::PromoteEarly { version: &decision.release.version, way: decision.early_way()? })
}

/// What people can do about where a release is; each thing once.
#[must_use]
pub fn remedies_of_explanation<'a>(explanation: &Explanation<'a>) -> Vec<Remedy<'a>> {
    let Explanation { release, now, decision, .. } = *explanation;
    let version = &release.version;
    let mut all = Vec::new();
    push(&mut all, Gate::withholding(release, now).and_then(|gate| gate_remedy(&gate, version)));
    for remedy in decision.map(remedies).unwrap_or_default() {
        push(&mut all, Some(remedy));
    }
    if decision.is_some_and(|decision| decision.verdict == Verdict::Promote) {
        push(&mut all, Some(Remedy::Promote(version)));
    }
    if decision.is_none() && release.yanked(now).is_some() && !release.is_withdrawn(now) {
        push(&mut all, Some(Remedy::Unyank(version)));
    }
    all
}

fn push<'a>(remedies: &mut Vec<Remedy<'a>>, remedy: Option<Remedy<'a>>) {
    remedies.extend(remedy.filter(|remedy| !remedies.contains(remedy)));
}
