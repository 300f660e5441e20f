//! Where a repository is read from.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;

use super::super::failure::{Hint, refuse};
use crate::clock::pace::{LEAST, Paced, WINDOW};
use crate::clock::{SharedClock, SystemClock};
use crate::formats::tuf::{Root, Target, names};
use crate::remote::{Address, Answer, Client, Fault, Get, NotAnAddress, SetupError, Unanswered};
use crate::signing::verify::{Files, Violation};
use crate::signing::{Signed, is_document};
use crate::store::durable::present;
use crate::store::payloads::digest;
use crate::store::plain;

/// The maximum size of a root or a timestamp, whose sizes are not listed. Real ones take a few kilobytes.
const MAX_UNLISTED: u64 = 1024 * 1024;

/// The maximum size of a role or manifest. Its size is listed, but the keys that signed the listing may be
/// stolen.
const MAX_LISTED: u64 = 64 * 1024 * 1024;

/// The timeout for a role or manifest. A server that takes longer is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout for connecting, for the head of a reply, and for each read of a payload, which may take any
/// amount of time in all while it keeps the [minimum speed](LEAST).
const WAIT: Duration = Duration::from_secs(15);

/// Where a repository is, as a user names it: a folder, or the address of a server.
#[derive(Debug, Clone)]
pub enum Origin {
    Folder(PathBuf),
    Server(Address),
}

impl FromStr for Origin {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let is_server = ["http://", "https://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
        // An address whose scheme was forgotten must be refused without its password. A folder of such a name is
        // `./NAME`.
        let is_login = !text.starts_with(['/', '.'])
            && text.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        if is_server || is_login { text.parse().map(Self::Server) } else { Ok(Self::Folder(text.into())) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Server(server) => write!(f, "{server}"),
        }
    }
}

/// What reads a repository.
pub enum Source {
    /// The folder that the user named, and where in it the repository is.
    Folder(PathBuf, &'static str),
    Server(Box<Client>, SharedClock),
}

impl Source {
    /// Makes what reads a folder or asks a server.
    ///
    /// `ca` names a file with the certificate authorities to trust instead of the machine's own.
    pub fn of(origin: &Origin, ca: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match origin {
            Origin::Server(server) => {
                let client = Client::new(server.without("/tuf"), ca, WAIT).hint_with(SetupError::hint)?;
                Self::Server(Box::new(client), Arc::new(SystemClock::new()))
            }
            Origin::Folder(folder) => {
                // In a folder that `tidegate export` wrote, the repository is in `tuf`.
                let inner = if folder.join("tuf").is_dir() { "tuf" } else { "" };
                Self::Folder(folder.clone(), inner)
            }
        })
    }

    /// Refuses a place without a repository: a mistyped name is more likely than tampering.
    pub fn check_place(&self, from: &Origin) -> anyhow::Result<()> {
        if let Self::Folder(folder, _) = self
            && !folder.exists()
        {
            return Err(refuse(format!("there is no folder `{from}`"), server_instead(&from.to_string())));
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
            "name a server by its address alone, as in `http://HOST:PORT`, or the folder of an export, or one that has `metadata/` and `targets/`",
        ))
    }
}

/// How far beyond the newest root a server is asked for later ones, since it cannot be listed.
const AHEAD: u64 = 4;

impl Source {
    /// Refuses a place that lacks a root and has a later one. `newest` is the newest that can be reached from the
    /// trusted one. Clients that begin below the missing one never get past it, and keys that were dropped since go
    /// on counting for them.
    pub fn check_roots(&self, newest: u64) -> anyhow::Result<()> {
        let mut there = BTreeSet::from([newest]);
        match self {
            Self::Folder(folder, inner) => {
                let folder = folder.join(inner).join("metadata");
                let files = fs::read_dir(&folder);
                let files = files.with_context(|| format!("cannot read `{}`", folder.display()))?;
                let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
                there.extend(names.filter_map(|name| names::root_version(&name)));
            }
            Self::Server(..) => {
                for version in newest + 2..=newest + AHEAD {
                    if self.get(&names::metadata_path("root", version), None)?.is_some() {
                        there.insert(version);
                    }
                }
            }
        }
        let pairs = there.iter().zip(there.iter().skip(1));
        let Some((before, later)) = pairs.into_iter().find(|(one, next)| *one + 1 < **next) else {
            return Ok(());
        };
        let [missing, later] = [before + 1, *later].map(|version| names::metadata_path("root", version));
        Err(refuse(
            format!(
                "`{missing}` is missing, although `{later}` is there: clients with an older root never get past it"
            ),
            "put the missing root back, from the catalog's `trust/` or another copy; a mirror needs a new export",
        ))
    }

