//! The agent: looks, downloads and applies, again and again.

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;

use super::command::{self, Ended};
use super::download::{Download, check, check_wanted, wanted};
use super::folder::{Approval, Config, Failure, Folder, Orders, Record, Stamp, Step};
use super::http::Stop;
use super::look::{Look, look};
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::domain::release::Release;
use crate::domain::version::Version;
use crate::store::durable::{self, Mode};
use crate::words;

/// How long after a first error it is tried again; each further one doubles that, up to an hour.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// How often a release that failed is applied again where nobody approves: what five tries over half
/// an hour do not bring about takes a person.
const MOST_TRIES: u32 = 5;

/// How often the agent looks whether its operator wants something else.
const PAUSE: Duration = Duration::from_millis(500);

/// The agent of one cluster.
pub struct Agent {
    pub folder: Folder,
    pub name: String,
    pub clock: SharedClock,
    /// Set once the process shall end.
    pub stop: Stop,
}

/// What a turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do, or nothing that may be done.
    Quiet,
    /// A release was applied: the next step of the way can be looked for at once.
    Applied,
    /// Something was in the way.
    Trouble,
    /// The command wants to be tried again later.
    Later,
    /// It was told to stop.
    Stopped,
}

impl Agent {
    /// Goes on until it is told to stop.
    ///
    /// # Errors
    /// When the cluster's folder cannot be used.
    pub fn run(&self) -> Result<(), Refusal> {
        // Before what is decided by them: an order that comes in between is then seen as a new one.
        let mut seen = self.folder.wishes();
        let record = self.folder.record()?;
        let mut wait = match self.folder.config() {
            // What was begun is ended, and what was never looked at is looked at.
            _ if record.checked.is_none() || record.step.is_some() => Duration::ZERO,
            Ok(config) if self.is_due(&config, &record)? => Duration::ZERO,
            // Clusters that were started together do not ask together.
            Ok(config) => Duration::from_secs(config.interval).mul_f64(random()),
            Err(refusal) => return Err(refusal),
        };
        let mut errors = 0;
        while self.rest(wait, &seen) {
            seen = self.folder.wishes();
            let turn = self.turn()?;
            errors = if turn == Turn::Trouble { errors + 1 } else { 0 };
            wait = self.wait(turn, errors)?;
            tracing::debug!(?turn, seconds = wait.as_secs(), "waiting");
        }
        tracing::info!(cluster = self.name, "stopped");
        Ok(())
    }

    /// Whether a release waits for nothing but an agent.
    fn is_due(&self, config: &Config, record: &Record) -> Result<bool, Refusal> {
        let orders = self.folder.orders()?;
        Ok(record.target.as_ref().is_some_and(|target| self.may_apply(config, &orders, record, target)))
    }

    fn wait(&self, turn: Turn, errors: u32) -> Result<Duration, Refusal> {
        let interval = Duration::from_secs(self.folder.config()?.interval);
        let doubled = |first: Duration, times: u32| {
            first.min(interval).saturating_mul(1 << times.min(16)).min(LONGEST_RETRY)
        };
        let wait = match turn {
            Turn::Applied | Turn::Stopped => return Ok(Duration::ZERO),
            Turn::Trouble => doubled(FIRST_RETRY, errors.saturating_sub(1)),
            Turn::Later | Turn::Quiet => interval,
        };
        // An automatic retry may be due before.
        let record = self.folder.record()?;
        let retry = record
            .failure
            .filter(|failure| failure.tries < MOST_TRIES)
            .map(|failure| (retry_at(&failure) - self.clock.now()).to_std().unwrap_or_default());
        let wait = retry.filter(|_| turn == Turn::Quiet).map_or(wait, |retry| wait.min(retry.max(PAUSE)));
        Ok(wait.mul_f64(0.9 + 0.2 * random()))
    }

