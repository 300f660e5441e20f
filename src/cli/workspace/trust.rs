//! The catalog's keys and roles, and what to do if they cannot be used.

use super::View;
use crate::cli::failure::refuse;
use crate::domain::chain;
use crate::signing::trust::{Trust, TrustError};
use crate::store::denied::Denied;
use crate::store::plain;

impl View {
    /// Returns the catalog's keys, if there are any.
    pub fn trust(&self) -> Result<Option<&Trust>, &TrustError> {
        self.trust.as_ref().map(Option::as_ref)
    }

    /// Returns the catalog's keys, if there are any, or an error if they cannot be used.
    pub fn usable_trust(&self) -> anyhow::Result<Option<&Trust>> {
        self.trust().map_err(|error| {
            refuse(format!("the catalog's keys cannot be used: {}", chain(error)), self.trust_hint())
        })
    }

    /// Says how to make the catalog's keys usable again.
    pub fn trust_hint(&self) -> String {
        // Restoring what only cannot be read would lead back here.
        if let Err(TrustError::Unread { file, .. }) = &self.trust
            && let Err(error) = plain::open(&self.path(&format!("trust/{file}")))
            && let Some(denied) = Denied::of(&error)
        {
            return denied.hint();
        }
        "restore the files in `trust/`; `tidegate recover --trust` takes them from the last publication"
            .to_owned()
    }
}
