//! Replaced documents, which are served for a while to clients in the middle of an update.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;

use super::document::Document;
use super::part::Part;
use super::publication::{Publication, TufFile};
use crate::domain::Time;

/// How long a replaced file is still served.
pub(super) const RETIRED_FOR: TimeDelta = TimeDelta::hours(1);

/// The documents of the repository that `next` replaces, and until when they are still served. A payload is
/// never replaced: if it is no longer served, it was withdrawn.
pub(super) fn retired(
    last: &Publication,
    next: &Publication,
    now: Time,
) -> HashMap<Box<str>, (Arc<Document>, Time)> {
    let until = now + RETIRED_FOR;
    let is_shared =
        |part: &&Arc<Part>| next.parts.line(&part.line).is_some_and(|other| Arc::ptr_eq(other, part));
    let changed = last.parts.iter().filter(|part| !is_shared(part)).flat_map(|part| part.files());
    let is_served = |path: &str, document: &Document| matches!(next.current(path), Some(TufFile::Document(found)) if found.sha256 == document.sha256);
    let replaced = last.roles.files().chain(changed).filter(|(path, document)| !is_served(path, document));
    let replaced = replaced.map(|(path, document)| (path.into(), (Arc::clone(document), until)));
    let earlier =
        last.retired.iter().filter(|(path, (_, until))| now < *until && next.current(path).is_none());
    earlier.map(|(path, retired)| (path.clone(), retired.clone())).chain(replaced).collect()
}
