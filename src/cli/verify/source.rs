//! Where a repository is read from.

mod client;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;

use super::super::failure::{Hint, refuse};
use crate::formats::tuf::{Root, names};
use crate::signing::Signed;

/// Nothing in a repository is larger, but for payloads, whose sizes are listed.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// A folder or a server.
pub struct Source {
    place: Place,
    /// Channel manifests are looked at twice.
    kept: RefCell<HashMap<String, Bytes>>,
    failure: Cell<Option<anyhow::Error>>,
}

enum Place {
    Folder(PathBuf),
    /// With the address below which the repository lies.
    Server(Box<ureq::Agent>, String),
}

impl Source {
    /// Takes a folder or an address.
    ///
    /// `ca` names a file with the roots that a server's certificate is held against, instead of the
    /// machine's own.
    pub fn parse(from: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let place = if from.starts_with("http://") || from.starts_with("https://") {
            let base = from.trim_end_matches('/').trim_end_matches("/tuf");
            Place::Server(Box::new(client::agent(from, ca)?), format!("{base}/tuf"))
        } else {
            let folder = PathBuf::from(from);
            // What `tidegate export` wrote has more in it than the repository.
            let inner = folder.join("tuf");
            Place::Folder(if inner.is_dir() { inner } else { folder })
        };
        Ok(Self { place, kept: RefCell::default(), failure: Cell::new(None) })
    }

    /// Takes a folder.
    pub fn folder(folder: &Path) -> Self {
        let place = Place::Folder(folder.to_owned());
        Self { place, kept: RefCell::default(), failure: Cell::new(None) }
    }

    /// Refuses a place at which there is nothing of a repository: that is a slip of the pen, and no
    /// sign of tampering.
    pub fn check_place(&self, from: &str) -> anyhow::Result<()> {
        if let Place::Folder(folder) = &self.place
            && !folder.exists()
        {
            return Err(refuse(format!("there is no folder `{from}`"), server_instead(from)));
        }
        let first = names::metadata_path("root", 1);
        let nothing = [names::TIMESTAMP_PATH, &first].iter().all(|path| self.fetch(path).is_none());
        self.failure()?;
        if !nothing {
            return Ok(());
        }
        Err(refuse(
            format!(
                "there is nothing of a repository at `{from}`: neither `tuf/{}` nor `tuf/{first}`",
                names::TIMESTAMP_PATH
            ),
            "name a server by its address alone, as in `http://HOST:PORT`, or a folder that `tidegate export` wrote or that holds `metadata/` and `targets/`",
        ))
    }

    /// The bytes at a path below `/tuf/`. Nothing, if there is no such file or it could not be had;
    /// [`Source::failure`] tells the two apart.
    pub fn fetch(&self, path: &str) -> Option<Bytes> {
        if let Some(kept) = self.kept.borrow().get(path) {
            return Some(kept.clone());
        }
        let fetched = match &self.place {
            Place::Folder(folder) => match fs::read(folder.join(path)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("`{path}` cannot be read")),
            },
            Place::Server(agent, base) => download(agent, &format!("{base}/{}", encoded(path))),
        };
        match fetched {
            Ok(bytes) => {
                let bytes = Bytes::from(bytes?);
                if path.contains(".channel.") {
                    self.kept.borrow_mut().insert(path.to_owned(), bytes.clone());
                }
                Some(bytes)
            }
            Err(error) => {
                self.failure.set(Some(error));
                None
            }
        }
    }

    /// Why a file could not be had, if one could not.
    pub fn failure(&self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

/// What to name where there is no such folder: what looks like a server's address was meant as one.
fn server_instead(from: &str) -> String {
    let host = from.split('/').next().unwrap_or_default();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port || host == "localhost" {
        return format!("a server's address begins with its scheme: `http://{from}`, or `https://{from}`");
    }
    "name a folder with a repository, or a server as `http://HOST:PORT`".to_owned()
}

/// The root that is trusted already: the one named, or the first one of the catalog here, if it has
/// one.
pub fn own_root(path: Option<&Path>, catalog: &Path) -> anyhow::Result<Option<Signed<Root>>> {
    let own = catalog.join("trust").join("1.root.json");
    let path = match path {
        Some(path) => path.to_owned(),
        None if own.is_file() => own,
        None => return Ok(None),
    };
    let raw = fs::read(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    parse_root(&path.display().to_string(), raw.into()).map(Some)
}

/// Reads a root from its bytes; nothing is verified.
pub fn parse_root(name: &str, raw: Bytes) -> anyhow::Result<Signed<Root>> {
    Signed::parse(raw)
        .with_context(|| format!("`{name}` is not a root"))
        .hint("name a `N.root.json` with `--root FILE`")
}

fn download(agent: &ureq::Agent, url: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let failed = || format!("`{url}` could not be fetched");
    let mut response = agent.get(url).call().with_context(failed)?;
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(None),
        status => anyhow::bail!("`{url}` answered with status {status}"),
    }
    response.body_mut().with_config().limit(MAX_FILE).read_to_vec().with_context(failed).map(Some)
}

/// A path as a URL has it. Names have only characters that need no escape, but for `+`, which some
/// servers take for a space.
fn encoded(path: &str) -> String {
    path.replace('+', "%2B")
}
