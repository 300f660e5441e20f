//! `--not-before`: lets a release enter a stage earlier.

use super::{Args, Lines};
use crate::cli::failure::refuse;
use crate::cli::time;
use crate::domain::channel::StageName;
use crate::domain::line::Line;
use crate::domain::release::Release;
use crate::domain::{Time, rfc3339};
use crate::formats::manifest::ReleaseManifest;

/// A stage, and the earliest time at which a release may enter it.
#[derive(Debug, Clone)]
pub struct Forward {
    pub stage: StageName,
    pub earliest: Time,
}

impl Forward {
    pub fn parse(text: &str) -> Result<Self, String> {
        let (stage, earliest) =
            text.split_once('=').ok_or("name the stage too, as in `production=2018-01-02T17:30:31Z`")?;
        let stage = StageName::parse(stage).map_err(|error| error.to_string())?;
        Ok(Self { stage, earliest: time::parse(earliest)? })
    }
}

impl Args {
    /// Checks that every release can enter each of the named stages earlier than it is due.
    pub(super) fn check_forwards(&self, pending: &Lines<'_>, now: Time) -> anyhow::Result<()> {
        if self.reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err(refuse("the reason is empty", "say why in `--reason`: it is signed, and public"));
        }
        for (line, versions) in pending {
            for release in versions.iter().filter_map(|version| line.releases.get(version)) {
                self.not_before.iter().try_for_each(|forward| forward.check(line, release, now))?;
            }
        }
        Ok(())
    }
}

impl Forward {
    fn check(&self, line: &Line, release: &Release, now: Time) -> anyhow::Result<()> {
        let (version, Self { stage, earliest }) = (&release.version, self);
        if line.stage(stage).is_some_and(|index| release.is_in(index, now)) {
            return Err(refuse(
                format!("`{version}` is in `{stage}` already"),
                "leave out `--not-before`, or name a later stage",
            ));
        }
        let (message, hint) = match ReleaseManifest::of(line, release, now)
            .bring_forward(stage, *earliest, "")
        {
            Ok(()) => return Ok(()),
            Err(Some(due)) => {
                let (due, earliest) = (rfc3339(due), rfc3339(*earliest));
                (
                    format!(
                        "`{version}` may enter `{stage}` from {due} on anyway, but `--not-before` names a later time, {earliest}"
                    ),
                    format!(
                        "name a time up to {due}; to delay the release further, run `tidegate release hold {version} --reason TEXT`"
                    ),
                )
            }
            Err(None) => {
                let later = line.stages.iter().skip(1).map(|stage| format!("`{}`", stage.name));
                (
                    format!("line `{}` has no stage `{stage}` after its first one", line.name),
                    format!("name one of {}", later.collect::<Vec<_>>().join(", ")),
                )
            }
        };
        Err(refuse(message, hint))
    }
}
