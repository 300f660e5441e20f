//! The agent: checks, downloads and applies, in a loop.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;

use super::command::{self, Ended};
use super::download::{Download, check, wanted};
use super::folder::{Approval, Begun, Cluster, Config, Failure, Folder, MOST_TRIES, Record, Step};
use super::http::Stop;
use super::look::{Look, is_advised, look};
use super::notes::{self, Overtaken};
use super::progress::Progress;
use super::recorder::Recorder;
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::domain::Time;
use crate::domain::payload::Payload;
use crate::domain::release::Release;
use crate::domain::span::Span;
use crate::domain::version::Version;
use crate::store::durable::{self, Mode};

/// The wait after the first error. It doubles with each further error, up to an hour.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// The kind of failure of an update in which the agent or the machine went down.
const INTERRUPTED: &str = "Interrupted";

/// The kind of failure of an update that took too long.
const TIMED_OUT: &str = "ApplyTimedOut";

/// How often the agent checks for new orders.
const PAUSE: Duration = Duration::from_millis(500);

/// The agent of one cluster.
pub struct Agent {
    pub folder: Folder,
    pub clock: SharedClock,
    /// Set when the process must end.
    pub stop: Stop,
}

/// The result of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do, or nothing that is allowed now.
    Quiet,
    /// A release was applied. The next turn can follow at once.
    Applied,
    /// The check or the update failed.
    Trouble,
    /// The command asked to be retried later.
    Later,
    /// The update was stopped.
    Stopped,
}

impl Agent {
    /// Runs until it is stopped.
    ///
    /// # Errors
    /// When the cluster's folder cannot be used.
    pub fn run(&self) -> Result<(), Refusal> {
        let mut cluster = self.folder.read()?;
        let target = cluster.record.target.as_ref();
        let is_due = target.is_some_and(|target| self.may_apply(&cluster, target));
        // An interrupted update continues at once, and a cluster that was never checked is checked at once.
        let mut wait = if cluster.record.checked.is_none() || cluster.record.step.is_some() || is_due {
            Duration::ZERO
        } else {
            // This keeps clusters that were started together from asking at the same time.
            Duration::from_secs(cluster.config.interval).mul_f64(random())
        };
        let mut errors = 0;
        while self.rest(wait, &cluster) {
            cluster = self.folder.read()?;
            let turn = self.turn()?;
            errors = if turn == Turn::Trouble { errors + 1 } else { 0 };
            wait = self.wait(turn, errors)?;
            tracing::debug!(?turn, seconds = wait.as_secs(), "waiting");
        }
        tracing::info!(cluster = self.folder.name(), "stopped");
        Ok(())
    }

    fn wait(&self, turn: Turn, errors: u32) -> Result<Duration, Refusal> {
        let Cluster { config, record, .. } = self.folder.read()?;
        let interval = Duration::from_secs(config.interval);
        let wait = match turn {
            Turn::Applied | Turn::Stopped => return Ok(Duration::ZERO),
            Turn::Later => interval,
            Turn::Trouble => doubled(FIRST_RETRY.min(interval), errors.saturating_sub(1)),
            Turn::Quiet => {
                // An automatic retry may be due earlier.
                let failure = record.failure.filter(|failure| failure.tries < MOST_TRIES);
                let retry = failure.map(|failure| retry_at(&failure) - self.clock.now());
                retry.map_or(interval, |retry| interval.min(retry.to_std().unwrap_or_default().max(PAUSE)))
            }
        };
        Ok(wait.mul_f64(0.9 + 0.2 * random()))
    }

    /// Waits for the given time, or until settings or orders change. Returns whether the agent should
    /// continue.
    fn rest(&self, wait: Duration, before: &Cluster) -> bool {
        let start = self.clock.monotonic();
        let is_same =
            |now: Cluster| (now.config, now.orders) == (before.config.clone(), before.orders.clone());
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return false;
            }
            let left = wait.saturating_sub(self.clock.monotonic().saturating_sub(start));
            if left.is_zero() || !self.folder.read().is_ok_and(is_same) {
                return true;
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }

    /// One turn: checks, and applies a release if one is due and allowed.
    ///
    /// # Errors
    /// When the cluster's folder cannot be used.
    pub fn turn(&self) -> Result<Turn, Refusal> {
        let turn = if self.wait_for_orphan()? { self.check_and_update() } else { Ok(Turn::Stopped) };
        self.folder.change(|cluster| cluster.record.at_step(None))?;
        turn
    }

