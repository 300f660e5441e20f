//! Keys, signing and verifying. Every signed document has the form that TUF defines: [`Signed`].

pub mod ceremony;
pub mod continuity;
pub mod index;
pub mod key;
mod signed;
pub mod signer;
pub mod trust;
pub mod verify;
mod violation;

pub use key::{PrivateKey, PublicKey};
pub use signed::{ParseError, SignError, Signature, SignatureError, Signed, is_document};
pub use signer::{CommandSigner, Signer, SignerError};
pub use violation::Violation;
