//! The form of every signed document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::key::PublicKey;
use super::signer::{Signer, SignerError};
use crate::formats::canonical::{CanonicalError, StrictError, canonical, read};
use crate::formats::tuf::{Authority, KeyId};

/// A document with its signatures: `{"signatures": [{"keyid", "sig"}], "signed": {…}}`.
///
/// The bytes are kept exactly as they were read or first written. They are stored and served unchanged, and
/// never serialised again. Reading does not verify the signatures: see [`Signed::verify`]. Clones share the
/// document and its bytes.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "`signed` is what TUF calls it")]
pub struct Signed<T> {
    signed: Arc<T>,
    signatures: Vec<Signature>,
    raw: Bytes,
    /// The canonical form of `signed`: a slice of `raw` if `raw` contains it in that form.
    message: Bytes,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    pub keyid: KeyId,
    #[serde(with = "hex::serde")]
    pub sig: [u8; 64],
}

/// Why a document cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the document cannot be signed")]
    Canonical(#[from] CanonicalError),
    #[error("cannot sign with the key `{keyid}`")]
    Signer { keyid: KeyId, source: SignerError },
}

/// Why bytes are not a signed document.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Something else than a document, such as a web server's answer for a file that it does not have.
    #[error("it is not a signed document")]
    Foreign(#[source] serde_json::Error),
    #[error("it is not a well-formed signed document")]
    Envelope(#[source] serde_json::Error),
    #[error("the key `{0}` has signed it twice")]
    SignsTwice(KeyId),
    #[error("its content (`signed`) is invalid")]
    Signed(#[source] StrictError),
}

/// Why a document's signatures are insufficient or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("it has {valid} valid signatures by trusted keys, but needs {threshold}")]
    Threshold { valid: u64, threshold: u64 },
    #[error("the signature by the key `{0}` is invalid")]
    Wrong(KeyId),
}

impl<T: Serialize> Signed<T> {
    /// Signs a document with each of the keys.
    ///
    /// # Errors
    /// When the document has no canonical form (most likely because a string is not plain ASCII), or a key
    /// cannot sign.
    pub fn sign<'k, S: Signer + ?Sized + 'k>(
        signed: T,
        keys: impl IntoIterator<Item = &'k S>,
    ) -> Result<Self, SignError> {
        let mut document = Self::unsigned(signed)?;
        for key in keys {
            document.add_signature(key, None)?;
        }
        Ok(document)
    }

    /// Prepares a document for signing, without any signature yet.
    ///
    /// # Errors
    /// When the document has no canonical form.
    pub fn unsigned(signed: T) -> Result<Self, SignError> {
        let message = canonical(&signed)?;
        Self::compose(Arc::new(signed), &message, Vec::new())
    }
}

/// A document as it is stored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow)]
    signed: &'a RawValue,
    signatures: Vec<Signature>,
}

/// Whether bytes look like a signed document, be it a good one or not.
pub fn is_document(raw: &[u8]) -> bool {
    let fields = serde_json::from_slice::<BTreeMap<String, &RawValue>>(raw);
    fields.is_ok_and(|fields| ["signed", "signatures"].iter().all(|name| fields.contains_key(*name)))
}

impl<'a> Envelope<'a> {
    /// Reads an envelope, in which no key may sign twice.
    fn read(raw: &'a [u8]) -> Result<Self, ParseError> {
        let envelope: Self = serde_json::from_slice(raw).map_err(|error| {
            if is_document(raw) { ParseError::Envelope(error) } else { ParseError::Foreign(error) }
        })?;
        let mut keyids = BTreeSet::new();
        match envelope.signatures.iter().find(|signature| !keyids.insert(signature.keyid)) {
            Some(twice) => Err(ParseError::SignsTwice(twice.keyid)),
            None => Ok(envelope),
        }
    }
}

impl<T: DeserializeOwned> Signed<T> {
    /// Reads a document strictly: no duplicate keys, no floating point numbers, ASCII only. Does not
    /// verify the signatures.
    ///
    /// # Errors
    /// When the bytes are not a signed document in this form.
    pub fn parse(raw: Bytes) -> Result<Self, ParseError> {
        let Envelope { signed: text, signatures } = Envelope::read(&raw)?;
        let (signed, canonical) = read::<T>(text.get().as_bytes()).map_err(ParseError::Signed)?;
        let text = text.get().as_bytes();
        let message = if text == canonical { raw.slice_ref(text) } else { canonical.into() };
        Ok(Self { signed: Arc::new(signed), signatures, raw, message })
    }

