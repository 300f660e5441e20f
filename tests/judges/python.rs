//! How python-tuf's client is run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// python-tuf's client, in the environment that `tests/run` makes for it.
pub fn python() -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(here.join("target/judges/bin/python"));
    command.arg(here.join("tests/judges/ngclient.py"));
    command
}

/// A check that did not run proves nothing.
pub fn no_python(error: &std::io::Error) -> ! {
    panic!(
        "`target/judges/bin/python` cannot be run ({error}): `tests/run` makes it, or do so by hand: `python3 -m venv target/judges` and `target/judges/bin/python -m pip install -r tests/judges/requirements.txt`"
    )
}

/// python-tuf's client in a process that stays.
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    pub fn start() -> Self {
        let mut child = python()
            .arg("--loop")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| no_python(&error));
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from: BufReader::new(from) }
    }

    /// Verifies what is served at an address, and downloads targets: their digests.
    pub fn visit(
        &mut self,
        address: &str,
        root: &Path,
        memory: &TempDir,
        targets: &[String],
    ) -> Result<Vec<String>, String> {
        let wish = serde_json::json!({
            "base": format!("http://{address}/tuf"), "root": root, "memory": memory.path(), "targets": targets,
        });
        writeln!(self.to, "{wish}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let found: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        if let Some(error) = found["error"].as_str() {
            return Err(error.to_owned());
        }
        Ok(targets.iter().map(|name| found[name]["sha256"].as_str().unwrap().to_owned()).collect())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
