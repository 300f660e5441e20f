//! Where a repository is read from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;

use super::super::failure::{Hint, refuse};
use crate::formats::tuf::{Root, Target, names};
use crate::signing::Signed;
use crate::signing::verify::Files;
use crate::tls;

/// No file in a repository is larger, except for payloads, whose sizes are listed.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// The timeout for one file. A server that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A folder, or a server with the address of its repository.
pub enum Source {
    Folder(PathBuf),
    Server(Box<ureq::Agent>, String),
}

impl Source {
    /// Parses a folder or an address.
    ///
    /// `ca` names a file with the certificate authorities to trust instead of the machine's own.
    pub fn parse(from: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        Ok(if from.starts_with("http://") || from.starts_with("https://") {
            let base = from.trim_end_matches('/').trim_end_matches("/tuf");
            Self::Server(Box::new(agent(from, ca)?), format!("{base}/tuf"))
        } else {
            let folder = PathBuf::from(from);
            // In a folder that `tidegate export` wrote, the repository is in `tuf`.
            let inner = folder.join("tuf");
            Self::Folder(if inner.is_dir() { inner } else { folder })
        })
    }

    /// Refuses a place without a repository: a mistyped name is more likely than tampering.
    pub fn check_place(&self, from: &str) -> anyhow::Result<()> {
        if let Self::Folder(folder) = self
            && !folder.exists()
        {
            return Err(refuse(format!("there is no folder `{from}`"), server_instead(from)));
        }
        let first = names::metadata_path("root", 1);
        if self.get(names::TIMESTAMP_PATH, None)?.is_some() || self.get(&first, None)?.is_some() {
            return Ok(());
        }
        Err(refuse(
            format!(
                "there is no repository at `{from}`: neither `tuf/{}` nor `tuf/{first}` exists",
                names::TIMESTAMP_PATH
            ),
            "name a server by its address alone, as in `http://HOST:PORT`, or a folder that `tidegate export` wrote or that has `metadata/` and `targets/`",
        ))
    }
}

/// How far beyond the newest root a server is asked for later ones, since it cannot be listed.
const AHEAD: u64 = 4;

impl Source {
    /// Refuses a place that lacks the root after `newest` but has a later one. Clients that begin below the
    /// missing one never get past it, and keys that were dropped since go on counting for them.
    pub fn check_roots(&self, newest: u64) -> anyhow::Result<()> {
        let later = match self {
            Self::Folder(folder) => {
                let folder = folder.join("metadata");
                let files = fs::read_dir(&folder);
                let files = files.with_context(|| format!("cannot read `{}`", folder.display()))?;
                let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
                names.filter_map(|name| names::root_version(&name)).filter(|found| newest < *found).max()
            }
            Self::Server(..) => {
                let mut later = None;
                for version in newest + 2..=newest + AHEAD {
                    if self.get(&names::metadata_path("root", version), None)?.is_some() {
                        later = Some(version);
                    }
                }
                later
            }
        };
        let Some(later) = later else { return Ok(()) };
        let [missing, later] = [newest + 1, later].map(|version| names::metadata_path("root", version));
        Err(refuse(
            format!(
                "`{missing}` is missing, although `{later}` is there: clients with an older root never get past it"
            ),
            "put the missing root back, from the catalog's `trust/` or another copy; a mirror needs a new `tidegate export`",
        ))
    }
}

impl Files for Source {
    type Error = anyhow::Error;

    fn get(&self, path: &str, _listed: Option<&Target>) -> anyhow::Result<Option<Bytes>> {
        let bytes = match self {
            Self::Folder(folder) => match fs::read(folder.join(path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                read => Some(read.with_context(|| format!("cannot read `{path}`"))?),
            },
            Self::Server(agent, base) => download(agent, &format!("{base}/{}", encoded(path)))?,
        };
        Ok(bytes.map(Bytes::from))
    }
}

/// Returns the hint for a missing folder. The user may have meant a server's address.
fn server_instead(from: &str) -> String {
    let host = from.split('/').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port || host == "localhost" {
        return format!("write the server's address with its scheme: `http://{from}`, or `https://{from}`");
    }
    "give a folder that contains a repository, or a server's address such as `http://HOST:PORT`".to_owned()
}

/// Reads the trusted root: the file at `path`, or else the first root of the catalog, if it has one.
pub fn own_root(path: Option<&Path>, catalog: &Path) -> anyhow::Result<Option<Signed<Root>>> {
    let own = catalog.join("trust").join("1.root.json");
    let path = match path {
        Some(path) => path.to_owned(),
        None if own.is_file() => own,
        None => return Ok(None),
    };
    let raw = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    parse_root(&path.display().to_string(), raw.into()).map(Some)
}

/// Parses a root without verifying it.
pub fn parse_root(name: &str, raw: Bytes) -> anyhow::Result<Signed<Root>> {
    Signed::parse(raw)
        .with_context(|| format!("`{name}` is not a root"))
        .hint("name an `N.root.json` with `--root FILE`")
}

/// An HTTP client for a server. `ca` names a file with the certificate authorities to trust instead of the
/// machine's own.
fn agent(address: &str, ca: Option<&Path>) -> anyhow::Result<ureq::Agent> {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    if address.starts_with("https://") {
        // An `https://` server must not redirect to another scheme.
        config = config.https_only(true).tls_config(tls::config(ca).hint_with(tls::TlsError::hint)?);
    }
    Ok(config.build().new_agent())
}

fn download(agent: &ureq::Agent, url: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let failed = || format!("cannot fetch `{url}`");
    let mut response = agent.get(url).call().with_context(failed)?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => anyhow::bail!("`{url}` answered with status {status}"),
    }
    response.body_mut().with_config().limit(MAX_FILE).read_to_vec().with_context(failed).map(Some)
}

/// Escapes a path for a URL. The only character in names that needs this is `+`, which some servers read as
/// a space.
fn encoded(path: &str) -> String {
    path.replace('+', "%2B")
}
