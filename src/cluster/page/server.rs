//! Serves the page, on threads of its own.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use actix_web::dev::{Payload, ServerHandle};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN,
    SET_COOKIE,
};
use actix_web::{App, FromRequest as _, HttpRequest, HttpResponse, HttpServer, web};
use rustls::ServerConfig;

use super::answer::{Asked, Fields, Page, Reply};
use super::listen::Listen;
use super::session::Sessions;
use super::token::{Key, OpenError, Tokens, clear};
use crate::clock::SharedClock;
use crate::cluster::folder::Folder;
use crate::console::HEADERS;

/// How many connections are served at once: those of a few people.
const CONNECTIONS: usize = 64;

/// The size of a form's fields, and how long they may take to arrive.
const FORM: usize = 4096;
const FORM_TIME: Duration = Duration::from_secs(10);

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error("cannot listen on `{listen}`")]
    Listen {
        listen: Listen,
        #[source]
        source: io::Error,
    },
    #[error("cannot start the thread of the page")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A page that is served. Dropping it ends that.
pub struct Serving {
    folder: Folder,
    listen: Listen,
    handle: Option<ServerHandle>,
}

enum Listener {
    Plain(TcpListener),
    Tls(TcpListener, Box<ServerConfig>),
    Unix(UnixListener),
}

/// Serves the page of a cluster.
///
/// # Errors
/// When the server cannot listen, or the key of tokens cannot be kept.
pub fn start(folder: Folder, clock: SharedClock, listen: &Listen) -> Result<Serving, PageError> {
    let failed = |source| PageError::Listen { listen: listen.clone(), source };
    let (listener, listen) = bind(listen).map_err(failed)?;
    let key = Key::create(&folder, &listen)?;
    let mut serving = Serving { folder: folder.clone(), listen: listen.clone(), handle: None };
    let own = folder.clone();
    let (tokens, sessions) = (Mutex::new(Tokens::new(key)), Mutex::new(Sessions::default()));
    let page = web::Data::new(Page { folder, clock, listen, tokens, sessions });
    let (started, start) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("page".to_owned())
        .spawn(move || {
            let ended = actix_web::rt::System::new().block_on(async {
                let server = HttpServer::new(move || {
                    App::new()
                        .app_data(page.clone())
                        .app_data(web::FormConfig::default().limit(FORM))
                        .default_service(web::to(handle))
                });
                let server = server.workers(1).max_connections(CONNECTIONS).disable_signals();
                let server = match listener {
                    Listener::Plain(listener) => server.listen(listener)?,
                    Listener::Tls(listener, config) => server.listen_rustls_0_23(listener, *config)?,
                    Listener::Unix(listener) => server.listen_uds(listener)?,
                };
                let server = server.run();
                let _ = started.send(server.handle());
                server.await
            });
            // Updates go on without the page.
            if let Err(error) = ended {
                tracing::error!(%error, "the page is not served any more");
                // Another program may take its port, and must not be sent tokens.
                let _ = clear(&own);
            }
        })
        .map_err(PageError::Thread)?;
    let ended = |_| PageError::Thread(io::Error::other("it ended at once; the log says why"));
    serving.handle = Some(start.recv().map_err(ended)?);
    Ok(serving)
}

impl Serving {
    /// Where the page is, with the port that the system has picked.
    pub const fn listen(&self) -> &Listen {
        &self.listen
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            // It takes effect when it is called; the future is only for waiting.
            drop(handle.stop(false));
        }
        if let Some(socket) = self.listen.socket() {
            let _ = std::fs::remove_file(socket);
        }
        let _ = clear(&self.folder);
    }
}

fn bind(listen: &Listen) -> io::Result<(Listener, Listen)> {
    match listen {
        Listen::Loopback(address) => {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            Ok((Listener::Plain(listener), Listen::Loopback(address)))
        }
        Listen::Tls(address, certificate) => {
            let listener = TcpListener::bind(address)?;
            let address = listener.local_addr()?;
            let tls = Listener::Tls(listener, Box::new(certificate.config()));
            Ok((tls, Listen::Tls(address, Arc::clone(certificate))))
        }
        Listen::Unix(path) => {
            let path = std::path::absolute(path)?;
            Ok((Listener::Unix(bind_private(&path)?), Listen::Unix(path)))
        }
    }
}

