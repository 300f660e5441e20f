//! The catalogs that are looked at, besides the demo's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Duration, SecondsFormat, Utc};

/// The payload of every release.
const PAYLOAD: &str = "{}\n";
const DIGEST: &str = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356";

/// Markup that must stay text.
pub const PROBE: &str = r#""'><img src=x onerror="probed=1"><script>probed=1</script><b id=probe>"#;

/// The same for the names of links and components, which have neither spaces nor quotes.
const NAME: &str = "<script>probed=1</script>";

/// The name of the hostile line; the names of a line and of a channel may have 64 bytes.
const LONG: &str = "a-line-with-the-longest-name.that-is-allowed_of-64-bytes-in-all1";

/// Releases of the hostile line, whose versions may have 128 bytes.
pub const LONG_HELD: &str = "9.0.1-the.longest.version.that.is.allowed.n12345678901234567890123456789012345678901234567890123456789012345678.it.has.128.bytes";
pub const LONG_CHANNEL: &str = "a-channel-with-the-longest-name.that-is-allowed_of-64-bytes-all1";

/// A folder with a catalog and its keys.
pub struct Catalog {
    pub folder: PathBuf,
    tidegate: PathBuf,
    now: DateTime<Utc>,
}

impl Catalog {
    /// A catalog with keys and without a line.
    pub fn empty(tidegate: &Path, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let new = Self { folder: folder.to_owned(), tidegate: tidegate.to_owned(), now: Utc::now() };
        new.run(&["init", "--offline-keys", "keys", "--no-encrypt"])?;
        Ok(new)
    }

    /// 200 lines with about 1,000 releases, in every state that a line and a release can have.
    pub fn crowd(tidegate: &Path, folder: &Path) -> anyhow::Result<Self> {
        let new = Self::empty(tidegate, folder)?;
        let (soon, later) = (new.days(-20.0), new.days(-30.0));
        new.policy(&format!(
            "freezes:\n  - {{ from: {soon}, until: {later}, reason: end of the year, except: [security] }}\n"
        ))?;
        for index in 0..200 {
            new.crowd_line(index)?;
        }
        new.sign()
    }

