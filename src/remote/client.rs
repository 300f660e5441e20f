//! Asks a server for files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use tokio::runtime::{Builder, Runtime};

use super::address::{Address, NotAnAddress, shown_target};
use super::fault::{Fault, FaultKind};
use super::place::{Place, Through};
use super::proxy::{Proxy, proxy};
use super::tls::{self, TlsError};
use super::unanswered::Unanswered;

/// How requests name themselves.
pub const USER_AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));

/// The largest head of a reply, in bytes.
pub const LONGEST_HEAD: u64 = 16 * 1024;

/// Asks one server for its files. Redirects are not followed: one could lead to any host of the user's own network, or
/// to an unencrypted connection, and no server needs one.
pub struct Client {
    http: reqwest::Client,
    server: Address,
    proxy: Option<Proxy>,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Address(#[from] NotAnAddress),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "`{variable}` is not the address of a proxy: write `http://HOST:PORT`, or `https`, `socks4`, `socks4a`, `socks5` or `socks5h` in place of `http`"
    )]
    Proxy { variable: &'static str },
    #[error("the HTTP client cannot be made")]
    Other(#[source] reqwest::Error),
}

impl SetupError {
    /// How to fix it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Address(_) => {
                "run `tidegate cluster add` with `--replace --server URL` and the other settings as before"
            }
            Self::Tls(error) => error.hint(),
            Self::Proxy { .. } | Self::Other(_) => "correct the variable, or remove it",
        }
    }
}

/// A request.
#[derive(Debug, Default)]
pub struct Get<'a> {
    /// Below the server's address, such as `tuf/metadata/timestamp.json`.
    pub path: &'a str,
    pub headers: Vec<(&'static str, String)>,
    /// How long all of it may take.
    pub whole: Option<Duration>,
}

/// The reply to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
}

impl Client {
    /// Makes a client. `ca` is a PEM file with the authorities to trust instead of the machine's own; `wait` is the
    /// timeout for connecting, for the head of a reply, and for each read of its body.
    ///
    /// # Errors
    /// When there are no certificates for `https`, or a variable that names a proxy cannot be understood.
    pub fn new(server: Address, ca: Option<&Path>, wait: Duration) -> Result<Self, SetupError> {
        server.check()?;
        let proxy = proxy(&server, |name| std::env::var(name).ok());
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(wait)
            // It begins with the connection, which has a timeout of its own.
            .read_timeout(wait * 2)
            .no_proxy();
        let has_tls = server.is_https() || proxy.as_ref().and_then(Proxy::scheme) == Some("https");
        let tls = if has_tls { tls::config(ca)? } else { tls::none()? };
        http = http.tls_backend_preconfigured(tls).https_only(server.is_https());
        if let Some(found) = &proxy {
            let bad = || SetupError::Proxy { variable: found.variable };
            found.scheme().ok_or_else(bad)?;
            http = http.proxy(reqwest::Proxy::all(&found.address).map_err(|_| bad())?);
            if !server.is_https() {
                // Small proxies close each connection after its reply without saying so, often just when it is used
                // again. A tunnel to a server over TLS is not theirs to close.
                http = http.pool_max_idle_per_host(0);
            }
        }
        Ok(Self { http: http.build().map_err(SetupError::Other)?, server, proxy })
    }

    /// The server that is asked.
    pub const fn server(&self) -> &Address {
        &self.server
    }

