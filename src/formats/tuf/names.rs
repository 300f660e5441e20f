//! Names of roles, files and targets in the repository.
//!
//! Target names are flat: python-tuf and tough disagree on where the digest goes in a name with a `/`.
//! Role names never begin with a number: `2.1.8-production.json` could be version 2 of one role or
//! version 2.1 of another.

use crate::domain::channel::{ChannelName, LineName};
use crate::domain::line::Prefix;
use crate::domain::payload::Sha256;
use crate::domain::version::Version;

/// The name of the role that lists channel manifests.
pub const CHANNELS: &str = "channels";
/// The prefix of every line's role name.
pub const RELEASES: &str = "releases-";
/// The prefix of the name of the file in `trust/` with the index of a line.
pub const INDEX: &str = "index-";
/// The path of the timestamp, the only file whose name never changes.
pub const TIMESTAMP_PATH: &str = "metadata/timestamp.json";

/// Returns the name of the role that lists a line's release manifests and payloads.
pub fn releases_role(line: &LineName) -> String {
    format!("{RELEASES}{line}")
}

/// Returns the line whose release manifests and payloads a role lists, given the role's name.
pub fn line_of(role: &str) -> Option<LineName> {
    LineName::parse(role.strip_prefix(RELEASES)?).ok()
}

/// Returns the name of the file in `trust/` with the index of a line, which is next to its role's.
pub fn index_file(line: &LineName) -> String {
    format!("{INDEX}{line}.json")
}

/// Whether a file in `trust/`, given by name, is the role or the index of a line, which matters only to that
/// line.
pub fn is_of_line(file: &str) -> bool {
    file.starts_with(RELEASES) || file.starts_with(INDEX)
}

/// The parsed name of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName<'a> {
    /// A channel manifest; see [`channel_target`].
    Channel(ChannelName),
    /// A release manifest; see [`release_target`].
    Release(Version),
    /// The index of the line with this prefix; see [`index_target`].
    Index(Prefix),
    /// A payload file; see [`payload_target`].
    Payload(PayloadName<'a>),
}

impl<'a> TargetName<'a> {
    /// Parses the name of a target. Returns `None` for a name that this program never writes.
    pub fn parse(name: &'a str) -> Option<Self> {
        let (kind, rest) = name.split_once('.')?;
        match kind {
            "channel" => ChannelName::parse(rest.strip_suffix(".json")?).ok().map(Self::Channel),
            "release" => {
                let rest = rest.strip_suffix(".json")?;
                // No version has this form, whatever the prefix is.
                let prefix = rest.strip_suffix(".index").and_then(|text| Prefix::parse(text).ok());
                let index = prefix.filter(|prefix| index_target(prefix) == name).map(Self::Index);
                index.or_else(|| Version::parse(rest).ok().map(Self::Release))
            }
            "payload" => Some(Self::Payload(PayloadName(rest))),
            _ => None,
        }
    }
}

/// Whether a target is a payload. This is cheaper than [`TargetName::parse`], for loops over every target
/// of a large catalog.
pub fn is_payload(target: &str) -> bool {
    target.starts_with("payload.")
}

/// The part of a payload's target name that contains the version and the file name, as in
/// `1.8.4-tectonic.1.payload.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadName<'a>(&'a str);

impl<'a> PayloadName<'a> {
    /// Returns every pair of version and file that the name can mean. Both can contain dots, so only a
    /// caller that knows the releases can tell which pair exists.
    pub fn readings(self) -> impl Iterator<Item = (Version, &'a str)> {
        let Self(name) = self;
        // Longer versions come first, because many dots are more common in versions than in file names.
        name.match_indices('.')
            .rev()
            .filter_map(|(dot, _)| Some((Version::parse(&name[..dot]).ok()?, &name[dot + 1..])))
    }
}

/// Returns the target name of a release manifest, as in `release.1.8.4-tectonic.1.json`.
pub fn release_target(version: &Version) -> String {
    format!("release.{version}.json")
}

/// Returns the target name of a payload file, as in `payload.1.8.4-tectonic.1.payload.json`. In theory, two
/// releases of one line can have the same target name (`1.8.4-a.b` with `c`, `1.8.4-a` with `b.c`); see
/// [`Targets::insert`](super::Targets::insert).
pub fn payload_target(version: &Version, file: &str) -> String {
    format!("payload.{version}.{file}")
}

/// Returns the target name of the index of a line, given the prefix of its versions, as in
/// `release.1.8.index.json`. The paths of every line's role match it already, so it needs no delegation of its
/// own.
pub fn index_target(prefix: &Prefix) -> String {
    format!("release.{prefix}.index.json")
}

/// Returns the target name of a channel manifest, as in `channel.1.8-production.json`.
pub fn channel_target(channel: &ChannelName) -> String {
    format!("channel.{channel}.json")
}

/// Returns patterns for the targets that a line's role may list. `*` is the only wildcard that all clients
/// agree on. Versions with and without `v` are always delegated together, so that a line can change its
/// spelling without a new signature.
pub fn releases_paths(prefix: &Prefix) -> Vec<String> {
    let prefix = prefix.to_string();
    // What may follow the prefix. A complete version number can have a suffix; any other prefix is followed
    // by the next number.
    let after: &[&str] = if prefix.split('.').count() == 3 { &[".*", "-*", "+*"] } else { &[".*"] };
    let mut paths = Vec::new();
    for kind in ["release", "payload"] {
        for v in ["", "v"] {
            paths.extend(after.iter().map(|after| format!("{kind}.{v}{prefix}{after}")));
        }
    }
    paths
}

