//! The index of a line: what a cluster must know about every release of the line, in one document.
//!
//! The role of the line lists it as a target, so the line's release keys sign it with the role. It has no
//! signatures of its own. It has one entry for each release manifest that the role lists, and repeats no
//! digest of the role.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{FORMAT, ReleaseManifest, is_false, known_format};
use crate::domain::Time;
use crate::domain::channel::{LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::policy::Urgency;
use crate::domain::release::{
    Entries, Evidence, ManifestState, PayloadState, Release, ReleaseFile, SignedFacts,
};
use crate::domain::version::Version;
use crate::formats::canonical::{CanonicalError, StrictError, canonical, read};
use crate::formats::seconds;

/// Stands for payloads that fit every architecture, in a release that has others too.
const ANY: &str = "*";

/// The index of a line.
///
/// A field that this version does not know is refused, like in all manifests: it could narrow what clusters
/// may do. What comes later therefore takes a new format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineIndex {
    #[serde(rename = "_type")]
    kind: Kind,
    #[serde(deserialize_with = "known_format")]
    format: u32,
    pub line: LineName,
    /// An entry for each release whose manifest the line's role lists.
    #[serde(deserialize_with = "each_once")]
    pub releases: BTreeMap<Version, IndexEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "index")]
    Index,
}

/// What the manifest of one release says, as far as it matters to clusters that do not install the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// The architectures for which the release has payloads, and `*` if it has others that fit every
    /// architecture. Empty if all of them fit every architecture.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub arch: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub barrier: bool,
    /// Whether the manifest is signed with a throw-away key.
    #[serde(default, skip_serializing_if = "is_false")]
    pub demo: bool,
    /// The line from which clusters may enter the release's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<LineName>,
    /// The earliest time of entry, for each stage after the first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "seconds::by_stage")]
    pub not_before: BTreeMap<StageName, Time>,
    /// What the release is about, if it is a barrier: people are told what they must install first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// Why bytes are not the index of a line.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("its format `{0}` needs a newer version of tidegate: this one reads format `{FORMAT}`")]
    TooNew(u64),
    #[error(transparent)]
    Strict(#[from] StrictError),
    #[error("it is not written in its canonical form")]
    Form,
}

impl LineIndex {
    /// Creates the index of a line.
    pub const fn new(line: LineName, releases: BTreeMap<Version, IndexEntry>) -> Self {
        Self { kind: Kind::Index, format: FORMAT, line, releases }
    }

    /// The bytes of the index, in canonical JSON.
    ///
    /// # Errors
    /// When a text in it is not plain ASCII, which no signed manifest contains.
    pub fn bytes(&self) -> Result<Bytes, CanonicalError> {
        canonical(self).map(Bytes::from)
    }

    /// Reads an index strictly: it must be in canonical JSON, without unknown fields.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(raw: &[u8]) -> Result<Self, IndexError> {
        #[derive(Deserialize)]
        struct AnyFormat {
            format: u64,
        }
        // A later format may have other fields, so its number is read first.
        match serde_json::from_slice(raw) {
            Ok(AnyFormat { format }) if format > u64::from(FORMAT) => return Err(IndexError::TooNew(format)),
            Ok(_) | Err(_) => {}
        }
        let (index, form) = read::<Self>(raw)?;
        if form == raw { Ok(index) } else { Err(IndexError::Form) }
    }
}

impl LineIndex {
    /// Reads an index whose bytes were read strictly before.
    ///
    /// # Errors
    /// When they are no index.
    pub fn parse_again(raw: &[u8]) -> Result<Self, IndexError> {
        Ok(serde_json::from_slice(raw).map_err(StrictError::Json)?)
    }
}

impl IndexEntry {
    /// Creates a release from its entry. It has not entered any of the line's stages yet; `stages` is their
    /// number. What only its manifest has is missing, such as its payloads.
    pub fn release(&self, version: Version, stages: usize) -> Release {
        let is_for_any = self.arch.is_empty() || self.arch.contains(ANY);
        let mut release = Release::new(
            ReleaseFile {
                version,
                urgency: Urgency::Normal,
                summary: self.summary.clone(),
                links: Labels::default(),
                components: Labels::default(),
                payloads: [].into(),
                barrier: self.barrier,
                replaces: None,
                hold: None,
                yank: None,
                past: None,
            },
            Entries::none(stages),
            Evidence {
                manifest: ManifestState::Signed(SignedFacts::new(self.not_before.clone())),
                payload: PayloadState::Present,
            },
        );
        release.built_for = (!is_for_any).then(|| Arc::new(self.arch.clone()));
        release
    }

