//! Reading and writing the publication in a state, and reading its keys.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::channel::LineName;
use crate::domain::{Time, chain};
use crate::publish::Publication;
use crate::publish::pack::{PackError, pack, pack_part, unpack, unpack_part};
use crate::publish::part::{Loss, Part};
use crate::publish::segment::Segment;
use crate::signing::PrivateKey;
use crate::signing::key::{self, KeyError};
use crate::signing::trust::Trust;
use crate::store::port::{Blob, HeldKey, StateError, StateStore};

/// Why the publication or the keys in a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the last publication in {place} cannot be used")]
    Publication { place: String, source: PackError },
    #[error("the key in `{}` cannot be used", place.display())]
    Key { place: PathBuf, source: KeyError },
}

impl StoredError {
    /// Whether it may work the next time, because reading failed.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::State(_) | Self::Publication { source: PackError::Read(_), .. })
    }
}

/// The last publication, if there is one. Lines whose segments cannot be read are lost in it.
///
/// # Errors
/// When there is one, but its head cannot be used.
pub fn publication(state: &dyn StateStore) -> Result<Option<Publication>, StoredError> {
    publication_about(state, &|_| true)
}

/// The last publication with the documents of some lines alone, if there is one.
///
/// # Errors
/// When there is one, but its head cannot be used.
pub fn publication_about(
    state: &dyn StateStore,
    is_wanted: &(dyn Fn(&LineName) -> bool + Sync),
) -> Result<Option<Publication>, StoredError> {
    let read = |segment: &Segment| is_wanted(&segment.line).then(|| part(state, segment)).transpose();
    loop {
        let head = state.head();
        let Some(Blob { place, size, mut bytes }) = state.publication()? else { return Ok(None) };
        let publication = unpack(&mut bytes, size, &read);
        let publication = publication.map_err(|source| StoredError::Publication { place, source })?;
        // What a server has stored meanwhile may have replaced segments.
        if publication.lost_lines().next().is_none() || state.head() == head {
            return Ok(Some(publication));
        }
    }
}

/// When the last publication was made, if there is one.
///
/// # Errors
/// When there is one, but its head cannot be used.
pub fn made(state: &dyn StateStore) -> Result<Option<Time>, StoredError> {
    Ok(publication_about(state, &|_| false)?.map(|last| last.made))
}

/// The version of the last publication, if there is one.
///
/// # Errors
/// When there is one, but its head cannot be used.
pub fn version(state: &dyn StateStore) -> Result<Option<u64>, StoredError> {
    Ok(publication_about(state, &|_| false)?.map(|last| last.version))
}

/// The part in a segment, or why it cannot be used. A segment whose reading failed may still be there.
fn part(state: &dyn StateStore, segment: &Segment) -> Result<Part, Loss> {
    let found = state.segment(&segment.stored.sha256);
    let found = found.map_err(|error| Loss { may_pass: !error.is_missing(), why: chain(&error) });
    let Blob { place, size, mut bytes } = found?;
    unpack_part(&mut bytes, size, segment).map_err(|error| Loss {
        may_pass: matches!(error, PackError::Read(_)),
        why: format!("{place}: {}", chain(&error)),
    })
}

/// The parts in segments that could not be read before, as far as they can be read now or are known to be lost for
/// good.
pub fn read_again(state: &dyn StateStore, segments: Vec<Segment>) -> Vec<Arc<Part>> {
    let parts = segments.into_iter().filter_map(|segment| match part(state, &segment) {
        Ok(part) => Some(part),
        Err(loss) => (!loss.may_pass).then(|| Part::lost(segment, loss)),
    });
    parts.map(Arc::new).collect()
}

/// Durably replaces the last publication. Only the segments of lines that have changed are written.
///
/// # Errors
/// When the new one cannot be written. The last publication is then unchanged.
pub fn store(state: &dyn StateStore, publication: &Publication) -> Result<(), StateError> {
    state.publish(&mut |segments| {
        for part in publication.parts() {
            let is_kept = part.stored().is_some_and(|stored| segments.keep(&stored.sha256, stored.size));
            if !is_kept && !part.is_lost() {
                segments.put(&mut |to| Ok(pack_part(part, to)?.sha256))?;
            }
        }
        pack(publication)
    })
}

/// Returns every private key in a state.
///
/// # Errors
/// When one cannot be read or used.
pub fn keys(state: &dyn StateStore) -> Result<Vec<(HeldKey, PrivateKey)>, StoredError> {
    let parsed = |held: HeldKey| match key::text(&held.pem).and_then(PrivateKey::from_pem) {
        Ok(key) => Ok((held, key)),
        Err(source) => Err(StoredError::Key { place: held.place, source }),
    };
    state.keys()?.into_iter().map(parsed).collect()
}

/// Returns the key in a state that `trust` names as the online key. If there are two, as during a rotation,
/// it is the one in the usual place.
///
/// # Errors
/// When a key cannot be read or used.
pub fn online_key(state: &dyn StateStore, trust: &Trust) -> Result<Option<PrivateKey>, StoredError> {
    let mut keys = keys(state)?;
    keys.retain(|(_, key)| trust.is_online(key.id()));
    Ok(keys.into_iter().min_by_key(|(held, _)| !held.is_usual).map(|(_, key)| key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryState;

    #[test]
    fn a_damaged_publication_is_an_error_and_not_served() {
        let state = MemoryState::default();
        assert!(publication(&state).unwrap().is_none());
        for (stored, why) in [
            (&b"tidegate publication 3\n torn, and long enough for a digest"[..], "incomplete"),
            (b"tidegate publication 1\n written by an earlier version of tidegate", "another version"),
            (b"something else that somebody put here, no publication", "it is not a publication"),
        ] {
            state.publish(&mut |_| Ok(stored.to_vec())).unwrap();
            let error = publication(&state).unwrap_err();
            let StoredError::Publication { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains(why), "{source}");
        }
    }
}
