//! The server under a supervisor, such as systemd.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;
use crate::spawn::{DEADLINE, Server, eventually, get, tidegate};

/// A command that inherits these sockets from descriptor `first` on. Returns them, too: they must live until it
/// has started.
fn handed(place: &Place, first: i32, names: &str, sockets: &[BorrowedFd<'_>]) -> (Command, Vec<OwnedFd>) {
    let inherited = (first..).zip(sockets).map(|(place, socket)| {
        let inherited = fcntl_dupfd_cloexec(socket, place).unwrap();
        assert_eq!(inherited.as_raw_fd(), place);
        fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
        inherited
    });
    let inherited: Vec<OwnedFd> = inherited.collect();
    let mut command = tidegate(place.dir());
    command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names);
    command.env("LISTEN_FDS_FIRST_FD", first.to_string()).env_remove("LISTEN_PID");
    (command, inherited)
}

#[test]
fn sockets_of_a_supervisor_are_served_in_place_of_the_addresses() {
    let place = Place::with(&["1.8.1"]);
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [first, second, admin] = listeners.each_ref().map(|one| one.local_addr().unwrap().to_string());
    let sockets = listeners.each_ref().map(AsFd::as_fd);
    let (command, inherited) = handed(&place, 200, "tidegate.socket:web:admin", &sockets);
    let server = Server::logged(place.dir(), command, &["--admin-listen", "127.0.0.1:0"]);
    drop(inherited);
    assert_eq!((&server.address, &server.admin), (&first, &admin));
    for address in [&first, &second] {
        eventually("it is served", || {
            let code = get(address, "/v1/channels").status;
            if code == 200 { Ok(()) } else { Err(code) }
        });
        assert_eq!(get(address, "/metrics").status, 404);
    }
    assert_eq!(get(&admin, "/metrics").status, 200);
    let log = server.log();
    assert!(log.contains("`--listen` is ignored") && log.contains("`--admin-listen` is ignored"), "{log}");
}

#[test]
fn a_socket_that_cannot_be_served_is_refused_by_name() {
    let place = Place::with(&["1.8.1"]);
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(place.path("s")).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = fs::File::open(place.path("payload.json")).unwrap();
    for (first, bad) in [(300, unix.as_fd()), (310, udp.as_fd()), (320, file.as_fd())] {
        let (mut command, _inherited) = handed(&place, first, "web:odd", &[web.as_fd(), bad]);
        let output = command.args(["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("socket 2 `odd`") && told.contains("ListenStream="), "{told}");
    }
}

#[test]
fn sockets_for_another_process_are_left_alone_and_the_log_says_so() {
    let place = Place::with(&["1.8.1"]);
    let mut command = tidegate(place.dir());
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let server = Server::logged(place.dir(), command, &[]);
    let log = server.log();
    assert_eq!(log.matches("`LISTEN_FDS` is `1` and `LISTEN_PID` is `1`").count(), 1, "{log}");
    assert!(log.contains("with `exec`"), "{log}");
}

/// Where a supervisor is told how its server is.
struct Told(UnixDatagram);

impl Told {
    fn new(place: &Place) -> Self {
        Self::at(UnixDatagram::bind(place.path("notify")).unwrap())
    }

    fn at(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    fn command(place: &Place) -> Command {
        let mut command = tidegate(place.dir());
        command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "400000");
        command
    }

    fn next(&self) -> std::io::Result<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message)?;
        Ok(String::from_utf8(message[..length].to_vec()).unwrap())
    }

    /// Reads up to a message with these words. Returns all that came.
    fn until(&self, words: &str) -> String {
        let mut all = String::new();
        while !all.contains(words) {
            all.push_str(&self.next().unwrap_or_else(|error| panic!("no {words}: {error}: {all}")));
        }
        all
    }
}

#[test]
fn a_supervisor_is_told_when_the_server_is_ready_that_it_lives_and_that_it_stops() {
    let place = Place::with(&["1.8.1"]);
    let told = Told::new(&place);
    let server = Server::logged(place.dir(), Told::command(&place), &[]);
    let start = told.until("READY=1");
    assert!(start.contains("EXTEND_TIMEOUT_USEC="), "{start}");
    assert!(start.contains("STATUS=") && !start.contains("WATCHDOG=1"), "{start}");
    assert_eq!(server.latest("1.8-production"), "1.8.1");
    told.until("WATCHDOG=1");
    told.until("WATCHDOG=1");
    // What is degraded is told, and is nothing that a restart would mend.
    fs::write(place.path("channels/1.8/1.8.2.yaml"), "format: 1\nvers").unwrap();
    told.until("line_refused");
    told.until("WATCHDOG=1");
    assert!(server.stop().success());
    told.until("STOPPING=1");
}

