//! `tidegate verify`.

mod payloads;
pub(super) mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use self::payloads::Payloads;
use self::source::{Origin, Source, own_root, parse_root};
use super::ceremony::keys_of;
use super::failure::{hinted, refuse};
use super::table::{Table, pairs};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::channel::ChannelName;
use crate::domain::release::{ManifestState, PayloadState};
use crate::domain::version::Version;
use crate::domain::{Time, rfc3339};
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::{Root, names};
use crate::signing::Signed;
use crate::signing::verify::{Extent, Files as _, Violation, verify};
use crate::words;

/// Verify signatures, manifests and payloads, here or from a folder or a server
///
/// Without `--from`, verifies the catalog's keys, the signed manifest of every release, and the digests of
/// all payloads. With `--from`, verifies a whole repository as a cluster does, starting from a trusted
/// root. Outside a catalog and without `--root`, trusts the repository's own root, which shows that the
/// repository is consistent, but not whose it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate verify
  tidegate verify --from http://127.0.0.1:8080 --root 1.root.json
  tidegate verify --from /srv/mirror")]
pub struct Args {
    /// A folder that has `metadata/` and `targets/`, or that `tidegate export` wrote, or a server:
    /// `https://HOST[:PORT]` or `http://…`
    #[arg(long, value_name = "DIR|URL")]
    from: Option<Origin>,
    /// The trusted root; by default the catalog's first root, or without a catalog the repository's own
    #[arg(long, value_name = "FILE", requires = "from")]
    root: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file instead of the machine's own
    #[arg(long, value_name = "FILE", requires = "from")]
    ca: Option<PathBuf>,
    /// Do not download payloads
    #[arg(long, requires = "from")]
    manifests_only: bool,
    /// Evaluate as of this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

/// The result for the catalog here, as JSON.
#[derive(Debug, Serialize)]
struct LocalBody {
    root: RootBody,
    /// When each role expires.
    roles: BTreeMap<String, Time>,
    signed: usize,
    unsigned: usize,
    payloads: usize,
    /// The withdrawn payloads of yanked releases.
    withdrawn: Vec<String>,
    faults: Vec<String>,
}

/// The result for a repository elsewhere, as JSON.
#[derive(Debug, Serialize)]
struct RemoteBody<'a> {
    root: RootBody,
    /// When each role expires.
    roles: BTreeMap<String, Time>,
    channels: Vec<ChannelBody<'a>>,
    releases: usize,
    #[serde(flatten)]
    payloads: Payloads,
}

#[derive(Debug, Serialize)]
struct RootBody {
    version: u64,
    expires: Time,
}

#[derive(Debug, Serialize)]
struct ChannelBody<'a> {
    channel: &'a ChannelName,
    latest: Option<&'a Version>,
    releases: usize,
    paused: bool,
    expires: Time,
    demo: bool,
}

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let now = args.at.unwrap_or_else(|| workspace.now());
    match &args.from {
        None => here(&workspace.read()?, now, terminal),
        Some(from) => elsewhere(from, args, workspace, now, terminal),
    }
}

impl RootBody {
    fn of(root: &Root) -> Self {
        Self { version: root.version, expires: root.expires }
    }

    fn row(&self) -> (&'static str, String) {
        ("root", format!("version {}, expires {}", self.version, rfc3339(self.expires)))
    }
}

