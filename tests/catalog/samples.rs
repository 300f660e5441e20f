//! A good catalog, and changes to it.

use std::collections::BTreeMap;

use tidegate::formats::yaml::{Reading, Source, read};

/// Files by path.
pub type Files = BTreeMap<String, String>;

const POLICY: &str = "\
format: 1
stages:
  - name: preproduction
  - name: production
    soak: { min: 14d, max: 28d }
freezes:
  - { from: 2017-12-22T00:00:00Z, until: 2018-01-02T00:00:00Z, reason: end of year, except: [security] }
";

const LINE_17: &str = "\
format: 1
line: \"1.7\"
";

const LINE_18: &str = "\
# The line that most clusters are on.
format: 1
line: \"1.8\"
title: Tectonic 1.8
follows: { line: \"1.7\", grace: 2d }
stages:
  - name: preproduction
    aliases: [tectonic-1.8-preproduction]
  - name: production
    soak: { min: 14d, max: 28d, security: { min: 3d, max: 14d, why: fixes go out faster } }
    windows: { days: mon-thu, hours: 09:00-16:00, zone: Europe/Berlin }
freezes:
  - { from: 2018-05-01T00:00:00Z, until: 2018-05-02T00:00:00Z, reason: \"first of May\" }
paused:
  production: { at: 2018-06-01T10:00:00+02:00, by: ana, reason: looking into slow upgrades }
";

const RELEASE_184: &str = "\
format: 1
version: 1.8.4-tectonic.1
urgency: normal
summary: Kubernetes 1.8.4
links: { notes: \"https://example.com/1.8.4\" }
components: { kubernetes: 1.8.4+tectonic.1, etcd: 3.1.8 }
payloads:
  - { file: payload.json, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 9999 }
barrier: false
stages:
  preproduction: { since: 2017-12-19T17:30:31Z, by: schedule }
  production: { since: 2018-01-02T17:30:31Z, by: schedule, reason: soaked 14d }
";

const RELEASE_185: &str = "\
format: 1
version: 1.8.5
urgency: security
payloads:
  - file: amd64.json
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size: 1
    arch: amd64
  - file: arm64.json
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size: 2
    arch: arm64
barrier: true
replaces: 1.8.4-tectonic.1
stages:
  preproduction: { since: 2018-02-01T00:00:00Z, by: schedule }
  production: { since: 2018-02-01T12:00:00Z, by: ana, reason: closes a hole that is in use }
hold: { at: 2018-02-02T00:00:00Z, by: ben, reason: nodes do not come back }
yank: { at: 2018-02-03T00:00:00Z, by: ben, reason: nodes do not come back, to: 1.8.6 }
note: |
  Ticket 4711.
  Ana knows more.
";

const RELEASE_186: &str = "\
format: 1
version: 1.8.6
payloads:
  - { file: payload.json, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 3 }
";

const RELEASE_179: &str = "\
format: 1
version: v1.7.9
payloads:
  - { file: payload.json, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, size: 9999 }
";

/// A catalog in which every key is used, without a fault.
pub fn good() -> Files {
    [
        ("policy.yaml", POLICY),
        ("1.7/line.yaml", LINE_17),
        ("1.7/v1.7.9.yaml", RELEASE_179),
        ("1.8/line.yaml", LINE_18),
        ("1.8/1.8.4-tectonic.1.yaml", RELEASE_184),
        ("1.8/1.8.5.yaml", RELEASE_185),
        ("1.8/1.8.6.yaml", RELEASE_186),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into()
}

/// A change of one file: what of it is replaced, and by what. Nothing to replace means the whole
/// file.
pub type Edit = (&'static str, &'static str, &'static str);

/// A row of a table of faults: what it is, what is edited, and parts of the message and of the
/// hint. In an edit, `‹…›` marks where the fault is expected; without a mark, it is the beginning of a
/// file.
pub type Row = (&'static str, &'static [Edit], &'static str, &'static str);

/// The good catalog after some edits.
pub fn edited(edits: &[Edit]) -> Files {
    let mut files = good();
    for (path, from, to) in edits {
        let file = files.entry((*path).to_owned()).or_default();
        if from.is_empty() {
            (*to).clone_into(file);
        } else {
            assert_eq!(file.matches(from).count(), 1, "`{from}` stands once in {path}");
            *file = file.replace(from, to);
        }
    }
    files
}

/// Reads files.
pub fn reading(files: &Files) -> Reading {
    read(files.iter().map(|(path, text)| Source { path, bytes: text.as_bytes() }))
}
