//! A running server over a catalog.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How long a server may take until it is ready.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Site {
    pub name: &'static str,
    /// `127.0.0.1:12345`
    pub address: String,
    child: Child,
}

impl Site {
    /// Serves a catalog, or with `--demo` the demo, and waits until it is ready.
    pub fn start(
        name: &'static str,
        tidegate: &Path,
        folder: &Path,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("serve.log"))?;
        let mut child = Command::new(tidegate)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start tidegate")?;
        let mut first = String::new();
        if let Some(out) = child.stdout.take() {
            let mut out = BufReader::new(out);
            out.read_line(&mut first)?;
            // What follows is read as well, so that the server never waits for a reader.
            std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        }
        let address = first.trim().strip_prefix("listening on http://").unwrap_or_default().to_owned();
        let site = Self { name, address, child };
        if site.address.is_empty() {
            bail!("the server of `{name}` did not start; see {}", folder.join("serve.log").display());
        }
        let start = Instant::now();
        while ask(&site.address, "GET", "/", None, "").map_or(true, |reply| reply.status != 200) {
            if start.elapsed() > DEADLINE {
                bail!("the server of `{name}` is not ready; see {}", folder.join("serve.log").display());
            }
            sleep(Duration::from_millis(100));
        }
        Ok(site)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A reply, with the names of its headers in lower case.
pub struct Reply {
    pub status: u16,
    head: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// One request on a connection of its own. `body` is that of a form.
pub fn ask(
    address: &str,
    method: &str,
    path: &str,
    cookie: Option<&str>,
    body: &str,
) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\n{cookie}content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let reply = String::from_utf8_lossy(&reply);
    let (head, body) = reply.split_once("\r\n\r\n").context("the reply has no end of its head")?;
    let status = head.split(' ').nth(1).context("the reply has no status")?.parse()?;
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    let head = lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Reply { status, head, body: body.to_owned() })
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
