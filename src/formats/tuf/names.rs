//! Names in the repository: of roles, files and targets.
//!
//! Target names are flat. With a `/` in them the two clients place a consistent target's digest
//! differently. Role names never begin with a number: `2.1.8-production.json` could be version 2 of
//! one role or version 2.1 of another.

use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Sha256;
use crate::domain::version::Version;

/// The role that lists channel manifests.
pub const CHANNELS: &str = "channels";
/// With what the names of lines' roles begin.
pub const RELEASES: &str = "releases-";
/// The path of the one file whose name never changes.
pub const TIMESTAMP_PATH: &str = "metadata/timestamp.json";

/// The role that lists a line's release manifests and payloads.
#[must_use]
pub fn releases_role(line: &LineName) -> String {
    format!("{RELEASES}{line}")
}

/// The target of a release manifest, `release.1.8.4-tectonic.1.json`.
#[must_use]
pub fn release_target(version: &Version) -> String {
    format!("release.{version}.json")
}

/// The target of a payload file, `payload.1.8.4-tectonic.1.payload.json`. Two releases of one line
/// could in theory share one (`1.8.4-a.b` with `c`, `1.8.4-a` with `b.c`); see
/// [`Targets::insert`](super::Targets::insert).
#[must_use]
pub fn payload_target(version: &Version, file: &str) -> String {
    format!("payload.{version}.{file}")
}

/// The target of a channel manifest, `channel.1.8-production.json`.
#[must_use]
pub fn channel_target(channel: &ChannelName) -> String {
    format!("channel.{channel}.json")
}

/// The paths that a line's role may list. `*` is the only sign with a meaning that all clients
/// share. Both spellings of versions, with and without `v`, are one line's: they are always
/// delegated together, since a line may change its spelling without a new signature.
#[must_use]
pub fn releases_paths(prefix: &Prefix) -> Vec<String> {
    let prefix = prefix.to_string();
    // What may follow the prefix: a whole version number leaves only these.
    let after: &[&str] = if prefix.split('.').count() == 3 { &[".*", "-*", "+*"] } else { &[".*"] };
    let mut paths = Vec::new();
    for kind in ["release", "payload"] {
        for v in ["", "v"] {
            paths.extend(after.iter().map(|after| format!("{kind}.{v}{prefix}{after}")));
        }
    }
    paths
}

/// The prefix of the versions that a line's role may list, from its paths: what [`releases_paths`]
/// made them of.
#[must_use]
pub fn prefix(paths: &[String]) -> Option<Prefix> {
    let text = paths.iter().find_map(|path| path.strip_prefix("release.")?.strip_suffix(".*"))?;
    let prefix = Prefix::parse(text).ok()?;
    (releases_paths(&prefix) == paths).then_some(prefix)
}

/// The paths that the role `channels` may list.
#[must_use]
pub fn channels_paths() -> Vec<String> {
    vec!["channel.*".to_owned()]
}

/// Where a role's file is, `metadata/7.root.json`.
#[must_use]
pub fn metadata_path(role: &str, version: u64) -> String {
    format!("metadata/{version}.{role}.json")
}

/// Where a target is, `targets/DIGEST.NAME`. In a URL clients percent-encode some characters of the
/// name (`+` among them); it is looked up decoded.
#[must_use]
pub fn target_path(name: &str, sha256: &Sha256) -> String {
    format!("targets/{sha256}.{name}")
}

/// Whether a target's name is one that every client treats alike: flat, in characters that need no
/// escape in a file's name, and not hidden.
#[must_use]
pub fn is_target_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// Whether a role's path takes in a target's name. `*` stands for any text; `None` where the path
/// has another sign with a meaning, which clients read differently.
#[must_use]
pub fn path_matches(path: &str, name: &str) -> Option<bool> {
    if path.contains(['?', '[', ']', '{', '}', '!', '\\', '/']) {
        return None;
    }
    let mut parts = path.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return Some(false) };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return Some(rest.is_empty()) };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return Some(false),
        }
    }
    Some(rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(prefix: &str, name: &str) -> bool {
        let paths = releases_paths(&Prefix::parse(prefix).unwrap());
        paths.iter().any(|path| path_matches(path, name) == Some(true))
    }

    #[test]
    fn a_line_takes_in_its_versions_in_both_spellings_and_no_others() {
        for (prefix, version, expected) in [
            ("1.8", "1.8.4-tectonic.1", true),
            ("1.8", "v1.8.4+rke2r1", true),
            ("1.8", "1.80.4", false),
            ("1.8", "1.9.4-1.8", false),
            ("1", "1.8.4", true),
            ("1.8.4", "1.8.4", true),
            ("1.8.4", "1.8.4-tectonic.1", true),
            ("1.8.4", "v1.8.4+k3s1", true),
            ("1.8.4", "1.8.40", false),
        ] {
            let version = Version::parse(version).unwrap();
            for name in [release_target(&version), payload_target(&version, "payload.json")] {
                assert_eq!(takes(prefix, &name), expected, "{prefix} {name}");
                assert!(is_target_name(&name), "{name}");
            }
        }
    }

    #[test]
    fn a_prefix_is_read_back_from_the_paths_that_it_made() {
        for text in ["1", "1.8", "1.8.4"] {
            let line = Prefix::parse(text).unwrap();
            assert_eq!(prefix(&releases_paths(&line)), Some(line));
        }
        assert_eq!(prefix(&channels_paths()), None);
        assert_eq!(prefix(&["release.1.8.*".to_owned(), "release.1.9.*".to_owned()]), None);
    }

    #[test]
    fn a_star_stands_for_any_text_and_other_signs_are_refused() {
        for (path, name, expected) in [
            ("channel.*", "channel.1.8-production.json", Some(true)),
            ("channel.*", "channel", Some(false)),
            ("a", "a", Some(true)),
            ("a", "ab", Some(false)),
            ("a*b*c", "a-b-b-c", Some(true)),
            ("a*b*c", "a-c-b", Some(false)),
            ("*", "", Some(true)),
            ("a*a", "a", Some(false)),
            ("a?", "ab", None),
            ("{a,b}", "a", None),
            ("a/*", "a/b", None),
        ] {
            assert_eq!(path_matches(path, name), expected, "{path} {name}");
        }
    }

    #[test]
    fn files_are_named_by_version_or_digest() {
        let line = LineName::parse("1.8").unwrap();
        assert_eq!(metadata_path(&releases_role(&line), 3), "metadata/3.releases-1.8.json");
        let path = target_path("channel.1.8-production.json", &Sha256::new([0xab; 32]));
        assert_eq!(path, format!("targets/{}.channel.1.8-production.json", "ab".repeat(32)));
        for bad in ["", ".x", "a/b", "a b", "a%", "ä"] {
            assert!(!is_target_name(bad), "{bad:?}");
        }
    }
}
