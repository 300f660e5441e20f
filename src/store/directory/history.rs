//! What git's history shows about the catalog's restraints.
//!
//! Every commit that changed the catalog is read, on every branch that was merged. That is affordable since
//! git names each folder of a commit by its content: only lines that changed are looked at, and each version
//! of a file is parsed once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::restraint;
use crate::formats::yaml::{ParsedFile, Source, assemble, is_meant_as_policy, parse};
use crate::store::port::{History, HistoryError};

/// Reads the history of the work tree that contains a catalog folder.
///
/// # Errors
/// When git cannot read it, or when it has none of the commits before the last one.
pub(super) fn history(folder: &Path, now: Time) -> Result<History, HistoryError> {
    let git = Git { folder };
    let Some(head) = git.head()? else { return Ok(History::default()) };
    let place = git.text(&["rev-parse", "--is-shallow-repository", "--show-prefix"])?;
    let (shallow, prefix) = place.split_once('\n').unwrap_or((&place, ""));
    let log = ["rev-list", "--full-history", "--topo-order", "--reverse", "--parents", "HEAD", "--", "."];
    let log = git.text(&log)?;
    let mut commits: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for line in log.lines() {
        let mut ids = line.split(' ');
        let Some(id) = ids.next() else { continue };
        places.insert(id, commits.len());
        commits.push((id, ids.filter_map(|parent| places.get(parent).copied()).collect()));
    }
    let cut_after = (shallow == "true").then_some(commits.len());
    if cut_after.is_some() && git.is_cut_at(&head)? {
        return Err(HistoryError::CutShort);
    }
    let ids = commits.iter().map(|(id, _)| *id);
    let files = Files::read(&git, ids, prefix.trim_end_matches(['\n', '/']), head.len() / 2)?;
    let mut known =
        restraint::History::new(commits.iter().map(|(_, parents)| parents.clone()).collect(), now);
    // The lines of each commit that broke a rule when they were last looked at.
    let mut faulty: Vec<BTreeSet<String>> = Vec::new();
    for (commit, (id, parents)) in commits.iter().enumerate() {
        let mut broken: BTreeSet<String> =
            parents.iter().flat_map(|parent| faulty[*parent].clone()).collect();
        let changed = files.changed(commit, parents, &broken);
        let is_merge = parents.len() > 1;
        let before = parents.iter().filter(|_| is_merge).map(|parent| files.catalog(*parent, &changed));
        let before: Vec<Catalog> = before.collect();
        let after = files.catalog(commit, &changed);
        for line in changed {
            let is_good = after.lines().any(|good| good.name.as_str() == line);
            if is_good {
                broken.remove(line)
            } else {
                broken.insert(line.to_owned())
            };
        }
        faulty.push(broken);
        known.commit(id, &before, &after);
    }
    Ok(History { restraints: known.restraints(), cut_after })
}

/// The catalog's files in every commit.
#[derive(Default)]
struct Files {
    commits: Vec<Tree>,
    /// The files of a line's folder, by the id that git gives to its content and by the line.
    folders: HashMap<(String, Id), Vec<usize>>,
    /// Every version of every file, parsed. `None` if a line's file has faults.
    parsed: Vec<Option<ParsedFile>>,
}

type Id = Vec<u8>;

/// In place of the id of a link that leads nowhere, or whose content depends on more than its folder.
const UNREADABLE: &[u8] = &[];
const LINK: &[u8] = b"120000";

/// The catalog's folder in one commit.
#[derive(Default)]
struct Tree {
    /// The policy, and what may be meant as the policy.
    policy: Vec<(Id, usize)>,
    lines: BTreeMap<String, Id>,
}