fn here(view: &View, now: Time, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let trust = keys_of(view)?;
    let mut body = LocalBody {
        root: RootBody::of(trust.root().signed()),
        roles: trust.expiries().collect(),
        signed: 0,
        unsigned: 0,
        payloads: 0,
        withdrawn: Vec::new(),
        faults: Vec::new(),
    };
    for (name, at) in body.roles.iter().filter(|(_, at)| **at <= now) {
        body.faults.push(format!("role `{name}` expired at {}", rfc3339(*at)));
    }
    for release in view.catalog.lines().flat_map(|line| line.releases.values()) {
        let version = &release.version;
        match &release.evidence.manifest {
            ManifestState::Signed(_) => body.signed += 1,
            ManifestState::Unsigned | ManifestState::Undelegated | ManifestState::NoTrust => {
                body.unsigned += 1;
            }
            ManifestState::Invalid(why) => body.faults.push(format!("`{version}`: {why}")),
        }
        match &release.evidence.payload {
            PayloadState::Present => body.payloads += release.payloads.len(),
            PayloadState::Missing { .. } if release.is_withdrawn(now) => {
                let payloads = release.payloads.iter();
                body.withdrawn.extend(payloads.map(|payload| names::payload_target(version, &payload.file)));
            }
            wrong => body.faults.push(format!("`{version}`: {}", words::payload(wrong))),
        }
    }
    terminal.show(&body, || {
        let mut words = pairs(&[
            body.root.row(),
            ("roles", format!("{} with valid signatures", body.roles.len())),
            ("releases", format!("{} signed, {} not signed yet", body.signed, body.unsigned)),
            ("payloads", payload_words(body.payloads, &body.withdrawn)),
        ]);
        words.extend(body.faults.iter().map(|fault| format!("fault     {fault}\n")));
        words
    })?;
    if let Some(note) = view.faulty_note() {
        terminal.note(note);
    }
    Ok(if body.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn elsewhere(
    from: &Origin,
    args: &Args,
    workspace: &Workspace,
    now: Time,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let source = Source::of(from, args.ca.as_deref())?;
    source.check_place(from)?;
    let root = trusted(args, &source, workspace, terminal)?;
    let invalid = |error: anyhow::Error| match error.downcast_ref() {
        // Signatures are the first thing that is wrong with a repository of somebody else.
        Some(Violation::Signature { path, .. })
            if path.ends_with("root.json") || path == names::TIMESTAMP_PATH =>
        {
            hinted(
                error.context(format!("`{from}` cannot be trusted")),
                "the root that you trust is not that of this repository: name its own with `--root FILE`, obtained from somebody you trust; if the root is right, somebody else signed what is there",
            )
        }
        Some(_) => error.context(format!("`{from}` cannot be trusted")),
        None => error,
    };
    let verified = verify(&root, now, &source, Extent::Manifests).map_err(invalid)?;
    source.check_roots(verified.root.signed().version)?;
    let payloads = if args.manifests_only {
        Payloads::default()
    } else {
        Payloads::verify(&verified, &source).map_err(invalid)?
    };
    let body = RemoteBody {
        root: RootBody::of(verified.root.signed()),
        roles: verified.expiries().collect(),
        channels: verified
            .channel_manifests
            .iter()
            .map(|manifest| ChannelBody::of(manifest.signed()))
            .collect(),
        releases: verified.release_manifests.len(),
        payloads,
    };
    let Payloads { good, withdrawn, waiting, missing } = &body.payloads;
    let mut table = Table::new(["CHANNEL", "LATEST", "RELEASES", "EXPIRES", "NOTES"]);
    for channel in &body.channels {
        let notes = [channel.paused.then_some("paused"), channel.demo.then_some("demo")];
        table.row([
            channel.channel.to_string(),
            channel.latest.map(ToString::to_string).unwrap_or_default(),
            channel.releases.to_string(),
            rfc3339(channel.expires),
            notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]);
    }
    terminal.show(&body, || {
        let payloads = match (args.manifests_only, payload_words(*good, withdrawn)) {
            (true, _) => "not verified".to_owned(),
            (false, words) if waiting.is_empty() => words,
            (false, words) => format!("{words}; missing, but needed by no channel: {}", waiting.join(", ")),
        };
        let first = body.roles.iter().min_by_key(|(_, at)| **at);
        let first = first.map(|(role, at)| format!("; `{role}` expires first, {}", rfc3339(*at)));
        let roles = format!("{} with valid signatures{}", body.roles.len(), first.unwrap_or_default());
        let words = pairs(&[
            body.root.row(),
            ("roles", roles),
            ("releases", format!("{} signed", body.releases)),
            ("payloads", payloads),
        ]);
        words + &format!("\n{table}")
    })?;
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let missing: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    Err(refuse(
        format!("everything is valid, except that some listed payloads are missing: {}", missing.join(", ")),
        "verify the catalog itself, to see which files to restore in `payloads/`; a mirror needs a new export",
    ))
}

/// Returns the root to start from. If the user trusts none, it is the repository's own, with a warning.
fn trusted(
    args: &Args,
    source: &Source,
    workspace: &Workspace,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<Signed<Root>> {
    if let Some(root) = own_root(args.root.as_deref(), &workspace.catalog)? {
        return Ok(root);
    }
    let path = names::metadata_path("root", 1);
    let raw = source.get(&path, None)?.ok_or_else(|| {
        refuse(format!("there is no `{path}` there"), "name a folder or a server that has a repository")
    })?;
    let root = parse_root(&path, raw)?;
    terminal.note(
        "warning: trusting the repository's own root, which shows that the repository is consistent, \
         but not whose it is (`--root FILE`)",
    );
    Ok(root)
}

fn payload_words(good: usize, withdrawn: &[String]) -> String {
    match withdrawn {
        [] => format!("{good} with valid digests"),
        _ => format!("{good} with valid digests; withdrawn (yanked releases): {}", withdrawn.join(", ")),
    }
}

impl<'a> ChannelBody<'a> {
    fn of(manifest: &'a ChannelManifest) -> Self {
        Self {
            channel: &manifest.channel,
            latest: manifest.latest.as_ref(),
            releases: manifest.releases.len(),
            paused: manifest.paused.is_some(),
            expires: manifest.expires,
            demo: manifest.demo,
        }
    }
}
