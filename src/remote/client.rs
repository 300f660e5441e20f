//! Asks a server for files.

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use tokio::runtime::{Builder, Runtime};

use super::address::{Address, NotAnAddress};
use super::proxy::{Proxy, proxy};
use super::tls::{self, TlsError};

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
    #[error("`{variable}` is not the address of a proxy: write `http://HOST:PORT`")]
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

/// A failed request, without what must not be shown.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    pub kind: FaultKind,
    detail: String,
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing listens at the address.
    Refused,
    /// The host's name is unknown.
    NoHost,
    /// No connection within the time.
    ConnectSlow,
    /// No reply, or no more of it, within the time.
    Slow,
    /// The head of the reply is too large.
    Large,
    Other,
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

    /// The same in quotes, and through which proxy, for errors.
    pub fn place(&self, path: &str) -> String {
        let place = format!("`{}`", self.url(path));
        match &self.proxy {
            Some(Proxy { shown, variable, .. }) => {
                format!("{place} (through the proxy `{shown}` of `{variable}`)")
            }
            None => place,
        }
    }

    /// Sends a request, and waits for the head of the reply.
    ///
    /// # Errors
    /// When no reply comes, or its head is too large.
    pub fn get(&self, Get { path, headers, whole }: Get<'_>) -> Result<Reply, Fault> {
        let mut request = self.http.get(format!("{}/{}", self.server.whole(), encoded(path)));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(whole) = whole {
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

impl Fault {
    fn of(error: reqwest::Error) -> Self {
        // The address may have a password.
        let error = error.without_url();
        let mut causes = Vec::new();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(one) = cause {
            causes.push(one);
            cause = one.source();
        }
        let said: Vec<String> = causes.iter().map(ToString::to_string).collect();
        let is_refused = |cause: &&(dyn Error + 'static)| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        let kind = if error.is_timeout() {
            if error.is_connect() { FaultKind::ConnectSlow } else { FaultKind::Slow }
        } else if causes.iter().any(is_refused) {
            FaultKind::Refused
        } else if said.iter().any(|text| text.contains("dns error")) {
            FaultKind::NoHost
        } else if said.iter().any(|text| text.contains("message head is too large")) {
            FaultKind::Large
        } else {
            FaultKind::Other
        };
        // The first causes say that something has failed, and the last one what.
        let detail = said.last().cloned().unwrap_or_default();
        Self { kind, detail }
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
