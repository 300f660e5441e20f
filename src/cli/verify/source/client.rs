//! The HTTP client of commands.

use std::path::Path;
use std::time::Duration;

use super::super::super::failure::Hint;
use crate::tls;

/// For one file. A server that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client for a server by its address. `ca` names a file with the roots for `https://`, instead of
/// the machine's own.
pub fn agent(address: &str, ca: Option<&Path>) -> anyhow::Result<ureq::Agent> {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    if address.starts_with("https://") {
        let tls = tls::config(ca).map_err(|error| (error.hint(), error));
        let tls = match tls {
            Ok(tls) => tls,
            Err((hint, error)) => return Err(error).hint(hint),
        };
        // A server that was asked for by `https://` does not lead elsewhere.
        config = config.https_only(true).tls_config(tls);
    }
    Ok(config.build().new_agent())
}