    /// What is asked for.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.server)
    }

    /// The same, and through which proxy.
    pub fn place(&self, path: &str) -> Place {
        let through = |proxy: &Proxy| {
            Box::new(Through {
                shown: proxy.shown.clone(),
                variable: proxy.variable,
                except: (proxy.none, self.server.host()),
                is_tunnel: self.server.is_https(),
            })
        };
        Place { url: self.url(path), proxy: self.proxy.as_ref().map(through) }
    }

    /// Sends a request, and waits for the head of the reply.
    ///
    /// # Errors
    /// When no reply comes, or its head is too large.
    pub fn get(&self, get: &Get<'_>) -> Result<Reply, Unanswered> {
        self.send(get).map_err(|source| Unanswered::Fault { place: self.place(get.path), source })
    }

    fn send(&self, Get { path, headers, whole }: &Get<'_>) -> Result<Reply, Fault> {
        let mut request = self.http.get(format!("{}/{}", self.server.whole(), encoded(path)));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(whole) = *whole {
            request = request.timeout(whole);
        }
        let response = runtime()?.block_on(async { request.send().await }).map_err(Fault::of)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if head as u64 > LONGEST_HEAD {
            let detail = format!("the head of the reply is larger than {LONGEST_HEAD} bytes");
            return Err(Fault { kind: FaultKind::Large, detail });
        }
        Ok(Reply { status, headers, body: Body { response, rest: Bytes::new() } })
    }

    /// What a reply to a request means.
    ///
    /// # Errors
    /// When the reply is not the file, and does not say that the file is missing.
    pub fn answer(&self, get: &Get<'_>, reply: Reply) -> Result<Answer, Unanswered> {
        let place = || self.place(get.path);
        let asks = |header| get.headers.iter().any(|(name, _)| *name == header);
        match reply.status {
            200 | 206 if reply.encoding().is_some_and(|one| one != "gzip" || !asks("accept-encoding")) => {
                Err(Unanswered::Compressed { place: place() })
            }
            200 => Ok(Answer::Found(reply)),
            206 if asks("range") => Ok(Answer::Found(reply)),
            304 if asks("if-none-match") => Ok(Answer::NotModified),
            404 | 410 => Ok(Answer::Absent(reply)),
            status @ (300..=303 | 305..=399) => {
                // The address may have a password.
                let to = shown_target(reply.header("location"));
                Err(Unanswered::Redirected { place: place(), to, status })
            }
            status => Err(Unanswered::Status { place: place(), status }),
        }
    }
}

impl Reply {
    /// The value of a header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// How the body is compressed, if it is: a coding of RFC 9110, section 8.4.1, or one of its successors. Other
    /// values, such as a character set, are ignored.
    pub fn encoding(&self) -> Option<&'static str> {
        let named = self.header("content-encoding").trim().to_ascii_lowercase();
        let named = named.trim_start_matches("x-");
        ["gzip", "compress", "deflate", "br", "zstd"].into_iter().find(|coding| *coding == named)
    }
}

/// What a server says about a file.
#[derive(Debug)]
pub enum Answer {
    /// The file, or the part that was asked for.
    Found(Reply),
    /// It is the one that the request names.
    NotModified,
    /// The file does not exist.
    Absent(Reply),
}

/// The body of a reply.
#[derive(Debug)]
pub struct Body {
    response: reqwest::Response,
    rest: Bytes,
}

impl Read for Body {
    /// Fails with a [`Fault`] inside.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |fault: Fault| {
            let kind =
                if fault.kind == FaultKind::Slow { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
            io::Error::new(kind, fault)
        };
        while self.rest.is_empty() {
            let next = runtime().map_err(broken)?.block_on(self.response.chunk());
            match next.map_err(|error| broken(Fault::of(error)))? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// The runtime that drives connections, one for the process. Dropping one is not allowed everywhere.
fn runtime() -> Result<&'static Runtime, Fault> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(1).thread_name("client").enable_io().enable_time().build()
    });
    made.as_ref().map_err(|error| Fault { kind: FaultKind::Other, detail: error.to_string() })
}

/// What a status is called in the first line of a reply.
pub fn reason(status: u16) -> &'static str {
    reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("-")
}

/// A path as part of a URL. Only the `+` in names needs escaping, since some servers read it as a space.
fn encoded(path: &str) -> String {
    path.replace('+', "%2B")
}
