//! The pages of the console that many look at. They are made with each publication, and served like its other
//! documents.

use std::sync::Arc;

use bytes::Bytes;

use super::Decided;
use super::document::{Document, Media};
use super::joined::{Chunk, Pieces, joined};
use super::page::{Pages, html};
use super::roles::Roles;
use super::served::Served;
use crate::console::board::{self, HOLE, LineOnBoard};
use crate::console::freezes::{Frozen, freezes};
use crate::console::{calendar, trust};
use crate::domain::Time;
use crate::domain::catalog::Catalog;
use crate::formats::tuf::{Authority, Role, names};

/// Makes the pages. Those that stay the same are shared with `last`. `catalog` has refused lines as they were last
/// published. A mirror has no plans.
pub(super) fn pages(
    (decided, catalog): (&Decided<'_>, &Catalog),
    (roles, demo, has_plans): (&Roles, bool, bool),
    pieces: &mut Pieces,
    last: Option<&Pages>,
) -> Pages {
    let now = decided.now;
    let freezes = freezes(catalog.lines(), now);
    let board = board((decided, has_plans), &freezes, pieces, last.map(|last| &last.board));
    let lines: Vec<&LineOnBoard> = on_board(pieces).collect();
    let page = calendar::calendar(&lines, &freezes, &calendar::windows(catalog.lines()), None, now);
    let calendar = html(page.into_string(), last.map(|last| &last.calendar));
    let feed = calendar::feed(&lines, &freezes, now);
    let feed = Document::reusing_of(Media::Calendar, last.map(|last| &last.feed), feed.into());
    let trust = html(trust_page(roles, demo, now), last.map(|last| &last.trust));
    Pages { board, calendar, feed, trust }
}

fn on_board(pieces: &Pieces) -> impl Iterator<Item = &LineOnBoard> {
    pieces.values().filter_map(|line| Some(&line.board.as_ref()?.0))
}

fn board(
    (decided, has_plans): (&Decided<'_>, bool),
    freezes: &[Frozen<'_>],
    pieces: &mut Pieces,
    before: Option<&Arc<Document>>,
) -> Arc<Document> {
    let lines: Vec<&LineOnBoard> = on_board(pieces).collect();
    let frame = board::frame(&lines, freezes, (decided.not_promoting, has_plans), decided.now).into_string();
    let mut parts = frame.split(HOLE).map(|part| Chunk::Text(Bytes::copy_from_slice(part.as_bytes())));
    let own = pieces.values_mut().filter_map(|line| line.board.as_mut());
    let (cards, rows): (Vec<_>, Vec<_>) = own.partition(|(line, _)| line.has_card());
    let mut chunks = Vec::with_capacity(cards.len() + rows.len() + 3);
    for pieces in [cards, rows] {
        chunks.extend(parts.next());
        chunks.extend(pieces.into_iter().map(|(_, piece)| Chunk::Piece(piece)));
    }
    chunks.extend(parts);
    joined(Media::Html, chunks, before)
}

fn trust_page(roles: &Roles, demo: bool, now: Time) -> String {
    let root = roles.root();
    let keys = root.signed();
    let channels = roles.targets.signed().delegated(names::CHANNELS).map(|(_, authority)| authority);
    let kept = [
        role(root, ("root", "which keys may sign what"), Some(keys.root())),
        role(
            &roles.targets,
            ("targets", "which lines there are, and whose keys release in them"),
            Some(keys.targets()),
        ),
    ];
    let renewed = [
        role(&roles.channels, (names::CHANNELS, "what each channel offers"), channels),
        role(&roles.snapshot, ("snapshot", "which documents belong together"), Some(keys.snapshot())),
        role(&roles.timestamp, ("timestamp", "that this is the newest"), Some(keys.timestamp())),
    ];
    trust::trust(&kept, &renewed, &root.document.sha256.to_string(), demo, now).into_string()
}

fn role<T: Role>(
    served: &Served<T>,
    (name, says): (&str, &'static str),
    authority: Option<Authority<'_>>,
) -> trust::Role {
    let signed = served.signed();
    trust::Role {
        name: name.to_owned(),
        says,
        version: signed.version(),
        expires: signed.expires(),
        threshold: authority.map_or(0, |authority| authority.threshold),
        keys: authority.into_iter().flat_map(|authority| authority.keyids).map(ToString::to_string).collect(),
        path: format!("/tuf/{}", served.file(name).0),
    }
}