impl Files {
    fn read<'a>(
        git: &Git<'_>,
        commits: impl Iterator<Item = &'a str>,
        prefix: &str,
        length: usize,
    ) -> Result<Self, HistoryError> {
        let (mut all, mut versions) = (Self::default(), Versions::default());
        let names =
            |objects: &[(String, Id)]| objects.iter().map(|(_, id)| hex::encode(id)).collect::<Vec<_>>();
        let tops: Vec<String> = commits.map(|commit| format!("{commit}:{prefix}")).collect();
        let mut linked: Vec<(usize, String)> = Vec::new();
        git.objects(&tops, |object| {
            let mut tree = Tree::default();
            let object = object.map(|(_, bytes)| bytes);
            // A commit in which the folder is missing has no catalog.
            for Entry { mode, name, id } in object.map(|tree| entries(tree, length)).into_iter().flatten() {
                match mode {
                    b"40000" if name != "trust" => {
                        tree.lines.insert(name.to_owned(), id.to_vec());
                    }
                    b"100644" | b"100755" if is_meant_as_policy(name) => {
                        tree.policy.push((id.to_vec(), versions.place(name, id)));
                    }
                    LINK if is_meant_as_policy(name) => linked.push((all.commits.len(), name.to_owned())),
                    _ => {}
                }
            }
            all.commits.push(tree);
            Ok(())
        })?;
        let folder = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let followed = |(commit, name): &(usize, String)| {
            let (id, _) = tops[*commit].split_once(':').unwrap_or_default();
            format!("{id}:{folder}{name}")
        };
        let mut left = linked.iter();
        git.objects(&linked.iter().map(followed).collect::<Vec<_>>(), |object| {
            let Some((commit, name)) = left.next() else { return Err(missing()) };
            let id = object.and_then(|(id, _)| hex::decode(id).ok()).unwrap_or(UNREADABLE.to_vec());
            let place = versions.place(name, &id);
            all.commits[*commit].policy.push((id, place));
            Ok(())
        })?;
        let lines = all.commits.iter().flat_map(|tree| &tree.lines);
        let folders: BTreeSet<(&String, &Id)> = lines.collect();
        let folders: Vec<(String, Id)> =
            folders.into_iter().map(|(line, id)| (line.clone(), id.clone())).collect();
        let mut left = folders.iter();
        git.objects(&names(&folders), |object| {
            let (Some(folder), Some((_, object))) = (left.next(), object) else { return Err(missing()) };
            let is_yaml = |name: &str| Path::new(name).extension().is_some_and(|end| end == "yaml");
            let files = entries(object, length).filter_map(|entry| match entry.mode {
                _ if !is_yaml(entry.name) => None,
                LINK => Some((entry.name, UNREADABLE)),
                mode => mode.starts_with(b"100").then_some((entry.name, entry.id)),
            });
            let files = files.map(|(name, id)| versions.place(&format!("{}/{name}", folder.0), id));
            all.folders.insert(folder.clone(), files.collect());
            Ok(())
        })?;
        let mut left = versions.files.iter();
        git.objects(&names(&versions.files), |object| {
            let file = match (left.next(), object) {
                (Some((path, _)), Some((_, bytes))) => parse(Source { path, bytes }).without_text(),
                (Some((path, id)), None) if id == UNREADABLE => ParsedFile::unreadable(path, "", ""),
                _ => return Err(missing()),
            };
            // Of a file with faults nobody knows what it demanded. Without the policy, that is so of every
            // line, and without a linked file of its line.
            let is_kept = file.faults().is_empty() || is_meant_as_policy(file.path()) || object.is_none();
            all.parsed.push(Some(file).filter(|_| is_kept));
            Ok(())
        })?;
        Ok(all)
    }

    /// The lines of a commit whose restraints may differ from those in any of its parents. A change that no
    /// restraint depends on matters only if it puts one of the `faulty` lines right.
    fn changed(&self, commit: usize, parents: &[usize], faulty: &BTreeSet<String>) -> Vec<&str> {
        let tree = &self.commits[commit];
        let before = || parents.iter().map(|parent| &self.commits[*parent]);
        let all = parents.is_empty() || before().any(|before| before.policy != tree.policy);
        let is_changed = |line: &String, id: &Id| {
            all || before().any(|before| match before.lines.get(line) {
                Some(before) if before == id => false,
                Some(before) if !faulty.contains(line) => self.is_other(line, before, id),
                _ => true,
            })
        };
        tree.lines.iter().filter(|(line, id)| is_changed(line, id)).map(|(line, _)| line.as_str()).collect()
    }

    /// Whether two versions of a line's folder differ in something that a restraint may depend on.
    fn is_other(&self, line: &str, before: &Id, after: &Id) -> bool {
        let files = |id: &Id| self.folders.get(&(line.to_owned(), id.clone())).into_iter().flatten();
        let (before, after): (HashSet<_>, HashSet<_>) = (files(before).collect(), files(after).collect());
        let is_harmless = |file: usize| self.parsed[file].as_ref().is_some_and(ParsedFile::is_unrestrained);
        before.symmetric_difference(&after).any(|file| !is_harmless(**file))
    }

    /// Some lines of a commit. The files of the other lines are read only for the rules between lines.
    fn catalog(&self, commit: usize, lines: &[&str]) -> Catalog {
        let tree = &self.commits[commit];
        let of_line = |(line, id): (&String, &Id)| {
            let (own, is_wanted) = (format!("{line}/line.yaml"), lines.contains(&line.as_str()));
            let files = self.folders.get(&(line.clone(), id.clone())).into_iter().flatten();
            let files = files.filter_map(|file| self.parsed[*file].as_ref());
            files.filter(move |file| is_wanted || file.path() == own).collect::<Vec<_>>()
        };
        let policy = tree.policy.iter().filter_map(|(_, file)| self.parsed[*file].as_ref());
        let files = policy.chain(tree.lines.iter().flat_map(of_line));
        let is_wanted = |name: &LineName| lines.contains(&name.as_str());
        assemble(files).catalog.with_lines(is_wanted)
    }
}

