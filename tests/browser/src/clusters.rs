//! Clusters with their agents, each in a state that its own page shows.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::catalogs::{LONG_CHANNEL, PROBE};
use crate::look::Page;
use crate::safety::encoded;
use crate::site::{Site, ask};

/// How long a cluster may take until it is in its state.
const DEADLINE: Duration = Duration::from_secs(60);

/// A release of the demo, the one that follows, and the channels of its minor and of the next.
const OLD: &str = "1.8.4-tectonic.1";
const NEW: &str = "1.8.9-tectonic.4";
const OWN: &str = "1.8-production";
const NEXT: &str = "1.9-production";

/// Commands that apply a release.
const SLOW: &str = "echo 'progress: 40 node 3 of 5'; until test -e end; do sleep 0.1; done";
const BAD: &str = "echo 'etcd is not healthy: 1 of 3 members is up' >&2; exit 3";

/// A cluster, and the pages to look at.
pub struct Cluster {
    agent: Child,
    pub pages: Vec<Page>,
}

/// Where clusters are made, and by which server.
struct Desk<'a> {
    tidegate: &'a Path,
    folder: &'a Path,
    server: String,
    /// The root to trust, and whether a demo has signed it.
    root: PathBuf,
    is_demo: bool,
}

/// Starts the agents of clusters that the demo updates, and of one that the hostile catalog does.
pub fn start(
    tidegate: &Path,
    folder: &Path,
    (demo, hostile): (&Site, &Site),
    scratch: &Path,
) -> anyhow::Result<Vec<Cluster>> {
    let root = scratch.join("demo/.tidegate/demo/channels/trust/1.root.json");
    let desk = Desk { tidegate, folder, server: demo.url(""), root, is_demo: true };
    let none: &[(&str, &str)] = &[];
    let mut clusters = vec![
        desk.cluster(("up-to-date", "prod"), (OWN, NEW), "true", "admin", &[], "UpToDate", none)?,
        desk.cluster(("reports", "reports"), (OWN, OLD), "", "admin", &[], "UpdateAvailable", none)?,
        desk.cluster(("waits", "waits"), (OWN, OLD), "true", "admin", &[], "UpdateAvailable", none)?,
        desk.cluster(("applying", "applying"), (OWN, OLD), SLOW, "automatic", &[], "Updating", none)?,
        desk.cluster(("failed", "failed"), (OWN, OLD), BAD, "admin", &["approve", NEW], "Failed", none)?,
        desk.cluster(
            ("paused", "paused"),
            (OWN, OLD),
            "true",
            "admin",
            &["pause", "--reason", "the canary is ill"],
            "Paused",
            none,
        )?,
        desk.cluster(
            ("gate", "gate"),
            (OWN, OLD),
            "true",
            "admin",
            &[],
            "UpdateAvailable",
            &[("ask", NEXT)],
        )?,
        desk.cluster(("entry", "entry"), (OWN, NEW), "true", "admin", &[], "UpToDate", &[("ask", NEXT)])?,
    ];
    // These are shown without a session.
    let Cluster { pages, .. } = &mut clusters[0];
    for (name, path, is_error) in [("entrance", "/?token=x", false), ("no-session", "/x/", true)] {
        pages.push(Page { name, path: path.to_owned(), is_error, cookie: None, ..pages[0].clone() });
    }
    let root = scratch.join("hostile/channels/trust/1.root.json");
    let desk = Desk { tidegate, folder, server: hostile.url(""), root, is_demo: false };
    let long = "W".repeat(500);
    let bad = format!("cat <<'END' >&2\n{PROBE} {long}\nEND\nexit 3");
    clusters.push(desk.cluster(
        ("hostile", LONG_CHANNEL),
        ("pre", "9.0.0"),
        &bad,
        "automatic",
        &[],
        "Failed",
        &[("pause", PROBE), ("ask", PROBE)],
    )?);
    Ok(clusters)
}

