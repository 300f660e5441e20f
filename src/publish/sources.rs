//! What a part was made from: if all of that is still the same, so is the part.

use std::sync::Arc;

use bytes::Bytes;

use super::Inputs;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Line;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::release::ManifestState;
use crate::domain::upgrade::Paths;

/// What a part was made from. It is kept in memory only, so a restarted server makes each part once.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The line, and the one that it follows.
    lines: Vec<Arc<Line>>,
    /// The first line that follows it, and its channels: where clusters go on from a retired line.
    follower: Option<(LineName, Vec<(StageName, ChannelName)>)>,
    /// The signed manifests of the line's releases that cannot be used. Those that can be used are pinned by
    /// the role.
    unusable: Vec<Option<Bytes>>,
    root: Bytes,
    targets: Bytes,
    role: Option<Bytes>,
    not_promoting: Option<NotPromoting>,
    demo: Option<String>,
    /// The time that the part was made for.
    made: Time,
    /// The next time at which the part changes although its sources stay the same.
    until: Option<Time>,
}

impl Sources {
    /// The sources of a line's part. `catalog` has refused lines as they were last published, and `paths` are
    /// the ways between its lines. `None` for a refused line, whose part depends on stops in the whole
    /// catalog, for one that is not in the catalog, and while what is said about the line, or about the one
    /// that it follows, is [moving](super::Decided::is_moving).
    pub(super) fn of(
        inputs: &Inputs<'_>,
        (catalog, paths): (&Catalog, &Paths),
        name: &LineName,
    ) -> Option<Self> {
        let Inputs { decided, trust, manifests, demo, .. } = *inputs;
        let line = catalog.shared_line(name).filter(|_| !decided.refused.contains_key(name))?;
        let before = line.follows.as_ref().and_then(|follows| catalog.shared_line(&follows.line));
        let after = paths.follower(name).and_then(|follower| catalog.line(follower));
        if [line].into_iter().chain(before).any(|line| decided.is_moving(line)) {
            return None;
        }
        let unusable = line.releases.values();
        let unusable = unusable
            .filter(|release| !matches!(release.evidence.manifest, ManifestState::Signed(_)))
            .map(|release| manifests.get(name, &release.version).cloned());
        Some(Self {
            lines: [line].into_iter().chain(before).cloned().collect(),
            follower: after.map(|line| {
                let channels = line.stages.iter().map(|stage| (stage.name.clone(), stage.channel.clone()));
                (line.name.clone(), channels.collect())
            }),
            unusable: unusable.collect(),
            root: trust.root().raw().clone(),
            targets: trust.targets().raw().clone(),
            role: trust.line(name).map(|role| role.raw().clone()),
            not_promoting: decided.not_promoting,
            demo: demo.map(str::to_owned),
            made: decided.now,
            until: None,
        })
    }

    /// The same sources, if what was made from these holds for them as well.
    pub(super) fn still(&self, next: Self) -> Option<Self> {
        let Self { lines, follower, unusable, root, targets, role, not_promoting, demo, made, until } = self;
        let same_lines = lines.len() == next.lines.len()
            && lines.iter().zip(&next.lines).all(|(old, new)| Arc::ptr_eq(old, new) || is_same(old, new));
        let same = same_lines
            && *follower == next.follower
            && (unusable, root, targets, role) == (&next.unusable, &next.root, &next.targets, &next.role)
            && (not_promoting, demo) == (&next.not_promoting, &next.demo);
        let in_time = *made <= next.made && until.is_none_or(|until| next.made < until);
        (same && in_time).then_some(Self { made: *made, until: *until, ..next })
    }

    /// The next time at which the part changes although its sources stay the same.
    pub(super) const fn ends(&self) -> Option<Time> {
        self.until
    }

    /// The sources of a part that must be made again for `renew`, or when something in its lines changes by
    /// itself.
    pub(super) fn until(self, inputs: &Inputs<'_>, catalog: &Catalog, renew: Option<Time>) -> Self {
        let changes = self.lines.iter().filter_map(|line| inputs.decided.until(catalog, line));
        Self { until: changes.chain(renew).min(), ..self }
    }
}

/// Whether two lines are the same to the letter. Versions that differ only in a `v` are equal, but documents
/// spell them.
fn is_same(old: &Line, new: &Line) -> bool {
    old == new && old.releases.keys().zip(new.releases.keys()).all(|(old, new)| old.is_spelt_like(new))
}
