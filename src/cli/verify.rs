//! `tidegate verify`.

mod payloads;
pub(super) mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use self::payloads::Payloads;
use self::source::{Source, own_root, parse_root};
use super::failure::refuse;
use super::table::{Table, pairs};
use super::terminal::Terminal;
use super::time;
use super::workspace::{View, Workspace};
use crate::domain::release::{ManifestState, PayloadState};
use crate::domain::{Time, rfc3339};
use crate::formats::manifest::ChannelManifest;
use crate::formats::tuf::names::{self, CHANNELS};
use crate::formats::tuf::{Role, Root};
use crate::signing::Signed;
use crate::signing::verify::{Verified, manifests, verify};
use crate::words;

/// Verify signatures, manifests and payloads, here or from a folder or a server
///
/// Without `--from`: the catalog's keys, the signed manifest of every release, and the digests of all
/// payloads. With it: a whole repository the way a cluster would, from a root that is trusted already.
/// Where there is none, outside of a catalog and without `--root`, the root that came along is
/// trusted: that shows that the repository holds together, and not whose it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate verify
  tidegate verify --from http://127.0.0.1:8080 --root 1.root.json
  tidegate verify --from /srv/mirror")]
pub struct Args {
    /// A folder with `metadata/` and `targets/`, or that `tidegate export` wrote, or a server,
    /// `https://HOST[:PORT]` or `http://…`
    #[arg(long, value_name = "DIR|URL")]
    from: Option<String>,
    /// The root that is trusted; by default the first one of the catalog here, and where there is no
    /// catalog the one that came along, which whoever made the repository made
    #[arg(long, value_name = "FILE", requires = "from")]
    root: Option<PathBuf>,
    /// Trust a server's certificate by the roots in this PEM file, instead of the machine's own
    #[arg(long, value_name = "FILE", requires = "from")]
    ca: Option<PathBuf>,
    /// Leave payloads to their listing, and do not download them
    #[arg(long, requires = "from")]
    manifests_only: bool,
    /// As of this time, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<Time>,
}

/// What was found good, here.
#[derive(Debug, Serialize)]
struct LocalBody {
    root: RootBody,
    /// When each role expires, RFC 3339.
    roles: BTreeMap<String, String>,
    signed: usize,
    unsigned: usize,
    payloads: usize,
    /// The payloads of yanked releases that were taken away.
    withdrawn: Vec<String>,
    faults: Vec<String>,
}

/// What was found good, elsewhere.
#[derive(Debug, Serialize)]
struct RemoteBody {
    root: RootBody,
    /// When each role expires, RFC 3339.
    roles: BTreeMap<String, String>,
    channels: Vec<ChannelBody>,
    releases: usize,
    /// How many payloads were downloaded and have their digests.
    payloads: usize,
    /// The payloads that are listed and not there any more, of yanked releases.
    withdrawn: Vec<String>,
    /// The payloads that are listed and not there, of releases in no channel.
    waiting: Vec<String>,
    /// The payloads of other releases that are listed and not there.
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RootBody {
    version: u64,
    /// RFC 3339.
    expires: String,
}

#[derive(Debug, Serialize)]
struct ChannelBody {
    channel: String,
    latest: Option<String>,
    releases: usize,
    paused: bool,
    /// RFC 3339.
    expires: String,
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
        Self { version: root.version, expires: rfc3339(root.expires) }
    }

    fn row(&self) -> (&'static str, String) {
        ("root", format!("version {}, expires {}", self.version, self.expires))
    }
}

