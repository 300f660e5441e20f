//! A cluster that trusts a good state, and the server that turns on it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tidegate::clock::SharedClock;
use tidegate::cluster::{Checked, Client, Options, Refusal};
use tidegate::domain::version::Version;

use super::forge::Forge;
use super::memory::{Memory, Stopped, tree};
use super::repository::Files;

pub const CHANNEL: &str = "1.8-production";
pub const CURRENT: &str = "1.8.4-tectonic.1";
pub const TARGET: &str = "1.8.9-tectonic.4";
/// What the channel offers to whom runs [`CURRENT`].
pub const GOOD: &str = "update latest 1.8.9-tectonic.4";

/// A cluster and its server. The cluster has verified the second publication, after the first.
pub struct Scene {
    pub server: Arc<Memory>,
    pub clock: Arc<Stopped>,
    pub folder: tempfile::TempDir,
    pub options: Options,
    /// What was published before.
    pub first: Files,
    /// What the cluster has verified.
    pub second: Files,
}

impl Scene {
    pub fn new() -> Self {
        static READY: OnceLock<Scene> = OnceLock::new();
        let ready = READY.get_or_init(|| {
            let scene = Self::before(Forge::new(1).seal(), Forge::new(2).seal());
            scene.server.serve(scene.first.clone());
            assert_eq!(scene.answer(), GOOD);
            scene.server.serve(scene.second.clone());
            assert_eq!(scene.answer(), GOOD);
            scene
        });
        let scene = Self::before(ready.first.clone(), ready.second.clone());
        for (path, bytes) in ready.trusted() {
            let path = scene.folder.path().join("trusted").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        scene
    }

    /// A cluster that has not asked yet.
    pub fn before(first: Files, second: Files) -> Self {
        let now = Forge::new(1).repository.now;
        let server = Arc::new(Memory::default());
        server.serve(second.clone());
        let folder = tempfile::tempdir().unwrap();
        Self { server, clock: Stopped::at(now), folder, options: Options::default(), first, second }
    }

    /// A cluster whose first look is at this.
    pub fn at(files: Files) -> Self {
        Self::before(files.clone(), files)
    }

    pub fn client(&self) -> Client {
        let root = self.first["metadata/1.root.json"].clone();
        let (server, clock) = (Arc::clone(&self.server) as _, Arc::clone(&self.clock) as SharedClock);
        Client::new(self.folder.path(), root, server, clock, self.options)
    }

    pub fn check_as(&self, channel: &str, current: &str) -> Result<Checked, Refusal> {
        self.client().check(&channel.parse().unwrap(), &Version::parse(current).unwrap())
    }

    pub fn check(&self) -> Result<Checked, Refusal> {
        self.check_as(CHANNEL, CURRENT)
    }

    /// The answer to a fresh check.
    pub fn answer(&self) -> String {
        told(&self.check().unwrap())
    }

    /// The answer that the cluster goes on working with, if there is one.
    pub fn known(&self) -> Result<String, &'static str> {
        let checked = self.client().recheck(&CHANNEL.parse().unwrap(), &Version::parse(CURRENT).unwrap());
        checked.map(|checked| told(&checked)).map_err(|refusal| refusal.kind())
    }

    /// All that is trusted: files by their paths.
    pub fn trusted(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = self.folder.path().join("trusted");
        let below = |path: String| PathBuf::from(path).strip_prefix(&folder).unwrap().to_owned();
        tree(&folder).into_iter().map(|(path, bytes)| (below(path), bytes)).collect()
    }
}

/// An answer in three words.
pub fn told(checked: &Checked) -> String {
    let advice = checked.answer().advice;
    let target = advice.target().map(|release| release.version.to_string()).unwrap_or_default();
    format!("{} {} {target}", advice.action(), advice.code()).trim_end().to_owned()
}
