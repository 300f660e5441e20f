//! Storage: [`port`] defines what a store must do; the other modules implement a store in folders.

pub mod denied;
pub mod directory;
pub mod durable;
mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub mod payloads;
pub mod plain;
pub mod port;
pub mod secret;
mod stamp;
pub mod state;
#[cfg(test)]
mod suite;

use std::path::Path;
use std::sync::Arc;

use directory::Directory;
use payloads::PayloadFolder;
use port::{CatalogStore, PayloadStore, ReadError, StateStore};
use state::StateFolder;

/// Opens the catalog. Only the functions here choose the kind of store.
///
/// # Errors
/// When there is no catalog.
pub fn catalog(catalog: &Path, payloads: &Path) -> Result<Arc<dyn CatalogStore>, ReadError> {
    Ok(Arc::new(Directory::open(catalog, payloads)?))
}

/// Opens the catalog, which may be missing: it can be watched until it is back.
pub fn watched(catalog: &Path, payloads: &Path) -> Arc<dyn CatalogStore> {
    Arc::new(Directory::new(catalog, payloads))
}

/// Opens the state.
pub fn state(state: &Path) -> Arc<dyn StateStore> {
    Arc::new(StateFolder::new(state))
}

/// Opens the payload files. Their copies and known digests are kept in the state.
pub fn payloads(payloads: &Path, state: &Path) -> Arc<dyn PayloadStore> {
    Arc::new(PayloadFolder::new(payloads, state))
}
