//! The signed documents as their readers see them.
//!
//! They are written by [`formats`](crate::formats), whose types are a reader's and a signer's and know
//! nothing of interfaces; these only describe. `tests/serve/openapi.rs` holds them against what a
//! running server serves, where a field that is missing here shows.
#![expect(dead_code, reason = "these describe, and are never made")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A signed channel manifest.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedChannelManifest {
    /// Over the canonical form of `signed`.
    signatures: Vec<DocumentSignature>,
    signed: ChannelManifest,
}

/// A signed release manifest.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedReleaseManifest {
    /// Over the canonical form of `signed`.
    signatures: Vec<DocumentSignature>,
    signed: ReleaseManifest,
}

/// A signed TUF role.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedRole {
    /// Over the canonical form of `signed`.
    signatures: Vec<DocumentSignature>,
    signed: TufRole,
}

/// An Ed25519 signature.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct DocumentSignature {
    /// The SHA-256 digest of the key's canonical form.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    keyid: String,
    #[schema(pattern = "^[0-9a-f]{128}$")]
    sig: String,
}

/// What one channel offers, signed by the online key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ChannelManifest {
    #[serde(rename = "_type")]
    kind: ChannelKind,
    /// The form of the manifest: 1.
    format: u32,
    channel: String,
    /// Further names of the channel.
    #[schema(required = false)]
    aliases: Vec<String>,
    line: String,
    stage: String,
    /// Every stage of the line in order.
    stages: Vec<StageOfLine>,
    #[schema(required = false)]
    follows: LineBefore,
    /// Never goes back.
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    issued: String,
    #[schema(format = DateTime)]
    expires: String,
    /// The highest version on offer.
    #[schema(required = false)]
    latest: String,
    #[schema(required = false)]
    paused: Pause,
    /// Nothing new comes in the line; what it offers stays on offer.
    #[schema(required = false)]
    retired: Pause,
    /// Every release that ever entered the stage, in ascending order.
    releases: Vec<ReleaseInChannel>,
    /// Signed by a throw-away key.
    #[schema(required = false)]
    demo: bool,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum ChannelKind {
    Channel,
}

/// A stage of the line, and its channel.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct StageOfLine {
    stage: String,
    channel: String,
}

/// The line from which this one is entered.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct LineBefore {
    line: String,
    /// For so many seconds a release that was the highest of that line still opens the way.
    grace: u64,
}

/// Clusters of the channel wait.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct Pause {
    #[schema(format = DateTime)]
    at: String,
    reason: String,
}

/// One release in a channel.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseInChannel {
    version: String,
    /// The SHA-256 digest of its signed manifest, as it is served.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    manifest: String,
    /// When it entered the stage.
    #[schema(format = DateTime)]
    since: String,
    /// No cluster may jump over it.
    #[schema(required = false)]
    barrier: bool,
    #[schema(required = false)]
    yank: YankInChannel,
}

/// The release is no longer on offer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct YankInChannel {
    #[schema(format = DateTime)]
    at: String,
    reason: String,
    /// The release to take instead.
    #[schema(required = false)]
    to: String,
}

/// What release keys say about one release.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseManifest {
    #[serde(rename = "_type")]
    kind: ReleaseKind,
    /// The form of the manifest: 1.
    format: u32,
    version: String,
    line: String,
    /// The line from which clusters may enter this one.
    #[schema(required = false)]
    follows: String,
    urgency: ReleaseUrgency,
    #[schema(required = false)]
    summary: String,
    #[schema(required = false)]
    links: BTreeMap<String, String>,
    #[schema(required = false)]
    components: BTreeMap<String, String>,
    payloads: Vec<PayloadOfRelease>,
    barrier: bool,
    /// By stage, the earliest time at which the release may enter it, RFC 3339.
    not_before: BTreeMap<String, String>,
    /// Why it may enter a stage earlier than its soak says.
    #[schema(required = false)]
    not_before_reason: String,
    #[schema(format = DateTime)]
    signed_at: String,
    /// Signed by a throw-away key.
    #[schema(required = false)]
    demo: bool,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReleaseKind {
    Release,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReleaseUrgency {
    Normal,
    Security,
}

/// A file that a cluster applies.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PayloadOfRelease {
    file: String,
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// In bytes.
    size: u64,
    #[schema(required = false)]
    arch: String,
}

/// A role of TUF 1.0, by its `_type`.
#[derive(ToSchema)]
#[serde(untagged)]
enum TufRole {
    Root(TufRoot),
    Targets(TufTargets),
    Snapshot(TufSnapshot),
    Timestamp(TufTimestamp),
}

/// The keys of the four top roles.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufRoot {
    #[serde(rename = "_type")]
    kind: TufRootKind,
    spec_version: String,
    consistent_snapshot: bool,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    expires: String,
    /// By key id.
    keys: BTreeMap<String, TufKey>,
    /// Of `root`, `targets`, `snapshot` and `timestamp`.
    roles: BTreeMap<String, TufRoleKeys>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum TufRootKind {
    Root,
}

/// A public key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufKey {
    keytype: String,
    keyval: TufKeyValue,
    scheme: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufKeyValue {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    public: String,
}

/// Whose signatures count, and how many are needed.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufRoleKeys {
    keyids: Vec<String>,
    #[schema(minimum = 1)]
    threshold: u64,
}

/// Which files there are; in the top role, whose word counts for which.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufTargets {
    #[serde(rename = "_type")]
    kind: TufTargetsKind,
    spec_version: String,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    expires: String,
    /// By name.
    targets: BTreeMap<String, TufTarget>,
    #[schema(required = false)]
    delegations: TufDelegations,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum TufTargetsKind {
    Targets,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufTarget {
    hashes: TufHashes,
    length: u64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufHashes {
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufDelegations {
    /// By key id.
    keys: BTreeMap<String, TufKey>,
    roles: Vec<TufDelegation>,
}

/// A role below the top targets role.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufDelegation {
    name: String,
    keyids: Vec<String>,
    #[schema(minimum = 1)]
    threshold: u64,
    paths: Vec<String>,
    terminating: bool,
}

/// Which versions of the targets roles belong together.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufSnapshot {
    #[serde(rename = "_type")]
    kind: TufSnapshotKind,
    spec_version: String,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    expires: String,
    /// By file.
    meta: BTreeMap<String, TufMeta>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum TufSnapshotKind {
    Snapshot,
}

/// Which snapshot is the newest.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufTimestamp {
    #[serde(rename = "_type")]
    kind: TufTimestampKind,
    spec_version: String,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    expires: String,
    /// Of `snapshot.json`.
    meta: BTreeMap<String, TufMeta>,
}

#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
enum TufTimestampKind {
    Timestamp,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TufMeta {
    hashes: TufHashes,
    length: u64,
    #[schema(minimum = 1)]
    version: u64,
}
