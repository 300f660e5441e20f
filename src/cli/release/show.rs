//! `tidegate release show`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::super::table::pairs;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use crate::domain::channel::{LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::payload::Payload;
use crate::domain::release::{Event, ManifestState, Release};
use crate::domain::rfc3339;
use crate::domain::version::Version;
use crate::formats::api::EvidenceBody;

/// Show everything about one release
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The version
    version: Version,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    version: &'a Version,
    line: &'a LineName,
    urgency: &'static str,
    summary: Option<&'a str>,
    links: &'a Labels,
    components: &'a Labels,
    payloads: &'a [Payload],
    barrier: bool,
    replaces: Option<&'a Version>,
    entered: Vec<Happened<'a>>,
    hold: Option<Happened<'a>>,
    yank: Option<Happened<'a>>,
    /// `no_trust`, `unsigned`, `invalid` or `signed`.
    manifest: Option<&'static str>,
    /// Why the manifest is invalid.
    manifest_fault: Option<String>,
    /// By stage, the earliest time of entry that release keys allow (RFC 3339).
    not_before: BTreeMap<&'a StageName, String>,
    /// `present`, `missing` or `differs`.
    payload: Option<&'static str>,
}

/// Something that happened to the release.
#[derive(Debug, Serialize)]
struct Happened<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a StageName>,
    at: String,
    by: &'a str,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a Version>,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let view = workspace.read()?;
    let (line, release) = view.release(&args.version)?;
    let body = Body::of(line, release);
    terminal.show(&body, || body.words())?;
    Ok(ExitCode::SUCCESS)
}

impl<'a> Body<'a> {
    fn of(line: &'a Line, release: &'a Release) -> Self {
        let entered = line.stages.iter().zip(&release.entries).filter_map(|(stage, entry)| {
            let entry = entry.as_ref()?;
            let (at, by, reason) = (rfc3339(entry.since), entry.by.as_str(), entry.reason.as_deref());
            Some(Happened { stage: Some(&stage.name), at, by, reason, to: None })
        });
        let not_before = match &release.evidence.manifest {
            ManifestState::Signed(facts) => &facts.not_before[..],
            _ => &[],
        };
        let EvidenceBody { signed, fault, .. } = EvidenceBody::of_manifest(&release.evidence.manifest);
        Self {
            version: &release.version,
            line: &line.name,
            urgency: release.urgency.as_str(),
            summary: release.summary.as_deref(),
            links: &release.links,
            components: &release.components,
            payloads: &release.payloads,
            barrier: release.barrier,
            replaces: release.replaces.as_ref(),
            entered: entered.collect(),
            hold: release.hold.as_ref().map(|hold| Happened::of(hold, None)),
            yank: release.yank.as_ref().map(|yank| Happened::of(&yank.event, yank.to.as_ref())),
            manifest: signed,
            manifest_fault: fault.map(|fault| fault.message),
            not_before: not_before.iter().map(|(stage, at)| (stage, rfc3339(*at))).collect(),
            payload: EvidenceBody::of_payload(&release.evidence.payload).payload,
        }
    }

    fn words(&self) -> String {
        let mut rows = vec![
            ("version", self.version.to_string()),
            ("line", self.line.to_string()),
            ("urgency", self.urgency.to_owned()),
        ];
        rows.extend(self.summary.map(|summary| ("summary", summary.to_owned())));
        rows.extend(self.barrier.then(|| ("barrier", "yes: no cluster may jump over it".to_owned())));
        rows.extend(self.replaces.map(|replaces| ("replaces", replaces.to_string())));
        rows.extend(self.links.iter().map(|(name, url)| ("link", format!("{name}: {url}"))));
        rows.extend(self.components.iter().map(|(name, text)| ("component", format!("{name} {text}"))));
        rows.extend(self.payloads.iter().map(|Payload { file, sha256, size, arch }| {
            let arch = arch.as_ref().map(|arch| format!(" ({arch})")).unwrap_or_default();
            ("payload", format!("{file}{arch} sha256:{sha256} {size} bytes"))
        }));
        rows.extend(self.payload.map(|payload| ("on disk", payload.to_owned())));
        let fault = self.manifest_fault.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        rows.extend(self.manifest.map(|state| ("manifest", format!("{}{fault}", state.replace('_', " ")))));
        rows.extend(self.not_before.iter().map(|(stage, at)| ("not before", format!("{at} for {stage}"))));
        rows.extend(self.entered.iter().map(|entry| ("entered", entry.words())));
        rows.extend(self.hold.iter().map(|hold| ("held", hold.words())));
        rows.extend(self.yank.iter().map(|yank| ("yanked", yank.words())));
        pairs(&rows)
    }
}

impl<'a> Happened<'a> {
    fn of(Event { at, by, reason, .. }: &'a Event, to: Option<&'a Version>) -> Self {
        Self { stage: None, at: rfc3339(*at), by, reason: Some(reason), to }
    }

    fn words(&self) -> String {
        let stage = self.stage.map(|stage| format!("{stage} ")).unwrap_or_default();
        let reason = self.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let to = self.to.map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
        format!("{stage}{} by {}{reason}{to}", self.at, self.by)
    }
}
