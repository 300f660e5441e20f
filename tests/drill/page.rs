//! The commands of a page, as they stand there.

use std::path::Path;
use std::process::{Command, Output, Stdio};

pub const DRILL: &str = include_str!("../../docs/drill.md");
pub const SIGNING: &str = include_str!("../../docs/signing.md");

/// The `sh` blocks below a heading, up to the next one.
pub fn commands(page: &str, heading: &str) -> String {
    let below = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`")).1;
    let mut commands = String::new();
    let mut inside = false;
    for line in below.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => commands.extend([line, "\n"]),
            _ if line.starts_with("## ") || line.starts_with("### ") => break,
            _ => {}
        }
    }
    assert!(!commands.is_empty(), "nothing to run below `{heading}`");
    commands
}

/// What keepers do at a terminal, where there is none: they agree, and take no passphrase.
fn unattended(commands: &str) -> String {
    let lines = commands.lines().map(|line| match line.trim_start().split(' ').collect::<Vec<_>>()[..] {
        ["tidegate", "ceremony", "sign", ..] => format!("{line} --yes\n"),
        ["tidegate", "key", "generate", ..] if !line.ends_with("--no-encrypt") => {
            format!("{line} --no-encrypt\n")
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Runs a script in a folder, with the program on its path.
pub fn sh(folder: &Path, script: &str, arguments: &[&str]) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command.args(["-euc", script, "sh"]).args(arguments).current_dir(folder);
    command
        .env("PATH", path)
        .env("TIDEGATE_BY", "ada")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the page's commands to their good end.
pub fn done(folder: &Path, commands: &str) {
    let output = sh(folder, &unattended(commands), &[]);
    assert!(output.status.success(), "{commands}\n{output:#?}");
}
