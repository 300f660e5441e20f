//! `tidegate recover`.

mod anew;
mod trust;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use chrono::TimeDelta;
use serde::Serialize;

use super::author::Author;
use super::failure::{Hint, refuse};
use super::table::{counted, pairs};
use super::terminal::Terminal;
use super::verify::source::{Origin, Source, own_root};
use super::workspace::Workspace;
use crate::domain::channel::LineName;
use crate::domain::{Time, rfc3339};
use crate::formats::tuf::{Root, version_at};
use crate::promoter::stored;
use crate::publish::Publication;
use crate::publish::continuity::{Behind, check_seen, replaces_online_keys};
use crate::publish::restore::{made, restore};
use crate::signing::Signed;
use crate::signing::trust::Trust;
use crate::store::port::StateStore;

/// Restore a lost state folder, or the catalog's `trust/`, from the published documents
///
/// Verifies what is published at `--from`, starting from the catalog's own root, and stores it as the last
/// publication. The versions that this server signs next are higher, and take nothing back. Run this also
/// after you have restored the state folder from a backup. Stop the server first.
///
/// If only some lines were lost, only these are restored.
///
/// With `--anew`, a line whose published documents are lost begins anew from the catalog, without being compared
/// with what was published: use it only if there is no copy left.
///
/// With `--trust`, puts back the roots and roles that are missing from the catalog's `trust/` or were rolled
/// back there, and leaves the state as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tidegate recover --from https://updates.example.com
  tidegate recover --from /srv/mirror
  tidegate recover --anew 1.8 --reason 'the disk is gone, and there is no mirror'
  tidegate recover --trust")]
pub struct Args {
    /// The published service: a server, `http://HOST:PORT`, or a folder with a copy or a mirror of it
    #[arg(long, value_name = "DIR|URL", required_unless_present_any = ["trust", "anew"])]
    from: Option<Origin>,
    /// Put back the catalog's `trust/`; without `--from`, from this server's last publication
    #[arg(long)]
    trust: bool,
    /// Let a line begin anew whose published documents are lost
    #[arg(long, value_name = "LINE", requires = "reason", conflicts_with_all = ["from", "trust"])]
    anew: Option<LineName>,
    /// Why the line begins anew
    #[arg(long, value_name = "TEXT", requires = "anew")]
    reason: Option<String>,
    #[command(flatten)]
    author: Author,
    /// The root that you trust; by default the first one of this catalog
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Check the server's certificate against the roots in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Body {
    recovered: bool,
    /// The lines that were restored, if the others were not lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
    version: u64,
    /// RFC 3339.
    made: String,
    /// RFC 3339.
    expires: String,
    channels: usize,
    releases: usize,
}

/// A correct server's version is at most a little larger than the milliseconds since 1970. A version further
/// ahead of the clock than this came from somebody else.
const FAR_AHEAD: TimeDelta = TimeDelta::days(366);

pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    if let (Some(line), Some(reason)) = (&args.anew, &args.reason) {
        return anew::run(line, reason, &args.author, workspace, terminal);
    }
    let Some(from) = args.from.as_ref().filter(|_| !args.trust) else {
        return trust::run(args, workspace, terminal);
    };
    let now = workspace.now();
    let state = workspace.state_store();
    let root = own_root(args.root.as_deref(), &workspace.catalog)?.ok_or_else(|| {
        refuse(
            format!("the catalog `{}` has no root to start from", workspace.catalog.display()),
            "name the catalog with `--catalog DIR`, or the root that you trust with `--root FILE`",
        )
    })?;
    let mut seen = seen(from, args.ca.as_deref(), &root, now)?;
    // Not before: a recovery that is refused leaves nothing behind.
    let _lease =
        state.lease().hint("stop the server that uses this state folder, and start it again afterwards")?;
    let replaced = replaced(&seen, workspace)?;
    let taken = match stored::publication(&*state) {
        // The documents of the lost lines are known by their digests, whichever keys have signed them.
        Ok(Some(own)) if own.lost_lines().next().is_some() && seen.highest() <= own.version => {
            Taken::Lines(restore_lines(own, &seen, from, &*state)?)
        }
        Ok(Some(own)) => compare(&own, &seen, replaced, from)?,
        // A damaged publication counts as none.
        Ok(None) | Err(_) => Taken::Everything,
    };
    if taken == Taken::Everything {
        let floor = floor(&mut seen, replaced, now)?;
        // Copy payloads now, so that they can be served from the first request on. A payload that is
        // missing or has changed is neither copied nor served.
        let wanted: Vec<_> = seen.payloads().collect();
        workspace.payload_store().ensure_copies(&wanted)?;
        state.raise(floor)?;
        stored::store(&*state, &seen)?;
    }
    show(&taken, &seen, replaced, terminal)?;
    Ok(ExitCode::SUCCESS)
}

/// What is taken from what is published.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Everything,
    /// The documents of these lines, which were lost.
    Lines(Vec<LineName>),
    Nothing,
}