/// Makes a socket that only its owner can use. It gets its mode in a private folder, and only then its name: between
/// `bind` and `chmod`, anybody could connect.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    if let Ok(found) = path.symlink_metadata() {
        let is_left = found.file_type().is_socket() && UnixStream::connect(path).is_err();
        if !is_left {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    }
    let parent = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    let folder = tempfile::Builder::new().prefix(".tg").rand_bytes(4).tempdir_in(parent)?;
    let inner = folder.path().join("s");
    let listener = UnixListener::bind(&inner)?;
    std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&inner, path)?;
    Ok(listener)
}

/// Takes from a request what matters, and answers it on a thread that may wait for the disk and for the server.
async fn handle(request: HttpRequest, payload: web::Payload, page: web::Data<Page>) -> HttpResponse {
    let mut payload = payload.into_inner();
    let fields =
        if request.method() == "POST" { fields(&request, &mut payload).await } else { Fields::default() };
    let asked = asked(&request, fields);
    let answered = web::block(move || {
        let (shown, reply) = page.answer(&asked);
        (shown, reply, asked.method)
    });
    let Ok((shown, reply, method)) = answered.await else {
        return HttpResponse::InternalServerError().finish();
    };
    let response = response(reply);
    let status = response.status().as_u16();
    // A page that is open asks for events every two seconds.
    if shown.ends_with("/events") {
        tracing::debug!(method, path = shown, status, "answered");
    } else {
        tracing::info!(method, path = shown, status, "answered");
    }
    response
}

/// The fields of a form. One that is too large or too slow has none, so that it lacks its token.
async fn fields(request: &HttpRequest, payload: &mut Payload) -> Fields {
    let form = tokio::time::timeout(FORM_TIME, web::Form::<Fields>::from_request(request, payload)).await;
    form.ok().and_then(Result::ok).map(web::Form::into_inner).unwrap_or_default()
}

fn asked(request: &HttpRequest, fields: Fields) -> Asked {
    let headers = request.headers();
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    // What is said twice would be one thing to this server, and another to somebody else.
    let only = |name: HeaderName| {
        let mut all = headers.get_all(name);
        all.next().filter(|_| all.next().is_none()).and_then(text)
    };
    let named = |name: &'static str| only(HeaderName::from_static(name));
    let token =
        web::Query::<Fields>::from_query(request.query_string()).map(|query| query.into_inner().token);
    // Two headers are no header, which must not count as an `Origin` that was not sent.
    let origin = if headers.contains_key(ORIGIN) { Some(only(ORIGIN).unwrap_or_default()) } else { None };
    Asked {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        token: token.unwrap_or_default(),
        host: only(HOST),
        origin,
        site: named("sec-fetch-site"),
        mode: named("sec-fetch-mode"),
        cookies: cookies(headers),
        seen: named("last-event-id"),
        fields,
    }
}

fn cookies(headers: &HeaderMap) -> String {
    let all: Vec<_> = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).collect();
    all.join(";")
}

fn response(reply: Reply) -> HttpResponse {
    let (status, media, body, moved) = match reply {
        Reply::Page(status, page) => (status, None, page, None),
        Reply::Asset(media, text) => (200, Some(media), text.to_owned(), None),
        Reply::Events(events) => (200, Some("text/event-stream"), events, None),
        Reply::Moved(to, cookie) => (303, None, String::new(), Some((to, cookie))),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::with_body(status, actix_web::body::BoxBody::new(body));
    let head = response.headers_mut();
    for (name, value) in HEADERS {
        head.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(media) = media {
        head.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    for (name, value) in
        moved.into_iter().flat_map(|(to, cookie)| [(LOCATION, Some(to)), (SET_COOKIE, cookie)])
    {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            head.insert(name, value);
        }
    }
    response
}