    /// Waits. Whether to go on; that is sooner when the operator wants something else than is `seen`.
    fn rest(&self, wait: Duration, seen: &[Option<Vec<u8>>; 2]) -> bool {
        let start = self.clock.monotonic();
        loop {
            if self.stop.load(Ordering::SeqCst) {
                return false;
            }
            let left = wait.saturating_sub(self.clock.monotonic().saturating_sub(start));
            if left.is_zero() || self.folder.wishes() != *seen {
                return true;
            }
            std::thread::sleep(left.min(PAUSE));
        }
    }

    /// One turn: look, and do what may be done.
    ///
    /// # Errors
    /// When the cluster's folder cannot be used.
    pub fn turn(&self) -> Result<Turn, Refusal> {
        let look = match look(&self.folder, &self.clock, true, &self.stop) {
            Ok(look) => look,
            Err(error) => {
                tracing::warn!(cluster = self.name, kind = error.kind(), %error, "the check failed");
                self.folder.change_record(|record| record.step = None)?;
                return Ok(Turn::Trouble);
            }
        };
        let answer = look.checked.answer();
        tracing::info!(
            cluster = self.name,
            current = %look.checked.current,
            code = answer.advice.code(),
            requests = look.traffic.requests(),
            bytes = look.traffic.bytes(),
            "{}",
            words::answer(&answer)
        );
        if let Some(outage) = &look.outage {
            tracing::warn!(cluster = self.name, kind = outage.kind(), error = %outage, "going on with the last advice");
        }
        let quiet = if look.outage.is_some() { Turn::Trouble } else { Turn::Quiet };
        let Some(release) = answer.advice.target() else {
            self.folder.change_record(|record| record.step = None)?;
            return Ok(quiet);
        };
        let (orders, record) = (self.folder.orders()?, self.folder.record()?);
        if !self.may_apply(&look.config, &orders, &record, &release.version) {
            self.folder.change_record(|record| record.step = None)?;
            return Ok(quiet);
        }
        let turn = self.update(&look, release, &orders);
        self.folder.change_record(|record| record.step = None)?;
        match turn {
            Ok(turn) => Ok(turn),
            Err(Refusal::Stopped { what }) => {
                tracing::info!(cluster = self.name, "{what} was told to stop");
                Ok(Turn::Stopped)
            }
            Err(refusal) => {
                tracing::warn!(cluster = self.name, kind = refusal.kind(), error = %refusal, "the update failed");
                self.folder.change_record(|record| {
                    record.trouble = Some(Failure {
                        kind: refusal.kind().to_owned(),
                        reason: refusal.to_string(),
                        at: Stamp(self.clock.now()),
                        version: Some(release.version.clone()),
                        tries: 0,
                        retries: 0,
                    });
                })?;
                Ok(Turn::Trouble)
            }
        }
    }

    /// Whether a release may be applied now.
    fn may_apply(&self, config: &Config, orders: &Orders, record: &Record, version: &Version) -> bool {
        if config.apply.is_none() || !is_wanted(config, orders, version) {
            return false;
        }
        match record.failure.as_ref().filter(|failure| failure.version.as_ref() == Some(version)) {
            None => true,
            Some(failure) if orders.retries > failure.retries => true,
            Some(failure) => {
                config.approval == Approval::Automatic
                    && failure.tries < MOST_TRIES
                    && retry_at(failure) <= self.clock.now()
            }
        }
    }