/// Returns the prefix of the versions that a line's role may list, given the role's paths. This reverses
/// [`releases_paths`].
pub fn prefix(paths: &[String]) -> Option<Prefix> {
    let text = paths.iter().find_map(|path| path.strip_prefix("release.")?.strip_suffix(".*"))?;
    let prefix = Prefix::parse(text).ok()?;
    (releases_paths(&prefix) == paths).then_some(prefix)
}

/// Returns patterns for the targets that the role `channels` may list.
pub fn channels_paths() -> Vec<String> {
    vec!["channel.*".to_owned()]
}

/// Returns the path of a role's file, as in `metadata/7.root.json`.
pub fn metadata_path(role: &str, version: u64) -> String {
    format!("metadata/{version}.{role}.json")
}

/// Returns the version of a root, given the name of its file, as in `7.root.json`.
pub fn root_version(file: &str) -> Option<u64> {
    file.strip_suffix(".root.json")?.parse().ok()
}

/// Returns the version and the role of a file, given its [`metadata_path`].
pub fn role_at(path: &str) -> Option<(u64, &str)> {
    let (version, role) = path.strip_prefix("metadata/")?.strip_suffix(".json")?.split_once('.')?;
    let version = version.parse().ok()?;
    // `07` and `+7` parse as numbers too, but a file has only one path.
    (metadata_path(role, version) == path).then_some((version, role))
}

/// Returns the path of a target, `targets/DIGEST.NAME`. Clients percent-encode some characters of the name
/// in a URL, such as `+`; this is the decoded path.
pub fn target_path(name: &str, sha256: &Sha256) -> String {
    format!("targets/{sha256}.{name}")
}

/// Returns the digest and the name of a target, given its [`target_path`].
pub fn target_at(path: &str) -> Option<(Sha256, &str)> {
    let (digest, name) = path.strip_prefix("targets/")?.split_once('.')?;
    let is_lower = !digest.bytes().any(|b| b.is_ascii_uppercase());
    Some((Sha256::parse(digest).ok().filter(|_| is_lower)?, name))
}

/// Whether all clients treat a target's name the same way: it is flat, needs no escaping in a file name,
/// and is not hidden.
pub fn is_target_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

/// Whether a role's path matches a target's name. `*` matches any string. Returns `None` if the path has
/// another wildcard, since clients interpret those differently.
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
    fn the_index_of_a_line_is_a_target_of_the_line_and_never_that_of_a_release() {
        for text in ["1", "1.8", "1.8.4"] {
            let prefix = Prefix::parse(text).unwrap();
            let name = index_target(&prefix);
            assert!(takes(text, &name) && is_target_name(&name), "{name}");
            assert_eq!(TargetName::parse(&name), Some(TargetName::Index(prefix)));
            assert!(Version::parse(&format!("{text}.index")).is_err());
        }
        assert!(!takes("1.8", &index_target(&Prefix::parse("1.80").unwrap())));
        let version = Version::parse("1.8.4-x.index").unwrap();
        assert_eq!(TargetName::parse(&release_target(&version)), Some(TargetName::Release(version)));
        assert_eq!(TargetName::parse("release.v1.8.index.json"), None);
    }

    #[test]
    fn a_target_is_told_by_its_name() {
        let version = |text: &str| Version::parse(text).unwrap();
        let channel = ChannelName::parse("1.8-production").unwrap();
        assert_eq!(TargetName::parse(&channel_target(&channel)), Some(TargetName::Channel(channel)));
        let release = version("v1.8.4-tectonic.1");
        assert_eq!(TargetName::parse(&release_target(&release)), Some(TargetName::Release(release)));
        for name in ["channel.1.8", "release.1.8.4", "release.x.json", "other.1.8.4.json", "release", ""] {
            assert_eq!(TargetName::parse(name), None, "{name}");
        }
        let line = LineName::parse("1.8").unwrap();
        assert_eq!(line_of(&releases_role(&line)), Some(line));
        assert_eq!(line_of(CHANNELS), None);
    }

    #[test]
    fn a_payloads_name_is_read_in_every_way_that_has_a_version() {
        let name = payload_target(&Version::parse("1.8.4-a.1").unwrap(), "b.tar.gz");
        let Some(TargetName::Payload(name)) = TargetName::parse(&name) else { panic!("it is a payload's") };
        let readings: Vec<_> =
            name.readings().map(|(version, file)| (version.to_string(), file.to_owned())).collect();
        let expected = [
            ("1.8.4-a.1.b.tar", "gz"),
            ("1.8.4-a.1.b", "tar.gz"),
            ("1.8.4-a.1", "b.tar.gz"),
            ("1.8.4-a", "1.b.tar.gz"),
        ];
        assert_eq!(readings, expected.map(|(version, file)| (version.to_owned(), file.to_owned())));
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
        assert_eq!(target_at(&path), Some((Sha256::new([0xab; 32]), "channel.1.8-production.json")));
        assert_eq!(target_at(&path.to_uppercase()), None);
        assert_eq!(target_at(&path.replace("ab", "AB")), None);
        assert_eq!(role_at(&metadata_path("releases-1.8", 3)), Some((3, "releases-1.8")));
        for path in [TIMESTAMP_PATH, "metadata/03.root.json", "metadata/+3.root.json", "metadata/root.json"] {
            assert_eq!(role_at(path), None, "{path}");
        }
        for bad in ["", ".x", "a/b", "a b", "a%", "ä"] {
            assert!(!is_target_name(bad), "{bad:?}");
        }
    }
}