    fn crowd_line(&self, index: usize) -> anyhow::Result<()> {
        let name = format!("1.{index}");
        let version = |number: usize| format!("{name}.{number}-tectonic.1");
        let mut more = format!("title: Tectonic 1.{index}\n");
        if index > 0 {
            let _ = writeln!(more, "follows: {{ line: \"1.{}\", grace: 0d }}", index - 1);
        }
        match index % 20 {
            3 => {
                let at = self.days(2.0);
                let _ = writeln!(
                    more,
                    "paused:\n  production: {{ at: {at}, by: ops, reason: the registry is down }}"
                );
            }
            4 => {
                let (from, until) = (self.days(1.0), self.days(-6.0));
                let _ = writeln!(
                    more,
                    "freezes:\n  - {{ from: {from}, until: {until}, reason: the data centre moves }}"
                );
            }
            5 => {
                let at = self.days(9.0);
                let _ = writeln!(more, "retired: {{ at: {at}, by: ops, reason: out of support }}");
            }
            _ => {}
        }
        self.line(&name, &more)?;
        for number in 0..4 {
            let day = 120.0 - 10.0 * f64::from(u8::try_from(number)?);
            let yank = format!("yank: {{ at: {}, by: ada, reason: eats data on ARM }}\n", self.days(30.0));
            let more = if index % 20 == 9 && number == 3 { yank.as_str() } else { "" };
            self.release(&name, &version(number), &[day, day - 20.0], more)?;
        }
        match index % 20 {
            0 if index == 0 => {
                for number in 4..34 {
                    self.release(
                        &name,
                        &version(number),
                        &[f64::from(u8::try_from(34 - number)?) / 3.0],
                        "",
                    )?;
                }
            }
            3 | 4 => self.release(&name, &version(4), &[20.0], "")?,
            6 => self.release(&name, &version(4), &[6.5], "")?,
            7 => {
                self.release(&name, &version(4), &[10.0], "urgency: security\n")?;
                self.release(&name, &version(5), &[3.0], "")?;
            }
            8 => {
                let hold =
                    format!("hold: {{ at: {}, by: ada, reason: etcd loses quorum }}\n", self.days(3.0));
                self.release(&name, &version(4), &[20.0], &hold)?;
                self.release(&name, &version(5), &[1.0], "")?;
            }
            // The barrier keeps the release that is above it, which is overdue then.
            11 => {
                let hold = format!(
                    "barrier: true\nhold: {{ at: {}, by: eve, reason: needs a manual step }}\n",
                    self.days(10.0)
                );
                self.release(&name, &version(4), &[40.0], &hold)?;
                self.release(&name, &version(5), &[39.0], "")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Texts and names that would break a page that trusts them.
    pub fn hostile(tidegate: &Path, folder: &Path) -> anyhow::Result<Self> {
        let new = Self::empty(tidegate, folder)?;
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let unbroken = "W".repeat(200);
        let arabic = "هذا الإصدار متوقف لأن قاعدة البيانات تفقد البيانات (1.8.4) حتى إشعار آخر";
        let (at, until) = (new.days(3.0), new.days(-3.0));
        new.policy(&format!(
            "freezes:\n  - {{ from: {at}, until: {until}, reason: {}, except: [security] }}\n",
            quoted(PROBE)
        ))?;
        let (stage, channel) = ("s".repeat(64), LONG_CHANNEL);
        new.line(
            LONG,
            &format!(
                "title: {}\nprefix: \"9.0\"\nstages:\n  - {{ name: preproduction, channel: pre, aliases: [{}] }}\n  - {{ name: {stage}, channel: {channel} }}\n",
                quoted(&"T".repeat(200)),
                "z".repeat(64),
            ),
        )?;
        let links = format!(
            "links:\n  {}: https://example.com/{}\n  notes: {}\n  {}: \"https://example.com/\"\n",
            "l".repeat(200),
            "p".repeat(1900),
            quoted("https://example.com/?q=\"><script>probed=1</script>"),
            quoted(NAME),
        );
        let components =
            format!("components:\n  {}: {}\n  {}: 1.0.0\n", "c".repeat(200), "v".repeat(200), quoted(NAME));
        let by = "b".repeat(200);
        let hold = format!("hold: {{ at: {at}, by: {by}, reason: {} }}\n", quoted(&"R".repeat(1000)));
        new.release_into((LONG, &stage), "9.0.0", &[90.0, 60.0], "")?;
        new.release_into(
            (LONG, &stage),
            LONG_HELD,
            &[20.0],
            &format!("summary: {unbroken}\n{hold}{links}{components}"),
        )?;

        new.line("7.0", &format!("title: {}\n", quoted(PROBE)))?;
        let hold = format!("hold: {{ at: {at}, by: {}, reason: {} }}\n", quoted(PROBE), quoted(PROBE));
        new.release("7.0", "7.0.0", &[90.0, 60.0], "")?;
        new.release("7.0", "7.0.1", &[20.0], &format!("summary: {}\n{hold}", quoted(PROBE)))?;
        let yank = format!("yank: {{ at: {at}, by: 'عمر', reason: {} }}\n", quoted(PROBE));
        new.release(
            "7.0",
            "7.0.2",
            &[60.0, 40.0],
            &format!("summary: {}\n{yank}", quoted("`ticks` and `<b>` at 2026-12-07T21:12:00Z")),
        )?;

        let paused =
            format!("paused:\n  production: {{ at: {at}, by: 'שרה', reason: {} }}\n", quoted(arabic));
        new.line("8.0", &format!("title: 'تيكتونيك ٨٫٠ 🚀👩‍👩‍👧‍👦🏳️‍🌈'\n{paused}"))?;
        new.release("8.0", "8.0.0", &[90.0, 60.0], "summary: 'גרסה יציבה ראשונה (8.0.0) – מומלצת'\n")?;
        let hold = format!("hold: {{ at: {at}, by: 'عمر', reason: {} }}\n", quoted(arabic));
        new.release("8.0", "8.0.1", &[20.0], &format!("summary: '🔥🔥🔥 אזהרה: abc 123 (דחוף!)'\n{hold}"))?;
        new.release("8.0", "8.0.2", &[5.0], &format!("summary: {}\n", quoted(&"🚀".repeat(50))))?;
        new.sign()
    }

    fn days(&self, ago: f64) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "a few days in minutes are few")]
        let ago = Duration::minutes((ago * 1440.0) as i64);
        (self.now - ago).to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn policy(&self, more: &str) -> anyhow::Result<()> {
        let stages = "stages:\n  - name: preproduction\n  - name: production\n    soak: { min: 14d, max: 28d }\n    windows: { days: mon-thu, hours: 09:00-16:00, zone: Europe/Berlin }\n";
        Ok(fs::write(self.folder.join("channels/policy.yaml"), format!("format: 1\n{stages}{more}"))?)
    }

    fn line(&self, name: &str, more: &str) -> anyhow::Result<()> {
        let folder = self.folder.join("channels").join(name);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("line.yaml"), format!("format: 1\nline: \"{name}\"\n{more}"))?)
    }

    /// Writes a release that entered pre-production and production so many days ago.
    fn release(&self, line: &str, version: &str, ago: &[f64], more: &str) -> anyhow::Result<()> {
        self.release_into((line, "production"), version, ago, more)
    }

    /// The same in a line whose last stage has another name.
    fn release_into(
        &self,
        (line, last): (&str, &str),
        version: &str,
        ago: &[f64],
        more: &str,
    ) -> anyhow::Result<()> {
        let folder = self.folder.join("payloads").join(version);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("payload.json"), PAYLOAD)?;
        let mut entries = String::new();
        for (stage, ago) in ["preproduction", last].iter().zip(ago) {
            let _ = writeln!(
                entries,
                "  {stage}: {{ since: {}, by: schedule, reason: soaked 14d }}",
                self.days(*ago)
            );
        }
        let size = PAYLOAD.len();
        let text = format!(
            "format: 1\nversion: {version}\n{more}payloads:\n  - {{ file: payload.json, sha256: {DIGEST}, size: {size} }}\nstages:\n{entries}"
        );
        Ok(fs::write(self.folder.join("channels").join(line).join(format!("{version}.yaml")), text)?)
    }

    fn sign(self) -> anyhow::Result<Self> {
        self.run(&["release", "sign", "--key", "keys/release.pem", "--targets-key", "keys/targets.pem"])?;
        self.run(&["catalog", "check"])?;
        Ok(self)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(&self.tidegate);
        let done =
            command.current_dir(&self.folder).args(arguments).output().context("cannot start tidegate")?;
        let said =
            || format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        ensure!(done.status.success(), "`tidegate {}` failed:\n{}", arguments.join(" "), said());
        Ok(())
    }
}
