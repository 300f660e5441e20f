//! Whether this machine may promote: can anything be published, and is its clock right?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::super::failure::Hint;
use super::super::operation::refusal;
use super::super::recover;
use super::super::verify::source::{Origin, is_out_of_reach, own_root};
use super::super::workspace::{View, Workspace};
use crate::domain::ahead::is_ahead;
use crate::domain::{Time, chain, rfc3339};
use crate::operations::Refused;
use crate::operations::clock::{Dated, check};
use crate::promoter::{stored, timekeeper};
use crate::words::clock_reading;

/// What to compare the machine's clock with.
#[derive(Debug, clap::Args)]
pub struct Witness {
    /// Compare this machine's clock with what is published there, and do not promote if it must be wrong
    #[arg(long, value_name = "DIR|URL", env = "TIDEGATE_WITNESS")]
    witness: Option<Origin>,
    /// Check the witness's certificate against the roots in this PEM file instead of the machine's
    #[arg(long, value_name = "FILE", requires = "witness")]
    ca: Option<PathBuf>,
}

impl Witness {
    /// Refuses to promote while nothing can be published, or while the clock must be wrong. Returns notes on
    /// what else looks wrong.
    pub fn check(&self, view: &View, workspace: &Workspace) -> anyhow::Result<Vec<String>> {
        let now = workspace.now();
        let Some(trust) = view.usable_trust()? else { return Ok(Vec::new()) };
        let refused = |refused: Refused<'_>| refusal(&refused).context("nothing is promoted");
        if let Some((role, expires)) = trust.expired(now) {
            return Err(refused(Refused::Expired { role, expires, now }));
        }
        let last = stored::publication(&*workspace.state_store()).context("nothing is promoted").hint(
            "restore what clients see, from a mirror, an export or another copy: `tidegate recover --from URL|DIR`",
        )?;
        let mut doubt = None;
        if let Some(last) = last {
            if let Some((line, _)) = last.lost_lines().next() {
                return Err(super::super::failure::refuse(
                    format!(
                        "nothing is promoted: what was published of line `{line}` is lost, so nobody would be offered it"
                    ),
                    "`tidegate status` shows how to restore it",
                ));
            }
            check(now, Dated::Publication(last.made)).map_err(refused)?;
            doubt = timekeeper::jump(&*workspace.state_store(), &*workspace.clock(), last.made);
        }
        let mut notes: Vec<String> = newest_commit(&workspace.catalog)
            .filter(|commit| is_ahead(*commit, now))
            .map(|commit| {
                format!(
                    "warning: the newest commit is dated {}, but this machine's clock says {}: one of two clocks is wrong",
                    rfc3339(commit),
                    rfc3339(now)
                )
            })
            .into_iter()
            .collect();
        if let Some(witness) = &self.witness {
            match self.made(witness, workspace, now) {
                Ok(made) => {
                    check(now, Dated::Witness(made)).map_err(refused)?;
                    doubt = doubt.filter(|doubt| !timekeeper::is_confirmed_by(doubt, made));
                }
                Err(error) if is_out_of_reach(&error) => notes.push(format!(
                    "warning: cannot read the witness, so the clock was not compared with it: {}",
                    chain(error.as_ref())
                )),
                Err(error) => return Err(error.context("the clock cannot be compared with the witness")),
            }
        }
        if let Some(doubt) = doubt {
            return Err(super::super::failure::refuse(
                format!("nothing is promoted: {}", clock_reading(&doubt)),
                "correct the clock, or confirm it if it is right now: `tidegate clock accept --reason TEXT`; `--witness URL` can confirm it too",
            ));
        }
        Ok(notes)
    }

    /// When what the witness serves was made.
    fn made(&self, witness: &Origin, workspace: &Workspace, now: Time) -> anyhow::Result<Time> {
        let root = own_root(None, &workspace.catalog)?;
        let root = root
            .with_context(|| format!("the catalog `{}` has no root", workspace.catalog.display()))
            .hint("name the catalog with `--catalog DIR`")?;
        Ok(recover::seen(witness, self.ca.as_deref(), &root, now)?.made)
    }
}

/// The date of the newest commit, if the catalog is in a git work tree and git is installed.
fn newest_commit(catalog: &Path) -> Option<Time> {
    let run = Command::new("git").arg("-C").arg(catalog).args(["log", "-1", "--format=%cI"]).output().ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    chrono::DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.to_utc())
}