    /// Reads a document whose bytes were read strictly before, which takes a third of the time. `None` if
    /// `signed` may not be in its canonical form, which is what signatures cover. Does not verify the
    /// signatures.
    pub fn parse_again(raw: &Bytes) -> Option<Self> {
        let Envelope { signed: text, signatures } = Envelope::read(raw).ok()?;
        let signed = serde_json::from_str(text.get()).ok()?;
        let message = raw.slice_ref(text.get().as_bytes());
        Some(Self { signed: Arc::new(signed), signatures, raw: raw.clone(), message })
    }
}

impl<T> Signed<T> {
    fn compose(signed: Arc<T>, message: &[u8], mut signatures: Vec<Signature>) -> Result<Self, SignError> {
        signatures.sort_by_key(|signature| signature.keyid);
        signatures.dedup_by_key(|signature| signature.keyid);
        let mut raw = br#"{"signatures":"#.to_vec();
        raw.extend(canonical(&signatures)?);
        raw.extend(br#","signed":"#);
        let start = raw.len();
        raw.extend(message);
        let end = raw.len();
        raw.push(b'}');
        raw.shrink_to_fit();
        let raw = Bytes::from(raw);
        let message = raw.slice(start..end);
        Ok(Self { signed, signatures, raw, message })
    }

    /// Adds a key's signature. If the document is a delegated role, `role` is its name: see
    /// [`Signer::sign_as`].
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn add_signature<S: Signer + ?Sized>(
        &mut self,
        key: &S,
        role: Option<&str>,
    ) -> Result<(), SignError> {
        let keyid = key.id();
        let sig = key.sign_as(role, &self.message).map_err(|source| SignError::Signer { keyid, source })?;
        let signatures = self.signatures.iter().cloned().chain([Signature { keyid, sig }]).collect();
        *self = Self::compose(Arc::clone(&self.signed), &self.message, signatures)?;
        Ok(())
    }

    /// A copy with only the signatures of these keys.
    ///
    /// # Errors
    /// Never in practice, since signatures always have a canonical form.
    pub fn signed_only_by(&self, keyids: &[KeyId]) -> Result<Self, SignError> {
        let kept = self.signatures.iter().filter(|signature| keyids.contains(&signature.keyid)).cloned();
        Self::compose(Arc::clone(&self.signed), &self.message, kept.collect())
    }

    /// Whether one is a clone of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.signed, &other.signed)
    }

    /// The document. Verify it before you act on it.
    pub fn signed(&self) -> &T {
        &self.signed
    }

    /// The document, without its signatures.
    pub fn into_signed(self) -> T
    where
        T: Clone,
    {
        Arc::unwrap_or_clone(self.signed)
    }

    /// The signatures.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The bytes as they are stored and served.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The bytes that the signatures cover: the output of `jq -cjS .signed`.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Each signature by a trusted key, and whether it is valid. No key has more than one.
    pub fn checked_signatures<'a>(
        &'a self,
        authority: Authority<'a>,
    ) -> impl Iterator<Item = (KeyId, bool)> + 'a {
        self.signatures.iter().filter_map(move |Signature { keyid, sig }| {
            let key = authority.keys.get(keyid).filter(|_| authority.keyids.contains(keyid))?;
            let is_own = |key: &PublicKey| key.id() == *keyid && key.verifies(&self.message, sig);
            Some((*keyid, PublicKey::of(key).is_ok_and(|key| is_own(&key))))
        })
    }

    /// Checks that enough of the trusted keys have signed the document. Each key counts once. Signatures by
    /// other keys are ignored, but an invalid signature by a trusted key is an error.
    ///
    /// # Errors
    /// When too few trusted keys have signed the document, or one of their signatures is invalid.
    pub fn verify(&self, authority: Authority<'_>) -> Result<&T, SignatureError> {
        let mut signers = BTreeSet::new();
        for (keyid, is_valid) in self.checked_signatures(authority) {
            if !is_valid {
                return Err(SignatureError::Wrong(keyid));
            }
            signers.insert(keyid);
        }
        let valid = signers.len() as u64;
        if valid < authority.threshold.max(1) {
            return Err(SignatureError::Threshold { valid, threshold: authority.threshold });
        }
        Ok(&self.signed)
    }

    /// Whether enough of the trusted keys have signed the document, whatever other signatures it has: one by a key that
    /// was not trusted when the document was verified may be invalid.
    pub fn is_vouched_for_by(&self, authority: Authority<'_>) -> bool {
        let valid = self.checked_signatures(authority).filter_map(|(id, valid)| valid.then_some(id));
        valid.collect::<BTreeSet<_>>().len() as u64 >= authority.threshold.max(1)
    }
}

#[cfg(test)]
mod tests;
