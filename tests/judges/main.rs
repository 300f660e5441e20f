//! Outside judges: stock TUF clients, unchanged, take what we publish.
//!
//! `tough` runs here, and python-tuf in `ngclient.py` beside this file.
#![expect(clippy::unwrap_used, reason = "this is a test")]

#[path = "../serve/place.rs"]
#[allow(dead_code, reason = "what makes a catalog go wrong is for other tests")]
mod place;
mod python;
#[path = "../signing/repository.rs"]
#[expect(dead_code, reason = "what makes a repository go wrong is for other tests")]
mod repository;
mod running;
#[path = "../serve/spawn.rs"]
#[allow(dead_code, reason = "what asks for answers is for other tests")]
mod spawn;
mod steps;
mod stock;

use std::path::Path;

use chrono::TimeDelta;
use tempfile::TempDir;
use tidegate::clock::{Clock, SystemClock};
use tough::{FilesystemTransport, IntoVec, Repository as Tough, RepositoryLoader, TargetName};
use url::Url;

use repository::{Files, Repository, VERSIONS, payload};

fn write(files: &Files) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// Loads a repository from a folder as `tough` does, with what it remembers in another.
async fn load(root: &[u8], folder: &Path, memory: &Path) -> Result<Tough, tough::error::Error> {
    let url = |part| Url::from_directory_path(folder.join(part)).unwrap();
    RepositoryLoader::new(&root, url("metadata"), url("targets"))
        .transport(FilesystemTransport)
        .datastore(memory)
        .load()
        .await
}

async fn download(tough: &Tough, name: &str) -> Vec<u8> {
    let stream = tough.read_target(&TargetName::new(name).unwrap()).await.unwrap();
    stream.unwrap_or_else(|| panic!("`{name}` is not found")).into_vec().await.unwrap()
}

#[tokio::test]
async fn tough_verifies_a_repository_and_downloads_every_kind_of_target() {
    // `tough` reads the clock itself.
    let repository = Repository::new(SystemClock::new().now());
    let files = repository.seal();
    let (folder, memory) = (write(&files), tempfile::tempdir().unwrap());
    let tough = load(repository.trusted().raw(), folder.path(), memory.path()).await.unwrap();
    let lines = repository.catalog.lines().count();
    assert_eq!(tough.all_targets().count(), 2 * VERSIONS.len() + lines + repository.channels.len());

    for (line, version) in VERSIONS {
        let found = download(&tough, &format!("payload.{version}.payload.json")).await;
        assert_eq!(found, payload(version));
        let release = download(&tough, &format!("release.{version}.json")).await;
        let release: serde_json::Value = serde_json::from_slice(&release).unwrap();
        assert_eq!(release["signed"]["version"], version);
        let channel = download(&tough, &format!("channel.{line}-production.json")).await;
        let channel: serde_json::Value = serde_json::from_slice(&channel).unwrap();
        assert_eq!(channel["signed"]["line"], line);
    }
    let absent = TargetName::new("release.1.8.99.json").unwrap();
    assert!(tough.read_target(&absent).await.unwrap().is_none());
}

#[tokio::test]
async fn tough_takes_the_next_publication_and_refuses_the_last_one_after_it() {
    let first = Repository::new(SystemClock::new().now());
    let mut second = Repository::new(first.now + TimeDelta::seconds(1));
    second.version = 2;
    second.role("channels").version = 2;
    let (before, after) = (first.seal(), second.seal());
    let memory = tempfile::tempdir().unwrap();
    let root = first.trusted().raw().clone();
    let (old, new) = (write(&before), write(&after));
    assert!(load(&root, old.path(), memory.path()).await.is_ok());
    assert!(load(&root, new.path(), memory.path()).await.is_ok());
    assert!(load(&root, old.path(), memory.path()).await.is_err());
}
