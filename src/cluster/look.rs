//! A look at how things stand: what the cluster runs, and what it should do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::{Checked, Client};
use super::command;
use super::fetch::{Pace, Traffic};
use super::folder::{Config, Failure, Folder, Record, Stamp, Told};
use super::http::{Server, ServerError, Stop};
use super::manifests::Options;
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::domain::rfc3339;
use crate::words;

/// What a look has shown.
pub struct Look {
    pub config: Config,
    pub client: Client,
    pub server: Arc<Server>,
    pub checked: Checked,
    /// Why the advice is the last one and not the newest.
    pub outage: Option<Refusal>,
    pub traffic: Traffic,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error("the version that runs is not known: {0}")]
    Current(String),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl LookError {
    /// The stable word for it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Current(_) => "CurrentUnknown",
            Self::Server(_) => "Server",
            Self::Refused(refusal) => refusal.kind(),
        }
    }

    /// What the operator may do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Current(_) => "`--current CMD` prints the version on stdout, and ends with 0",
            Self::Server(_) => "remove the cluster and add it with another `--server` or `--ca`",
            Self::Refused(refusal) => refusal.hint(),
        }
    }
}

/// Looks, and writes down what there was to see.
///
/// `patient`: in an outage the last advice is as good, as long as it holds. `stop` ends it early.
///
/// # Errors
/// When the version that runs is not known, or what the server has is refused.
pub fn look(folder: &Folder, clock: &SharedClock, patient: bool, stop: &Stop) -> Result<Look, LookError> {
    let looked = try_look(folder, clock, patient, stop);
    if looked.is_err() && stop.load(Ordering::SeqCst) {
        // Whoever ends nicely leaves no trouble behind.
        return looked;
    }
    let now = Stamp(clock.now());
    folder.change_record(|record| match &looked {
        Ok(look) => note(record, look),
        Err(error) => {
            record.trouble = Some(Failure {
                kind: error.kind().to_owned(),
                reason: error.to_string(),
                at: now,
                version: None,
                tries: 0,
                retries: 0,
            });
        }
    })?;
    looked
}

fn try_look(folder: &Folder, clock: &SharedClock, patient: bool, stop: &Stop) -> Result<Look, LookError> {
    let config = folder.config()?;
    let (server, client) = client(folder, &config, clock, stop)?;
    let current = command::current(&config.current, folder.path(), clock).map_err(LookError::Current)?;
    let (checked, outage) = match client.check(&config.channel, &current) {
        Ok(checked) => (checked, None),
        // What was verified last says more about it than what could not be had now.
        Err(refusal) if patient && refusal.is_outage() => match client.recheck(&config.channel, &current) {
            Ok(checked) => (checked, Some(refusal)),
            Err(_) => return Err(refusal.into()),
        },
        Err(refusal) => return Err(refusal.into()),
    };
    let traffic = server.traffic();
    Ok(Look { config, client, server, checked, outage, traffic })
}

/// The client of a cluster, and the server that it asks.
///
/// # Errors
/// When the settings do not make one.
pub fn client(
    folder: &Folder,
    config: &Config,
    clock: &SharedClock,
    stop: &Stop,
) -> Result<(Arc<Server>, Client), LookError> {
    let server = Server::new(&config.server, config.ca.as_deref(), Pace::default(), Arc::clone(clock))?;
    let server = Arc::new(server.until(stop));
    let stale_ok = i64::try_from(config.stale_ok).ok().and_then(chrono::TimeDelta::try_seconds);
    let options = Options { demo: config.demo, stale_ok: stale_ok.unwrap_or(chrono::TimeDelta::MAX) };
    let fetch = Arc::clone(&server) as _;
    let client = Client::new(folder.path(), folder.root()?, fetch, Arc::clone(clock), options);
    Ok((server, client))
}

fn note(record: &mut Record, look: &Look) {
    note_advice(record, &look.checked);
    match &look.outage {
        Some(outage) => record.notes.insert(0, format!("{outage}; the last advice holds on")),
        None => record.checked = Some(Stamp(look.checked.now)),
    }
}

/// Writes down what follows from a check.
pub fn note_advice(record: &mut Record, checked: &Checked) {
    let answer = checked.answer();
    record.current = Some(checked.current.clone());
    record.target = answer.advice.target().map(|release| release.version.clone());
    record.advice = Some(Told {
        action: answer.advice.action().to_owned(),
        code: answer.advice.code().to_owned(),
        message: words::answer(&answer),
    });
    record.expires = Some(Stamp(checked.expires));
    record.age = checked.age().and_then(|age| u64::try_from(age.num_seconds()).ok());
    record.notes = notes(checked);
    record.trouble = None;
    // What failed once does not matter any more, where the cluster has it or something newer.
    let old = |failure: &Failure| failure.version.as_ref().is_none_or(|version| *version <= checked.current);
    if record.failure.as_ref().is_some_and(old) {
        record.failure = None;
    }
}

fn notes(checked: &Checked) -> Vec<String> {
    let skipped = checked.skipped.iter().map(|skipped| {
        let from = skipped
            .not_before
            .map_or_else(|| "later".to_owned(), |from| format!("from `{}` on", rfc3339(from)));
        format!(
            "release `{}` is in `{}` since `{}`, and its release keys allow that {from}: it is skipped",
            skipped.version,
            skipped.channel,
            rfc3339(skipped.since)
        )
    });
    let withheld = checked.withheld.iter().map(|version| {
        format!("release `{version}` is signed, and the server withholds its manifest: it may be a barrier, and is not jumped")
    });
    skipped.chain(withheld).collect()
}
