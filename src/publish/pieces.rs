//! The bodies that describe every line, `/v1/channels` and `/v1/promotions`, with one piece for each line. The
//! piece of a line whose part stays the same is neither rendered nor compressed again.

use std::sync::Arc;

use super::Decided;
use super::document::Document;
use super::joined::{Piece, Pieces, joined};
use super::part::Parts;
use super::publication::Publication;
use super::updates::json;
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::LineName;
use crate::domain::not_promoting::NotPromoting;
use crate::formats::api::{ChannelSummary, ChannelsBody, DecisionBody, LostLine, PromotionsBody};

/// Makes `/v1/channels` and `/v1/promotions`. `catalog` has refused lines as they were last published. The pieces
/// of a line whose part is the one of `last` are those of `last`, too.
pub(super) fn bodies(
    (decided, catalog): (&Decided<'_>, &Catalog),
    parts: &Parts,
    last: Option<&Publication>,
) -> ([Arc<Document>; 2], Pieces) {
    let mut pieces = Pieces::default();
    for part in parts.iter() {
        let name = &part.line;
        let is_same =
            |last: &&Publication| last.parts.line(name).is_some_and(|before| Arc::ptr_eq(before, part));
        let before = last.filter(is_same).map(|last| &last.pieces);
        let channels = before.and_then(|before| before.channels.get(name).cloned());
        let promotions = before.and_then(|before| before.promotions.get(name).cloned());
        let channels = channels.unwrap_or_else(|| channels_piece(decided, catalog, name));
        let promotions = promotions.unwrap_or_else(|| promotions_piece(decided, name));
        pieces.channels.insert(name.clone(), channels);
        pieces.promotions.insert(name.clone(), promotions);
    }
    let unreadable = parts.iter().filter(|part| part.is_lost()).map(|part| LostLine {
        line: part.line.to_string(),
        channels: part.names().map(ToString::to_string).collect(),
    });
    let empty = json(&ChannelsBody { lost: unreadable.collect(), channels: Vec::new() });
    let channels = joined(&empty, &mut pieces.channels, last.map(|last| &last.channels));
    let empty = json(&PromotionsBody::of(&[], decided.not_promoting));
    let promotions = joined(&empty, &mut pieces.promotions, last.map(|last| &last.promotions));
    ([channels, promotions], pieces)
}

/// Makes `/v1/promotions` anew, of a server that does not promote for this reason, if it does not.
pub(super) fn promotions(
    decided: &Decided<'_>,
    not_promoting: Option<NotPromoting>,
    before: &Arc<Document>,
) -> Arc<Document> {
    let lines = decided.catalog.lines().map(|line| &line.name);
    let mut pieces = lines.map(|name| (name, promotions_piece(decided, name))).collect();
    joined(&json(&PromotionsBody::of(&[], not_promoting)), &mut pieces, Some(before))
}

fn channels_piece(decided: &Decided<'_>, catalog: &Catalog, name: &LineName) -> Piece {
    let Decided { ref decisions, now, .. } = *decided;
    let stages = catalog.line(name).into_iter();
    let channels =
        stages.flat_map(|line| (0..line.stages.len()).map(move |index| ChannelRef { line, index }));
    Piece::of(channels.map(|channel| ChannelSummary::of(channel, decisions, now)))
}

fn promotions_piece(decided: &Decided<'_>, name: &LineName) -> Piece {
    Piece::of(decided.of_line(name).iter().map(DecisionBody::of))
}
