//! A ceremony in words.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::table::Table;
use super::super::terminal::Terminal;
use crate::domain::rfc3339;
use crate::formats::fault::is_unprintable;
use crate::formats::manifest::ReleaseManifest;
use crate::formats::tuf::KeyId;
use crate::signing::ceremony::Ceremony;

/// What to do with a ceremony that clients would refuse, or that was tampered with.
pub const NEVER_SIGN: &str = "sign nothing of it; begin a new ceremony: `tidegate root change`";

#[derive(Debug, Serialize)]
struct Body {
    reason: Option<String>,
    began: String,
    /// What it does, in words.
    changes: Vec<String>,
    documents: Vec<DocumentBody>,
    /// Whether all have signed.
    complete: bool,
}

#[derive(Debug, Serialize)]
struct DocumentBody {
    path: String,
    version: String,
    expires: Option<String>,
    /// Whether it can be signed now: the role of a line waits for its manifests.
    ready: bool,
    needs: Vec<Needs>,
}

#[derive(Debug, Serialize)]
struct Needs {
    keys: &'static str,
    threshold: u64,
    signed: Vec<KeyId>,
    missing: Vec<KeyId>,
}

/// How a key is called where a person reads it: as much of its id as `--drop` takes.
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
    let documents = ceremony.documents();
    let bodies = documents.iter().map(|document| DocumentBody {
        path: document.id.path(),
        version: document.version.clone(),
        expires: document.expires.map(rfc3339),
        ready: document.ready,
        needs: document
            .tallies()
            .into_iter()
            .map(|tally| Needs {
                keys: tally.whose,
                threshold: tally.threshold,
                signed: tally.signed,
                missing: tally.missing,
            })
            .collect(),
    });
    let body = Body {
        reason: ceremony.reason.clone(),
        began: rfc3339(ceremony.began),
        changes: changes(ceremony),
        documents: bodies.collect(),
        complete: ceremony.is_complete(),
    };
    let mut table = Table::new(["DOCUMENT", "VERSION", "EXPIRES", "NEEDS", "SIGNED BY", "MISSING"]);
    for document in &body.documents {
        for (place, needs) in document.needs.iter().enumerate() {
            let first = |text: &str| if place == 0 { text.to_owned() } else { "\"".to_owned() };
            let all = needs.signed.len() + needs.missing.len();
            let done = needs.signed.len() as u64 >= needs.threshold;
            let missing = match (done, document.ready) {
                (true, true) => String::new(),
                (_, false) => "waits for its manifests".to_owned(),
                (false, true) => list(&needs.missing),
            };
            table.row([
                first(&document.path),
                first(&document.version),
                first(document.expires.as_deref().unwrap_or_default()),
                format!("{} of {all} {}", needs.threshold, needs.keys),
                list(&needs.signed),
                missing,
            ]);
        }
    }
    terminal.show(&body, || {
        let mut words = format!("begun {}", body.began);
        if let Some(reason) = &body.reason {
            words.push_str(": ");
            words.push_str(&printable(reason));
        }
        words.push('\n');
        for change in &body.changes {
            words.push_str("- ");
            words.push_str(&printable(change));
            words.push('\n');
        }
        format!("{words}\n{table}")
    })
}

/// A text of the file for the eyes of a keeper: nothing in it may move the cursor, break the line or
/// turn the writing round, and so hide what else is shown.
fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// What a ceremony does, a sentence for each thing.
fn changes(ceremony: &Ceremony) -> Vec<String> {
    let mut changes: Vec<String> = ceremony.role_changes().iter().map(ToString::to_string).collect();
    if let Some(retirement) = &ceremony.retires {
        changes.push(format!(
            "line `{}` ENDS, and there is no way back: {}",
            retirement.line, retirement.reason
        ));
    }
    for (role, was, expires) in ceremony.expiries() {
        changes.push(match was {
            Some(was) if was == expires => continue,
            Some(was) => {
                format!("`{role}` expires at {} instead of {}", rfc3339(expires), rfc3339(was))
            }
            None => format!("`{role}` is new, and expires at {}", rfc3339(expires)),
        });
    }
    let names =
        |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for (line, anew, gone) in ceremony.listed() {
        if !anew.is_empty() {
            changes.push(format!("line `{line}` lists anew: {}", names(&anew)));
        }
        if !gone.is_empty() {
            changes.push(format!("line `{line}` lists no more: {}", names(&gone)));
        }
    }
    for manifest in ceremony.manifests() {
        changes.push(release(manifest));
    }
    changes
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
