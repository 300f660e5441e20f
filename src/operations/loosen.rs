//! Recording that a restraint no longer counts.

use super::{Outcome, Refused, Subject};
use crate::domain::catalog::Catalog;
use crate::domain::change::Change;
use crate::domain::channel::StageName;
use crate::domain::line::Line;
use crate::domain::loosened::{Loosened, What};
use crate::domain::release::Event;

/// Records that a restraint no longer counts, so that the catalog may lose it, or may have lost it.
///
/// # Errors
/// When it belongs to a release, a line or a stage that is not in the catalog.
pub(super) fn loosen<'a>(catalog: &'a Catalog, what: &'a What, event: Event) -> Result<Outcome, Refused<'a>> {
    if let Some(version) = what.version() {
        catalog.stoppable_release(version).ok_or(Refused::NoRelease(version))?;
    }
    let lines: Vec<&Line> = match what.line() {
        Some(name) => vec![catalog.stoppable(name).ok_or(Refused::NoLine(name))?],
        None => catalog.stoppable_lines().collect(),
    };
    if let Some(stage) = what.stage().filter(|stage| lines.iter().all(|line| line.stage(stage).is_none())) {
        let mut stages: Vec<&StageName> = Vec::new();
        for known in lines.iter().flat_map(|line| &line.stages) {
            if !stages.contains(&&known.name) {
                stages.push(&known.name);
            }
        }
        return Err(Refused::NoStage { line: what.line(), stage, stages });
    }
    let change = Change::Loosen(Loosened { what: what.clone(), event });
    Ok(Outcome::of(Subject::Restraint { what: what.clone() }, [change]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{catalog, event, line, release, t};

    #[test]
    fn what_is_loosened_belongs_to_something_in_the_catalog() {
        let catalog = catalog([line("1.8", None).with(release("1.8.4", &[]))]);
        for (what, is_taken) in [
            ("hold/1.8.4", true),
            ("hold/1.8.5", false),
            ("soak/1.8/production", true),
            ("soak/1.8/prodction", false),
            ("soak/1.9/production", false),
            ("soak/production", true),
            ("soak/prodction", false),
            ("window/prodction", false),
            ("freeze/1.8/2018-01-01T00:00:00Z", true),
        ] {
            let what = What::parse(what).unwrap();
            assert_eq!(loosen(&catalog, &what, event(t("2018-02-01"), "x")).is_ok(), is_taken, "{what}");
        }
    }
}
