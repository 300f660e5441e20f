//! Which certificate authorities outgoing connections trust.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::store::plain;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not PEM", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("`{}` contains no certificate", .0.display())]
    Empty(PathBuf),
    #[error("this machine has no root certificates for TLS{0}")]
    NoRoots(String),
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    /// How to fix it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } | Self::Pem { .. } | Self::Empty(_) => {
                "give `--ca` a root certificate in PEM format (`-----BEGIN CERTIFICATE-----`)"
            }
            Self::NoRoots(_) => "install the package `ca-certificates`, or name a file with `--ca FILE`",
            Self::Setup(_) => "this build is broken: report it",
        }
    }
}

/// Returns a TLS configuration that trusts the root certificates in the PEM file `ca`, or those of this
/// machine if no file is given.
///
/// # Errors
/// When no root certificate can be loaded.
pub fn config(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(ca.map_or_else(of_machine, in_file)?);
    trusting(roots)
}

/// Returns a TLS configuration for a client that needs none. It trusts nobody.
///
/// # Errors
/// When TLS cannot be set up.
pub fn none() -> Result<ClientConfig, TlsError> {
    trusting(RootCertStore::empty())
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().map_err(TlsError::Setup)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn in_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = plain::whole(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let roots = roots.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if roots.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(roots) }
}

fn of_machine() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |why| format!(": {why}"));
        return Err(TlsError::NoRoots(why));
    }
    Ok(found.certs)
}
