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
use super::forwarded::Proxies;
use super::limits::{ADMIN_CONNECTIONS, CONNECTIONS, LINGER, MAX_WORKERS, NEXT, STOP_SECONDS};
use super::listener::Listener;
use super::logged::Salt;
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
    pub handed: Handed,
    pub workers: usize,
    /// How many connections are served at once. Further ones wait to be accepted.
    pub max_connections: usize,
    pub deadlines: Deadlines,
    /// Where each request is logged, if anywhere.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// Whose word about the client's address the access log takes.
    pub proxies: Proxies,
    /// Whether the console's pages are served.
    pub console: bool,
    /// Whether they say who did something, to everybody.
    pub names: bool,
}

/// Sockets that already listen, because a supervisor has opened them. They are served in place of the addresses.
#[derive(Debug, Clone, Default)]
pub struct Handed {
    pub public: Vec<Arc<TcpListener>>,
    pub admin: Vec<Arc<TcpListener>>,
}

impl Config {
    /// Makes a configuration with the default limits, on this address.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            admin_listen: None,
            handed: Handed::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: CONNECTIONS,
            deadlines: Deadlines::default(),
            access_log: None,
            proxies: Proxies::default(),
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
    /// The addresses of further public sockets that were handed over.
    further: Vec<SocketAddr>,
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
    let log = &config.access_log;
    let classes = routes.iter().map(|route| (route.pattern, route.tag));
    let metrics = Metrics::new(classes, &shared, &clock, &guard.cuts, log.clone());
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
        proxies: config.proxies.clone(),
        salt: Salt::default(),
    };
    let state = Arc::new(state);

    let public = sockets(&config.handed.public, Some(config.listen))?;
    let admin = sockets(&config.handed.admin, config.admin_listen)?;
    let (address, further) = match &public.addresses[..] {
        [first, further @ ..] => (*first, further.to_vec()),
        [] => (config.listen, Vec::new()),
    };
    let admin_address = admin.addresses.first().copied();
    let workers = config.workers.clamp(1, MAX_WORKERS);
    let scope = if admin_address.is_some() { Listener::Public } else { Listener::All };
    let service = Service { state, routes, guard, log: log.clone(), scope };
    let mut servers = vec![service.serve(public.listeners, workers, config.max_connections)?];

    // The admin listener has its own worker, so that it answers even while all others are busy.
    if admin_address.is_some() {
        let service = Service { scope: Listener::Admin, ..service };
        servers.push(service.serve(admin.listeners, 1, ADMIN_CONNECTIONS)?);
    }
    Ok(Running { address, further, admin_address, servers })
}

impl Running {
    /// The address of the public listener.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses of further public sockets that were handed over.
    pub fn further_addresses(&self) -> &[SocketAddr] {
        &self.further
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

/// The sockets of one listener.
#[derive(Default)]
struct Sockets {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// Takes the sockets that were handed over, or listens on the address if there are none.
fn sockets(handed: &[Arc<TcpListener>], address: Option<SocketAddr>) -> Result<Sockets, StartError> {
    let mut sockets = Sockets::default();
    for socket in handed {
        let address = socket.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
        let listener = socket.try_clone().map_err(|source| StartError::Listen { address, source })?;
        sockets.add(listener, address)?;
    }
    if let Some(address) = address.filter(|_| handed.is_empty()) {
        let listener = TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })?;
        sockets.add(listener, address)?;
    }
    Ok(sockets)
}

impl Sockets {
    fn add(&mut self, listener: TcpListener, address: SocketAddr) -> Result<(), StartError> {
        let error = |source| StartError::Listen { address, source };
        // Accepted connections inherit this option. On other systems, it is harder to see how fast a client
        // reads.
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&listener).set_tcp_notsent_lowat(super::limits::UNSENT).map_err(error)?;
        self.addresses.push(listener.local_addr().map_err(error)?);
        self.listeners.push(listener);
        Ok(())
    }
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
    /// Builds a server on the sockets of one listener, which share its connections: an actix-web app on actix's HTTP/1, over guarded connections.
    /// `HttpServer` does the same, but only over plain connections.
    fn serve(
        &self,
        listeners: Vec<TcpListener>,
        workers: usize,
        max_connections: usize,
    ) -> Result<Server, StartError> {
        let connections = max_connections.div_ceil(workers);
        let share = connections.div_ceil(listeners.len().max(1));
        let mut builder = Server::build()
            .workers(workers)
            .max_concurrent_connections(connections + NEXT.div_ceil(workers))
            .disable_signals()
            .shutdown_timeout(STOP_SECONDS);
        let draining = builder.graceful_shutdown_signal();
        let service = self.clone();
        let factory = move || {
            let (service, draining) = (service.clone(), draining.clone());
            fn_factory(move || service.clone().worker(share, draining.clone()))
        };
        for listener in listeners {
            builder = builder.listen("http", listener, factory.clone()).map_err(StartError::Workers)?;
        }
        Ok(builder.run())
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