/// Counts the versions of files.
#[derive(Default)]
struct Versions {
    places: HashMap<(String, Id), usize>,
    files: Vec<(String, Id)>,
}

impl Versions {
    fn place(&mut self, path: &str, id: &[u8]) -> usize {
        let version = (path.to_owned(), id.to_vec());
        *self.places.entry(version).or_insert_with_key(|version| {
            self.files.push(version.clone());
            self.files.len() - 1
        })
    }
}

/// One entry of a folder, as git stores it.
struct Entry<'a> {
    mode: &'a [u8],
    name: &'a str,
    id: &'a [u8],
}

/// The entries of a folder whose names are UTF-8. Git stores each as `MODE NAME`, a zero byte and an id of
/// `length` bytes.
fn entries(tree: &[u8], length: usize) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = tree;
    let next = move || {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let space = rest[..end].iter().position(|byte| *byte == b' ')?;
        let (mode, name, id) = (&rest[..space], &rest[space + 1..end], rest.get(end + 1..end + 1 + length)?);
        rest = &rest[end + 1 + length..];
        Some((mode, name, id))
    };
    let named = |(mode, name, id)| Some(Entry { mode, name: str::from_utf8(name).ok()?, id });
    std::iter::from_fn(next).filter_map(named)
}

/// The program `git`, run in the catalog's folder.
struct Git<'a> {
    folder: &'a Path,
}

