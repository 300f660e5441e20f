//! Starting and stopping the server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::{App, HttpRequest, web};
use tokio::net::TcpStream;

use super::connection::{Deadlines, Guard, Guarded};
use super::limits::{ADMIN_CONNECTIONS, CONNECTIONS, LINGER, SILENCE, STOP_SECONDS};
use super::listener::Listener;
use super::metrics::Metrics;
use super::observe;
use super::openapi;
use super::payload_cache::PayloadCache;
use super::route::Route;
use super::routes::ROUTES;
use super::state::State;
use crate::clock::SharedClock;
use crate::promoter::status::Handle;
use crate::store::port::PayloadStore;

/// The server's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// With port 0, the system picks a free port, which [`Running::address`] returns.
    pub listen: SocketAddr,
    /// The address of the admin listener. Without one, the public listener serves everything.
    pub admin_listen: Option<SocketAddr>,
    pub workers: usize,
    /// How many connections are served at once. Further ones wait to be accepted.
    pub max_connections: usize,
    pub deadlines: Deadlines,
    /// Whether each request is logged, at level `info` under [`observe::ACCESS`].
    pub access_log: bool,
}

impl Config {
    /// Makes a configuration with the default limits, on this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            admin_listen: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: CONNECTIONS,
            deadlines: Deadlines::default(),
            access_log: true,
        }
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on `{address}`")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot start the workers")]
    Workers(#[source] io::Error),
}

/// A server that has started.
pub struct Running {
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    servers: Vec<Server>,
}

/// Starts the server. It accepts connections as long as [`Running::until`] is polled. Must be called within a
/// Tokio runtime.
///
/// # Errors
/// When the server cannot listen on an address.
pub fn start(
    config: &Config,
    shared: Handle,
    payloads: Arc<dyn PayloadStore>,
    clock: SharedClock,
) -> Result<Running, StartError> {
    start_with(config, &ROUTES, shared, payloads, clock)
}

/// Like [`start`], with other routes.
pub(super) fn start_with(
    config: &Config,
    routes: &'static [Route],
    shared: Handle,
    payloads: Arc<dyn PayloadStore>,
    clock: SharedClock,
) -> Result<Running, StartError> {
    let guard = Guard { deadlines: config.deadlines, ..Guard::default() };
    let patterns = routes.iter().map(|route| route.pattern);
    let metrics = Metrics::new(patterns, &shared, &clock, &guard.cuts);
    let openapi = openapi::document(routes);
    let access_log = config.access_log;
    let state = web::Data::new(State {
        shared,
        payloads,
        payload_cache: PayloadCache::default(),
        clock,
        metrics,
        openapi,
        access_log,
    });

    let (listener, address) = listen(config.listen)?;
    let workers = config.workers.max(1);
    let connections = config.max_connections.div_ceil(workers);
    let builder = Server::build().workers(workers).max_concurrent_connections(connections);
    let scope = if config.admin_listen.is_some() { Listener::Public } else { Listener::All };
    let mut servers = vec![serve(builder, listener, &state, routes, &guard, scope)?];

    // The admin listener has its own worker, so that it answers even while all others are busy.
    let mut admin_address = None;
    if let Some(address) = config.admin_listen {
        let (listener, address) = listen(address)?;
        let builder = Server::build().workers(1).max_concurrent_connections(ADMIN_CONNECTIONS);
        servers.push(serve(builder, listener, &state, routes, &guard, Listener::Admin)?);
        admin_address = Some(address);
    }
    Ok(Running { address, admin_address, servers })
}

impl Running {
    /// The address of the public listener.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admin listener, if there is one.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves until `stop` completes. Then the server accepts no more connections, closes idle ones at
    /// once, and gives replies in progress 8 s to finish.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn until(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let handles: Vec<_> = self.servers.iter().map(Server::handle).collect();
        let servers = futures_util::future::try_join_all(self.servers);
        tokio::pin!(servers);
        tokio::select! {
            ended = &mut servers => return ended.map(drop),
            () = stop => {}
        }
        // `stop` takes effect when it is called; the future that it returns is only for waiting.
        for handle in handles {
            drop(handle.stop(true));
        }
        servers.await.map(drop)
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(error)?;
    // Accepted connections inherit this option. On other systems, it is harder to see how fast a client
    // reads.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_notsent_lowat(super::limits::UNSENT).map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

/// Builds a server on one listener: an actix-web app on actix's HTTP/1, over guarded connections.
/// `HttpServer` does the same, but only over plain connections.
fn serve(
    builder: ServerBuilder,
    listener: TcpListener,
    state: &web::Data<State>,
    routes: &'static [Route],
    guard: &Guard,
    scope: Listener,
) -> Result<Server, StartError> {
    let builder = builder.disable_signals().shutdown_timeout(STOP_SECONDS);
    let draining = builder.graceful_shutdown_signal();
    let (state, guard) = (state.clone(), guard.clone());
    let factory = move || {
        let (state, guard, draining) = (state.clone(), guard.clone(), draining.clone());
        let Deadlines { request, keep_alive, .. } = guard.deadlines;
        let answer = move |request: HttpRequest, body: web::Payload| {
            observe::answer(request, body, state.clone(), routes, scope)
        };
        let app = App::new().default_service(web::to(answer));
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(request + SILENCE)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|io: &Guarded, data| {
                data.insert(io.exchange());
                data.insert(io.outgoing());
            })
            .h1(map_config(
                app.into_factory().map_err(|error: actix_web::Error| error.error_response()),
                |()| AppConfig::default(),
            ));
        fn_service(move |io: TcpStream| {
            // Replies are written as a whole, so Nagle's algorithm would only delay them.
            let _ = io.set_nodelay(true);
            let peer = io.peer_addr().ok();
            let guarded = Guarded::new(io, guard.clone());
            async move { Ok::<_, DispatchError>((guarded, peer)) }
        })
        .and_then(http)
    };
    Ok(builder.listen("http", listener, factory).map_err(StartError::Workers)?.run())
}