impl Desk<'_> {
    /// Adds a cluster, gives an order by command, waits for a state, and presses buttons of its page.
    #[expect(clippy::too_many_arguments, reason = "each is a column of a table")]
    fn cluster(
        &self,
        (shown, name): (&'static str, &str),
        (channel, runs): (&str, &str),
        apply: &str,
        approval: &str,
        order: &[&str],
        state: &str,
        buttons: &[(&str, &str)],
    ) -> anyhow::Result<Cluster> {
        let folder = self.folder.join(shown);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("version"), runs)?;
        fs::write(folder.join("apply.sh"), apply)?;
        let (place, root) = (folder.display().to_string(), self.root.display().to_string());
        let (current, apply_with) =
            (format!("cat '{place}/version'"), format!("cd '{place}' && exec sh ./apply.sh"));
        let mut add = vec!["add", name, "--server", &self.server, "--channel", channel, "--root", &root];
        add.extend(["--current", &current, "--approval", approval, "--interval", "1h"]);
        if !apply.is_empty() {
            add.extend(["--apply", &apply_with]);
        }
        if self.is_demo {
            add.push("--demo");
        }
        self.run(&add)?;
        let (agent, address) = self.agent(name, &folder)?;
        // It is ended when something fails, too.
        let mut cluster = Cluster { agent, pages: Vec::new() };
        self.until(name, |status| !status["lastChecked"].is_null())?;
        if let [verb, more @ ..] = order {
            self.run(&[&[*verb, name][..], more].concat())?;
        }
        self.until(name, |status| status["state"] == state)?;

        let told: Value = serde_json::from_str(&self.run(&["open", name, "--output", "json"])?)?;
        let token =
            told["url"].as_str().and_then(|url| url.split_once("token=")).context("there is no token")?.1;
        let opened = ask(&address, "POST", "/open", None, &format!("token={token}"))?;
        let cookie = opened.header("set-cookie").and_then(|set| set.split(';').next());
        let page = Page {
            site: "cluster",
            origin: format!("http://{address}"),
            name: shown,
            path: opened.header("location").context("there is no session")?.to_owned(),
            is_error: false,
            cookie: Some(cookie.context("there is no cookie")?.to_owned()),
        };
        for (action, value) in buttons {
            press(&address, &page, action, value)?;
        }
        cluster.pages.push(page);
        Ok(cluster)
    }

    fn agent(&self, name: &str, folder: &Path) -> anyhow::Result<(Child, String)> {
        let mut agent = Command::new(self.tidegate)
            .args(["cluster", "run", name, "--listen", "127.0.0.1:0"])
            .current_dir(self.folder)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("agent.log"))?)
            .spawn()?;
        let mut line = String::new();
        BufReader::new(agent.stdout.take().context("it has no output")?).read_line(&mut line)?;
        match line.trim().strip_prefix("listening on http://") {
            Some(address) => Ok((agent, address.to_owned())),
            None => bail!("the agent of `{name}` serves no page; see {}", folder.join("agent.log").display()),
        }
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(self.tidegate);
        // Pictures name who gave an order.
        command
            .arg("cluster")
            .args(arguments)
            .current_dir(self.folder)
            .env("USER", "ada")
            .env_remove("SUDO_USER");
        let done = command.output()?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "`tidegate cluster {}` failed: {said}", arguments.join(" "));
        Ok(String::from_utf8(done.stdout)?)
    }

    fn until(&self, name: &str, is_reached: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let status: Value = serde_json::from_str(&self.run(&["status", name, "--output", "json"])?)?;
            if is_reached(&status["status"]) {
                return Ok(());
            }
            ensure!(start.elapsed() < DEADLINE, "`{name}` is not in its state: {status}");
            sleep(Duration::from_millis(200));
        }
    }
}

/// Presses a button whose form has one field.
fn press(address: &str, Page { path, cookie, .. }: &Page, action: &str, value: &str) -> anyhow::Result<()> {
    let page = ask(address, "GET", path, cookie.as_deref(), "")?.body;
    let csrf = page.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
    let (csrf, _) = csrf.context("the page has no form")?;
    let field = if action == "pause" { "reason" } else { "channel" };
    let fields = format!("csrf={csrf}&{field}={}", encoded(value));
    let pressed = ask(address, "POST", &format!("{path}{action}"), cookie.as_deref(), &fields)?;
    ensure!(pressed.status == 303, "`{action}` was answered with {}", pressed.status);
    Ok(())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It stops its command, too, which it could not if it was killed.
        let _ = Command::new("kill").arg(self.agent.id().to_string()).stderr(Stdio::null()).status();
        let _ = self.agent.wait();
    }
}