    /// Whether to leave off.
    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.folder.orders().is_ok_and(|orders| orders.paused.is_some())
    }

    fn step(&self, step: Step) -> Result<(), Refusal> {
        self.folder.change_record(|record| record.step = Some(step)).map(drop)
    }

    /// Downloads, verifies once more, and applies.
    fn update(&self, look: &Look, release: &Release, orders: &Orders) -> Result<Turn, Refusal> {
        let (config, version) = (&look.config, &release.version);
        check_wanted(release, config.arch.as_deref())?;
        self.step(Step::Download)?;
        let downloads = self.folder.downloads(version);
        forget_other_downloads(&downloads);
        let stop = || self.must_stop();
        let download = Download { fetch: &*look.server, folder: &downloads, stop: &stop };
        let payloads = wanted(&release.payloads, config.arch.as_deref());
        for payload in payloads.clone() {
            download.payload(version, payload)?;
            tracing::info!(cluster = self.name, %version, file = payload.file, "downloaded");
        }

        self.step(Step::Verify)?;
        // Between the check and now a large payload may have come, and a day gone by.
        let now = command::current(&config.current, self.folder.path(), &self.clock);
        let checked = look.client.recheck(&config.channel, &look.checked.current)?;
        let still = checked.answer().advice.target().map(|target| target.version.clone());
        let (config, orders) =
            (self.folder.config()?, Orders { retries: orders.retries, ..self.folder.orders()? });
        if now.as_ref() != Ok(&look.checked.current)
            || still.as_ref() != Some(version)
            || config.channel != look.config.channel
            || !is_wanted(&config, &orders, version)
        {
            return Err(Refusal::Stopped { what: format!("the update to `{version}`") });
        }
        durable::create_folder(&downloads, Mode::Private)?;
        let manifest = downloads.join("release.json");
        if let Some(raw) = checked.manifests.get(version) {
            durable::write(&manifest, raw, Mode::Private)?;
        }
        for payload in payloads.clone() {
            check(&downloads.join(&payload.file), payload)?;
        }

        let Some(apply) = &config.apply else { return Ok(Turn::Quiet) };
        self.step(Step::Apply)?;
        let folder = fs::canonicalize(&downloads).map_err(Refusal::state(&downloads))?;
        let shown = |path: &std::path::Path| path.display().to_string();
        let mut environment = vec![
            ("TIDEGATE_CLUSTER", self.name.clone()),
            ("TIDEGATE_CHANNEL", checked.channel.to_string()),
            ("TIDEGATE_FROM", checked.current.to_string()),
            ("TIDEGATE_VERSION", version.to_string()),
            ("TIDEGATE_PAYLOAD_DIR", shown(&folder)),
            ("TIDEGATE_RELEASE", shown(&folder.join("release.json"))),
        ];
        let mut files = payloads.clone();
        if let (Some(only), None) = (files.next(), files.next()) {
            environment.push(("TIDEGATE_PAYLOAD", shown(&folder.join(&only.file))));
        }
        tracing::info!(cluster = self.name, from = %checked.current, %version, "applying");
        let ended = command::apply(apply, self.folder.path(), &environment, &self.clock, &stop);
        let (kind, reason) = match ended {
            Ok(Ended::Done) => match command::current(&config.current, self.folder.path(), &self.clock) {
                Ok(now) if now == *version => {
                    tracing::info!(cluster = self.name, %version, "applied");
                    self.folder.change_record(|record| {
                        (record.current, record.target, record.failure) = (Some(now), None, None);
                    })?;
                    return Ok(Turn::Applied);
                }
                Ok(now) => ("NotApplied", format!("it ended well, and the cluster runs `{now}`")),
                Err(why) => ("NotApplied", format!("it ended well, and {why}")),
            },
            Ok(Ended::Later(why)) => {
                tracing::info!(cluster = self.name, %version, why, "it is to be tried again later");
                let note = format!("applying `{version}` is to be tried again later: {why}");
                self.folder.change_record(|record| record.notes.push(note))?;
                return Ok(Turn::Later);
            }
            Ok(Ended::Stopped) => {
                return Err(Refusal::Stopped { what: format!("the update to `{version}`") });
            }
            Ok(Ended::Failed(why)) => ("ApplyFailed", why),
            Err(error) => ("ApplyFailed", format!("it could not be run: {error}")),
        };
        tracing::warn!(cluster = self.name, %version, kind, reason, "the release was not applied");
        self.folder.change_record(|record| {
            let before = record.failure.take().filter(|failure| {
                failure.version.as_ref() == Some(version) && failure.retries == orders.retries
            });
            record.failure = Some(Failure {
                kind: kind.to_owned(),
                reason,
                at: Stamp(self.clock.now()),
                version: Some(version.clone()),
                tries: before.map_or(1, |failure| failure.tries + 1),
                retries: orders.retries,
            });
        })?;
        Ok(Turn::Quiet)
    }
}

