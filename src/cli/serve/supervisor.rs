//! The supervisor that started the server, such as systemd: what it hands over, and what it is told.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::notify::{self, State, tell};
use super::sockets;
use crate::clock::SharedClock;
use crate::domain::rfc3339;
use crate::http::{Handed, Running};
use crate::promoter::status::Handle;

/// How much more time the supervisor is asked for at once while the server starts, and how often.
const MORE: Duration = Duration::from_secs(30);
const ASK_MORE: Duration = Duration::from_secs(5);

/// How long a start may take. A first turn that has not ended by then hangs.
const LONGEST_START: Duration = Duration::from_secs(30 * 60);

/// How often the supervisor is told something, at most, before the server is ready and afterwards.
const STARTING_TICK: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_secs(1);

/// How long the server may take to answer itself, if there is no watchdog.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the server knows about its supervisor.
#[derive(Debug, Default)]
pub struct Supervisor {
    pub handed: Handed,
    /// Where the server answers itself, once it listens.
    own: Arc<OnceLock<SocketAddr>>,
}

impl Supervisor {
    /// Takes what was handed over, and begins to tell how the server is, if the supervisor wants to know
    /// (`NOTIFY_SOCKET`, `sd_notify(3)`).
    pub fn start(shared: &Handle, clock: &SharedClock) -> anyhow::Result<Self> {
        let supervisor = Self { handed: sockets::take()?, own: Arc::default() };
        if notify::is_wanted() {
            let (shared, clock) = (Arc::clone(shared), Arc::clone(clock));
            let own = Arc::clone(&supervisor.own);
            let watchdog = notify::watchdog();
            std::thread::Builder::new()
                .name("supervisor".to_owned())
                .spawn(move || tell_all(&shared, &clock, &own, watchdog))?;
        }
        Ok(supervisor)
    }

    /// Notes where the server listens. Asks the admin listener if there is one, because it answers even
    /// while clients use all of the public one.
    pub fn listens(&self, running: &Running) {
        let address = running.admin_address().unwrap_or(running.address());
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let _ = self.own.set(SocketAddr::new(ip, address.port()));
    }

    /// Tells the supervisor that the server stops.
    pub fn stops() {
        if notify::is_wanted() {
            tell(&State::Stopping);
            tell(&State::Status("stopping"));
        }
    }
}

/// Tells the supervisor how the server is, until it stops.
fn tell_all(shared: &Handle, clock: &SharedClock, own: &OnceLock<SocketAddr>, watchdog: Option<Duration>) {
    let begun = clock.monotonic();
    let tick = watchdog.map_or(TICK, |every| (every / 4).min(TICK));
    let (mut is_ready, mut asked, mut status) = (false, None, String::new());
    let mut watch = Watch::default();
    while !shared.stopping.load(Ordering::Relaxed) {
        let (now, turns) = (clock.monotonic(), shared.turns.load(Ordering::Relaxed));
        let starts = turns == 0 && now.saturating_sub(begun) < LONGEST_START;
        if starts && asked.is_none_or(|asked| ASK_MORE <= now.saturating_sub(asked)) {
            tell(&State::ExtendTimeout(MORE));
            asked = Some(now);
        }
        let next = status_line(shared);
        if next != status {
            tell(&State::Status(&next));
            status = next;
        }
        let answer = || own.get().and_then(|own| ask(*own, watchdog.unwrap_or(PATIENCE)));
        if !is_ready {
            // A server with nothing to serve after its first turn has started, too: a restart would not help.
            let may_be = turns > 0 || shared.publication.load().is_some();
            if may_be && answer().is_some_and(|code| code == 200 || turns > 0) {
                tell(&State::Ready);
                (is_ready, watch) = (true, Watch { beat: now, turns });
            }
        } else if let Some(every) = watchdog
            && watch.is_due(now + tick, every)
            && (starts || watch.has_turned(turns))
            && answer().is_some()
        {
            tell(&State::Watchdog);
            watch = Watch { beat: now, turns };
        }
        std::thread::sleep(if is_ready { tick } else { STARTING_TICK });
    }
}

/// When the watchdog was last told that the server is alive, and how many turns the loop had ended.
#[derive(Debug, Default)]
struct Watch {
    beat: Duration,
    turns: u64,
}

impl Watch {
    /// Whether half of the time is over after which the watchdog takes the server for dead.
    fn is_due(&self, now: Duration, every: Duration) -> bool {
        every / 2 <= now.saturating_sub(self.beat)
    }

    fn has_turned(&self, turns: u64) -> bool {
        turns != self.turns
    }
}

/// What `systemctl status` shows.
fn status_line(shared: &Handle) -> String {
    let (publication, status) = (shared.publication.load(), shared.status.load());
    let mut line = match publication.as_deref() {
        Some(publication) => {
            format!("serving publication {} of {}", publication.version, rfc3339(publication.made))
        }
        None if shared.turns.load(Ordering::Relaxed) == 0 => "starting".to_owned(),
        None => "nothing is published yet".to_owned(),
    };
    let mut kinds: Vec<_> = status.degraded.iter().map(|degraded| degraded.kind().as_str()).collect();
    kinds.dedup();
    if !kinds.is_empty() {
        let _ = write!(line, "; degraded: {}", kinds.join(", "));
    }
    line
}

/// Asks the server itself, as a client would. Returns the status of its answer.
fn ask(own: SocketAddr, patience: Duration) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&own, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    // `HTTP/1.1 200`
    let mut line = [0; 12];
    stream.read_exact(&mut line).ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}