    /// The entry as far as it allows no more than another one of the same release: it is a barrier if either is, and
    /// may enter a stage once both allow that.
    #[must_use]
    pub fn narrowed(&self, other: &Self) -> Self {
        let mut narrowed = self.clone();
        narrowed.barrier |= other.barrier;
        narrowed.demo |= other.demo;
        for (stage, earliest) in &other.not_before {
            let own = narrowed.not_before.entry(stage.clone()).or_insert(*earliest);
            *own = (*own).max(*earliest);
        }
        narrowed.summary = narrowed.summary.or_else(|| other.summary.clone());
        narrowed
    }

    /// The entry of a release, according to its manifest.
    pub fn of(manifest: &ReleaseManifest) -> Self {
        let named = manifest.payloads.iter().any(|payload| payload.arch.is_some());
        let arch = manifest.payloads.iter().filter(|_| named);
        Self {
            arch: arch.map(|payload| payload.arch.clone().unwrap_or_else(|| ANY.to_owned())).collect(),
            barrier: manifest.barrier,
            demo: manifest.demo,
            follows: manifest.follows.clone(),
            not_before: manifest.not_before.clone(),
            summary: manifest.summary.clone().filter(|_| manifest.barrier),
        }
    }
}

/// Reads a map from versions, and rejects two spellings of one version: readers would disagree on which one
/// counts.
fn each_once<'de, D, T>(deserializer: D) -> Result<BTreeMap<Version, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    struct Once<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Once<T> {
        type Value = BTreeMap<Version, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("entries by version")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = BTreeMap::new();
            while let Some((version, entry)) = map.next_entry::<Version, T>()? {
                if found.insert(version.clone(), entry).is_some() {
                    return Err(A::Error::custom(format!("release `{version}` is listed twice")));
                }
            }
            Ok(found)
        }
    }

    deserializer.deserialize_map(Once(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{line, release, t, v};
    use crate::formats::manifest::ReleaseManifest;

    fn index() -> LineIndex {
        let mut line = line("1.8", Some("1.7"))
            .with(release("1.8.4", &["2018-01-01", "2018-01-15"]))
            .with(release("1.8.5", &["2018-02-01"]).barrier());
        let payloads = &mut line.releases.get_mut(&v("1.8.5")).unwrap().payloads;
        std::sync::Arc::make_mut(payloads)[0].arch = Some("arm64".to_owned());
        let entries = line.releases.values().map(|release| {
            let manifest = ReleaseManifest::of(&line, release, t("2018-03-01"));
            (release.version.clone(), IndexEntry::of(&manifest))
        });
        LineIndex::new(line.name.clone(), entries.collect())
    }

    #[test]
    fn an_index_has_what_a_cluster_must_know_of_each_release_and_is_read_back() {
        let bytes = index().bytes().unwrap();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            concat!(
                r#"{"_type":"index","format":1,"line":"1.8","releases":{"#,
                r#""1.8.4":{"follows":"1.7","not_before":{"production":"2018-01-15T00:00:00Z"}},"#,
                r#""1.8.5":{"arch":["arm64"],"barrier":true,"follows":"1.7","not_before":{"production":"2018-02-15T00:00:00Z"}}}}"#,
            )
        );
        assert_eq!(LineIndex::parse(&bytes).unwrap(), index());
    }

    #[test]
    fn an_index_of_a_later_format_asks_for_a_newer_version_whatever_else_it_has() {
        let error = LineIndex::parse(br#"{"format":2,"rows":[]}"#).unwrap_err();
        assert!(matches!(error, IndexError::TooNew(2)), "{error}");
        assert!(error.to_string().contains("needs a newer version of tidegate"), "{error}");
    }

    #[test]
    fn an_index_is_read_strictly() {
        let text = String::from_utf8(index().bytes().unwrap().to_vec()).unwrap();
        for (from, to) in [
            (r#""format":1"#, r#""format":0"#),
            (r#""format":1"#, r#""format":1,"rows":[]"#),
            (r#""barrier":true,"#, r#""barrier":true,"risk":true,"#),
            (r#""releases":{"#, r#""releases": {"#),
            (r#""releases":{"#, r#""releases":{"1.8.4":{},"#),
            (r#""releases":{"#, r#""releases":{"v1.8.4":{},"#),
            (r#""releases":{"#, r#""releases":{"1.8.9":{},"#),
            (r#""_type":"index""#, r#""_type":"release""#),
            ("00:00:00Z", "00:00:00.0Z"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(LineIndex::parse(changed.as_bytes()).is_err(), "{to}");
        }
    }
}
