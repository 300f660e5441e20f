//! Which lines keep their last documents, and why.

use std::collections::BTreeMap;

use super::publication::Publication;
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::domain::channel::LineName;
use crate::domain::line::Line;
use crate::domain::stepback::{Offer, StepBack, step_backs};

/// Why a line was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It could not be read.
    Faulty(String),
    /// It would step back.
    StepsBack(Vec<StepBack>),
    /// It claims a channel or versions of a line that keeps its last documents.
    Claims { claim: String, of: LineName },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Faulty(why) => f.write_str(why),
            Self::Claims { claim, of } => write!(
                f,
                "{claim} is line `{of}`'s, which keeps its last documents; put line `{of}` right first, or let this one claim something else"
            ),
            Self::StepsBack(all) => match &all[..] {
                [] => f.write_str("it would step back"),
                [first] => write!(f, "{first}; {}", first.hint()),
                [first, rest @ ..] => write!(f, "{first}; {} (and {} more)", first.hint(), rest.len()),
            },
        }
    }
}

/// The lines that keep their last documents, and why.
pub type Refused = BTreeMap<LineName, Refusal>;

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
        faulty.iter().map(|(line, why)| (line.clone(), Refusal::Faulty(why.clone()))).collect();
    let Some(last) = last else { return refused };
    let offers = last.offers();
    let before: Vec<&Offer> = offers.iter().filter(|offer| !refused.contains_key(&offer.line)).collect();
    for step in step_backs(before, &Offer::all(catalog, now)) {
        let line = step.line.clone();
        match refused.entry(line).or_insert_with(|| Refusal::StepsBack(Vec::new())) {
            Refusal::StepsBack(steps) => steps.push(step.blaming_files(catalog, now)),
            Refusal::Faulty(_) | Refusal::Claims { .. } => {}
        }
    }
    claims(catalog, last, &mut refused);
    refused
}

/// Refuses lines that claim a channel's name or versions of a refused line. That line is published as
/// it was, and a channel or a release that belongs to two lines cannot be published at all.
fn claims(catalog: &Catalog, last: &Publication, refused: &mut Refused) {
    // A line that is refused for its claims keeps its own documents, which may claim something too.
    while let Some((line, refusal)) = catalog
        .lines()
        .filter(|line| !refused.contains_key(&line.name))
        .find_map(|line| Some((line.name.clone(), claim(line, last, refused)?)))
    {
        refused.insert(line, refusal);
    }
}

/// What a line claims that belongs to a refused one.
fn claim(line: &Line, last: &Publication, refused: &Refused) -> Option<Refusal> {
    if refused.is_empty() {
        return None;
    }
    let names = line.stages.iter().flat_map(|stage| std::iter::once(&stage.channel).chain(&stage.aliases));
    let channels = names.filter_map(|name| Some((format!("channel `{name}`"), last.line_of(name)?)));
    let overlapping = last.known.iter().filter(|(prefix, _)| prefix.overlaps(&line.prefix));
    let versions = overlapping.map(|(prefix, known)| (format!("versions `{prefix}`"), &known.line));
    let (claim, of) =
        channels.chain(versions).find(|(_, of)| **of != line.name && refused.contains_key(*of))?;
    Some(Refusal::Claims { claim, of: of.clone() })
}
