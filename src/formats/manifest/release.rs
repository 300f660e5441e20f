//! The release manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{FORMAT, is_false, known_format};
use crate::domain::Time;
use crate::domain::channel::{LineName, StageName};
use crate::domain::labels::Labels;
use crate::domain::line::Line;
use crate::domain::payload::Payload;
use crate::domain::policy::Urgency;
use crate::domain::release::{Mismatch, Release};
use crate::domain::version::Version;
use crate::formats::ascii::{ascii, uri};
use crate::formats::seconds;
use crate::formats::sparse::sparse;

sparse! {
    /// What release keys sign about one release.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ReleaseManifest {
        #[serde(rename = "_type")]
        #[schema(inline)]
        kind: Kind,
        #[serde(deserialize_with = "known_format")]
        format: u32,
        pub version: Version,
        pub line: LineName,
        #[serde(with = "UrgencyWord")]
        pub urgency: Urgency,
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        pub links: Labels,
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        pub components: Labels,
        #[schema(value_type = Vec<Payload>)]
        pub payloads: Arc<[Payload]>,
        pub barrier: bool,
        /// For each stage after the first, the earliest time at which the release may enter it. The online
        /// key cannot bring that time forward.
        #[serde(with = "seconds::by_stage")]
        #[schema(value_type = BTreeMap<StageName, String>)]
        pub not_before: BTreeMap<StageName, Time>,
        #[serde(with = "seconds")]
        #[schema(value_type = String, format = DateTime)]
        pub signed_at: Time,
        /// Whether the manifest is signed with a throw-away key.
        #[serde(default, skip_serializing_if = "is_false")]
        pub demo: bool,
        @optional {
            /// The line from which clusters may enter the release's line.
            follows: LineName,
            summary: String,
            /// Why `not_before` was brought forward, if it was.
            not_before_reason: String,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
enum Kind {
    #[serde(rename = "release")]
    Release,
}

impl ReleaseManifest {
    /// Creates the manifest of a release from the catalog.
    ///
    /// For a stage that the release has entered, `not_before` is the time of entry. For any other stage, it
    /// is the earliest time for the previous stage plus this stage's minimum soak. The first stage counts
    /// from the time of entry or, if there is none, from the time of signing. Signing again during a soak
    /// therefore does not restart the soak. An early promotion [brings a time forward](Self::bring_forward)
    /// before it signs.
    pub fn of(line: &Line, release: &Release, signed_at: Time) -> Self {
        let mut not_before = BTreeMap::new();
        let mut earliest = release.entered(0, signed_at).map_or(signed_at, |entry| entry.since);
        for (index, stage) in line.stages.iter().enumerate().skip(1) {
            let min = stage.soak.as_ref().map_or_else(Default::default, |soak| soak.of(release.urgency).min);
            earliest = release.entered(index, signed_at).map_or_else(
                || earliest.checked_add_signed(min).unwrap_or(Time::MAX_UTC),
                |entry| entry.since,
            );
            not_before.insert(stage.name.clone(), earliest);
        }
        let labels = |labels: &Labels, form: fn(&str) -> String| {
            labels.iter().map(|(name, text)| (name.to_owned(), form(text))).collect()
        };
        Self {
            kind: Kind::Release,
            format: FORMAT,
            version: release.version.clone(),
            line: line.name.clone(),
            follows: line.follows.as_ref().map(|follows| follows.line.clone()),
            urgency: release.urgency,
            summary: release.summary.as_deref().map(ascii),
            links: labels(&release.links, uri),
            components: labels(&release.components, ascii),
            payloads: release.payloads.clone(),
            barrier: release.barrier,
            not_before,
            not_before_reason: None,
            signed_at,
            demo: false,
        }
    }

    /// Brings the earliest time for a stage forward, and records the reason.
    ///
    /// # Errors
    /// When the stage has no earliest time, or already has an earlier one.
    pub fn bring_forward(
        &mut self,
        stage: &StageName,
        earliest: Time,
        reason: &str,
    ) -> Result<(), Option<Time>> {
        let signed = self.not_before.get_mut(stage).ok_or(None)?;
        if *signed < earliest {
            return Err(Some(*signed));
        }
        *signed = earliest;
        self.not_before_reason = Some(ascii(reason));
        Ok(())
    }

    /// Checks that this signed manifest matches the catalog. An edit of the catalog after signing needs a
    /// new signature, except for making the release a barrier, which only narrows what release keys allow.
    ///
    /// # Errors
    /// Returns the first field that differs.
    pub fn matches(&self, line: &Line, release: &Release) -> Result<(), Mismatch> {
        let wanted = Self::of(line, release, self.signed_at);
        // Versions are compared by their spelling, since the leading `v` is signed too.
        differ("version", &self.version.to_string(), &wanted.version.to_string())?;
        differ("line", &self.line, &wanted.line)?;
        differ("follows", &self.follows, &wanted.follows)?;
        differ("urgency", &self.urgency.as_str(), &wanted.urgency.as_str())?;
        differ("summary", &self.summary, &wanted.summary)?;
        differ("links", &self.links, &wanted.links)?;
        differ("components", &self.components, &wanted.components)?;
        differ("payloads", &self.payloads, &wanted.payloads)?;
        if self.barrier && !wanted.barrier {
            differ("barrier", &true, &false)?;
        }
        Ok(())
    }

    /// Whether the signed times allow the release to have entered a stage at `since`.
    pub fn allows(&self, stage: &StageName, since: Time) -> bool {
        self.not_before.get(stage).is_none_or(|earliest| *earliest <= since)
    }
}

fn differ<T: PartialEq + Serialize>(field: &'static str, signed: &T, catalog: &T) -> Result<(), Mismatch> {
    if signed == catalog {
        return Ok(());
    }
    Err(Mismatch { field, signed: shown(signed), catalog: shown(catalog) })
}

/// Formats a field's value for people: a string as it is, anything else as JSON.
fn shown(value: &impl Serialize) -> String {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::Null => "none".to_owned(),
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// How [`Urgency`] is written in documents.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Urgency", rename_all = "lowercase")]
enum UrgencyWord {
    Normal,
    Security,
}

#[cfg(test)]
mod tests;
