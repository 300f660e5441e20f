//! Ed25519 keys in text form: PKCS#8 PEM, as `openssl` reads and writes them.
//!
//! The store and the command line handle the key files, with their modes and folders.

mod encrypted;
mod form;

use std::fmt;

use ed25519_dalek::pkcs8::{
    self, DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::formats::tuf::{Key, KeyId};

pub use encrypted::{is_encrypted, public_half};
pub use form::{is_key, pem, text};

/// Why a key cannot be generated, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot generate a key: the system provides no randomness")]
    Random(#[source] getrandom::Error),
    #[error("this file is empty")]
    Empty,
    #[error("this is a masked secret, not the secret itself")]
    Masked,
    #[error("this is PEM that was encoded in base64 once more")]
    Base64,
    #[error("this is UTF-16, as `>` of PowerShell writes it")]
    Utf16,
    #[error("this is DER, not PEM")]
    Der,
    #[error("this is not a key in PEM format (`-----BEGIN …`)")]
    NotPem,
    #[error("this private key is encrypted: its passphrase is needed")]
    Encrypted,
    #[error("the passphrase is wrong")]
    Passphrase,
    #[error("the encryption of this key is not supported: expected PBES2 with scrypt or PBKDF2, and AES")]
    Encryption(#[source] pkcs8::Error),
    #[error("the public key below this private key does not belong to it: the file was changed")]
    OtherHalf,
    #[error("this is a public key, but a private one is needed")]
    PublicForPrivate,
    #[error("this is not an Ed25519 private key in PKCS#8 PEM format (`-----BEGIN PRIVATE KEY-----`)")]
    Private(#[source] pkcs8::Error),
    #[error("this is a private key, but a public one is needed")]
    PrivateForPublic,
    #[error("this is not an Ed25519 public key in PEM format (`-----BEGIN PUBLIC KEY-----`)")]
    Public(#[source] pkcs8::spki::Error),
    #[error("these 32 bytes are not an Ed25519 public key, or are a weak one")]
    Point,
}

/// A private key, which signs. It is wiped from memory when it is dropped, and never printed.
pub struct PrivateKey {
    key: SigningKey,
    id: KeyId,
}

impl PrivateKey {
    /// Generates a new key.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(KeyError::Random)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key with this seed, for tests that need the same keys every time.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(SigningKey::from_bytes(seed))
    }

    /// Reads a private key from PKCS#8 PEM.
    ///
    /// # Errors
    /// When the string is anything else. If possible, the error says what it is instead.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = &form::pem(pem)?;
        if is_encrypted(pem) {
            return Err(KeyError::Encrypted);
        }
        if pem.contains("BEGIN PUBLIC KEY") {
            return Err(KeyError::PublicForPrivate);
        }
        SigningKey::from_pkcs8_pem(pem).map(Self::of).map_err(KeyError::Private)
    }

    fn of(key: SigningKey) -> Self {
        let id = Key::new(key.verifying_key().to_bytes()).id();
        Self { key, id }
    }

    /// The key as PKCS#8 PEM, without its public half.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        pair(&self.key).to_pkcs8_pem(pkcs8::spki::der::pem::LineEnding::LF).map_err(KeyError::Private)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// The key's id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Signs bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// A key without its public half: `openssl` rejects the form that contains both.
fn pair(key: &SigningKey) -> KeypairBytes {
    KeypairBytes { secret_key: key.to_bytes(), public_key: None }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.id)
    }
}

/// A public key, which verifies signatures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key from PEM.
    ///
    /// # Errors
    /// When the string is anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = &form::pem(pem)?;
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyError::PrivateForPublic);
        }
        let key = VerifyingKey::from_public_key_pem(pem).map_err(KeyError::Public)?;
        if key.is_weak() { Err(KeyError::Point) } else { Ok(Self(key)) }
    }

    /// Reads a key from a document.
    ///
    /// # Errors
    /// When its bytes are not a point on the curve, or are a weak key, whose signatures anybody can forge.
    pub fn of(key: &Key) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(key.public()) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(KeyError::Point),
        }
    }

    /// The key as PEM (SPKI), for `openssl pkeyutl -verify -pubin -rawin`.
    ///
    /// # Errors
    /// When the encoder fails.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_public_key_pem(pkcs8::spki::der::pem::LineEnding::LF).map_err(KeyError::Public)
    }

    /// The key in the form that documents use.
    pub fn key(&self) -> Key {
        Key::new(self.0.to_bytes())
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.key().id()
    }

    /// Whether this key made this signature over these bytes, under the strict rules that all
    /// implementations share.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_their_pem() {
        let key = PrivateKey::generate().unwrap();
        let again = PrivateKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(again.id(), key.id());
        let public = PublicKey::from_pem(&key.public().to_pem().unwrap()).unwrap();
        assert_eq!(public, key.public());
        assert!(public.verifies(b"message", &again.sign(b"message")));
        assert!(!public.verifies(b"massage", &again.sign(b"message")));
    }

    #[test]
    fn the_wrong_kind_of_pem_is_told_apart() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let (private, public) = (key.to_pem().unwrap(), key.public().to_pem().unwrap());
        assert!(matches!(PrivateKey::from_pem(&public), Err(KeyError::PublicForPrivate)));
        assert!(matches!(PublicKey::from_pem(&private), Err(KeyError::PrivateForPublic)));
        let encrypted = private.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(matches!(PrivateKey::from_pem(&encrypted), Err(KeyError::Encrypted)));
        let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(PrivateKey::from_pem(other), Err(KeyError::Private(_))));
        assert!(matches!(PublicKey::from_pem(other), Err(KeyError::Public(_))));
    }

    #[test]
    fn a_weak_public_key_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(matches!(PublicKey::of(&Key::new(identity)), Err(KeyError::Point)));
    }

    #[test]
    fn a_private_key_is_never_shown() {
        let key = PrivateKey::from_seed(&[0x5a; 32]);
        let shown = format!("{key:?} {key:#?}");
        assert!(!shown.contains("5a5a5a") && !shown.contains("90, 90"), "{shown}");
        assert!(shown.contains(&key.id().to_string()));
    }
}
