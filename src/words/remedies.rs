//! What people can do, who they are, and the commands to copy.

use std::fmt;

use crate::domain::explain::Explanation;
use crate::domain::promotion::{Decision, Fact, Gate, GateState, Verdict};
use crate::domain::release::ManifestState;
use crate::domain::version::Version;

/// What a person can do, and who can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    /// The name in JSON.
    pub name: &'static str,
    who: String,
    /// The command to type, if there is one. Words in capitals are to be filled in.
    pub command: Option<String>,
}

impl Remedy {
    fn new(name: &'static str, who: impl Into<String>, command: impl Into<Option<String>>) -> Self {
        Self { name, who: who.into(), command: command.into() }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: `{command}`", self.who),
            None => f.write_str(&self.who),
        }
    }
}

/// What a person can do about a gate that does not pass.
#[must_use]
pub fn gate_remedy(gate: &Gate<'_>, version: &Version) -> Option<Remedy> {
    if gate.state == GateState::Passes {
        return None;
    }
    let sign = || format!("tidegate release sign {version} --key FILE");
    Some(match gate.fact {
        // An early promotion skips these together: [`early_remedy`].
        Fact::Soak { .. } | Fact::Window { .. } | Fact::Freeze { .. } | Fact::Recorded { .. } => return None,
        Fact::Yanked { .. } => unyank(version),
        Fact::Signed { manifest: ManifestState::NoTrust } => Remedy::new(
            "init",
            "the owner of the catalog can create a root and keys",
            "tidegate init".to_owned(),
        ),
        Fact::Signed { manifest: ManifestState::Invalid(_) } => Remedy::new(
            "sign_again",
            "whoever changed it can put back what was signed; if the change is intended, a holder of a release key can sign it",
            sign(),
        ),
        Fact::Signed { .. } => Remedy::new("sign", "a holder of a release key can sign it", sign()),
        Fact::Payload { .. } => Remedy::new(
            "restore_payload",
            format!(
                "a release engineer can put the right file into `payloads/{version}/`, or add the changed one as a new version"
            ),
            None,
        ),
        Fact::NotBefore { stage, .. } => Remedy::new(
            "bring_forward",
            "only a holder of a release key can bring this forward, by signing it again",
            format!("tidegate release sign {version} --not-before {stage}=TIME --reason TEXT --key FILE"),
        ),
        Fact::Retired { line, .. } => Remedy::new(
            "next_line",
            format!("nobody can undo this: add the change to the line that follows `{line}`"),
            None,
        ),
        Fact::Hold { .. } => Remedy::new(
            "resume",
            "anyone who may change the catalog can end the hold",
            format!("tidegate release resume {version}"),
        ),
        Fact::Order { barrier } => Remedy::new(
            "explain",
            "see what keeps the barrier back",
            format!("tidegate explain {}", barrier?.version),
        ),
        Fact::Paused { channel, .. } => Remedy::new(
            "resume_channel",
            "anyone who may change the catalog can end the pause",
            format!("tidegate channel resume {channel}"),
        ),
    })
}

fn unyank(version: &Version) -> Remedy {
    Remedy::new(
        "unyank",
        "anyone who may change the catalog can restore it",
        format!("tidegate release unyank {version} --reason TEXT"),
    )
}

/// What people can do about the gates that do not pass; each thing once.
#[must_use]
pub fn remedies(decision: &Decision<'_>) -> Vec<Remedy> {
    let version = &decision.release.version;
    // In a retired line nothing lets a release go on; what it offers already can be put right.
    let retired = decision.retired().is_some();
    let helps = |gate: &&Gate<'_>| !retired || gate.fact.outlasts_retirement();
    let of_gates = decision.obstacles().filter(helps).filter_map(|gate| gate_remedy(gate, version));
    once(of_gates.chain(early_remedy(decision)))
}

/// How a person can promote the release early, if an early promotion is enough.
#[must_use]
pub fn early_remedy(decision: &Decision<'_>) -> Option<Remedy> {
    let way = decision.early_way()?;
    let signed = if way.once_signed { ", once that is signed" } else { "" };
    let during = if way.during_freeze { " --during-freeze" } else { "" };
    let version = &decision.release.version;
    Some(Remedy::new(
        "promote_early",
        format!("a release engineer can promote it early{signed}"),
        format!("tidegate promote {version} --early{during} --reason TEXT"),
    ))
}

/// What people can do about where a release is; each thing once.
#[must_use]
pub fn remedies_of_explanation(explanation: &Explanation<'_>) -> Vec<Remedy> {
    let Explanation { release, now, decision, .. } = *explanation;
    let version = &release.version;
    let withheld = Gate::withholding(release, now).and_then(|gate| gate_remedy(&gate, version));
    let promote = decision.filter(|decision| decision.verdict == Verdict::Promote).map(|_| {
        Remedy::new(
            "promote",
            "the server will do it by itself; anyone who may change the catalog can do it now",
            format!("tidegate promote {version}"),
        )
    });
    let is_restorable = decision.is_none() && release.yanked(now).is_some() && !release.is_withdrawn(now);
    let of_decision = decision.map(remedies).unwrap_or_default();
    once(withheld.into_iter().chain(of_decision).chain(promote).chain(is_restorable.then(|| unyank(version))))
}

fn once(remedies: impl IntoIterator<Item = Remedy>) -> Vec<Remedy> {
    let mut all: Vec<Remedy> = Vec::new();
    for remedy in remedies {
        if !all.contains(&remedy) {
            all.push(remedy);
        }
    }
    all
}