    /// Opens a file of the repository. `None` if there is no such file. Only a `patient` reader may take
    /// longer than [`TIMEOUT`].
    fn open(&self, path: &str, patient: bool) -> anyhow::Result<Option<Box<dyn Read>>> {
        match self {
            Self::Folder(folder, inner) => {
                let file = present(plain::open_below(folder, &Path::new(inner).join(path)));
                let file = file.with_context(|| format!("cannot read `{path}`"))?;
                Ok(file.map(|file| Box::new(file) as Box<dyn Read>))
            }
            Self::Server(client, clock) => {
                let body = download(client, &format!("tuf/{path}"), patient)?;
                // Each read may take a while, so a server could let a few bytes trickle for days.
                let paced = |body| Paced::new(body, SharedClock::clone(clock), WINDOW, LEAST);
                Ok(body.map(|body| Box::new(paced(body)) as Box<dyn Read>))
            }
        }
    }

    /// Checks a payload against its listing, without holding it in memory. Returns whether it exists.
    pub fn check_payload(&self, path: &str, listed: &Target) -> anyhow::Result<bool> {
        let Some(file) = self.open(path, true)? else { return Ok(false) };
        // Read one byte more, to notice a file that is longer.
        let mut file = file.take(listed.length.saturating_add(1));
        let (found, length) = digest(&mut file).with_context(|| format!("cannot read `{path}`"))?;
        let (path, expected) = (path.to_owned(), listed.hashes.sha256);
        if length != listed.length {
            return Err(Violation::Length { path, expected: listed.length, found: length }.into());
        }
        if found != expected {
            return Err(Violation::Digest { path, expected, found }.into());
        }
        Ok(true)
    }
}

/// Whether an error only means that a place cannot be reached now, and nothing about what is there.
pub fn is_out_of_reach(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        // An error while a body is read comes as one of input and output.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.and_then(|inner| inner.downcast_ref::<Fault>());
        inner.is_some() || cause.downcast_ref().is_some_and(Unanswered::is_outage)
    })
}

impl Files for Source {
    type Error = anyhow::Error;

