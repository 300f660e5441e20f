//! The HTTP client of commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use super::super::super::failure::{Hint, refuse};

/// For one file. A server that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The roots that a server's certificate is held against.
pub struct Roots(Vec<Certificate<'static>>);

impl Roots {
    /// Those in a PEM file, or the machine's own.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        file.map_or_else(Self::of_machine, Self::in_file)
    }

    fn in_file(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
        let mut roots = Vec::new();
        for item in parse_pem(&text) {
            if let PemItem::Certificate(root) =
                item.with_context(|| format!("`{}` is no PEM", path.display()))?
            {
                roots.push(root);
            }
        }
        if roots.is_empty() {
            return Err(refuse(
                format!("`{}` holds no certificate", path.display()),
                "`--ca FILE` wants the root's certificate as PEM, `-----BEGIN CERTIFICATE-----`",
            ));
        }
        Ok(Self(roots))
    }

    fn of_machine() -> anyhow::Result<Self> {
        let found = rustls_native_certs::load_native_certs();
        let roots: Vec<_> =
            found.certs.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
        if roots.is_empty() {
            let why = found.errors.first().map_or_else(String::new, |why| format!(": {why}"));
            return Err(anyhow::anyhow!("this machine has no roots for TLS{why}"))
                .hint("install its package `ca-certificates`, or name a file with `--ca FILE`");
        }
        Ok(Self(roots))
    }
}

/// A client that speaks `http://`, and `https://` where there are roots.
pub fn agent(roots: Option<Roots>) -> ureq::Agent {
    let builder = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    let Some(Roots(roots)) = roots else { return builder.build().new_agent() };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    // A server that was asked for by `https://` does not lead elsewhere.
    builder.https_only(true).tls_config(tls).build().new_agent()
}