/// Restores all lost lines, or says why one cannot be restored.
fn restore_lines(
    mut own: Publication,
    seen: &Publication,
    from: &Origin,
    state: &dyn StateStore,
) -> anyhow::Result<Vec<LineName>> {
    let lines = own.restore_lost(seen);
    if !lines.is_empty() {
        stored::store(state, &own)?;
    }
    let Some((line, why)) = own.lost_lines().next() else { return Ok(lines) };
    Err(refuse(
        format!(
            "what is published at `{from}` of line `{line}`, if anything, is not what was last published here, and that is lost: {why}"
        ),
        format!(
            "name a newer copy, bring the file back from a backup, or, if there is neither: `tidegate recover --anew {line} --reason TEXT`"
        ),
    ))
}

/// Compares what was last published here with what is published.
fn compare(own: &Publication, seen: &Publication, replaced: bool, from: &Origin) -> anyhow::Result<Taken> {
    if replaced || seen.root().signed().version < own.root().signed().version {
        return Err(refuse(
            format!(
                "what is published at `{from}` is signed by an online key that has since been replaced, and may have been stolen"
            ),
            "start the server: nothing needs to be restored, and clients forget what the old key signed",
        ));
    }
    match check_seen(Some(own), seen) {
        Err(Behind::Nothing { .. } | Behind::Older { .. }) => Ok(Taken::Everything),
        Err(behind @ (Behind::Fork { .. } | Behind::Lacks(_))) => Err(refuse(
            format!("two servers sign with one key: {behind}"),
            "stop the other server, then recover from the one that clients see",
        )),
        Ok(()) => Ok(Taken::Nothing),
    }
}

fn show(
    taken: &Taken,
    seen: &Publication,
    replaced: bool,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let lines = if let Taken::Lines(lines) = taken { &lines[..] } else { &[] };
    let body = Body {
        recovered: *taken != Taken::Nothing,
        lines: lines.iter().map(ToString::to_string).collect(),
        version: seen.version,
        made: rfc3339(seen.made),
        expires: rfc3339(seen.expires),
        channels: seen.offers().len(),
        releases: seen.releases(),
    };
    terminal.show(&body, || {
        let done = match taken {
            Taken::Everything => "restored".to_owned(),
            Taken::Nothing => "nothing to do: the publication here is at least as new".to_owned(),
            Taken::Lines(_) => {
                format!("restored line {}; the others were not lost", body.lines.join(", "))
            }
        };
        pairs(&[
            ("state", done),
            ("live", format!("version {}, made {}, expires {}", body.version, body.made, body.expires)),
            ("offers", offers(body.channels, body.releases)),
        ])
    })?;
    if *taken == Taken::Everything && replaced {
        terminal.note(
            "warning: the restored publication is signed by an online key that has been replaced; if that key was stolen, check what is offered",
        );
    }
    if body.recovered {
        terminal.note("next: start `tidegate serve`, which continues from this publication");
    }
    Ok(())
}

/// Returns how many channels and releases are offered, in words.
pub fn offers(channels: usize, releases: usize) -> String {
    format!("{}, {}", counted(channels, "channel"), counted(releases, "release"))
}

/// Reads and verifies what is published at `from`, which may have expired while no server renewed it.
pub fn seen(from: &Origin, ca: Option<&Path>, root: &Signed<Root>, now: Time) -> anyhow::Result<Publication> {
    let source = Source::of(from, ca)?;
    source.check_place(from)?;
    let at = made(&source)?.map_or(now, |made| made.min(now));
    let seen = restore(root, at, &source).with_context(|| format!("cannot recover from `{from}`"))?;
    source.check_roots(seen.root().signed().version)?;
    Ok(seen)
}

/// Whether the catalog's root has replaced the online key that signed a publication.
pub fn replaced(seen: &Publication, workspace: &Workspace) -> anyhow::Result<bool> {
    let trust = Trust::read(&workspace.store()?.keys()?)?;
    Ok(trust.is_some_and(|trust| replaces_online_keys(trust.root().signed(), seen)))
}

/// Returns the version above which this server signs from now on.
///
/// Somebody who stole the online key can use up all versions, so that none can follow. After the root
/// names another key for snapshot and timestamp, clients forget the versions that they saw, and counting
/// starts again.
fn floor(seen: &mut Publication, replaced: bool, now: Time) -> anyhow::Result<u64> {
    if replaced {
        seen.version = 0;
        return Ok(0);
    }
    let most = version_at(now + FAR_AHEAD);
    let highest = seen.highest();
    if highest <= most {
        return Ok(highest);
    }
    Err(refuse(
        format!(
            "version {highest} is published, which is far ahead of the clock: somebody else holds the online key"
        ),
        "replace the online key (`tidegate root change FILE --add online=PUBLIC.pem --drop online=KEYID`), and recover again",
    ))
}
