//! The last publication while nothing new can be published: what was signed stays, and what is said about
//! promotions changes.

use std::sync::Arc;

use super::Decided;
use super::document::Document;
use super::joined::Pieces;
use super::part::{Part, Parts};
use super::pieces;
use super::publication::Publication;
use super::updates::json;
use crate::domain::explain::Explanation;
use crate::domain::line::Line;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::upgrade::entry;
use crate::formats::api::ExplainBody;

/// Returns the last publication with explanations and decisions made anew, of a server that does not promote for
/// this reason. What clusters are told stays as it is, because it must agree with what is signed. So do the
/// pages, which say what is on offer, and explanations of refused lines.
pub fn amended(
    last: &Publication,
    decided: &Decided<'_>,
    not_promoting: Option<NotPromoting>,
    demo: Option<&str>,
) -> Publication {
    let mut amended = last.clone();
    amended.promotions = pieces::promotions(decided, not_promoting, &last.promotions);
    let parts = last.parts.iter().map(|part| match decided.catalog.line(&part.line) {
        Some(line) if !decided.refused.contains_key(&line.name) => {
            Arc::new(explained(part, line, decided, not_promoting, demo))
        }
        Some(_) | None => Arc::clone(part),
    });
    amended.parts = Parts::of(parts);
    amended.sources.clear();
    amended.pieces = Pieces::default();
    amended
}

/// A part with explanations made anew.
fn explained(
    part: &Part,
    line: &Line,
    decided: &Decided<'_>,
    not_promoting: Option<NotPromoting>,
    demo: Option<&str>,
) -> Part {
    let mut explained = part.clone();
    let now = decided.now;
    let mut own = decided.of_line(&line.name).iter().peekable();
    let entry = entry(decided.catalog, line, now);
    for release in line.releases.values() {
        // Releases and decisions are both sorted by version.
        let decision = own.next_if(|decision| decision.release.version == release.version);
        let Some(documents) = explained.releases.get_mut(&release.version) else { continue };
        let explanation = Explanation { line, release, now, decision, refused: None, not_promoting, entry };
        let mut body = ExplainBody::of(&explanation);
        if let Some(flags) = demo {
            body.add_flags(flags);
        }
        documents.explain = Some(Document::reusing(documents.explain.as_ref(), json(&body)));
    }
    explained
}