#[test]
#[cfg(target_os = "linux")]
fn a_supervisor_is_told_at_a_socket_without_a_file() {
    use std::os::linux::net::SocketAddrExt as _;
    let place = Place::with(&["1.8.1"]);
    let name = format!("{}/notify", place.dir().display());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let told = Told::at(UnixDatagram::bind_addr(&address).unwrap());
    let mut command = tidegate(place.dir());
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let server = Server::logged(place.dir(), command, &[]);
    told.until("READY=1");
    assert!(server.stop().success());
    told.until("STOPPING=1");
}

#[test]
fn a_loop_that_hangs_is_not_called_alive() {
    let place = Place::with(&["1.8.1"]);
    place.run(&["key", "public", ".tidegate/keys/online.pem", "--out", "online.pub.pem"]);
    let signs = "while test -e hang; do touch hangs; sleep 0.05; done; cat > m.$$; openssl pkeyutl -sign -inkey .tidegate/keys/online.pem -rawin -in m.$$ | base64; rm m.$$";
    fs::write(place.path("hang"), "").unwrap();
    let told = Told::new(&place);
    let arguments = ["--online-key", "online.pub.pem", "--sign-with", signs];
    let _server = Server::logged(place.dir(), Told::command(&place), &arguments);
    // A long start is no hang.
    eventually("it signs", || fs::metadata(place.path("hangs")).map(drop));
    let start = told.until("EXTEND_TIMEOUT_USEC=");
    assert!(!start.contains("READY=1"), "{start}");
    fs::remove_file(place.path("hang")).unwrap();
    told.until("READY=1");
    told.until("WATCHDOG=1");
    fs::remove_file(place.path("hangs")).unwrap();
    fs::write(place.path("hang"), "").unwrap();
    place.run(&["channel", "pause", "1.8-production", "--reason", "datacentre move"]);
    eventually("it hangs", || fs::metadata(place.path("hangs")).map(drop));
    // What was sent before, and one beat for the last turn.
    told.0.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let before = std::iter::from_fn(|| told.next().ok()).take(20).collect::<Vec<_>>();
    assert!(before.len() < 20 && told.next().is_err(), "{before:?}");
    fs::remove_file(place.path("hang")).unwrap();
    told.0.set_read_timeout(Some(DEADLINE)).unwrap();
    told.until("WATCHDOG=1");
}

#[test]
fn a_server_goes_on_after_a_hangup() {
    let place = Place::with(&["1.8.1"]);
    let server = place.serve();
    let id = Pid::from_raw(server.id().try_into().unwrap()).unwrap();
    for _ in 0..2 {
        kill_process(id, Signal::HUP).unwrap();
    }
    eventually("the log says that it goes on", || {
        let log = server.log();
        if log.contains("continuing on SIGHUP") { Ok(()) } else { Err(log) }
    });
    assert_eq!(server.latest("1.8-production"), "1.8.1");
    assert!(server.stop().success());
}

#[test]
fn a_server_that_waits_for_its_witness_goes_on_after_a_hangup() {
    let place = Place::with(&["1.8.1"]);
    assert!(place.serve().stop().success());
    let witness = TcpListener::bind("127.0.0.1:0").unwrap();
    let from = format!("http://{}", witness.local_addr().unwrap());
    let mut command = tidegate(place.dir());
    command.args(["serve", "--listen", "127.0.0.1:0", "--witness", &from]);
    command.stderr(fs::File::create(place.path("waits.log")).unwrap());
    let mut server = command.spawn().unwrap();
    let _asked = witness.accept().unwrap();
    kill_process(Pid::from_raw(server.id().try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    eventually("the log says that it goes on", || {
        assert_eq!(server.try_wait().unwrap(), None);
        let log = fs::read_to_string(place.path("waits.log")).unwrap();
        if log.contains("continuing on SIGHUP") { Ok(()) } else { Err(log) }
    });
    server.kill().unwrap();
    server.wait().unwrap();
}
