//! Describes a ceremony in words.

use std::path::Path;

use serde::Serialize;

use super::super::table::{Table, counted};
use super::super::terminal::Terminal;
use crate::domain::rfc3339;
use crate::domain::rules::text::hidden;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::{KeyId, Signers};
use crate::signing::ceremony::{
    Ceremony, Document, Listing, Refused, Report, RoleChange, RoleName, Tally, TermChange,
};

/// The hint for a ceremony that clients would refuse, or that somebody tampered with.
pub const NEVER_SIGN: &str = "do not sign anything in it; begin a new ceremony: `tidegate root change`";

/// The hint that says where to find the roles and their keys.
pub const SEE_ROLES: &str = "see the roles and their keys: `tidegate root show`";

/// The hint for a document that has grown too large.
pub const TOO_LARGE: &str = "pack the payload files of a release into fewer archives, or begin a new line for the next releases: the role of a line lists every payload file of all its releases";

/// The hint for a manifest that a role lists, and that is neither in its folder nor in the last publication.
pub const LOST_MANIFEST: &str = "run `tidegate release sign --key FILE` first: it signs the release again or says how to drop it, if the catalog no longer has it and the line has no index yet; otherwise put the file back, for example from a mirror or another server, which has it as `/v1/releases/VERSION`";

/// The hint for a manifest that may exist, but cannot be read here.
pub const UNREAD: &str = "make it readable, then try again: mount the payload folder or name it with `--payloads DIR`, or restore the state (`tidegate recover`)";

/// Returns the hint for a ceremony that cannot be finished.
pub fn finish_hint(error: &Refused, ceremony: &Ceremony) -> &'static str {
    match error {
        Refused::Unfinished(_) => {
            "give the missing keys too (`--key`), or pass a file on to their keepers (`--ceremony FILE`, `root change FILE`); `tidegate ceremony show FILE` lists the missing keys"
        }
        Refused::Stale { .. } if ceremony.manifests().next().is_some() => {
            "start over from the current catalog, with the same command: `tidegate release sign` or `tidegate root change`; this file can be deleted"
        }
        Refused::Stale { .. } => {
            "start over from the current catalog: `tidegate root change`; this file can be deleted"
        }
        Refused::TooLarge { .. } => TOO_LARGE,
        Refused::Expired { .. } => "renew that role as well: `tidegate root change --renew ROLE --key FILE`",
        Refused::Manifest { .. } => LOST_MANIFEST,
        _ => NEVER_SIGN,
    }
}

/// A ceremony's report, with its changes as sentences.
#[derive(Debug, Serialize)]
struct Body<'a> {
    changes: &'a [String],
    /// All roles after the ceremony, if nothing shows that those before it are real.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles_after: Option<&'a [RoleBody]>,
    #[serde(flatten)]
    report: &'a Report<'a>,
}

/// A role after the ceremony, with all its keys.
#[derive(Debug, Serialize)]
struct RoleBody {
    role: RoleName,
    threshold: u64,
    keys: Vec<KeyId>,
}

/// Says whose key it is, for people who gave the wrong one.
pub fn whose_key(ceremony: &Ceremony, file: &Path, keyid: KeyId) -> String {
    let roles = ceremony.roles_after();
    let own = roles.iter().filter(|(_, signers)| signers.keys.contains_key(&keyid));
    let own: Vec<String> = own.map(|(role, _)| format!("`{role}`")).collect();
    let whose = match &own[..] {
        [] => "of no role".to_owned(),
        own => format!("of {}", own.join(", ")),
    };
    format!("the key `{}` is a key {whose}", file.display())
}

/// Returns the beginning of a key's id, which is enough for `--drop`.
pub fn short(keyid: KeyId) -> String {
    let mut text = keyid.to_string();
    text.truncate(12);
    text
}

/// Returns the beginnings of key ids, as a list for people.
pub fn list(keyids: &[KeyId]) -> String {
    keyids.iter().map(|keyid| short(*keyid)).collect::<Vec<_>>().join(", ")
}

