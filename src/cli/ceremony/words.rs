//! A ceremony in words.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::table::Table;
use super::super::terminal::Terminal;
use crate::domain::rfc3339;
use crate::formats::fault::is_unprintable;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::KeyId;
use crate::signing::ceremony::{Ceremony, Document, Listing, Refused, Report, RoleChange, Tally, TermChange};

/// What to do with a ceremony that clients would refuse, or that somebody tampered with.
pub const NEVER_SIGN: &str = "do not sign any of it; begin a new ceremony: `tidegate root change`";

/// Where to look which keys count for what.
pub const SEE_ROLES: &str = "see the roles and their keys: `tidegate root show`";

/// What to do about a ceremony that cannot be finished.
pub fn finish_hint(error: &Refused, ceremony: &Ceremony) -> &'static str {
    match error {
        Refused::Unfinished(_) => {
            "give the missing keys too (`--key`), or pass a file on to their keepers (`--ceremony FILE`, `root change FILE`); `tidegate ceremony show FILE` names them"
        }
        Refused::Stale { .. } if ceremony.manifests().next().is_some() => {
            "begin again with what the catalog has now, with the same command: `tidegate release sign` or `tidegate root change`; this file can be deleted"
        }
        Refused::Stale { .. } => {
            "begin again with what the catalog has now: `tidegate root change`; this file can be deleted"
        }
        Refused::Expired { .. } => "sign it for another term as well: `tidegate root change --renew ROLE`",
        Refused::Manifest { .. } => "put the payload folder back as it was, or sign the release again",
        _ => NEVER_SIGN,
    }
}

/// A report, with its changes in words.
#[derive(Debug, Serialize)]
struct Body<'a> {
    changes: &'a [String],
    #[serde(flatten)]
    report: &'a Report<'a>,
}

/// A key as people read it: as much of its id as `--drop` needs.
pub fn short(keyid: KeyId) -> String {
    let mut text = keyid.to_string();
    text.truncate(12);
    text
}

fn list(keyids: &[KeyId]) -> String {
    keyids.iter().map(|keyid| short(*keyid)).collect::<Vec<_>>().join(", ")
}

/// Shows what a ceremony changes, and who has signed.
pub fn describe(ceremony: &Ceremony, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let report = ceremony.report();
    let changes = changes(&report);
    terminal.show(&Body { changes: &changes, report: &report }, || {
        let mut words = format!("begun {}", rfc3339(report.began));
        if let Some(reason) = &report.reason {
            words.push_str(": ");
            words.push_str(&printable(reason));
        }
        words.push('\n');
        for change in &changes {
            words.push_str("- ");
            words.push_str(&printable(change));
            words.push('\n');
        }
        format!("{words}\n{}", table(&report.documents))
    })
}

fn table(documents: &[Document<'_>]) -> Table {
    let mut table = Table::new(["DOCUMENT", "VERSION", "EXPIRES", "NEEDS", "SIGNED BY", "MISSING"]);
    for Document { id, version, expires, ready, needs, .. } in documents {
        for (place, tally) in needs.iter().enumerate() {
            let first = |text: String| if place == 0 { text } else { "\"".to_owned() };
            let Tally { keys, threshold, signed, missing } = tally;
            table.row([
                first(id.to_string()),
                first(version.clone()),
                first(expires.map(rfc3339).unwrap_or_default()),
                format!("{threshold} of {} {keys}", signed.len() + missing.len()),
                list(signed),
                match ready {
                    false => "waits for its manifests".to_owned(),
                    true if tally.is_complete() => String::new(),
                    true => list(missing),
                },
            ]);
        }
    }
    table
}

/// A text of the file for the eyes of a keeper: nothing in it may move the cursor, break the line or
/// reverse the writing, and so hide what else is shown.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// What a ceremony does, a sentence for each thing.
fn changes(report: &Report<'_>) -> Vec<String> {
    // The reason and the documents are shown by themselves.
    let Report { reason: _, began: _, roles, retires, terms, listings, releases, documents: _, complete: _ } =
        report;
    let mut changes: Vec<String> = roles.iter().map(role).collect();
    if let Some(retirement) = retires {
        changes.push(format!(
            "line `{}` ENDS, and there is no way back: {}",
            retirement.line, retirement.reason
        ));
    }
    for TermChange { role, expired, expires } in terms {
        let at = rfc3339(*expires);
        match expired {
            Some(expired) if expired == expires => {}
            Some(expired) => {
                changes.push(format!("`{role}` expires at {at} instead of {}", rfc3339(*expired)));
            }
            None => changes.push(format!("`{role}` is new, and expires at {at}")),
        }
    }
    for Listing { line, added, removed } in listings {
        for (what, names) in [("lists anew", added), ("no longer lists", removed)] {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            if !names.is_empty() {
                changes.push(format!("line `{line}` {what}: {}", names.join(", ")));
            }
        }
    }
    changes.extend(releases.iter().copied().map(release));
    changes
}

fn role(change: &RoleChange) -> String {
    let RoleChange { role, added, dropped, threshold_before, threshold, keys, prefix } = change;
    let mut words = format!("role `{role}`:");
    // Writing to a `String` cannot fail.
    if let Some(prefix) = prefix {
        let _ = write!(words, " signs for versions `{prefix}.*`,");
    }
    for keyid in added {
        let _ = write!(words, " adds the key `{keyid}`,");
    }
    for keyid in dropped {
        let _ = write!(words, " drops the key `{keyid}`,");
    }
    if let Some(before) = threshold_before.filter(|before| before != threshold) {
        let _ = write!(words, " goes from {before} to {threshold} signatures,");
    }
    let _ = write!(words, " and then needs {threshold} of {keys} keys");
    words
}

/// All that a manifest says.
fn release(manifest: &ReleaseManifest) -> String {
    let mut words = format!("release `{}` of line `{}`", manifest.version, manifest.line);
    // Writing to a `String` cannot fail.
    if let Some(follows) = &manifest.follows {
        let _ = write!(words, ", which follows `{follows}`");
    }
    let barrier = if manifest.barrier { "a barrier" } else { "no barrier" };
    let _ = write!(words, ", {barrier}, urgency `{}`", manifest.urgency);
    if let Some(summary) = &manifest.summary {
        let _ = write!(words, ", summary `{summary}`");
    }
    for (name, version) in manifest.components.iter() {
        let _ = write!(words, ", component `{name}` `{version}`");
    }
    for (name, link) in manifest.links.iter() {
        let _ = write!(words, ", link `{name}` `{link}`");
    }
    for payload in &*manifest.payloads {
        let _ = write!(words, ", `{}` {} of {} bytes", payload.file, payload.sha256, payload.size);
        if let Some(arch) = &payload.arch {
            let _ = write!(words, " for `{arch}`");
        }
    }
    for (stage, earliest) in &manifest.not_before {
        let _ = write!(words, ", in `{stage}` not before {}", rfc3339(*earliest));
    }
    if let Some(reason) = &manifest.not_before_reason {
        let _ = write!(words, ", BROUGHT FORWARD: `{reason}`");
    }
    if manifest.demo {
        words.push_str(", a demo");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_file_hides_nothing_of_what_is_shown() {
        for (text, expected) in [
            ("yearly renewal, Ä", "yearly renewal, Ä"),
            ("a\u{1b}[2K\rb", "a\u{fffd}[2K\u{fffd}b"),
            ("a\n- nothing changes", "a\u{fffd}- nothing changes"),
            ("a\u{202e}b", "a\u{fffd}b"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
