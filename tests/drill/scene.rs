//! The scratch catalog of the page, its server, and clients whose network somebody else may hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use crate::page::{DRILL, commands, done};
use crate::site::{Site, reply};
use crate::spawn::{Server, eventually, get, refused, run};
use crate::stock::tough;
use crate::thief::signed;

pub const CHANNEL: &str = "1.8-preproduction";

/// Files by their paths below the server's address, such as `tuf/metadata/timestamp.json`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A place with a catalog, a server, and the network before it.
pub struct Scene {
    /// Ends before its folder goes.
    pub server: Option<Server>,
    pub network: Network,
    folder: tempfile::TempDir,
}

/// The way to the server. Whoever holds it answers for the server with files of his own, and lets
/// all else through.
pub struct Network {
    site: Site,
    server: Arc<Mutex<String>>,
    held: Arc<Mutex<Option<Files>>>,
}

impl Network {
    fn new() -> Self {
        let (server, held) = (Arc::<Mutex<String>>::default(), Arc::<Mutex<Option<Files>>>::default());
        let (to, by) = (Arc::clone(&server), Arc::clone(&held));
        let site = Site::new(move |request, send| {
            let held = by.lock().unwrap().clone();
            let Some(files) = held else {
                let response = get(&to.lock().unwrap().clone(), &request.path);
                let status = if response.status == 200 { "200 OK" } else { "404 Not Found" };
                return reply(send, status, &[], &response.body);
            };
            match files.get(request.path.trim_start_matches('/')) {
                Some(bytes) => reply(send, "200 OK", &[], bytes),
                None => reply(send, "404 Not Found", &[], b"not found"),
            }
        });
        Self { site, server, held }
    }

    /// There is another server.
    pub fn leads_to(&self, server: &Server) {
        self.server.lock().unwrap().clone_from(&server.address);
    }

    /// The thief answers, with these files and no others.
    pub fn taken(&self, files: &Files) {
        *self.held.lock().unwrap() = Some(files.clone());
    }

    /// The good server answers.
    pub fn given_back(&self) {
        *self.held.lock().unwrap() = None;
    }

    pub fn url(&self) -> &str {
        &self.site.address
    }
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        done(folder.path(), &commands(DRILL, "## Practise it"));
        let mut scene = Self { server: None, network: Network::new(), folder };
        scene.serve();
        scene.server().until_latest(CHANNEL, "1.8.2");
        scene
    }

    /// Starts the server, which must not run.
    pub fn serve(&mut self) {
        let server = Server::ready(&self.dir(), &["--promote", "on"]);
        self.network.leads_to(&server);
        self.server = Some(server);
    }

    pub fn stop(&mut self) {
        assert!(self.server.take().unwrap().stop().success());
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Where the catalog is.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("drill")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        run(&self.dir(), arguments)
    }

    /// All that is served now, as files.
    pub fn served(&self, name: &str) -> Files {
        let folder = self.path(name);
        self.run(&["export", name]);
        let mut files = Files::new();
        read(&folder, &folder, &mut files);
        files
    }

    /// Does what the page says, and waits until the server has taken over.
    pub fn follow(&self, heading: &str) {
        let newest = |from: &str| {
            let names = (1..).map(|version| format!("{from}/{version}.root.json"));
            names.take_while(|name| self.path(name).exists()).count()
        };
        let before = self.server().version();
        let targets = fs::read(self.path("channels/trust/targets.json")).unwrap();
        let commands = commands(DRILL, heading);
        // What is left for when it is over.
        let (now, then): (Vec<_>, Vec<_>) =
            commands.split_inclusive('\n').partition(|line| !line.starts_with("rm "));
        done(&self.dir(), &now.concat());
        let root = newest("channels/trust");
        let is_more_than_root = fs::read(self.path("channels/trust/targets.json")).unwrap() != targets;
        eventually(heading, || {
            let is_served = self.server().get(&format!("/tuf/metadata/{root}.root.json")).status == 200;
            let is_signed = !is_more_than_root || self.server().version() > before;
            if is_served && is_signed { Ok(()) } else { Err(self.server().degraded()) }
        });
        self.server().until_degraded(&[], "");
        done(&self.dir(), &then.concat());
    }

    /// A cluster that has not looked yet, and trusts a root of the catalog.
    pub fn cluster(&self, root: &str) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let root = self.path("channels/trust").join(root);
        let path = root.to_str().unwrap();
        let arguments = ["cluster", "add", "c", "--server", self.network.url(), "--channel", CHANNEL];
        run(folder.path(), &[&arguments[..], &["--root", path, "--current", "echo 1.8.1"]].concat());
        let address = self.network.url().trim_start_matches("http://").to_owned();
        Cluster { folder, root: root.into(), address }
    }
}

fn read(below: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(below, &path, files);
        } else {
            let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A cluster with two clients, our own program and `tough`, and what each of them remembers.
pub struct Cluster {
    folder: tempfile::TempDir,
    root: RefCell<PathBuf>,
    address: String,
}

impl Cluster {
    /// What our own client advises.
    pub fn advice(&self) -> String {
        let told = run(self.folder.path(), &["cluster", "check", "c", "--output", "json"]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let word = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", word("action"), word("code"), told["target"]["version"].as_str().unwrap_or("-"))
    }

    /// Keeps the newest root that `tough` has just verified. It begins from what it is given, and leaves
    /// to whoever calls it what TUF wants of a client here (5.3.8).
    fn keep_root(&self) {
        let mut root = self.root.borrow_mut();
        loop {
            let version = signed(&fs::read(&*root).unwrap())["version"].as_u64().unwrap();
            let next = get(&self.address, &format!("/tuf/metadata/{}.root.json", version + 1));
            if next.status != 200 {
                return;
            }
            *root = self.folder.path().join(format!("{}.root.json", version + 1));
            fs::write(&*root, next.body).unwrap();
        }
    }

    fn tough(&self, targets: &[String]) -> Result<Vec<String>, String> {
        let memory = self.folder.path().join("tough");
        fs::create_dir_all(&memory).unwrap();
        tough(&self.address, &self.root.borrow(), &memory, targets)
    }

    /// Both clients take what is served, and find the payload of what is advised.
    pub fn takes(&self, what: &str, advice: &str) {
        assert_eq!(self.advice(), advice, "{what}");
        let version = advice.rsplit(' ').next().unwrap();
        let names = [format!("channel.{CHANNEL}.json"), format!("payload.{version}.payload.json")];
        let names = if version == "-" { &names[..1] } else { &names };
        let found = self.tough(names).unwrap_or_else(|error| panic!("{what}: {error}"));
        self.keep_root();
        if let Some(digest) = found.get(1) {
            let payload = format!("{{\"version\": \"{version}\"}}\n");
            assert_eq!(*digest, hex::encode(Sha256::digest(payload)), "{what}");
        }
    }

    /// Both clients refuse what is served: our own one with this kind.
    pub fn refuses(&self, what: &str, kind: &str) {
        let told = refused(self.folder.path(), &["cluster", "check", "c"]);
        assert!(told.contains(&format!("failed ({kind})")), "{what}: {told}");
        let found = self.tough(&[format!("channel.{CHANNEL}.json")]);
        assert!(found.is_err(), "{what}: `tough` took it: {found:?}");
    }
}
