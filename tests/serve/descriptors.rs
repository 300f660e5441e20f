//! However many clients come, there are descriptors left for the operator and the promoter.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use crate::place::Place;
use crate::spawn::{Server, eventually, get};

/// A server that may have so many files open.
fn serve(place: &Place, soft: u64, hard: u64) -> Server {
    let mut command = Command::new("sh");
    let limit = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$@\"");
    command.args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_tidegate")]).current_dir(place.dir());
    let arguments = ["--workers", "2", "--admin-listen", "127.0.0.1:0"];
    let server = Server::logging_to(place.dir(), command, &arguments, std::process::Stdio::null());
    eventually("ready", || {
        let response = get(&server.admin, "/readyz");
        if response.status == 200 { Ok(()) } else { Err(response) }
    });
    server
}

#[test]
fn with_more_clients_than_descriptors_the_operator_is_answered_and_changes_are_published() {
    const LIMIT: usize = 100;
    const MANY: usize = 130;
    let place = Place::with(&["1.8.1"]);
    let server = serve(&place, LIMIT as u64, LIMIT as u64);
    // More than it takes, and not more than the kernel keeps waiting beside: those would be slow to begin.
    let clients: Vec<_> = (0..MANY).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    place.add("1.8.2");
    place.sign();
    let open = || fs::read_dir(format!("/proc/{}/fd", server.id())).map_or(0, Iterator::count);
    let mut most = 0;
    eventually("published", || {
        most = most.max(open());
        let response = get(&server.admin, "/readyz");
        let version = fs::read_to_string(place.file("1.8.2")).unwrap();
        if response.status == 200 && version.contains("by: schedule") { Ok(()) } else { Err(version) }
    });
    assert!(most < LIMIT * 3 / 4, "{most} of {LIMIT} were open");
    drop(clients);
    server.until_latest("1.8-preproduction", "1.8.2");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_takes_as_many_descriptors_as_it_may_have() {
    let place = Place::with(&["1.8.1"]);
    let server = serve(&place, 128, 512);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["512", "512"], "{limits}");
}