    /// Waits until an `--apply` ends that a killed agent has left behind: two must never run at once.
    /// Returns whether it ended by itself.
    fn wait_for_orphan(&self) -> Result<bool, Refusal> {
        let orphan = self.folder.applying();
        let mut is_told = false;
        // Nobody knows for how long it has run by a clock that only goes on.
        let start = self.clock.monotonic();
        while orphan.is_running()? {
            let limit = self.folder.read()?.config.apply_timeout;
            let ran = self.clock.monotonic().saturating_sub(start);
            if let Some(limit) = limit.filter(|limit| ran > Duration::from_secs(*limit)) {
                orphan.stop(&self.clock)?;
                self.folder.change(|cluster| note_timeout(cluster, limit, self.clock.now()))?;
                return Ok(true);
            }
            if !is_told {
                let name = self.folder.name();
                tracing::warn!(cluster = name, "waiting for the `--apply` of an agent that was killed");
                is_told = true;
            }
            if self.must_stop() {
                orphan.stop(&self.clock)?;
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(true)
    }

    fn check_and_update(&self) -> Result<Turn, Refusal> {
        let name = self.folder.name();
        let look = match look(&self.folder, &self.clock, true, &self.stop) {
            Ok(look) => look,
            Err(error) => {
                tracing::warn!(cluster = name, kind = error.kind(), %error, "the check failed");
                return Ok(Turn::Trouble);
            }
        };
        let answer = look.checked.answer();
        let traffic = look.server.traffic();
        tracing::info!(
            cluster = name,
            current = %look.checked.current,
            code = answer.advice.code(),
            requests = traffic.requests(),
            bytes = traffic.bytes(),
            "{}",
            notes::advice(&look.checked, &look.config)
        );
        if let Some(outage) = &look.outage {
            tracing::warn!(cluster = name, kind = outage.kind(), error = %outage, "using the last advice");
        }
        let cluster = self.folder.change(|cluster| note_interruption(cluster, self.clock.now()))?;
        if let Some(note) = Overtaken::of(name, &cluster) {
            tracing::warn!(cluster = name, "{note}");
        }
        let target = answer.advice.target().filter(|release| self.may_apply(&cluster, &release.version));
        let Some(release) = target else {
            return Ok(if look.outage.is_some() { Turn::Trouble } else { Turn::Quiet });
        };
        match self.update(&look, release, cluster.orders.retries) {
            Err(Refusal::Stopped { what }) => {
                tracing::info!(cluster = name, "{what} was stopped");
                Ok(Turn::Stopped)
            }
            Err(refusal) => {
                tracing::warn!(cluster = name, kind = refusal.kind(), error = %refusal, "the update failed");
                if matches!(refusal, Refusal::NoSpace { .. }) {
                    // What has arrived cannot be used, and the disk is not the agent's alone.
                    let _ = fs::remove_dir_all(self.folder.downloads(&release.version));
                }
                let trouble = Failure::of(&refusal, Some(&release.version), self.clock.now());
                self.folder.change(|cluster| cluster.record.troubled(trouble))?;
                Ok(Turn::Trouble)
            }
            turn => turn,
        }
    }

    /// Whether a release may be applied now.
    fn may_apply(&self, cluster: &Cluster, version: &Version) -> bool {
        if cluster.config.apply.is_none() || !is_wanted(cluster, version) {
            return false;
        }
        match cluster.record.failure.as_ref().filter(|failure| failure.version.as_ref() == Some(version)) {
            None => true,
            Some(failure) if cluster.orders.retries > failure.retries => true,
            Some(failure) => {
                cluster.config.approval == Approval::Automatic
                    && failure.tries < MOST_TRIES
                    && is_due(failure, self.clock.now())
            }
        }
    }

    /// Whether an update in progress must stop.
    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
            || self.folder.read().is_ok_and(|cluster| cluster.orders.paused.is_some())
    }

    fn step(&self, step: Step) -> Result<(), Refusal> {
        let now = self.clock.now();
        self.folder.change(|cluster| cluster.record.at_step(Some((step, now)))).map(drop)
    }

    /// Downloads a release, verifies everything again, and applies it.
    fn update(&self, look: &Look, release: &Release, retries: u64) -> Result<Turn, Refusal> {
        let version = &release.version;
        let payloads = wanted(version, &release.payloads, look.config.arch.as_deref())?;
        self.step(Step::Download)?;
        let downloads = self.folder.downloads(version);
        let checked = Cell::new(self.clock.monotonic());
        let interval = Duration::from_secs(look.config.interval);
        // A server could let a payload trickle for days, and keep a yank from the agent for as long.
        let is_outdated = || {
            if self.clock.monotonic().saturating_sub(checked.get()) < interval {
                return false;
            }
            let is_advised = is_advised(version, &self.folder, &self.clock, &self.stop);
            checked.set(self.clock.monotonic());
            !is_advised
        };
        let recorder = Recorder::new(&self.folder, &self.clock);
        let size = payloads.iter().map(|payload| payload.size).fold(0, u64::saturating_add);
        let stop = || {
            recorder.download(&downloads, size);
            self.must_stop() || is_outdated()
        };
        durable::create_below(self.folder.path(), &downloads, Mode::Private)?;
        let download = Download { fetch: &*look.server, folder: &downloads, stop: &stop };
        download.clear(&release.payloads, &payloads)?;
        download.check_space(&payloads)?;
        for payload in &payloads {
            download.payload(version, payload)?;
            tracing::info!(cluster = self.folder.name(), %version, file = payload.file, "downloaded");
        }
        self.step(Step::Verify)?;
        let config = self.verify(look, version, &downloads, &payloads)?;
        self.apply(&config, look, version, &downloads, &payloads, retries)
    }

    /// Verifies a release again, just before it is applied: the download of a large payload may have taken
    /// a day.
    fn verify(
        &self,
        look: &Look,
        version: &Version,
        downloads: &Path,
        payloads: &[&Payload],
    ) -> Result<Config, Refusal> {
        let current = command::current(&look.config.current, self.folder.path(), &self.clock, None).ok();
        let checked = look.client.recheck(&look.config.channel, &look.checked.current)?;
        let target = checked.answer().advice.target().map(|target| target.version.clone());
        let cluster = self.folder.read()?;
        if current.as_ref() != Some(&look.checked.current)
            || target.as_ref() != Some(version)
            || cluster.config.channel != look.config.channel
            || !is_wanted(&cluster, version)
        {
            return Err(stopped(version));
        }
        durable::create_below(self.folder.path(), downloads, Mode::Private)?;
        if let Some(raw) = checked.manifests.get(version) {
            durable::write(&downloads.join("release.json"), raw, Mode::Private)?;
        }
        payloads.iter().try_for_each(|payload| check(&downloads.join(&payload.file), payload))?;
        Ok(cluster.config)
    }

    /// Runs the operator's command, and records the result.
    fn apply(
        &self,
        config: &Config,
        look: &Look,
        version: &Version,
        downloads: &Path,
        payloads: &[&Payload],
        retries: u64,
    ) -> Result<Turn, Refusal> {
        let Some(command) = &config.apply else { return Ok(Turn::Quiet) };
        self.step(Step::Apply)?;
        let Record { begun, failure, .. } = self.folder.read()?.record;
        let begun = begun.filter(|begun| begun.version == *version && begun.retries == retries);
        let failure =
            failure.filter(|failure| failure.version.as_ref() == Some(version) && failure.retries == retries);
        let interrupted = failure.as_ref().filter(|failure| failure.kind == INTERRUPTED);
        let tries =
            1 + begun.map_or(0, |begun| begun.tries).max(interrupted.map_or(0, |failure| failure.tries));
        let name = self.folder.name();
        let folder = fs::canonicalize(downloads).map_err(Refusal::state(downloads))?;
        let shown = |path: &Path| path.display().to_string();
        let mut environment = vec![
            ("TIDEGATE_CLUSTER", name.to_owned()),
            ("TIDEGATE_CHANNEL", look.checked.channel.to_string()),
            ("TIDEGATE_FROM", look.checked.current.to_string()),
            ("TIDEGATE_VERSION", version.to_string()),
            ("TIDEGATE_PAYLOAD_DIR", shown(&folder)),
            ("TIDEGATE_RELEASE", shown(&folder.join("release.json"))),
        ];
        if let [only] = payloads {
            environment.push(("TIDEGATE_PAYLOAD", shown(&folder.join(&only.file))));
        }
        tracing::info!(cluster = name, from = %look.checked.current, %version, "applying");
        let stop = || self.must_stop();
        let recorder = Recorder::new(&self.folder, &self.clock);
        let tell = |progress: &Progress| recorder.record(progress);
        let running = self.folder.applying().begin()?;
        let begun = Begun { version: version.clone(), tries, retries };
        self.folder.change(|cluster| cluster.record.begun = Some(begun))?;
        let limit = (&self.clock, config.apply_timeout.map(Duration::from_secs));
        let ended = command::apply(command, self.folder.path(), &environment, limit, &stop, &tell);
        if !self.stop.load(Ordering::SeqCst) {
            self.folder.change(|cluster| cluster.record.begun = None)?;
        }
        match ended {
            Ok(Ended::Done | Ended::Later(_) | Ended::Failed(_)) => running.end(),
            Ok(Ended::Stopped | Ended::TimedOut(_)) | Err(_) => drop(running),
        }
        let (kind, reason) = match ended {
            Ok(Ended::Done) => match command::current(&config.current, self.folder.path(), &self.clock, None)
            {
                Ok(now) if now == *version => {
                    tracing::info!(cluster = name, %version, "applied");
                    self.folder.change(|Cluster { orders, record, .. }| {
                        record.applied(now.clone(), self.clock.now());
                        (record.current, record.target, record.failure) = (Some(now), None, None);
                        record.begun = None;
                        // An approval is for one update: if the cluster falls back, somebody must take a look.
                        orders.approved.take_if(|approved| approved == version);
                    })?;
                    return Ok(Turn::Applied);
                }
                Ok(now) => ("NotApplied", format!("it succeeded, but the cluster runs `{now}`")),
                Err(why) => ("NotApplied", format!("it succeeded, but {why}")),
            },
            Ok(Ended::Later(why)) => {
                tracing::info!(cluster = name, %version, why, "to be retried later");
                let note = format!("applying `{version}` will be retried later: {why}");
                self.folder.change(|cluster| cluster.record.notes.push(note))?;
                return Ok(Turn::Later);
            }
            Ok(Ended::Stopped) => return Err(stopped(version)),
            Ok(Ended::Failed(why)) => ("ApplyFailed", why),
            Ok(Ended::TimedOut(why)) => (TIMED_OUT, too_long(config.apply_timeout.unwrap_or_default(), &why)),
            Err(error) => ("ApplyFailed", format!("it cannot be run: {error}")),
        };
        let tries = failure.map_or(1, |failure| failure.tries + 1);
        let retry = notes::retry(name);
        tracing::warn!(cluster = name, %version, kind, reason, "the release was not applied; {retry}");
        let (kind, at, version) = (kind.to_owned(), self.clock.now(), Some(version.clone()));
        self.folder.change(|Cluster { record, .. }| {
            record.begun = None;
            record.failed(Failure { kind, reason, at, version, tries, retries });
        })?;
        Ok(Turn::Quiet)
    }
}

fn stopped(version: &Version) -> Refusal {
    Refusal::Stopped { what: format!("the update to `{version}`") }
}

/// Records that an update has failed which was started more than once without being seen to end. The first
/// time may have been a power cut, but a machine that goes down each time must not be kept at it.
fn note_interruption(Cluster { record, .. }: &mut Cluster, at: Time) {
    let Some(Begun { version, tries, retries }) = record.begun.take_if(|begun| begun.tries > 1) else {
        return;
    };
    let kind = INTERRUPTED.to_owned();
    let reason = format!("it was started {tries} times, and the agent went down each time before it ended");
    record.failed(Failure { kind, reason, at, version: Some(version), tries, retries });
}

/// Records that the `--apply` of an agent that was killed took too long.
fn note_timeout(Cluster { record, .. }: &mut Cluster, limit: u64, at: Time) {
    let Some(Begun { version, tries, retries }) = record.begun.take() else { return };
    let (kind, reason, version) = (TIMED_OUT.to_owned(), too_long(limit, ""), Some(version));
    record.failed(Failure { kind, reason, at, version, tries, retries });
}

fn too_long(limit: u64, output: &str) -> String {
    let joint = if output.is_empty() { "" } else { ": " };
    format!(
        "it was stopped because it ran longer than `--apply-timeout {}`{joint}{output}",
        Span::of_seconds(limit)
    )
}

/// Whether the operator wants a release to be applied.
fn is_wanted(Cluster { config, orders, .. }: &Cluster, version: &Version) -> bool {
    let approved = config.approval == Approval::Automatic || orders.approved.as_ref() == Some(version);
    approved && orders.paused.is_none()
}

/// Whether an automatic retry is due. A failure in the future was recorded while the clock was fast.
fn is_due(failure: &Failure, now: Time) -> bool {
    now < failure.at || retry_at(failure) <= now
}

/// When an automatic retry is due.
fn retry_at(failure: &Failure) -> Time {
    let wait = doubled(FIRST_RETRY, failure.tries.saturating_sub(1));
    failure.at + TimeDelta::from_std(wait).unwrap_or_default()
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(LONGEST_RETRY)
}

/// A random number from 0 to 1. If the system provides no randomness, the only consequence is that clusters
/// ask at the same time.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
