//! Which certificate authorities outgoing connections trust.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::store::plain;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("`{}` cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not PEM", path.display())]
    Pem { path: PathBuf, source: ureq::Error },
    #[error("`{}` contains no certificate", .0.display())]
    Empty(PathBuf),
    #[error("this machine has no root certificates for TLS{0}")]
    NoRoots(String),
}

impl TlsError {
    /// How to fix it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } | Self::Pem { .. } | Self::Empty(_) => {
                "give `--ca` a root certificate in PEM format (`-----BEGIN CERTIFICATE-----`)"
            }
            Self::NoRoots(_) => "install the package `ca-certificates`, or name a file with `--ca FILE`",
        }
    }
}

/// Returns a TLS configuration that trusts the root certificates in the PEM file `ca`, or those of this
/// machine if no file is given.
///
/// # Errors
/// When no root certificate can be loaded.
pub fn config(ca: Option<&Path>) -> Result<TlsConfig, TlsError> {
    let roots = ca.map_or_else(of_machine, in_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

fn in_file(path: &Path) -> Result<Vec<Certificate<'static>>, TlsError> {
    let text = plain::whole(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let mut roots = Vec::new();
    for item in parse_pem(&text) {
        let item = item.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
        if let PemItem::Certificate(root) = item {
            roots.push(root);
        }
    }
    if roots.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(roots) }
}

fn of_machine() -> Result<Vec<Certificate<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> =
        found.certs.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |why| format!(": {why}"));
        return Err(TlsError::NoRoots(why));
    }
    Ok(roots)
}