    fn get(&self, path: &str, listed: Option<&Target>) -> anyhow::Result<Option<Bytes>> {
        let limit = listed.map_or(MAX_UNLISTED, |listed| listed.length.min(MAX_LISTED));
        let Some(file) = self.open(path, false)? else { return Ok(None) };
        let bytes = plain::read(file, limit).with_context(|| format!("cannot read `{path}`"))?;
        if bytes.len() as u64 > limit {
            let limit = if listed.is_some_and(|listed| listed.length <= limit) {
                format!("the {limit} bytes that are listed")
            } else {
                format!("{limit} bytes")
            };
            anyhow::bail!("`{path}` is larger than {limit}");
        }
        if let Self::Server(client, _) = self
            && listed.is_none()
            && !is_document(&bytes)
        {
            let place = client.place(&format!("tuf/{path}"));
            return Err(Unanswered::NotADocument { place }).hint_with(Unanswered::hint);
        }
        Ok(Some(bytes.into()))
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
    let raw = plain::whole(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    parse_root(&path.display().to_string(), raw.into()).map(Some)
}

/// Parses a root without verifying it.
pub fn parse_root(name: &str, raw: Bytes) -> anyhow::Result<Signed<Root>> {
    Signed::parse(raw)
        .with_context(|| format!("`{name}` is not a root"))
        .hint("name an `N.root.json` with `--root FILE`")
}

fn download(client: &Client, path: &str, patient: bool) -> anyhow::Result<Option<Box<dyn Read>>> {
    let get = Get { path, whole: (!patient).then_some(TIMEOUT), ..Get::default() };
    let answer = client.get(&get).and_then(|reply| client.answer(&get, reply)).hint_with(Unanswered::hint)?;
    Ok(match answer {
        Answer::Found(reply) => Some(Box::new(reply.body)),
        Answer::NotModified | Answer::Absent(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;

    /// A clock on which half a minute passes between any two readings, and that tells when it is read.
    struct Hasty(AtomicU64, Mutex<mpsc::Sender<()>>);

    impl Clock for Hasty {
        fn now(&self) -> Time {
            Time::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            let _ = self.1.lock().unwrap().send(());
            Duration::from_secs(self.0.fetch_add(30, Ordering::SeqCst))
        }
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_without_its_password() {
        for login in ["ada:s3cret@a.example", "ada:s3/cr@et@a.example:8080/x"] {
            let refused = login.parse::<Origin>().unwrap_err().to_string();
            assert!(refused.contains("`a.example") && !refused.contains("et@"), "{refused}");
        }
        for folder in ["./ada:1@b", "/srv/a:1@b", "a@b", "a:b", "mirror"] {
            assert!(matches!(folder.parse(), Ok(Origin::Folder(_))), "{folder}");
        }
    }

    #[test]
    fn a_gap_among_the_roots_of_a_folder_is_refused_wherever_it_is() {
        for (there, newest, missing) in [
            (&[1, 2, 3][..], 3, None),
            (&[3, 4], 4, None),
            (&[1, 2, 4], 2, Some(3)),
            (&[1, 3, 4], 4, Some(2)),
            (&[4], 1, Some(2)),
            (&[2], 3, None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("metadata")).unwrap();
            for version in there {
                fs::write(folder.path().join(names::metadata_path("root", *version)), "").unwrap();
            }
            let checked = Source::Folder(folder.path().to_owned(), "").check_roots(newest);
            let told = checked.err().map(|error| error.to_string()).unwrap_or_default();
            let expected = missing.map(|version| names::metadata_path("root", version));
            assert_eq!(expected.is_some(), !told.is_empty(), "{there:?} {newest}: {told}");
            assert!(
                told.starts_with(&expected.map(|path| format!("`{path}`")).unwrap_or_default()),
                "{told}"
            );
        }
    }

    #[test]
    fn a_payload_that_trickles_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (read, was_read) = mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nx").unwrap();
            was_read.recv().unwrap();
            stream.write_all(b"xx").unwrap();
            let _ = was_read.recv();
        });
        let clock = Arc::new(Hasty(AtomicU64::new(0), Mutex::new(read)));
        let client = Client::new(address.parse().unwrap(), None, WAIT).unwrap();
        let source = Source::Server(Box::new(client), clock);
        let refused = source.check_payload("targets/a", &Target::of(b"xxx")).unwrap_err();
        assert!(format!("{refused:#}").contains("bytes in 20 s"), "{refused:#}");
        server.join().unwrap();
    }

    #[test]
    fn no_file_is_read_beyond_its_limit_whatever_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Folder(folder.path().to_owned(), "");
        let listed = |length| Target { length, ..Target::of(b"") };
        for (size, listed, expected) in [
            (MAX_UNLISTED + 1, None, "`file` is larger than 1048576 bytes"),
            (MAX_LISTED + 1, Some(listed(u64::MAX)), "`file` is larger than 67108864 bytes"),
            (11, Some(listed(10)), "`file` is larger than the 10 bytes that are listed"),
        ] {
            fs::File::create(folder.path().join("file")).unwrap().set_len(size).unwrap();
            let refused = source.get("file", listed.as_ref()).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        }
    }
}
