//! The catalog as the last commits of git had it.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::formats::yaml::{ParsedFile, Source, assemble, parse};

/// How many commits that change the catalog are read.
const COMMITS: &str = "30";

/// Returns the catalogs of the last commits, oldest first, each with its time. Without the program `git`, there
/// are none.
pub(super) fn history(folder: &Path) -> Vec<(Time, Catalog)> {
    let log = git(folder, &["log", "-n", COMMITS, "--format=%H %ct", "--", "."]).unwrap_or_default();
    let log = String::from_utf8(log).unwrap_or_default();
    let mut commits: Vec<(Time, BTreeMap<String, String>)> = log
        .lines()
        .rev()
        .filter_map(|line| {
            let (commit, time) = line.split_once(' ')?;
            Some((Time::from_timestamp(time.parse().ok()?, 0)?, files(folder, commit)?))
        })
        .collect();
    let wanted: HashMap<&str, &str> =
        commits.iter().flat_map(|(_, files)| files).map(|(path, id)| (id.as_str(), path.as_str())).collect();
    let Some(blobs) = blobs(folder, wanted.keys().copied()) else { return Vec::new() };
    let mut parsed: HashMap<(String, String), ParsedFile> = HashMap::new();
    for (_, files) in &mut commits {
        for (path, id) in files.iter() {
            if let Some(bytes) = blobs.get(id) {
                let file = || parse(Source { path, bytes }).without_text();
                parsed.entry((path.clone(), id.clone())).or_insert_with(file);
            }
        }
    }
    let catalog = |files: BTreeMap<String, String>| {
        assemble(files.into_iter().filter_map(|file| parsed.get(&file))).catalog
    };
    commits.into_iter().map(|(time, files)| (time, catalog(files))).collect()
}

/// The catalog's files in a commit, with the ids of their contents.
fn files(folder: &Path, commit: &str) -> Option<BTreeMap<String, String>> {
    let tree = String::from_utf8(git(folder, &["ls-tree", "-r", "-z", commit])?).ok()?;
    let file = |entry: &str| {
        let (about, path) = entry.split_once('\t')?;
        let id = about.strip_prefix("100644 blob ").or_else(|| about.strip_prefix("100755 blob "))?;
        let is_yaml = Path::new(path).extension().is_some_and(|end| end == "yaml");
        let is_catalog = is_yaml && !path.starts_with("trust/");
        is_catalog.then(|| (path.to_owned(), id.to_owned()))
    };
    Some(tree.split('\0').filter_map(file).collect())
}

/// Reads contents by their ids.
fn blobs<'a>(folder: &Path, ids: impl Iterator<Item = &'a str>) -> Option<HashMap<String, Vec<u8>>> {
    let mut asked: Vec<u8> = Vec::new();
    ids.for_each(|id| asked.extend(format!("{id}\n").as_bytes()));
    let mut run = command(folder, &["cat-file", "--batch"]).stdin(Stdio::piped()).spawn().ok()?;
    let mut stdin = run.stdin.take()?;
    // git answers while it is being asked, so both must go on at once.
    let asking = std::thread::spawn(move || stdin.write_all(&asked));
    let output = run.wait_with_output().ok()?;
    asking.join().ok()?.ok()?;
    let (mut rest, mut blobs) = (&output.stdout[..], HashMap::new());
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = str::from_utf8(&rest[..end]).ok()?;
        let mut words = head.split(' ');
        let (id, size) = (words.next()?, words.nth(1)?.parse::<usize>().ok()?);
        let from = end + 1;
        blobs.insert(id.to_owned(), rest.get(from..from + size)?.to_vec());
        rest = rest.get(from + size + 1..)?;
    }
    Some(blobs)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = command(folder, arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    // Reading must not leave a lock behind.
    command.arg("-C").arg(folder).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
