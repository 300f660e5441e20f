//! Hundreds of random steps in the life of a catalog, its keys and its server, in a world whose time
//! is the test's: after each of them, clients that have followed all along must still succeed.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tidegate::clock::{Clock, SharedClock, SystemClock};
use tidegate::cluster::fetch::Pace;
use tidegate::cluster::http::Server;
use tidegate::cluster::{Client, Options};
use tidegate::domain::Time;
use tidegate::domain::version::Version;
use tidegate::formats::api::UpdateBody;
use tidegate::http;
use tidegate::promoter::status::{Handle, Shared};
use tidegate::promoter::{Online, Promoter, Setup, stored};
use tidegate::store::directory::Directory;
use tidegate::store::payloads::PayloadFolder;
use tidegate::store::port::PayloadStore;
use tidegate::store::state::StateFolder;

use crate::python::Python;
use crate::spawn::get;
use crate::stock::tough;

mod actions;

/// How many steps are taken; `TIDEGATE_STEPS` says otherwise.
const STEPS: usize = 500;

/// Every so many steps a client comes that has seen nothing yet.
const COLD: usize = 25;

const LINES: [&str; 2] = ["1.7", "1.8"];

#[derive(Debug)]
struct Fake(Mutex<(Time, Duration)>);

impl Clock for Fake {
    fn now(&self) -> Time {
        self.0.lock().unwrap().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// xorshift64*: all that a test needs to be random and repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// The parts of a server in this process, so that a turn of its loop is a call.
struct Running {
    promoter: Promoter,
    shared: Handle,
    address: String,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

struct World {
    folder: TempDir,
    clock: Arc<Fake>,
    dice: Dice,
    running: Option<Running>,
    /// The last patch number of each line.
    patches: [u32; 2],
    /// How many lines were begun that nobody has signed a release of.
    opened: usize,
    /// How many keys were made.
    keys: u32,
    /// The step names that were done, and not refused for being out of place.
    done: std::collections::BTreeMap<&'static str, usize>,
}

type Step = (&'static str, fn(&mut World) -> bool);

const ALL: [Step; 18] = [
    ("add", World::add),
    ("open", World::open),
    ("close", World::close),
    ("sign", World::sign),
    ("promote", World::promote),
    ("renew", World::renew),
    ("hold", World::hold),
    ("pause", World::pause),
    ("yank", World::yank),
    ("unyank", World::unyank),
    ("restart", World::restart),
    ("miss", World::miss),
    ("lose", World::lose),
    ("lose a line", World::lose_line),
    ("rotate online", |world| world.rotate("online")),
    ("rotate release", |world| world.rotate("release")),
    ("rotate targets", |world| world.rotate("targets")),
    ("rotate root", |world| world.rotate("root")),
];

impl World {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemClock::new().now();
        let clock = Arc::new(Fake(Mutex::new((now, Duration::from_secs(3600)))));
        let mut world = Self {
            folder,
            clock,
            dice: Dice(seed | 1),
            running: None,
            patches: [0; 2],
            opened: 0,
            keys: 0,
            done: std::collections::BTreeMap::default(),
        };
        for line in LINES {
            fs::create_dir_all(world.path(&format!("channels/{line}"))).unwrap();
            let text = format!("format: 1\nline: \"{line}\"\n");
            fs::write(world.path(&format!("channels/{line}/line.yaml")), text).unwrap();
        }
        let keys = world.path("keys").display().to_string();
        world.must(&["init", "--no-encrypt", "--offline-keys", &keys]);
        fs::rename(world.path("state/keys/online.pem"), world.path("state/keys/online-0.pem")).unwrap();
        for name in ["root", "targets", "release"] {
            fs::rename(world.path(&format!("keys/{name}.pem")), world.path(&format!("keys/{name}-0.pem")))
                .unwrap();
        }
        for line in [0, 1] {
            world.add_to(line);
        }
        world.must_sign();
        world.start();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command. Gives its stdout, or its stderr where it is refused.
    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut all = vec!["tidegate".to_owned()];
        all.extend(arguments.iter().map(ToString::to_string));
        for (flag, name) in [("--catalog", "channels"), ("--payloads", "payloads"), ("--state", "state")] {
            all.extend([flag.to_owned(), self.path(name).display().to_string()]);
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let clock: SharedClock = self.clock.clone();
        let code = tidegate::cli::run(&all, clock, &mut out, &mut err)
            .unwrap_or_else(|usage| panic!("{arguments:?}: {usage}"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if code == std::process::ExitCode::SUCCESS { Ok(text(out)) } else { Err(text(err)) }
    }

    fn must(&self, arguments: &[&str]) -> String {
        self.run(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    fn pass(&self, by: TimeDelta) {
        let mut time = self.clock.0.lock().unwrap();
        time.0 += by;
        time.1 += by.to_std().unwrap();
    }

    fn launch(&mut self) {
        let state = self.path("state");
        let payloads: Arc<dyn PayloadStore> = Arc::new(PayloadFolder::new(&self.path("payloads"), &state));
        let catalog = Directory::open(&self.path("channels"), &self.path("payloads")).unwrap();
        let setup = Setup {
            catalog: Arc::new(catalog),
            payloads: Arc::clone(&payloads),
            state: Arc::new(StateFolder::new(&state)),
            online: Online::State,
            promote: true,
            names: true,
            demo: None,
        };
        let shared = Handle::new(Shared::default());
        let clock: SharedClock = self.clock.clone();
        let promoter = Promoter::start(setup, Arc::clone(&clock), Arc::clone(&shared)).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut config = http::Config::new(SocketAddr::from(([127, 0, 0, 1], 0)));
                config.workers = 1;
                let running = http::start(&config, served, payloads, clock).unwrap();
                tell.send(running.address().to_string()).unwrap();
                let stopped = async {
                    let _ = stopped.await;
                };
                running.until(stopped).await.unwrap();
            });
        });
        let address = told.recv().unwrap();
        self.running = Some(Running { promoter, shared, address, stop, thread });
    }

    fn start(&mut self) {
        self.launch();
        self.settle();
    }

    fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.send(()).unwrap();
        running.thread.join().unwrap();
    }

    /// Lets the server see and publish what was changed.
    fn turns(&mut self) {
        for _ in 0..4 {
            self.pass(TimeDelta::seconds(1));
            self.running.as_mut().unwrap().promoter.turn();
        }
    }

    /// The same. Nothing may be wrong after it.
    fn settle(&mut self) {
        self.turns();
        let status = self.running.as_ref().unwrap().shared.status.load();
        let wrong: Vec<_> = status
            .degraded
            .iter()
            .filter(|one| one.kind().as_str() != "expiry_near" && one.kind().as_str() != "promotions_overdue")
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    fn address(&self) -> &str {
        &self.running.as_ref().unwrap().address
    }

    fn version(&self) -> u64 {
        self.running.as_ref().unwrap().shared.publication.load().as_ref().unwrap().version
    }

    fn json(&self, path: &str) -> serde_json::Value {
        let response = get(self.address(), path);
        assert_eq!(response.status, 200, "{path}");
        response.json()
    }

    // The steps. Each says whether it was done.

    fn json_of(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.must(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// A target of each kind that is served, with its digest.
    fn targets(&mut self) -> Vec<(String, String)> {
        let channel =
            format!("{}-{}", self.dice.pick(&LINES), self.dice.pick(&["preproduction", "production"]));
        let mut paths = vec![(format!("channel.{channel}.json"), format!("/v1/channels/{channel}"))];
        let manifest = self.json(&paths[0].1);
        if let Some(version) = manifest["signed"]["latest"].as_str() {
            paths.push((format!("release.{version}.json"), format!("/v1/releases/{version}")));
            let payload = format!("/v1/payloads/{version}/payload.json");
            paths.push((format!("payload.{version}.payload.json"), payload));
        }
        let digest = |path: &str| hex::encode(Sha256::digest(get(self.address(), path).body));
        paths.into_iter().map(|(name, path)| (name, digest(&path))).collect()
    }
}

/// Our own client, which works the answer out by itself: the target that it is told to take.
fn cluster(world: &mut World, root: &std::path::Path, memory: &TempDir) -> Result<(), String> {
    let clock: SharedClock = world.clock.clone();
    let address = format!("http://{}", world.address());
    let server = Server::new(&address.parse().unwrap(), None, Pace::default(), Arc::clone(&clock)).unwrap();
    let root = fs::read(root).unwrap().into();
    let client = Client::new(memory.path(), root, Arc::new(server), clock, Options::default());
    // One cluster stays on one channel.
    let current = Version::parse("1.8.1").unwrap();
    let checked = client.check(&"1.8-production".parse().unwrap(), &current).map_err(|e| e.to_string())?;
    let own = serde_json::to_value(UpdateBody::of(&checked.answer())).unwrap();
    let said = world.json("/v1/channels/1.8-production/update?version=1.8.1");
    if own["target"] == said["target"] { Ok(()) } else { Err(format!("{own} and not {said}")) }
}

#[test]
fn clients_that_followed_all_along_succeed_after_every_step() {
    let seed = std::env::var("TIDEGATE_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    });
    let steps = std::env::var("TIDEGATE_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(STEPS);
    eprintln!("TIDEGATE_SEED={seed}");

    let mut world = World::new(seed);
    let mut python = Python::start();
    let root = world.path("1.root.json");
    fs::copy(world.path("channels/trust/1.root.json"), &root).unwrap();
    let warm = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let memory = tempfile::tempdir().unwrap();
    let mut trace = Vec::new();
    for n in 0..steps {
        let (name, step) = *world.dice.pick(&ALL);
        let done = step(&mut world);
        trace.push(name);
        if done {
            *world.done.entry(name).or_default() += 1;
        }
        world.settle();
        // What people sign lives for a year, and time flies here.
        if n % 20 == 19 {
            let keys = ["root", "targets"].map(|role| world.key(role));
            let renew = ["root", "change", "--renew", "root", "--renew", "targets"];
            world.must(&[&renew[..], &["--key", &keys[0], "--key", &keys[1]]].concat());
            world.must_sign();
            world.settle();
        }
        let (names, digests): (Vec<String>, Vec<String>) = world.targets().into_iter().unzip();
        let after = || format!("TIDEGATE_SEED={seed}, after step {n}: {trace:?}");
        let found = cluster(&mut world, &root, &memory);
        assert_eq!(found, Ok(()), "the cluster's client, {}", after());
        let cold = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let visitors = if n % COLD == 0 { vec![&warm, &cold] } else { vec![&warm] };
        for [one, two] in visitors {
            let found = tough(world.address(), &root, one.path(), &names);
            assert_eq!(found.as_ref(), Ok(&digests), "tough, {}", after());
            let found = python.visit(world.address(), &root, two, &names);
            assert_eq!(found.as_ref(), Ok(&digests), "python-tuf, {}", after());
        }
    }
    world.stop();
    eprintln!("{:?}", world.done);
    if steps >= STEPS {
        for (name, _) in ALL {
            assert!(world.done.get(name).is_some_and(|times| *times > 4), "`{name}` was hardly done");
        }
    }
}