fn here(view: &View, now: Time, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let Some(trust) = view.usable_trust()? else {
        return Err(refuse(
            "the catalog has no keys yet, so there is nothing to verify",
            "make a root and keys: `tidegate init --offline-keys DIR`",
        ));
    };
    let mut expiries = BTreeMap::from([
        ("root".to_owned(), trust.root().signed().expires),
        ("targets".to_owned(), trust.targets().signed().expires),
    ]);
    expiries.extend(trust.releases().iter().map(|(name, role)| (name.clone(), role.signed().expires())));
    let mut body = LocalBody {
        root: RootBody::of(trust.root().signed()),
        roles: expiries.iter().map(|(name, at)| (name.clone(), rfc3339(*at))).collect(),
        signed: 0,
        unsigned: 0,
        payloads: 0,
        withdrawn: Vec::new(),
        faults: Vec::new(),
    };
    for (name, at) in expiries.iter().filter(|(_, at)| **at <= now) {
        body.faults.push(format!("role `{name}` expired at {}", rfc3339(*at)));
    }
    for release in view.catalog.lines().flat_map(|line| line.releases.values()) {
        let version = &release.version;
        match &release.evidence.manifest {
            ManifestState::Signed(_) => body.signed += 1,
            ManifestState::Unsigned | ManifestState::NoTrust => body.unsigned += 1,
            ManifestState::Invalid(why) => body.faults.push(format!("`{version}`: {why}")),
        }
        match &release.evidence.payload {
            PayloadState::Present => body.payloads += release.payloads.len(),
            PayloadState::Missing { .. } if release.is_withdrawn(now) => {
                body.withdrawn.extend(
                    release.payloads.iter().map(|payload| names::payload_target(version, &payload.file)),
                );
            }
            wrong => body.faults.push(format!("`{version}`: {}", words::payload(wrong))),
        }
    }
    terminal.show(&body, || {
        let mut words = pairs(&[
            body.root.row(),
            ("roles", format!("{} signed as they must be", body.roles.len())),
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
    from: &str,
    args: &Args,
    workspace: &Workspace,
    now: Time,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<ExitCode> {
    let source = Source::parse(from, args.ca.as_deref())?;
    source.check_place(from)?;
    let (root, brought) = trusted(args, &source, workspace)?;
    if brought {
        terminal.note(
            "warning: trusting the root that came along: it shows that the repository holds together, \
             not whose it is (`--root FILE`)",
        );
    }
    let verified = verify(&root, now, &|path| source.fetch(path), &manifests);
    // A file that could not be had is the cause of what looks like a violation.
    source.failure()?;
    let untrusted = || format!("`{from}` is not to be trusted");
    let verified = verified.with_context(untrusted)?;
    let mut body = RemoteBody::of(&verified, &source)?;
    if !args.manifests_only {
        let payloads = payloads::verify(&verified, &|path| source.fetch(path));
        source.failure()?;
        let found = payloads.with_context(untrusted)?;
        Payloads {
            good: body.payloads,
            withdrawn: body.withdrawn,
            waiting: body.waiting,
            missing: body.missing,
        } = found;
    }
    let mut table = Table::new(["CHANNEL", "LATEST", "RELEASES", "EXPIRES", "NOTES"]);
    for channel in &body.channels {
        let notes = [channel.paused.then_some("paused"), channel.demo.then_some("demo")];
        table.row([
            channel.channel.clone(),
            channel.latest.clone().unwrap_or_default(),
            channel.releases.to_string(),
            channel.expires.clone(),
            notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]);
    }
    let (first, role) = verified.first_expiry();
    terminal.show(&body, || {
        let payloads = if args.manifests_only {
            "not looked at".to_owned()
        } else {
            let words = payload_words(body.payloads, &body.withdrawn);
            match &body.waiting[..] {
                [] => words,
                names => format!("{words}; not there, of releases in no channel: {}", names.join(", ")),
            }
        };
        let words = pairs(&[
            body.root.row(),
            (
                "roles",
                format!(
                    "{} signed as they must be; `{role}` expires first, {}",
                    body.roles.len(),
                    rfc3339(first)
                ),
            ),
            ("releases", format!("{} signed", body.releases)),
            ("payloads", payloads),
        ]);
        words + &format!("\n{table}")
    })?;
    if body.missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let missing: Vec<String> = body.missing.iter().map(|name| format!("`{name}`")).collect();
    Err(refuse(
        format!("listed and missing, while all that is there is as it was signed: {}", missing.join(", ")),
        "where the catalog is, `tidegate verify` tells which file of `payloads/` to put back; a mirror wants a new `tidegate export`",
    ))
}

/// The root to begin with, and whether it came from what is to be verified.
fn trusted(args: &Args, source: &Source, workspace: &Workspace) -> anyhow::Result<(Signed<Root>, bool)> {
    if let Some(root) = own_root(args.root.as_deref(), &workspace.catalog)? {
        return Ok((root, false));
    }
    let path = names::metadata_path("root", 1);
    let raw = source.fetch(&path);
    source.failure()?;
    let raw = raw.ok_or_else(|| {
        refuse(format!("there is no `{path}` there"), "name a folder or a server that holds a repository")
    })?;
    Ok((parse_root(&path, raw)?, true))
}

impl RemoteBody {
    fn of(verified: &Verified, source: &Source) -> anyhow::Result<Self> {
        let top = [
            ("root", verified.root.signed().expires),
            ("timestamp", verified.timestamp.signed().expires),
            ("snapshot", verified.snapshot.signed().expires),
            ("targets", verified.targets.signed().expires),
        ];
        let delegated = verified.roles.iter().map(|(name, role)| (name.as_str(), role.signed().expires));
        let mut body = Self {
            root: RootBody::of(verified.root.signed()),
            roles: top
                .into_iter()
                .chain(delegated)
                .map(|(name, at)| (name.to_owned(), rfc3339(at)))
                .collect(),
            channels: Vec::new(),
            releases: 0,
            payloads: 0,
            withdrawn: Vec::new(),
            waiting: Vec::new(),
            missing: Vec::new(),
        };
        for (role, signed) in &verified.roles {
            for (name, target) in &signed.signed().targets {
                if role == CHANNELS {
                    let raw = source.fetch(&names::target_path(name, &target.hashes.sha256));
                    // It was there a moment ago, and verified.
                    let raw = raw.with_context(|| format!("`{name}` is gone"))?;
                    body.channels.push(ChannelBody::of(Signed::<ChannelManifest>::parse(raw)?.signed()));
                } else if name.starts_with("release.") {
                    body.releases += 1;
                }
            }
        }
        Ok(body)
    }
}

fn payload_words(good: usize, withdrawn: &[String]) -> String {
    match withdrawn {
        [] => format!("{good} have their digests"),
        _ => format!("{good} have their digests; withdrawn, of yanked releases: {}", withdrawn.join(", ")),
    }
}

impl ChannelBody {
    fn of(manifest: &ChannelManifest) -> Self {
        Self {
            channel: manifest.channel.to_string(),
            latest: manifest.latest.as_ref().map(ToString::to_string),
            releases: manifest.releases.len(),
            paused: manifest.paused.is_some(),
            expires: rfc3339(manifest.expires),
            demo: manifest.demo,
        }
    }
}