impl Git<'_> {
    /// The last commit, if there is one.
    fn head(&self) -> Result<Option<String>, HistoryError> {
        let mut command = self.command(&["rev-parse", "--verify", "--quiet", "HEAD"]);
        let output = command.output().map_err(HistoryError::NoGit)?;
        // git says nothing if there is just no commit.
        if !output.status.success() && output.stderr.is_empty() {
            return Ok(None);
        }
        check(output.status.success(), &output.stderr)?;
        Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }

    /// Whether the parents of a commit are missing, as in a clone with a depth of 1.
    fn is_cut_at(&self, commit: &str) -> Result<bool, HistoryError> {
        let known = self.text(&["rev-list", "--parents", "--max-count=1", commit])?;
        let recorded = self.text(&["cat-file", "commit", commit])?;
        Ok(!known.trim().contains(' ') && recorded.lines().any(|line| line.starts_with("parent ")))
    }

    fn text(&self, arguments: &[&str]) -> Result<String, HistoryError> {
        let output = self.command(arguments).output().map_err(HistoryError::NoGit)?;
        check(output.status.success(), &output.stderr)?;
        String::from_utf8(output.stdout).map_err(|_| unreadable("git wrote something that is not UTF-8"))
    }

    /// Reads objects by their names, in this order. `take` gets their ids and contents, or `None` for one that
    /// does not exist. A link is followed if it stays inside the repository.
    fn objects(
        &self,
        names: &[String],
        mut take: impl FnMut(Option<(&str, &[u8])>) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        let mut command = self.command(&["cat-file", "--batch", "--follow-symlinks"]);
        let mut git = command.stdin(Stdio::piped()).spawn().map_err(HistoryError::NoGit)?;
        let (stdin, stdout, stderr) = (git.stdin.take(), git.stdout.take(), git.stderr.take());
        let failed = |error: io::Error| unreadable(&format!("git's answer: {error}"));
        let read = thread::scope(|scope| {
            // git answers while it is being asked, so all of this must go on at once.
            scope.spawn(move || {
                let mut stdin = BufWriter::new(stdin?);
                names.iter().try_for_each(|name| writeln!(stdin, "{name}")).ok()
            });
            let said = scope.spawn(move || {
                let mut said = Vec::new();
                stderr.map(|mut stderr| stderr.read_to_end(&mut said));
                said
            });
            let mut answers = stdout.map(BufReader::new);
            let (mut head, mut bytes, mut answered) = (String::new(), Vec::new(), 0);
            if let Some(answers) = &mut answers {
                while answered < names.len() {
                    head.clear();
                    if answers.read_line(&mut head).map_err(failed)? == 0 {
                        break;
                    }
                    answered += 1;
                    let size = head.trim_end().rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
                    let Some(size) = size else {
                        take(None)?;
                        continue;
                    };
                    // A line feed follows.
                    bytes.resize(size + 1, 0);
                    answers.read_exact(&mut bytes).map_err(failed)?;
                    // git writes `dangling`, `loop`, `notdir` or `symlink` for a link that it cannot follow.
                    let id = head.split(' ').next().filter(|id| id.len() >= 40);
                    take(id.map(|id| (id, &bytes[..size])))?;
                }
            }
            drop(answers);
            Ok((answered == names.len(), said.join().unwrap_or_default()))
        });
        let status = git.wait().map_err(failed)?;
        let (is_whole, said) = read?;
        check(is_whole && status.success(), &said)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.folder).args(arguments);
        // Reading must not leave a lock behind, and what git says must not be translated.
        command.envs([("GIT_OPTIONAL_LOCKS", "0"), ("LC_ALL", "C")]);
        // In a hook, these name the repository of the hook.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_PREFIX"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn check(is_good: bool, said: &[u8]) -> Result<(), HistoryError> {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    match (is_good, said.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Err(unreadable("git failed and did not say why")),
        (false, false) => Err(unreadable(said)),
    }
}

fn unreadable(why: &str) -> HistoryError {
    let why = why.to_owned();
    if why.contains("safe.directory") {
        HistoryError::Distrusted(why)
    } else if why.contains("promisor") {
        HistoryError::Incomplete(why)
    } else {
        HistoryError::Unreadable(why)
    }
}

fn missing() -> HistoryError {
    HistoryError::Incomplete("an object is missing".to_owned())
}
