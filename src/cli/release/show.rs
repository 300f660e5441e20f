//! `tidegate release show`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use super::super::table::pairs;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::payload::Payload;
use crate::domain::release::{Event, ManifestState, PayloadState, Release};
use crate::domain::rfc3339;
use crate::domain::version::Version;

/// Show all that is known of one release
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The version
    version: Version,
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    version: String,
    line: &'a str,
    urgency: &'static str,
    summary: Option<&'a str>,
    links: &'a Labels,
    components: &'a Labels,
    payloads: &'a [Payload],
    barrier: bool,
    replaces: Option<String>,
    entered: Vec<Happened<'a>>,
    hold: Option<Happened<'a>>,
    yank: Option<Happened<'a>>,
    /// `no_trust`, `unsigned`, `invalid` or `signed`.
    manifest: &'static str,
    /// Why the manifest is invalid.
    manifest_fault: Option<String>,
    /// RFC 3339, by stage: what release keys allow.
    not_before: BTreeMap<String, String>,
    /// `present`, `missing` or `differs`.
    payload: &'static str,
}

/// Something that happened to the release.
#[derive(Debug, Serialize)]
struct Happened<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    at: String,
    by: &'a str,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
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
            Some(Happened { stage: Some(stage.name.as_str()), at, by, reason, to: None })
        });
        let yank = release.yank.as_ref().map(|yank| Happened {
            to: yank.to.as_ref().map(ToString::to_string),
            ..Happened::of(&yank.event)
        });
        let (manifest, manifest_fault, not_before) = match &release.evidence.manifest {
            ManifestState::NoTrust => ("no_trust", None, None),
            ManifestState::Unsigned => ("unsigned", None, None),
            ManifestState::Invalid(why) => ("invalid", Some(why.to_string()), None),
            ManifestState::Signed(facts) => ("signed", None, Some(&facts.not_before)),
        };
        let not_before = not_before.into_iter().flat_map(|all| all.iter());
        Self {
            version: release.version.to_string(),
            line: line.name.as_str(),
            urgency: release.urgency.as_str(),
            summary: release.summary.as_deref(),
            links: &release.links,
            components: &release.components,
            payloads: &release.payloads,
            barrier: release.barrier,
            replaces: release.replaces.as_ref().map(ToString::to_string),
            entered: entered.collect(),
            hold: release.hold.as_ref().map(Happened::of),
            yank,
            manifest,
            manifest_fault,
            not_before: not_before.map(|(stage, at)| (stage.to_string(), rfc3339(*at))).collect(),
            payload: match release.evidence.payload {
                PayloadState::Present => "present",
                PayloadState::Missing { .. } => "missing",
                PayloadState::Differs { .. } => "differs",
            },
        }
    }

    fn words(&self) -> String {
        let mut rows = vec![
            ("version", self.version.clone()),
            ("line", self.line.to_owned()),
            ("urgency", self.urgency.to_owned()),
        ];
        let mut optional = |name: &'static str, value: Option<String>| {
            rows.extend(value.map(|value| (name, value)));
        };
        optional("summary", self.summary.map(str::to_owned));
        optional("barrier", self.barrier.then(|| "yes: no cluster may jump over it".to_owned()));
        optional("replaces", self.replaces.clone());
        for (name, url) in self.links.iter() {
            optional("link", Some(format!("{name}: {url}")));
        }
        for (name, version) in self.components.iter() {
            optional("component", Some(format!("{name} {version}")));
        }
        for payload in self.payloads {
            let arch = payload.arch.as_ref().map(|arch| format!(" ({arch})")).unwrap_or_default();
            let Payload { file, sha256, size, .. } = payload;
            optional("payload", Some(format!("{file}{arch} sha256:{sha256} {size} bytes")));
        }
        optional("on disk", Some(self.payload.to_owned()));
        let fault = self.manifest_fault.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        optional("manifest", Some(format!("{}{fault}", self.manifest.replace('_', " "))));
        for (stage, at) in &self.not_before {
            optional("not before", Some(format!("{at} for {stage}")));
        }
        for entry in &self.entered {
            optional("entered", Some(format!("{} {}", entry.stage.unwrap_or_default(), entry.words())));
        }
        optional("held", self.hold.as_ref().map(Happened::words));
        optional("yanked", self.yank.as_ref().map(Happened::words));
        pairs(&rows)
    }
}

impl<'a> Happened<'a> {
    fn of(event: &'a Event) -> Self {
        Self { stage: None, at: rfc3339(event.at), by: &event.by, reason: Some(&event.reason), to: None }
    }

    fn words(&self) -> String {
        let reason = self.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let to = self.to.as_ref().map(|to| format!("; `{to}` replaces it")).unwrap_or_default();
        format!("{} by {}{reason}{to}", self.at, self.by)
    }
}
