//! The server under a supervisor, such as systemd.

use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;
use crate::spawn::eventually;

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
