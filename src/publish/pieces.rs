//! The bodies that describe every line, `/v1/channels` and `/v1/promotions`, with one piece for each line. The
//! piece of a line whose part stays the same is neither rendered nor compressed again.

use std::sync::Arc;

use maud::PreEscaped;

use super::Decided;
use super::document::Document;
use super::joined::{LinePieces, Piece, Pieces, list};
use super::part::{Part, Parts};
use super::publication::Publication;
use super::updates::json;
use crate::console::board::{self, LineOnBoard};
use crate::domain::catalog::{Catalog, ChannelRef};
use crate::domain::channel::LineName;
use crate::domain::degraded::LineRefusal;
use crate::domain::not_promoting::NotPromoting;
use crate::formats::api::{ChannelSummary, ChannelsBody, DecisionBody, LostLine, PromotionsBody};

/// The pieces of every line. `catalog` has refused lines as they were last published. The pieces of a line whose part
/// is the one of `last` are those of `last`, too.
pub(super) fn pieces(
    (decided, catalog): (&Decided<'_>, &Catalog),
    parts: &Parts,
    last: Option<&Publication>,
) -> Pieces {
    let pieces = parts.iter().map(|part| {
        let name = &part.line;
        let is_same =
            |last: &&Publication| last.parts.line(name).is_some_and(|before| Arc::ptr_eq(before, part));
        let before = last.filter(is_same).and_then(|last| last.pieces.get(name));
        let made = || LinePieces {
            channels: channels_piece(decided, catalog, name),
            promotions: promotions_piece(decided, name),
            board: match catalog.line(name) {
                Some(line) => Some(board_piece(board::line(&decided.view(line)))),
                None => unshown(decided, part),
            },
        };
        (name.clone(), before.cloned().unwrap_or_else(made))
    });
    pieces.collect()
}

/// Joins `/v1/channels` and `/v1/promotions`.
pub(super) fn bodies(
    decided: &Decided<'_>,
    parts: &Parts,
    pieces: &mut Pieces,
    last: Option<&Publication>,
) -> [Arc<Document>; 2] {
    let unreadable = parts.iter().filter(|part| part.is_lost()).map(|part| LostLine {
        line: part.line.to_string(),
        channels: part.names().map(ToString::to_string).collect(),
    });
    let empty = json(&ChannelsBody { lost: unreadable.collect(), channels: Vec::new() });
    let own = pieces.values_mut().map(|line| &mut line.channels);
    let channels = list(&empty, own, last.map(|last| &last.channels));
    let empty = json(&PromotionsBody::of(&[], decided.not_promoting));
    let own = pieces.values_mut().map(|line| &mut line.promotions);
    [channels, list(&empty, own, last.map(|last| &last.promotions))]
}

/// Makes `/v1/promotions` anew, of a server that does not promote for this reason, if it does not.
pub(super) fn promotions(
    decided: &Decided<'_>,
    not_promoting: Option<NotPromoting>,
    before: &Arc<Document>,
) -> Arc<Document> {
    let lines = decided.catalog.lines().map(|line| &line.name);
    let mut pieces: Vec<Piece> = lines.map(|name| promotions_piece(decided, name)).collect();
    list(&json(&PromotionsBody::of(&[], not_promoting)), &mut pieces, Some(before))
}

/// What the board says of a line without anything to show: it is refused, or what was published of it is lost.
fn unshown(decided: &Decided<'_>, part: &Part) -> Option<(LineOnBoard, Piece)> {
    let lost = part
        .lost
        .as_ref()
        .map(|lost| LineRefusal::Lost { why: lost.loss.why.clone(), may_pass: lost.loss.may_pass });
    let why = decided.refused.get(&part.line).or(lost.as_ref())?;
    Some(board_piece(board::unshown(&part.line, why, decided.flags)))
}

fn board_piece(mut on_board: LineOnBoard) -> (LineOnBoard, Piece) {
    let piece = std::mem::replace(&mut on_board.piece, PreEscaped(String::new()));
    (on_board, Piece::of_text(piece.into_string().into()))
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
