//! Starting and stopping the server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory as _, ServiceFactory as _, ServiceFactoryExt as _, fn_factory, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::AppConfig;
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::access::AccessLog;
use super::connection::{Deadlines, Guard};
use super::limits::{ADMIN_CONNECTIONS, CONNECTIONS, LINGER, NEXT, STOP_SECONDS};
use super::listener::Listener;
use super::metrics::Metrics;
use super::observe::{self, Worker};
use super::openapi;
use super::payload_cache::PayloadCache;
use super::places::Places;
use super::recent::Recent;
use super::route::Route;
use super::routes::ROUTES;
use super::state::State;
use super::visit::{self, Lent};
use crate::clock::SharedClock;
use crate::console;
use crate::promoter::status::Handle;
use crate::publish::Document;
use crate::publish::document::Media;
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
    /// Where each request is logged, if anywhere.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// Whether the console's pages are served.
    pub console: bool,
    /// Whether they say who did something, to everybody.
    pub names: bool,
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
            access_log: None,
            console: true,
            names: false,
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
    let log = &config.access_log;
    let metrics = Metrics::new(patterns, &shared, &clock, &guard.cuts, log.clone());
    let openapi = openapi::document(routes);
    let payload_cache = PayloadCache::default();
    let text = |media, text: &'static str| Document::new(media, Bytes::from_static(text.as_bytes()));
    let (styles, script) = (text(Media::Css, console::STYLES), text(Media::JavaScript, console::SCRIPT));
    let [foreseeing, telling] = [(); 2].map(|()| Arc::new(Semaphore::new(1)));
    let (console, names) = (config.console, config.names);
    let state = State {
        shared,
        payloads,
        payload_cache,
        clock,
        metrics,
        openapi,
        styles,
        script,
        foreseeing,
        telling,
        console,
        names,
    };
    let state = Arc::new(state);

    let (listener, address) = listen(config.listen)?;
    let workers = config.workers.max(1);
    let scope = if config.admin_listen.is_some() { Listener::Public } else { Listener::All };
    let service = Service { state, routes, guard, log: log.clone(), scope };
    let mut servers = vec![service.serve(listener, workers, config.max_connections)?];

    // The admin listener has its own worker, so that it answers even while all others are busy.
    let mut admin_address = None;
    if let Some(address) = config.admin_listen {
        let (listener, address) = listen(address)?;
        let service = Service { scope: Listener::Admin, ..service };
        servers.push(service.serve(listener, 1, ADMIN_CONNECTIONS)?);
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

/// What the workers of one listener have in common.
#[derive(Clone)]
struct Service {
    state: Arc<State>,
    routes: &'static [Route],
    guard: Guard,
    log: Option<Arc<dyn AccessLog>>,
    scope: Listener,
}

impl Service {
    /// Builds a server on one listener: an actix-web app on actix's HTTP/1, over guarded connections.
    /// `HttpServer` does the same, but only over plain connections.
    fn serve(
        &self,
        listener: TcpListener,
        workers: usize,
        max_connections: usize,
    ) -> Result<Server, StartError> {
        let connections = max_connections.div_ceil(workers);
        let builder = Server::build()
            .workers(workers)
            .max_concurrent_connections(connections + NEXT.div_ceil(workers))
            .disable_signals()
            .shutdown_timeout(STOP_SECONDS);
        let draining = builder.graceful_shutdown_signal();
        let service = self.clone();
        let factory = move || {
            let (service, draining) = (service.clone(), draining.clone());
            fn_factory(move || service.clone().worker(connections, draining.clone()))
        };
        Ok(builder.listen("http", listener, factory).map_err(StartError::Workers)?.run())
    }

    /// Makes what one worker serves its clients with.
    async fn worker(
        self,
        connections: usize,
        draining: GracefulShutdownSignal,
    ) -> Result<impl actix_service::Service<TcpStream>, ()> {
        let Self { state, routes, guard, log, scope: listener } = self;
        let log = log.map(|log| log.writer());
        let places = Places::new(connections);
        let worker = Rc::new(Worker {
            state,
            routes,
            listener,
            log,
            places: Rc::clone(&places),
            recent: Recent::default(),
        });
        let of_ticks = Rc::clone(&worker);
        let then = move || of_ticks.recent.forget_replaced();
        tokio::task::spawn_local(Rc::clone(&places).run(guard.deadlines.keep_alive, then));
        let answer = move |request| observe::answer(request, Rc::clone(&worker));
        let app = App::new().default_service(fn_service(answer));
        let http = HttpService::build()
            // Guarded connections have their own timers for all this.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(LINGER)
            .on_connect_ext(|io: &Lent, data| {
                data.insert(io.exchange());
                data.insert(io.outgoing());
            })
            .h1(map_config(
                app.into_factory().map_err(|error: actix_web::Error| error.error_response()),
                |()| AppConfig::default(),
            ));
        let http = Rc::new(http.new_service(()).await?);

        let all = Rc::clone(&places);
        tokio::task::spawn_local(async move {
            draining.notified().await;
            all.close();
        });
        Ok(fn_service(move |io: TcpStream| {
            visit::serve(io, guard.clone(), Rc::clone(&places), Rc::clone(&http)).map(Ok::<_, ()>)
        }))
    }
}