/// Shows what a ceremony changes, and who has signed. If it is shown `in_full`, all keys and thresholds
/// after the ceremony are shown too: what changes says little if the state before it may be forged.
pub fn describe(ceremony: &Ceremony, in_full: bool, terminal: &mut Terminal<'_>) -> anyhow::Result<()> {
    let report = ceremony.report();
    let changes = changes(&report);
    let roles = ceremony.roles_after().into_iter().map(|(role, Signers { keys, threshold })| {
        let keys = keys.into_keys().collect();
        RoleBody { role, threshold, keys }
    });
    let roles: Option<Vec<RoleBody>> = (in_full && !ceremony.founds()).then(|| roles.collect());
    let body = Body { changes: &changes, roles_after: roles.as_deref(), report: &report };
    terminal.show(&body, || {
        let reason = report.reason.map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
        let changes: Vec<String> =
            changes.iter().map(|change| format!("- {}\n", printable(change))).collect();
        let changes = changes.concat();
        let roles = roles.as_deref().map(in_words).unwrap_or_default();
        format!("begun {}{reason}\n{changes}\n{roles}{}", rfc3339(report.began), table(&report.documents))
    })
}

/// Says which keys count for each role.
fn in_words(roles: &[RoleBody]) -> String {
    let mut words = "all keys after this ceremony:\n".to_owned();
    for RoleBody { role, threshold, keys } in roles {
        words.extend([format!("- `{role}` needs {threshold} of {}:\n", counted(keys.len(), "key"))]);
        words.extend(keys.iter().map(|keyid| format!("    {keyid}\n")));
    }
    words + "\n"
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

/// Makes a string from the file safe to show: it must not hide other output by moving the cursor, breaking
/// the line or reversing the direction of the text.
fn printable(text: &str) -> String {
    let shown = |(c, is_hidden)| if is_hidden { char::REPLACEMENT_CHARACTER } else { c };
    hidden(text).map(shown).collect()
}

/// Describes in sentences what a ceremony changes.
fn changes(report: &Report<'_>) -> Vec<String> {
    // The reason and the documents are shown separately.
    let Report { reason: _, began: _, roles, retires, terms, listings, releases, documents: _, complete: _ } =
        report;
    let mut changes: Vec<String> = roles.iter().map(role).collect();
    if let Some(retirement) = retires {
        changes.push(format!(
            "line `{}` is RETIRED, which cannot be undone: {}",
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
        for (what, names) in [("now lists", added), ("no longer lists", removed)] {
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
    let mut words: Vec<String> = Vec::new();
    words.extend(prefix.as_ref().map(|prefix| format!("signs for versions `{prefix}.*`")));
    words.extend(added.iter().map(|keyid| format!("adds the key `{keyid}`")));
    words.extend(dropped.iter().map(|keyid| format!("drops the key `{keyid}`")));
    let before = threshold_before.filter(|before| before != threshold);
    words.extend(before.map(|before| format!("goes from {before} to {threshold} signatures")));
    words.push(format!("and then needs {threshold} of {keys} keys"));
    format!("role `{role}`: {}", words.join(", "))
}

/// Describes everything in a manifest.
fn release(manifest: &ReleaseManifest) -> String {
    let mut words = vec![format!("release `{}` of line `{}`", manifest.version, manifest.line)];
    words.extend(manifest.follows.as_ref().map(|follows| format!("which follows `{follows}`")));
    words.push(if manifest.barrier { "a barrier" } else { "no barrier" }.to_owned());
    words.push(format!("urgency `{}`", manifest.urgency));
    words.extend(manifest.summary.as_ref().map(|summary| format!("summary `{summary}`")));
    words.extend(manifest.components.iter().map(|(name, version)| format!("component `{name}` `{version}`")));
    words.extend(manifest.links.iter().map(|(name, link)| format!("link `{name}` `{link}`")));
    for payload in &*manifest.payloads {
        let arch = payload.arch.as_ref().map(|arch| format!(" for `{arch}`")).unwrap_or_default();
        words.push(format!("`{}` {} of {} bytes{arch}", payload.file, payload.sha256, payload.size));
    }
    let bounds = manifest.not_before.iter();
    words.extend(bounds.map(|(stage, earliest)| format!("in `{stage}` not before {}", rfc3339(*earliest))));
    words.extend(manifest.not_before_reason.as_ref().map(|reason| format!("BROUGHT FORWARD: `{reason}`")));
    words.extend(manifest.demo.then(|| "a demo".to_owned()));
    words.join(", ")
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
            ("a\u{61c}b\u{200b}\u{e0041}", "a\u{fffd}b\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
