//! Keys, signing and verifying. There is one form for everything signed, TUF's, in [`Signed`].

pub mod ceremony;
pub mod key;
mod signed;
pub mod signer;
pub mod trust;
pub mod verify;

pub use key::{KeyRole, PrivateKey, PublicKey};
pub use signed::{ParseError, SignError, Signature, SignatureError, Signed};
pub use signer::{CommandSigner, InRole, Signer, SignerError};
