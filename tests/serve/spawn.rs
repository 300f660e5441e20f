//! The real server as a process, and a plain client.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tidegate::clock::{Clock as _, SystemClock};

/// Ample for a machine that is busy with other tests; only what the demo promises for in a minute
/// takes half of it.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Time that only goes forward.
pub fn uptime() -> Duration {
    SystemClock::new().monotonic()
}

pub fn since(start: Duration) -> Duration {
    uptime().saturating_sub(start)
}

/// The program with nothing of the tester's own environment that it would heed.
pub fn tidegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("TIDEGATE_BY", "ada");
    command
}

/// Runs a command to its end, which must be good. Gives its stdout.
pub fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = tidegate(folder).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must be refused. Gives its stderr.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = tidegate(folder).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Asks until it is so, and panics with the last answer after [`DEADLINE`].
pub fn eventually<T: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> Result<(), T>) {
    let start = uptime();
    while let Err(found) = ask() {
        assert!(since(start) < DEADLINE, "not within {DEADLINE:?}: {what}: {found:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running server; ended by its process id when it is dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:12345`
    pub address: String,
    /// The operator's, with `--admin-listen`.
    pub admin: String,
    log: PathBuf,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// One request on a connection of its own.
pub fn get(address: &str, path: &str) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&raw[..end]).unwrap().split(' ').nth(1).unwrap();
    Response { status: status.parse().unwrap(), body: raw[end + 4..].to_vec() }
}

impl Server {
    /// Starts `tidegate serve` in a folder on a free port, and waits until it listens.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(folder, tidegate(folder), arguments)
    }

    /// The same under a tracer, given as the words before the server's own.
    pub fn traced(folder: &Path, tracer: &[String]) -> Self {
        let mut command = Command::new(&tracer[0]);
        command.args(&tracer[1..]).current_dir(folder);
        Self::spawn(folder, command, &[])
    }

    /// The same with a command of the test's own.
    pub fn logged(folder: &Path, command: Command, arguments: &[&str]) -> Self {
        Self::spawn(folder, command, arguments)
    }

    fn spawn(folder: &Path, command: Command, arguments: &[&str]) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("serve.log")).unwrap();
        Self::logging_to(folder, command, arguments, log.into())
    }

    /// The same with a log that goes elsewhere.
    pub fn logging_to(folder: &Path, mut command: Command, arguments: &[&str], stderr: Stdio) -> Self {
        let log = folder.join("serve.log");
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (told, tell) = mpsc::channel();
        std::thread::spawn(move || {
            for _ in 0..2 {
                let mut line = String::new();
                let _ = out.read_line(&mut line);
                let _ = told.send(line);
            }
            // What follows is read as well, so that the server never waits for a reader.
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        });
        let mut server = Self { child, address: String::new(), admin: String::new(), log };
        let line = |tell: &mpsc::Receiver<String>| tell.recv_timeout(DEADLINE).unwrap_or_default();
        let first = line(&tell);
        match first.trim().strip_prefix("listening on http://") {
            Some(address) => address.clone_into(&mut server.address),
            None => panic!("the server did not start: {first:?}\n{}", server.log()),
        }
        if arguments.contains(&"--admin-listen") {
            let second = line(&tell);
            let address = second.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
            address.unwrap().clone_into(&mut server.admin);
        }
        server
    }

    /// Starts, and waits until something is served.
    pub fn ready(folder: &Path, arguments: &[&str]) -> Self {
        let server = Self::start(folder, arguments);
        server.until_ready();
        server
    }

    pub fn until_ready(&self) {
        eventually("ready", || {
            let response = self.get("/readyz");
            if response.status == 200 { Ok(()) } else { Err((response, self.log())) }
        });
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn get(&self, path: &str) -> Response {
        get(&self.address, path)
    }

    pub fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).json()
    }

    /// What a cluster is told.
    pub fn update(&self, channel: &str, version: &str) -> serde_json::Value {
        self.json(&format!("/v1/channels/{channel}/update?version={version}"))
    }

    /// The latest of a channel, by its signed manifest; nothing if there is no such channel.
    pub fn latest(&self, channel: &str) -> serde_json::Value {
        self.json(&format!("/v1/channels/{channel}"))["signed"]["latest"].clone()
    }

    pub fn until_latest(&self, channel: &str, version: &str) {
        eventually(channel, || {
            let latest = self.latest(channel);
            if latest == version { Ok(()) } else { Err((latest, self.log())) }
        });
    }

    /// The kinds of what is wrong, and all of their details.
    pub fn degraded(&self) -> (Vec<String>, String) {
        let body = self.json("/readyz");
        let all = body["degraded"].as_array().unwrap();
        let text = |one: &serde_json::Value, name: &str| one[name].as_str().unwrap().to_owned();
        let details: Vec<String> = all.iter().map(|one| text(one, "detail")).collect();
        (all.iter().map(|one| text(one, "kind")).collect(), details.join("\n"))
    }

    /// Waits until exactly this is wrong, with these words among the details.
    pub fn until_degraded(&self, kinds: &[&str], words: &str) {
        eventually(words, || {
            let (found, details) = self.degraded();
            if found == kinds && details.contains(words) { Ok(()) } else { Err((found, details)) }
        });
    }

    pub fn version(&self) -> u64 {
        self.json("/readyz")["publication"]["version"].as_u64().unwrap()
    }

    /// Tells it to stop, and waits for that.
    pub fn stop(mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let start = uptime();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since(start) < DEADLINE, "it does not stop: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
