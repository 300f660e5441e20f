//! The witness: another place where one can see what was published, to compare with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::super::failure::Hint;
use super::super::recover;
use super::super::verify::source::{Origin, is_out_of_reach, own_root};
use super::{Args, Globals, public_keys};
use crate::clock::SharedClock;
use crate::domain::chain;
use crate::promoter::Promoter;
use crate::promoter::signals::{Signal, Signals};
use crate::promoter::status::Handle;
use crate::publish::Publication;
use crate::publish::continuity::{check_seen, replaces_online_keys};
use crate::signing::trust::Trust;
use crate::store::port::CatalogStore;

/// How often the promoter is looked after while it runs.
const TICK: Duration = Duration::from_secs(1);

/// After how many ticks a witness that could not be reached is asked again.
const AGAIN: usize = 10;

/// What came of asking the witness.
pub enum Asked {
    /// This server is not behind what the witness shows.
    Answered,
    /// It could not be asked, for this reason.
    Unreached(String),
}

/// A place to compare with.
pub struct Witness {
    from: Origin,
    ca: Option<PathBuf>,
    /// The folder of the catalog, with the root to trust.
    folder: PathBuf,
    catalog: Arc<dyn CatalogStore>,
    clock: SharedClock,
}

impl Witness {
    /// The witness that the user named, if any.
    pub fn of(
        args: &Args,
        globals: &Globals,
        catalog: Arc<dyn CatalogStore>,
        clock: SharedClock,
    ) -> Option<Self> {
        let (folder, ca) = (globals.catalog.clone(), args.ca.clone());
        Some(Self { from: args.witness.clone()?, ca, folder, catalog, clock })
    }

    /// Compares with what the witness shows. It can be out of reach, because it may be this very service, which
    /// is down until this server starts.
    ///
    /// What it shows must be verified and must not be ahead of `last`. Otherwise this server must not go on.
    /// A server that `is_serving` already goes on without a witness that shows something else: a stranger in
    /// its place must not end it.
    pub fn ask(&self, last: Option<&Publication>, is_serving: bool) -> anyhow::Result<Asked> {
        let from = &self.from;
        let own = own_root(None, &self.folder);
        let first = last.and_then(|last| last.roles.roots.first());
        let root = match (own, first) {
            (Ok(Some(root)), _) => Some(root),
            (_, Some(first)) => Some(first.signed.clone()),
            (own, None) => own?,
        };
        let root = root.with_context(|| format!("the catalog `{}` has no root", self.folder.display()))?;
        let seen = match recover::seen(from, self.ca.as_deref(), &root, self.clock.now()) {
            Ok(seen) => seen,
            Err(error) if is_serving || is_out_of_reach(&error) => {
                return Ok(Asked::Unreached(chain(error.as_ref())));
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot compare with the witness `{from}`"))
                    .hint("find out what is published there: `tidegate verify --from URL|DIR`; if it is no witness, start without `--witness`");
            }
        };
        let keys = public_keys(&*self.catalog).unwrap_or_default();
        let trust = Trust::read(&keys).ok().flatten();
        if trust.is_some_and(|trust| replaces_online_keys(trust.root().signed(), &seen)) {
            // Clients forget which versions a replaced key signed, so there is nothing to compare.
            tracing::warn!("what is published at `{from}` is signed by an online key that was replaced");
            return Ok(Asked::Answered);
        }
        check_seen(last, &seen)
            .with_context(|| format!("this server is behind what is published at `{from}`"))
            .hint(format!("restore its state first: `tidegate recover --from {from}`"))?;
        Ok(Asked::Answered)
    }
}

/// Runs the promoter until it is told to stop. If a witness could not be asked at the start, it is
/// asked again until it answers; if this server turns out to be behind it, the promoter stops.
pub fn run(
    promoter: Promoter,
    witness: Option<(Witness, bool)>,
    shared: &Handle,
    told: &Signals,
) -> anyhow::Result<()> {
    let Some((witness, mut asked)) = witness else {
        promoter.run(told);
        return Ok(());
    };
    let signals = Signals::default();
    let stop = signals.sender();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || promoter.run(&signals));
        let mut result = Ok(());
        for tick in 1_usize.. {
            if told.wait(TICK) == Some(Signal::Stop) || running.is_finished() {
                break;
            }
            if asked || tick % AGAIN != 0 {
                continue;
            }
            match witness.ask(shared.publication.load().as_deref(), true) {
                Ok(Asked::Unreached(why)) => shared.unasked.store(Some(Arc::new(why))),
                Ok(Asked::Answered) => {
                    asked = true;
                    shared.unasked.store(None);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let _ = stop.send(Signal::Stop);
        // A panic of the promoter goes on here.
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result
    })
}
