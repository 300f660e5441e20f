//! Starting and stopping.

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
use super::metrics::Metrics;
use super::observe::{self, Side};
use super::openapi;
use super::route::{Route, Table};
use super::routes::ROUTES;
use super::state::State;
use crate::clock::SharedClock;
use crate::promoter::status::Handle;
use crate::store::port::PayloadStore;

/// How the server listens.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 takes any that is free; [`Running::address`] tells which.
    pub listen: SocketAddr,
    /// Where `/metrics` is served instead, if anywhere.
    pub admin_listen: Option<SocketAddr>,
    pub workers: usize,
    /// Over this many, connections wait to be accepted.
    pub max_connections: usize,
    pub deadlines: Deadlines,
    /// Whether each request gets a line, at level `info` under [`observe::ACCESS`].
    pub access_log: bool,
}

impl Config {
    /// The usual limits, on this address.
    #[must_use]
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

/// Starts the server: from here on it accepts connections, as long as [`Running::until`] is polled
/// to the end. To be called within a Tokio runtime.
///
/// # Errors
/// When an address cannot be listened on.
pub fn start(
    config: &Config,
    shared: Handle,
    payloads: Arc<dyn PayloadStore>,
    clock: SharedClock,
) -> Result<Running, StartError> {
    start_with(config, &ROUTES, shared, payloads, clock)
}

/// As [`start`], with these routes.
pub(super) fn start_with(
    config: &Config,
    routes: &'static [Route],
    shared: Handle,
    payloads: Arc<dyn PayloadStore>,
    clock: SharedClock,
) -> Result<Running, StartError> {
    let guard = Guard { deadlines: config.deadlines, ..Guard::default() };
    let table = Arc::new(Table::new(routes));
    let patterns = table.routes().map(|route| route.pattern);
    let metrics = Metrics::new(patterns, &shared, &clock, &guard.cuts);
    let openapi = openapi::document(table.routes());
    let state = State::new(metrics, openapi, shared, payloads, clock, config.access_log);
    let state = web::Data::from(Arc::new(state));

    let (listener, address) = listen(config.listen)?;
    let workers = config.workers.max(1);
    let connections = config.max_connections.div_ceil(workers);
    let builder = Server::build().workers(workers).max_concurrent_connections(connections);
    let side = if config.admin_listen.is_some() { Side::Public } else { Side::All };
    let mut servers = vec![serve(builder, "public", listener, &state, &table, &guard, side)?];

    // The operator's listener has its own worker: it must answer when all others are taken.
    let mut admin_address = None;
    if let Some(address) = config.admin_listen {
        let (listener, address) = listen(address)?;
        let builder = Server::build().workers(1).max_concurrent_connections(ADMIN_CONNECTIONS);
        servers.push(serve(builder, "admin", listener, &state, &table, &guard, Side::Admin)?);
        admin_address = Some(address);
    }
    Ok(Running { address, admin_address, servers })
}

impl Running {
    /// Where clients are answered.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operator is answered, if on a listener of its own.
    #[must_use]
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves until the future is ready, then stops: nothing is accepted any more, idle connections
    /// are closed at once, and running replies have 8 s to finish.
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
        // The call itself tells the server; what it gives back is only there to wait on.
        for handle in handles {
            drop(handle.stop(true));
        }
        servers.await.map(drop)
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(error)?;
    // Accepted connections take this over. Other systems see less of how a client reads.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_notsent_lowat(super::limits::UNSENT).map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

/// Builds a server on one listener: actix-web's routing on actix's HTTP/1, over guarded
/// connections. `HttpServer` does the same over bare ones, and takes no others.
fn serve(
    builder: ServerBuilder,
    name: &str,
    listener: TcpListener,
    state: &web::Data<State>,
    table: &Arc<Table>,
    guard: &Guard,
    side: Side,
) -> Result<Server, StartError> {
    let builder = builder.disable_signals().shutdown_timeout(STOP_SECONDS);
    let draining = builder.graceful_shutdown_signal();
    let (state, table, guard) = (state.clone(), Arc::clone(table), guard.clone());
    let factory = move || {
        let (state, table, guard) = (state.clone(), Arc::clone(&table), guard.clone());
        let draining = draining.clone();
        let Deadlines { request, keep_alive, .. } = guard.deadlines;
        let answer = move |request: HttpRequest, body: web::Payload| {
            observe::answer(request, body, state.clone(), Arc::clone(&table), side)
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
            .h1(map_config(
                app.into_factory().map_err(|error: actix_web::Error| error.error_response()),
                |()| AppConfig::default(),
            ));
        fn_service(move |io: TcpStream| {
            // Replies are written whole: there is nothing for Nagle's algorithm to wait for.
            let _ = io.set_nodelay(true);
            let peer = io.peer_addr().ok();
            let guarded = Guarded::new(io, guard.clone());
            async move { Ok::<_, DispatchError>((guarded, peer)) }
        })
        .and_then(http)
    };
    Ok(builder.listen(name, listener, factory).map_err(StartError::Workers)?.run())
}
