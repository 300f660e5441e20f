//! A served demo, and a cluster beside it: a file that holds the version it runs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use crate::spawn::{Server, eventually, refused, run, tidegate};

/// Ends the process whose id is in a file.
pub fn end(file: &Path) {
    let id = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

/// A folder with a demo that is served, and a root to trust.
pub struct Desk {
    pub folder: tempfile::TempDir,
    pub server: Server,
}

/// An agent of the real program; killed by its process id when it is dropped.
pub struct Agent(Child);

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample =
            |name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name).into_os_string().into_string().unwrap();
        Self::of(folder, &sample("channels"), &sample("payloads"))
    }

    /// The same with another catalog.
    pub fn of(folder: tempfile::TempDir, catalog: &str, payloads: &str) -> Self {
        let server = Server::ready(folder.path(), &["--demo", "--catalog", catalog, "--payloads", payloads]);
        let root = folder.path().join(".tidegate/demo/channels/trust/1.root.json");
        fs::copy(root, folder.path().join("root.json")).unwrap();
        Self { folder, server }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Adds the cluster `c`, which runs a version.
    pub fn add(&self, channel: &str, runs: &str, apply: &str, more: &[&str]) {
        self.write("version", runs);
        self.write("apply.sh", apply);
        let url = format!("http://{}", self.server.address);
        let current = format!("cat '{}'", self.path("version").display());
        let apply = format!("cd '{}' && exec sh ./apply.sh", self.folder.path().display());
        let arguments = [
            "cluster",
            "add",
            "c",
            "--demo",
            "--server",
            &url,
            "--channel",
            channel,
            "--root",
            "root.json",
            "--current",
            &current,
            "--apply",
            &apply,
            "--interval",
            "1h",
        ];
        self.run(&[&arguments[..], more].concat());
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        run(self.folder.path(), arguments)
    }

    pub fn refused(&self, arguments: &[&str]) -> String {
        refused(self.folder.path(), arguments)
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    pub fn check(&self) -> serde_json::Value {
        self.json(&["cluster", "check", "c"])
    }

    pub fn status(&self) -> serde_json::Value {
        self.json(&["cluster", "status", "c"])["status"].clone()
    }

    /// Runs one turn, well or not.
    pub fn once(&self) -> Output {
        tidegate(self.folder.path()).args(["cluster", "run", "c", "--once"]).output().unwrap()
    }

    pub fn agent(&self) -> Agent {
        self.agent_with(&[])
    }

    pub fn agent_with(&self, more: &[&str]) -> Agent {
        let log = fs::File::options().create(true).append(true).open(self.path("agent.log")).unwrap();
        let child = tidegate(self.folder.path())
            .args(["cluster", "run", "c"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Agent(child)
    }

    /// An agent that serves the cluster's own page, and the line that says where.
    pub fn serving(&self, listen: &str) -> (Agent, String) {
        self.serving_with(listen, &[])
    }

    pub fn serving_with(&self, listen: &str, more: &[&str]) -> (Agent, String) {
        let log = fs::File::options().create(true).append(true).open(self.path("agent.log")).unwrap();
        let mut child = tidegate(self.folder.path())
            .args(["cluster", "run", "c", "--listen", listen])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Agent(child), line)
    }

    pub fn until_state(&self, state: &str) {
        eventually(state, || {
            let status = self.status();
            if status["state"] == state { Ok(()) } else { Err((status, self.read("agent.log"))) }
        });
    }

    pub fn until_file(&self, name: &str, text: &str) {
        eventually(name, || {
            let found = self.read(name);
            if found.contains(text) { Ok(()) } else { Err((found, self.read("agent.log"))) }
        });
    }
}

impl Agent {
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Tells it that its terminal has closed, or that it should reload.
    pub fn hang_up(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Tells it to stop, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
