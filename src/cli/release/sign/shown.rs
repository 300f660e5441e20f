//! Shows what was signed and what was not.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::Lines;
use crate::cli::ceremony::{TOO_LARGE, short};
use crate::cli::failure::refuse;
use crate::cli::table::Table;
use crate::cli::terminal::Terminal;
use crate::domain::channel::{LineName, StageName};
use crate::domain::line::Line;
use crate::domain::rules::doubtful::arch_dropped;
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::tuf::{KeyId, MAX_SIGNED};
use crate::signing::ceremony::Ceremony;
use crate::signing::trust::Trust;
use crate::words::doubtful;

/// The outcome of a run.
#[derive(Debug, Default, Serialize)]
pub struct Body {
    signed: Vec<SignedBody>,
    delegated: Vec<DelegatedBody>,
    /// Lines without releases to sign whose role was renewed because it would have expired soon.
    renewed: Vec<LineName>,
    /// Lines whose role was signed again because it had no index that can be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexed: Vec<LineName>,
    /// Releases that their lines no longer list, because their manifests are lost and the catalog does not have
    /// them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<DroppedBody>,
    /// Lines whose role is larger than half of what is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    large: Vec<LargeBody>,
    pub refused: Vec<RefusedBody>,
    /// What is probably a mistake about the releases to sign.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Whether something was signed that can be promoted: a retired line takes no promotions.
    #[serde(skip)]
    goes_on: bool,
}

/// The role of a line that may soon be too large.
#[derive(Debug, Serialize)]
struct LargeBody {
    line: LineName,
    bytes: u64,
    limit: u64,
}

#[derive(Debug, Serialize)]
struct SignedBody {
    version: Version,
    line: LineName,
    /// The earliest time of entry, by stage.
    not_before: BTreeMap<StageName, Time>,
    /// Why the release may enter a stage before the end of its soak.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before_reason: Option<String>,
}

/// A new line, and the keys that sign its releases from now on.
#[derive(Debug, Serialize)]
struct DelegatedBody {
    line: LineName,
    keyids: Vec<KeyId>,
}

/// A release that its line no longer lists.
#[derive(Debug, Serialize)]
struct DroppedBody {
    version: Version,
    line: LineName,
}

