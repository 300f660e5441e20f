//! Runs the operator's own commands.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::progress::Progress;
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::domain::version::Version;

/// How long a command has between SIGTERM and SIGKILL: half of what systemd gives the agent itself.
pub const GRACE: Duration = Duration::from_secs(30);

/// The timeout of the `--current` command, which prints a version at once unless something is stuck. It changes nothing, so
/// it is killed without a grace period.
const LONGEST_CURRENT: Duration = Duration::from_secs(60);

/// The exit code for "try again later": `EX_TEMPFAIL` of sysexits(3).
const LATER: i32 = 75;

/// How often to check whether a command has ended, and whether it must stop.
const PAUSE: Duration = Duration::from_millis(25);

/// How long to wait for the rest of the output of a command that has ended, in steps of [`PAUSE`].
const LAST_WORDS: u32 = 20;

/// How much of a command's output is kept: the reason for a failure is in the last lines.
const LINES: usize = 20;
const LONGEST_LINE: u64 = 1024;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// It asked to be retried later.
    Later(String),
    Failed(String),
    /// It was stopped.
    Stopped,
    /// It was stopped because it took too long.
    TimedOut(String),
}

/// Why a command had to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Somebody asked for it.
    Asked,
    /// It ran into its limit.
    Late,
}

/// Runs the command that applies a release. If `stop` returns true before the command ends, or it runs longer than
/// `limit`, its process group gets SIGTERM, and SIGKILL after [`GRACE`]. While it runs, `tell` is called with the last progress that it
/// has printed.
///
/// # Errors
/// When it cannot be started.
pub fn apply(
    command: &str,
    folder: &Path,
    environment: &[(&str, String)],
    (clock, limit): (&SharedClock, Option<Duration>),
    stop: &dyn Fn() -> bool,
    tell: &dyn Fn(&Progress),
) -> std::io::Result<Ended> {
    let mut running = Running::start(command, folder, environment)?;
    let out = running.out.clone();
    let stop = || {
        if let Some(progress) = out.progress() {
            tell(&progress);
        }
        stop()
    };
    let cut = running.wait(clock, &stop, limit, GRACE)?;
    let tail = running.last_words();
    Ok(match (cut, running.code) {
        (_, Some(0)) => Ended::Done,
        (Some(Cut::Asked), _) => Ended::Stopped,
        (Some(Cut::Late), _) => Ended::TimedOut(tail),
        (None, Some(LATER)) => Ended::Later(tail),
        (None, Some(code)) => Ended::Failed(with(format!("it failed with exit code {code}"), &tail)),
        (None, None) => Ended::Failed(with("it was killed by a signal".to_owned(), &tail)),
    })
}

/// Runs the command that prints the version that the cluster runs. `deadline` is the monotonic time by which it must end,
/// if that is earlier than its own timeout.
///
/// # Errors
/// When the command fails, takes too long or does not print a version.
pub fn current(
    command: &str,
    folder: &Path,
    clock: &SharedClock,
    deadline: Option<Duration>,
) -> Result<Version, Refusal> {
    let left = deadline.map(|deadline| deadline.saturating_sub(clock.monotonic()));
    let limit = left.unwrap_or(LONGEST_CURRENT).min(LONGEST_CURRENT);
    let failed = |why: String| Refusal::Current(format!("`{command}` {why}"));
    let unstarted = |e: std::io::Error| failed(format!("cannot be run: {e}"));
    let mut running = Running::start(command, folder, &[]).map_err(unstarted)?;
    if running.wait(clock, &|| false, Some(limit), Duration::ZERO).map_err(unstarted)?.is_some() {
        return Err(failed(format!("took longer than {:.0} s", limit.as_secs_f64())));
    }
    if running.code != Some(0) {
        let code = running.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        return Err(failed(with(format!("ended with {code}"), &running.last_words())));
    }
    let out = running.out.words();
    Version::parse(out.trim()).map_err(|e| failed(format!("did not print a version: {e}")))
}

fn with(words: String, tail: &str) -> String {
    if tail.is_empty() { words } else { format!("{words}: {tail}") }
}

/// A command in its own process group.
struct Running {
    child: Child,
    out: Tail,
    err: Tail,
    readers: Vec<JoinHandle<()>>,
    code: Option<i32>,
}

/// The last lines of a pipe, and the last progress that it told.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<(Vec<String>, Option<Progress>)>>);

impl Running {
    fn start(command: &str, folder: &Path, environment: &[(&str, String)]) -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (out, err) = (Tail::default(), Tail::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|pipe| out.follow(pipe)));
        readers.extend(child.stderr.take().map(|pipe| err.follow(pipe)));
        Ok(Self { child, out, err, readers, code: None })
    }

    /// Waits until the command ends. One that must stop gets SIGTERM, and SIGKILL after `grace`. Returns why it had to
    /// be stopped, if it had.
    fn wait(
        &mut self,
        clock: &SharedClock,
        stop: &dyn Fn() -> bool,
        limit: Option<Duration>,
        grace: Duration,
    ) -> std::io::Result<Option<Cut>> {
        let start = clock.monotonic();
        let mut told: Option<(Duration, Cut)> = None;
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.code = status.code();
                if let Some((since, _)) = told {
                    self.end_group(clock, since, grace);
                }
                for _ in 0..LAST_WORDS {
                    if self.readers.iter().all(JoinHandle::is_finished) {
                        break;
                    }
                    std::thread::sleep(PAUSE);
                }
                return Ok(told.map(|(_, cut)| cut));
            }
            let now = clock.monotonic();
            let is_late = limit.is_some_and(|limit| now.saturating_sub(start) > limit);
            match told {
                None if stop() || is_late => {
                    self.signal(Signal::TERM);
                    told = Some((now, if is_late { Cut::Late } else { Cut::Asked }));
                }
                Some((since, _)) if now.saturating_sub(since) > grace => self.signal(Signal::KILL),
                None | Some(_) => {}
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Signals the whole group. Ignores errors, since a group that has ended needs no signal.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    /// Waits for processes that a command left behind in its group, and kills them when the grace period
    /// ends.
    fn end_group(&self, clock: &SharedClock, since: Duration, grace: Duration) {
        let group = Pid::from_child(&self.child);
        while test_kill_process_group(group).is_ok() {
            if clock.monotonic().saturating_sub(since) > grace {
                return self.signal(Signal::KILL);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn last_words(&self) -> String {
        self.err.words()
    }
}

impl Tail {
    /// Reads a pipe to its end on a separate thread, since another process may keep it open after the
    /// command has ended.
    fn follow(&self, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let told = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                match pipe.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                tracing::debug!(line, "output of the command");
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                let (lines, progress) = &mut *told;
                if let Some(now) = Progress::parse(&line) {
                    *progress = Some(now);
                }
                lines.push(line);
                if lines.len() > LINES {
                    lines.remove(0);
                }
            }
        })
    }

    fn words(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.join("\n").trim().to_owned()
    }

    fn progress(&self) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
