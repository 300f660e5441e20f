//! A folder of its own to run the binary in.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

pub struct Desk {
    folder: TempDir,
}

/// A policy with the usual two stages.
const POLICY: &str = "\
format: 1
stages:
  - name: preproduction
  - name: production
    soak: { min: 14d, max: 28d }
";

impl Desk {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A catalog with one line, `1.8`, and no releases or keys.
    pub fn new() -> Self {
        let desk = Self::empty();
        desk.write("channels/policy.yaml", POLICY);
        desk.line("1.8", "");
        desk
    }

    /// A catalog with one line and its keys.
    pub fn with_keys() -> Self {
        let desk = Self::new();
        desk.done(&["init", "--offline-keys", "keys", "--no-encrypt"]);
        desk
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.contains("PRIVATE KEY-----") {
            // As every tool that makes keys leaves them.
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "{text}");
        self.write(path, &text.replace(from, to));
    }

    /// Writes a line.
    pub fn line(&self, name: &str, more: &str) {
        self.write(&format!("channels/{name}/line.yaml"), &format!("format: 1\nline: \"{name}\"\n{more}"));
    }

    /// Writes a release with its payload, which holds the version.
    pub fn release(&self, version: &str, more: &str) {
        let numbers: Vec<&str> = version.split('.').collect();
        let text = format!("{{\"version\":\"{version}\"}}\n");
        self.write(&format!("payloads/{version}/payload.json"), &text);
        let (sha256, size) =
            tidegate::store::payloads::measure(&self.path(&format!("payloads/{version}/payload.json")))
                .unwrap();
        self.write(
            &format!("channels/{}.{}/{version}.yaml", numbers[0], numbers[1]),
            &format!(
                "format: 1\nversion: {version}\npayloads:\n  - {{ file: payload.json, sha256: \"{sha256}\", size: {size} }}\n{more}"
            ),
        );
    }

    /// Runs a command with a variable set, and gives all that it said.
    pub fn run_with(&self, variable: (&str, &str), arguments: &[&str]) -> String {
        told(arguments, &self.command(arguments).env(variable.0, variable.1).output().unwrap())
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command in this folder, with nothing of ours in its environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("USER", "ada")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("COLUMNS", "100");
        command
    }

    /// Runs a command, and gives all that it said.
    pub fn run(&self, arguments: &[&str]) -> String {
        told(arguments, &self.output(arguments))
    }

    /// Runs a command that must succeed, and gives its stdout.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{}", told(arguments, &output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command with `--output json` in any folder, and gives its exit code and its data.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--output", "json"]);
        let output = self.output(&arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&arguments, &output)))
    }

    /// Commits the catalog, in a repository that the first commit creates.
    pub fn commit(&self) {
        let script = "test -d .git || git init -q; git add channels && git -c user.name=ada -c user.email=ada@example.com commit -q --allow-empty -m change";
        let mut git = Command::new("sh");
        assert!(git.args(["-c", script]).current_dir(self.path(".")).status().unwrap().success());
    }

    /// Every file below a folder, with its content.
    pub fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }
}

/// All that a command said.
pub fn told(arguments: &[&str], output: &Output) -> String {
    let mut told = format!("$ tidegate {}\n", arguments.join(" "));
    let _ = writeln!(told, "exit {}", output.status.code().unwrap());
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if !text.is_empty() {
            let _ = write!(told, "--- {name}\n{text}");
        }
    }
    scrub(&told)
}

/// Hides what differs from run to run: times of today, digests and ids of new keys.
fn scrub(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(time) = rest.get(..20).filter(|time| is_time(time)) {
            shown.push_str(if time < "2025" { time } else { "<today>" });
            rest = &rest[20..];
        } else if is_hex(rest, 64) {
            shown.push_str("<digest>");
            rest = &rest[64..];
        } else if rest.starts_with("release key `") && is_hex(&rest[13..], 12) {
            shown.push_str("release key `<keyid>");
            rest = &rest[25..];
        } else if rest.starts_with("revision ") && is_hex(&rest[9..], 12) {
            shown.push_str("revision <digest>");
            rest = &rest[21..];
        } else if let Some(end) = rest.find("-----END").filter(|_| rest.starts_with("-----BEGIN")) {
            shown.push_str("<pem>");
            let after = &rest[end + 8..];
            rest = &after[after.find("-----").unwrap() + 5..];
        } else {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    // The size of a table's columns gives away what was in them.
    let lines = shown.lines().map(|line| {
        if line.contains("<today>") || line.contains("<digest>") || line.starts_with("KEY ") {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  ")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_time(text: &str) -> bool {
    text.bytes().zip("0000-00-00T00:00:00Z".bytes()).all(|(found, form)| match form {
        b'0' => found.is_ascii_digit(),
        form => found == form,
    })
}

fn is_hex(text: &str, length: usize) -> bool {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.as_bytes().get(..length).is_some_and(|part| part.iter().copied().all(hex))
}

/// Runs a command on the sample catalog of the repository, and gives its data.
pub fn sample(arguments: &[&str]) -> serde_json::Value {
    let root = env!("CARGO_MANIFEST_DIR");
    let (catalog, payloads) = (format!("{root}/channels"), format!("{root}/payloads"));
    let mut all = vec!["--catalog", &catalog, "--payloads", &payloads];
    all.extend(arguments);
    Desk::empty().json(&all)
}