/// A release, or the role of a line, that is not signed.
#[derive(Debug, Serialize)]
pub struct RefusedBody {
    line: LineName,
    /// `None` if this is the line's role, which should have been signed again.
    version: Option<Version>,
    reason: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Body {
    /// Records that a release, or the role of a line, is not signed.
    pub fn refuse(
        &mut self,
        line: &Line,
        version: Option<Version>,
        (reason, hint): (String, Option<&'static str>),
    ) {
        self.refused.push(RefusedBody { line: line.name.clone(), version, reason, hint });
    }

    /// Records that nothing in a line is signed, with the reason and a hint.
    pub fn refuse_line(
        &mut self,
        line: &Line,
        versions: Vec<Version>,
        (reason, hint): (String, &'static str),
    ) {
        self.indexed.retain(|indexed| *indexed != line.name);
        let role = versions.is_empty().then_some(None);
        for version in versions.into_iter().map(Some).chain(role) {
            self.refuse(line, version, (reason.clone(), Some(hint)));
        }
    }

    /// Warns of releases to sign that lack an architecture of earlier ones: once they are signed, their payloads stay
    /// as they are.
    pub fn warn(&mut self, pending: &Lines<'_>, terminal: &mut Terminal<'_>) {
        let releases = pending.iter().flat_map(|(line, versions)| {
            versions.iter().map(move |version| (line, line.releases.get(version)))
        });
        let dropped = releases.filter_map(|(line, release)| arch_dropped(line, release?));
        self.warnings = dropped.map(|dropped| doubtful(&dropped)).collect();
        terminal.notes(self.warnings.iter().map(|warning| format!("warning: {warning}")));
    }

    /// Records what a ceremony signed. `trust` has the roles as they were before the ceremony.
    pub fn signed(&mut self, ceremony: &Ceremony, trust: &Trust, pending: &Lines<'_>) {
        let signed = ceremony.manifests().map(|manifest| SignedBody {
            version: manifest.version.clone(),
            line: manifest.line.clone(),
            not_before: manifest.not_before.clone(),
            not_before_reason: manifest.not_before_reason.clone(),
        });
        self.signed = signed.collect();
        self.goes_on = pending.iter().any(|(line, versions)| line.retired.is_none() && !versions.is_empty());
        let large = ceremony.large_roles();
        self.large =
            large.map(|(line, bytes)| LargeBody { line: line.clone(), bytes, limit: MAX_SIGNED }).collect();
        self.dropped = ceremony.dropped().map(|(line, version)| DroppedBody { version, line }).collect();
        for (Line { name, .. }, versions) in pending {
            if trust.line(name).is_none() {
                let keyids = ceremony.line_authority(name).map(|keys| keys.keyids.to_vec());
                self.delegated.push(DelegatedBody { line: name.clone(), keyids: keyids.unwrap_or_default() });
            }
            if versions.is_empty() && !self.indexed.contains(name) {
                self.renewed.push(name.clone());
            }
        }
    }

    /// Returns success, unless something was refused.
    pub fn exit_code(&self) -> ExitCode {
        if self.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Reports on stderr what is not signed, and each hint once to people.
    pub fn tell_refused(&self, terminal: &mut Terminal<'_>) {
        let mut hints = Vec::new();
        for refused in &self.refused {
            let what = match &refused.version {
                Some(version) => format!("`{version}`"),
                None => format!("the role of line `{}`", refused.line),
            };
            let message = format!("{what} is not signed: {}", refused.reason);
            match refused.hint {
                Some(hint) if terminal.is_json() => terminal.fail(&refuse(message, hint)),
                hint => {
                    hints.extend(hint.filter(|hint| !hints.contains(hint)));
                    terminal.fail(&anyhow::Error::msg(message))
                }
            };
        }
        for hint in hints {
            terminal.note(format_args!("hint: {hint}"));
        }
    }

    /// Shows the outcome, and says what to do next.
    pub fn show(&self, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
        let mut table = Table::new(["SIGNED", "LINE", "NOT BEFORE"]);
        for signed in &self.signed {
            let stages: Vec<String> =
                signed.not_before.iter().map(|(stage, time)| format!("{stage} {}", rfc3339(*time))).collect();
            table.row([signed.version.to_string(), signed.line.to_string(), stages.join(", ")]);
        }
        let is_idle = self.renewed.is_empty() && self.indexed.is_empty();
        let none = match (is_idle, self.refused.is_empty()) {
            (false, _) => "nothing new to sign",
            (true, true) => "nothing to sign",
            (true, false) => "nothing was signed",
        };
        terminal.table(self, &table, none)?;
        for line in &self.renewed {
            terminal.note(format_args!("signed the role of line `{line}` again: it would have expired soon"));
        }
        for line in &self.indexed {
            terminal
                .note(format_args!("signed the role of line `{line}` again, with an index of its releases"));
        }
        for DroppedBody { version, line } in &self.dropped {
            terminal.note(format_args!(
                "line `{line}` no longer lists `{version}`: its manifest is lost, and the catalog does not have that release"
            ));
        }
        for DelegatedBody { line, keyids } in &self.delegated {
            let keys: Vec<String> =
                keyids.iter().map(|keyid| format!("release key `{}`", short(*keyid))).collect();
            terminal.note(format_args!("line `{line}` is now delegated to {}", keys.join(", ")));
        }
        let early =
            || self.signed.iter().filter_map(|signed| Some((signed, signed.not_before_reason.as_ref()?)));
        for (signed, reason) in early() {
            terminal.note(format_args!("`{}` may be promoted before it is due: {reason}", signed.version));
        }
        for LargeBody { line, bytes, limit } in &self.large {
            terminal.note(format_args!(
                "warning: the role of line `{line}` has {bytes} bytes, and nothing can be signed for the line beyond {limit}; {TOO_LARGE}"
            ));
        }
        self.tell_refused(terminal);
        if let Some((early, _)) = early().next() {
            terminal.note(format_args!(
                "next: `tidegate promote {} --early --reason TEXT`, once that time has come",
                early.version
            ));
        } else if self.goes_on {
            terminal.note("next: `tidegate promote`, or leave that to the server");
        }
        Ok(self.exit_code())
    }
}
