//! Every command in the README is run, in its order, by a reader who has just cloned the project.
//!
//! An `sh` block is run and must succeed. In a `console` block each `$ ` line is run, and what it
//! prints must be what stands below it; there `…` stands for any text, and a line of it for any lines.
//! A line that starts a server leaves it running until the next one does.
#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ADDRESS: &str = "127.0.0.1:8080";

/// What a reader types to build and run; here it is built already.
const BUILT: [(&str, &str); 3] = [
    ("cargo run --release -- ", "tidegate "),
    ("target/release/tidegate ", "tidegate "),
    ("cargo install --locked --path .", "true"),
];

/// The command that runs this test among others.
const TESTS: &str = "tests/run";

struct Block {
    line: usize,
    console: bool,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.trim().strip_prefix("```") else { continue };
        let inner = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let lines: Vec<String> = inner.map(str::to_owned).collect();
        if matches!(kind, "sh" | "console") {
            found.push(Block { line: number + 1, console: kind == "console", lines });
        }
    }
    found
}

fn built(line: &str) -> String {
    BUILT.iter().fold(line.to_owned(), |line, (typed, built)| line.replace(typed, built))
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(reader: &Reader, command: &str) -> Self {
        let mut process = reader
            .shell(&format!("exec {command}"))
            .env("TIDEGATE_LISTEN", "127.0.0.1:0")
            .env("TIDEGATE_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("listening on http://").unwrap_or_else(|| {
            let _ = process.kill();
            panic!("`{command}` began with `{first}`, not with its address")
        });
        let address = address.to_owned();
        // What else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        let server = Self { process, address };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let url = format!("http://{}/readyz", self.address);
        for _ in 0..300 {
            let asked = Command::new("curl").args(["-sf", "-o", "/dev/null", &url]).status().unwrap();
            if asked.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server at {url} was not ready within 30 s");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As Ctrl-C does; and no server outlives the test.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        for _ in 0..100 {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        assert!(std::thread::panicking(), "the server did not stop within 10 s");
    }
}

struct Reader {
    /// Stops before its folder goes.
    server: Option<Server>,
    home: tempfile::TempDir,
    folder: PathBuf,
}

impl Reader {
    /// A reader in a scratch copy of what the README's commands use.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("tidegate");
        for name in ["channels", "payloads"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &folder.join(name));
        }
        Self { home, folder, server: None }
    }

    fn shell(&self, script: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") {
                command.env_remove(name);
            }
        }
        command.env("PATH", path).env("HOME", self.home.path()).env("USER", "ada").stdin(Stdio::null());
        command
    }

    /// Runs some lines, stays in the folder where they end, and gives what they printed.
    fn run(&mut self, script: &str) -> Result<String, String> {
        let place = self.home.path().join("place");
        let script = match &self.server {
            Some(server) => script.replace(ADDRESS, &server.address),
            None => script.to_owned(),
        };
        let whole = format!("exec 2>&1\n{script}\npwd > '{}'", place.display());
        let output = self.shell(&whole).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        if !output.status.success() {
            return Err(format!("{}\n{printed}", output.status));
        }
        self.folder = fs::read_to_string(place).unwrap().trim().into();
        Ok(match &self.server {
            Some(server) => printed.replace(&server.address, ADDRESS),
            None => printed,
        })
    }

    fn follow(&mut self, block: &Block) -> Result<(), String> {
        let mut script = String::new();
        for line in &block.lines {
            let line = built(line);
            if line == TESTS {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(TESTS).is_file());
            } else if line.starts_with("tidegate serve") {
                self.run(&std::mem::take(&mut script))?;
                self.server = None;
                self.server = Some(Server::start(self, &line));
            } else {
                script.push_str(&line);
                script.push('\n');
            }
        }
        self.run(&script).map(drop)
    }

    /// Runs each command of a session and compares what it prints.
    fn compare(&mut self, block: &Block) -> Result<(), String> {
        let mut lines = block.lines.iter().peekable();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                return Err(format!("`{line}` follows no command"));
            };
            let mut command = built(command);
            while command.ends_with('\\') {
                command.push('\n');
                command.push_str(lines.next().unwrap().trim_start_matches("> "));
            }
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line.as_str());
            }
            // A session may show a refusal.
            let printed = self.run(&command).unwrap_or_else(|failed| {
                failed.split_once('\n').map_or_else(String::new, |(_, printed)| printed.to_owned())
            });
            let found: Vec<&str> = printed.lines().collect();
            if !lines_match(&expected, &found) {
                return Err(format!("`{command}` printed\n{printed}\nand not\n{}", expected.join("\n")));
            }
        }
        Ok(())
    }
}

fn lines_match(expected: &[&str], found: &[&str]) -> bool {
    match (expected, found) {
        ([], []) => true,
        (["…", rest @ ..], _) => (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..])),
        ([first, rest @ ..], [line, others @ ..]) => line_matches(first, line) && lines_match(rest, others),
        _ => false,
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let (expected, found) = (expected.trim_end(), found.trim_end());
    let Some((start, rest)) = expected.split_once('…') else { return expected == found };
    let Some(found) = found.strip_prefix(start) else { return false };
    found.char_indices().map(|(at, _)| at).chain([found.len()]).any(|at| line_matches(rest, &found[at..]))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn every_command_in_the_readme_does_what_it_says() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = blocks(&text);
    let all: Vec<&str> = blocks.iter().flat_map(|block| block.lines.iter().map(String::as_str)).collect();
    assert!(all.contains(&"cargo run --release -- serve --demo"), "the first of the two commands");
    assert!(all.contains(&TESTS), "the second of the two commands");
    let mut reader = Reader::new();
    for block in &blocks {
        let done = if block.console { reader.compare(block) } else { reader.follow(block) };
        if let Err(why) = done {
            panic!("README.md, the block in line {}: {why}", block.line);
        }
    }
}

#[test]
fn what_a_session_shows_is_compared() {
    for (expected, found, equal) in [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…", "a", true),
        ("since …Z, `…`", "since 2018-01-01T00:00:00Z, `x`", true),
        ("since …Z", "since 2018", false),
        ("…", "", true),
    ] {
        let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
        assert_eq!(lines_match(&lines(expected), &lines(found)), equal, "{expected} / {found}");
    }
    let block = blocks("text\n```sh\nfalse\n```\n```text\nno\n```\n```console\n$ echo a\nb\n```\n");
    assert_eq!(block.len(), 2);
    let mut reader = Reader::new();
    assert!(reader.follow(&block[0]).is_err());
    assert!(reader.compare(&block[1]).is_err());
}
