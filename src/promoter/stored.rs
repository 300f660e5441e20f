//! Reading and writing the publication in a state, and reading its keys.

use std::path::PathBuf;

use crate::publish::Publication;
use crate::publish::pack::{PackError, pack, unpack};
use crate::signing::PrivateKey;
use crate::signing::key::KeyError;
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

/// The last publication, if there is one.
///
/// # Errors
/// When there is one, but it cannot be used.
pub fn publication(state: &dyn StateStore) -> Result<Option<Publication>, StoredError> {
    let Some(Blob { place, size, mut bytes }) = state.publication()? else { return Ok(None) };
    let publication = unpack(&mut bytes, size);
    Ok(Some(publication.map_err(|source| StoredError::Publication { place, source })?))
}

/// Durably replaces the last publication.
///
/// # Errors
/// When the new one cannot be written. The last publication is then unchanged.
pub fn store(state: &dyn StateStore, publication: &Publication) -> Result<(), StateError> {
    state.publish(&mut |to| pack(publication, to))
}

/// Returns every private key in a state.
///
/// # Errors
/// When one cannot be read or used.
pub fn keys(state: &dyn StateStore) -> Result<Vec<(HeldKey, PrivateKey)>, StoredError> {
    let parsed = |held: HeldKey| match PrivateKey::from_pem(&held.pem) {
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
            state.publish(&mut |to| to.write_all(stored)).unwrap();
            let error = publication(&state).unwrap_err();
            let StoredError::Publication { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains(why), "{source}");
        }
    }
}