/// Removes what was downloaded of other releases. What cannot be removed only takes space.
fn forget_other_downloads(keep: &std::path::Path) {
    let Some(entries) = keep.parent().and_then(|above| fs::read_dir(above).ok()) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path != keep) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Whether the operator wants a release applied.
fn is_wanted(config: &Config, orders: &Orders, version: &Version) -> bool {
    let approved = config.approval == Approval::Automatic || orders.approved.as_ref() == Some(version);
    approved && orders.paused.is_none()
}

/// When an automatic retry is due.
fn retry_at(failure: &Failure) -> crate::domain::Time {
    let doubled = FIRST_RETRY.saturating_mul(1 << failure.tries.saturating_sub(1).min(16));
    failure.at.0 + TimeDelta::from_std(doubled.min(LONGEST_RETRY)).unwrap_or_default()
}

/// A number from 0 to 1. Where the system has no randomness, clusters ask in step; that is all.
fn random() -> f64 {
    let mut bytes = [0; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::clock::Clock;
    use crate::domain::Time;

    fn failure(tries: u32) -> Failure {
        let (kind, reason) = ("ApplyFailed".to_owned(), String::new());
        Failure { kind, reason, at: Stamp(Time::UNIX_EPOCH), version: None, tries, retries: 0 }
    }

    #[test]
    fn each_try_waits_twice_as_long_and_an_hour_at_most() {
        for (tries, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (6, 32), (7, 60), (40, 60)] {
            let expected = Time::UNIX_EPOCH + TimeDelta::minutes(minutes);
            assert_eq!(retry_at(&failure(tries)), expected, "{tries}");
        }
    }

    /// A clock that stands. Whoever asks it first gives the operator time for an order.
    struct Nudge(Folder, Mutex<bool>);

    impl Clock for Nudge {
        fn now(&self) -> Time {
            if !std::mem::replace(&mut *self.1.lock().unwrap(), true) {
                self.0.change_orders(|orders| orders.retries += 1).unwrap();
            }
            Time::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn an_order_that_comes_while_the_agent_starts_is_heeded_at_once() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path(), "c");
        let config = Config {
            format: 1,
            server: "http://127.0.0.1:1".to_owned(),
            channel: "1.8-production".parse().unwrap(),
            current: "exit 1".to_owned(),
            apply: Some("true".to_owned()),
            approval: Approval::Automatic,
            interval: u64::from(u32::MAX),
            arch: None,
            stale_ok: 0,
            demo: false,
            ca: None,
        };
        folder.create(&config, b"{}").unwrap();
        let target = Version::parse("1.8.9").ok();
        folder
            .change_record(|record| {
                record.checked = Some(Stamp(Time::UNIX_EPOCH));
                record.failure = Some(Failure { version: target.clone(), ..failure(1) });
                record.target = target;
            })
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let clock = Arc::new(Nudge(folder.clone(), Mutex::new(false)));
        let agent = Agent { folder: folder.clone(), name: "c".to_owned(), clock, stop: Arc::clone(&stop) };
        let running = std::thread::spawn(move || agent.run());
        let looked = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            folder.record().unwrap().trouble.is_some()
        });
        stop.store(true, Ordering::SeqCst);
        running.join().unwrap().unwrap();
        assert!(looked, "it slept on the order");
    }

    #[test]
    fn chance_is_between_none_and_all_and_not_always_the_same() {
        let found: Vec<f64> = (0..64).map(|_| random()).collect();
        assert!(found.iter().all(|chance| (0.0..=1.0).contains(chance)), "{found:?}");
        assert!(found.iter().any(|chance| *chance < 0.5) && found.iter().any(|chance| *chance > 0.5));
    }
}
