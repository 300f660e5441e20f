//! The page's certificate, which is read again when its files change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::clock::SharedClock;
use crate::store::{plain, secret};

/// How long the files are not read again. Many certificates are good for a few days, and renewed hours before their end.
const REST: Duration = Duration::from_secs(60);

/// Where the certificate and its private key are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The certificate, and those between it and its root.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not PEM", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("`{}` contains no certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("`{}` contains no private key that is not encrypted", .0.display())]
    NoKey(PathBuf),
    #[error(transparent)]
    Exposed(#[from] secret::Exposed),
    #[error("the private key `{}` does not belong to the certificate `{}`", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the certificate `{}` and the private key `{}` cannot be used", certificate.display(), key.display())]
    Unusable { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

impl CertificateError {
    /// How to fix it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name files that the user who runs the agent can read".to_owned(),
            Self::Exposed(exposed) => exposed.hint(),
            Self::Pem { .. } | Self::NoCertificate(_) | Self::NoKey(_) | Self::Unusable { .. } => {
                "both files must be PEM: `--tls-cert` with `-----BEGIN CERTIFICATE-----`, `--tls-key` with `-----BEGIN PRIVATE KEY-----` and without a passphrase".to_owned()
            }
            Self::Mismatch { .. } => {
                "give the key that the certificate was made for; in `--tls-cert`, the page's own certificate comes before those that vouch for it".to_owned()
            }
        }
    }
}

/// A certificate with its private key.
pub struct Certificate {
    files: Files,
    clock: SharedClock,
    kept: Mutex<Kept>,
}

struct Kept {
    good: Arc<CertifiedKey>,
    /// The digest of the files when they were read last, whether they could be used or not.
    seen: [u8; 32],
    /// When they were read last.
    read: Duration,
}

/// What the files have, and its digest.
struct Raw {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    digest: [u8; 32],
}

impl Certificate {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// When they cannot be read, do not belong together, or everybody on this machine can read the key.
    pub fn read(files: Files, clock: SharedClock) -> Result<Self, CertificateError> {
        let raw = raw(&files)?;
        let kept = Kept { good: certified(&files, &raw)?, seen: raw.digest, read: clock.monotonic() };
        Ok(Self { files, clock, kept: Mutex::new(kept) })
    }

    /// How connections use it.
    ///
    /// # Panics
    /// Never: ring has cipher suites for the versions of TLS that are on by default.
    pub fn config(self: &Arc<Self>) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _)
    }

    /// The certificate, read again if its files have changed. Something bad in them does not replace it.
    fn current(&self) -> Arc<CertifiedKey> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        if now.saturating_sub(kept.read) >= REST {
            kept.read = now;
            match self.renewed(&mut kept) {
                Ok(false) => {}
                Ok(true) => tracing::info!("the page's certificate was renewed"),
                Err(error) => {
                    let (hint, error) = (error.hint(), anyhow::Error::new(error));
                    tracing::warn!("the page goes on with its last good certificate: {error:#}; {hint}");
                }
            }
        }
        Arc::clone(&kept.good)
    }

    /// Takes a new certificate. Returns whether there was one.
    fn renewed(&self, kept: &mut Kept) -> Result<bool, CertificateError> {
        let raw = raw(&self.files)?;
        if raw.digest == kept.seen {
            return Ok(false);
        }
        kept.seen = raw.digest;
        kept.good = certified(&self.files, &raw)?;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

fn raw(Files { certificate, key }: &Files) -> Result<Raw, CertificateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CertificateError::Read { path, source }
    };
    let certificate = plain::whole(certificate).map_err(failed(certificate))?;
    secret::check(key).map_err(failed(key))??;
    let key = Zeroizing::new(plain::whole(key).map_err(failed(key))?);
    let digest =
        Sha256::new().chain_update(&certificate).chain_update([0]).chain_update(&*key).finalize().into();
    Ok(Raw { certificate, key, digest })
}

fn certified(Files { certificate, key }: &Files, raw: &Raw) -> Result<Arc<CertifiedKey>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(&raw.certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|source| CertificateError::Pem { path: certificate.clone(), source })?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(certificate.clone()));
    }
    let private = PrivateKeyDer::from_pem_slice(&raw.key).map_err(|source| match source {
        pem::Error::NoItemsFound => CertificateError::NoKey(key.clone()),
        source => CertificateError::Pem { path: key.clone(), source },
    })?;
    let provider: CryptoProvider = ring::default_provider();
    CertifiedKey::from_der(chain, private, &provider).map(Arc::new).map_err(|source| {
        let (certificate, key) = (certificate.clone(), key.clone());
        match source {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch { certificate, key }
            }
            source => CertificateError::Unusable { certificate, key, source },
        }
    })
}
