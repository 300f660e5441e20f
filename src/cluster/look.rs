//! Looks at a cluster: which version it runs, and what it should do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::client::{Checked, Client};
use super::command;
use super::fetch::Pace;
use super::folder::{Cluster, Config, Failure, Folder, MOST_TRIES, Told};
use super::http::{Server, Stop};
use super::manifests::Options;
use super::notes::{advice, first, of_check};
use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::domain::span::Span;
use crate::domain::version::Version;

/// The result of looking at a cluster.
pub struct Look {
    pub config: Config,
    pub client: Client,
    pub server: Arc<Server>,
    pub checked: Checked,
    /// Why the server could not be asked, if the advice is from the trusted state instead.
    pub outage: Option<Refusal>,
}

/// Looks at a cluster, and records the result.
///
/// If `patient`, the trusted state is used during an outage, until it expires. `stop` ends it early.
///
/// # Errors
/// When the version that the cluster runs is unknown, or the server's documents are refused.
pub fn look(folder: &Folder, clock: &SharedClock, patient: bool, stop: &Stop) -> Result<Look, Refusal> {
    let looked = try_look(folder, clock, patient, stop);
    if looked.is_err() && stop.load(Ordering::SeqCst) {
        // Stopping on request is not a failure.
        return looked;
    }
    folder.change(|cluster| match &looked {
        Ok(look) => note(cluster, &look.checked, look.outage.as_ref()),
        Err(refusal) => cluster.record.troubled(Failure::of(refusal, None, clock.now())),
    })?;
    looked
}

fn try_look(folder: &Folder, clock: &SharedClock, patient: bool, stop: &Stop) -> Result<Look, Refusal> {
    let config = folder.read()?.config;
    let (server, client) = client(folder, &config, clock, stop, None)?;
    let current = command::current(&config.current, folder.path(), clock, None)?;
    let (checked, outage) = match client.check(&config.channel, &current) {
        Err(refusal) if patient && refusal.is_outage() => match client.recheck(&config.channel, &current) {
            Ok(checked) => (checked, Some(refusal)),
            // Report the outage, not the document that is missing because of it.
            Err(_) => return Err(refusal),
        },
        checked => (checked?, None),
    };
    Ok(Look { config, client, server, checked, outage })
}

/// Looks at a cluster again, and returns whether a release is still the one that it should take.
pub fn is_advised(version: &Version, folder: &Folder, clock: &SharedClock, stop: &Stop) -> bool {
    let looked = look(folder, clock, true, stop);
    let target = |look: &Look| look.checked.answer().advice.target().map(|target| target.version.clone());
    looked.is_ok_and(|look| target(&look).as_ref() == Some(version))
}

/// Makes the client of a cluster, and the server that it asks. `deadline` is the monotonic time by which all must be done.
///
/// # Errors
/// When the settings are invalid.
pub fn client(
    folder: &Folder,
    config: &Config,
    clock: &SharedClock,
    stop: &Stop,
    deadline: Option<Duration>,
) -> Result<(Arc<Server>, Client), Refusal> {
    let server = Server::new(&config.server, config.ca.as_deref(), Pace::default(), Arc::clone(clock))
        .map_err(Refusal::Client)?;
    let server = Arc::new(server.until(stop).by(deadline));
    let options = Options { demo: config.demo, stale_ok: Span::of_seconds(config.stale_ok).0 };
    let fetch = Arc::clone(&server) as _;
    let client = Client::new(folder.path(), folder.root()?, fetch, Arc::clone(clock), options);
    Ok((server, client.for_arch(config.arch.as_deref()).by(deadline)))
}

/// Records the result of a check.
pub fn note(cluster: &mut Cluster, checked: &Checked, outage: Option<&Refusal>) {
    let Cluster { config, orders, record } = cluster;
    let answer = checked.answer();
    if let Some(begun) = record.begun.take_if(|begun| begun.version <= checked.current) {
        record.applied(begun.version, checked.now);
    }
    record.current = Some(checked.current.clone());
    record.target = answer.advice.target().map(|release| release.version.clone());
    record.advice = Some(Told {
        action: answer.advice.action().to_owned(),
        code: answer.advice.code().to_owned(),
        message: advice(checked, config),
        follow: first(checked),
    });
    record.expires = Some(checked.expires);
    record.age = checked.age().and_then(|age| u64::try_from(age.num_seconds()).ok());
    record.notes = of_check(checked, config);
    record.channels.clone_from(&checked.channels);
    record.next.clone_from(&checked.next);
    match outage {
        Some(outage) => {
            record.notes.insert(0, format!("{}; the last advice still applies", outage.recorded()));
        }
        None => record.checked = Some(checked.now),
    }
    record.withdrawn = orders.approved.as_ref().and_then(|approved| checked.withdrawn(approved));
    record.trouble = None;
    // An old failure does not matter once the cluster runs that release or a newer one. Nor does an approval.
    let is_ahead = |version: &Version| *version > checked.current;
    record.failure.take_if(|failure| {
        // Somebody has allowed a retry, but there is nothing to retry any more.
        let is_settled = orders.retries > failure.retries && failure.version != record.target;
        is_settled || !failure.version.as_ref().is_some_and(is_ahead)
    });
    orders.approved.take_if(|approved| !is_ahead(approved));
    if let Some(applied) = record.applied.take_if(|applied| is_ahead(applied)) {
        // Applying it again would only end the same way, so somebody must take a look.
        record.failed(Failure {
            kind: "FellBack".to_owned(),
            reason: format!("it was applied, but the cluster runs `{}` again", checked.current),
            at: checked.now,
            version: Some(applied),
            tries: MOST_TRIES,
            retries: orders.retries,
        });
    }
}
