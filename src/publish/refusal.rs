//! Which lines keep their last documents, and why.

use std::collections::BTreeMap;

use super::publication::Publication;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::degraded::{Claim, LineRefusal};
use crate::domain::line::Line;
use crate::domain::stepback::{Offer, step_backs};

/// The lines that keep their last documents, and why.
pub type Refused = BTreeMap<LineName, LineRefusal>;

/// The lines that keep their last documents: those that could not be read, those that would step back
/// from the last publication, and those that claim what belongs to one of these.
#[must_use]
pub fn refusals(
    catalog: &Catalog,
    faulty: &BTreeMap<LineName, String>,
    last: Option<&Publication>,
    now: Time,
) -> Refused {
    let mut refused: Refused =
        faulty.iter().map(|(line, why)| (line.clone(), LineRefusal::Faulty { why: why.clone() })).collect();
    let Some(last) = last else { return refused };
    let offers = last.offers();
    let before: Vec<&Offer> = offers.iter().filter(|offer| !refused.contains_key(&offer.line)).collect();
    for step in step_backs(before, &Offer::all(catalog, now)) {
        let line = step.line.clone();
        match refused.entry(line).or_insert_with(|| LineRefusal::StepsBack(Vec::new())) {
            LineRefusal::StepsBack(steps) => steps.push(step.blaming_files(catalog, now)),
            LineRefusal::Faulty { .. } | LineRefusal::Claims { .. } => {}
        }
    }
    claims(catalog, last, &mut refused);
    refused
}

/// Refuses lines that claim a channel's name or versions of a refused line. The refused line is published
/// as it was, and nothing can be published if a channel or a release belongs to two lines.
fn claims(catalog: &Catalog, last: &Publication, refused: &mut Refused) {
    // A line that is refused for its claims keeps its last documents, which may claim something too.
    while let Some((line, refusal)) = catalog
        .lines()
        .filter(|line| !refused.contains_key(&line.name))
        .find_map(|line| Some((line.name.clone(), claim(line, last, refused)?)))
    {
        refused.insert(line, refusal);
    }
}

/// What a line claims that belongs to a refused one.
fn claim(line: &Line, last: &Publication, refused: &Refused) -> Option<LineRefusal> {
    if refused.is_empty() {
        return None;
    }
    let names = line.stages.iter().flat_map(|stage| std::iter::once(&stage.channel).chain(&stage.aliases));
    let channels = names.filter_map(|name| Some((Claim::Channel(name.clone()), last.line_of(name)?)));
    let overlapping = last.known.iter().filter(|(prefix, _)| prefix.overlaps(&line.prefix));
    let versions = overlapping.map(|(prefix, known)| (Claim::Versions(*prefix), &known.line));
    let (claim, of) =
        channels.chain(versions).find(|(_, of)| **of != line.name && refused.contains_key(*of))?;
    Some(LineRefusal::Claims { claim, of: of.clone() })
}
