//! Bodies that are joined from pieces, so that a piece that stays the same is not compressed again.
//!
//! Such a body is compressed with gzip only: its pieces are joined as they are, to one stream (RFC 1952).
//! Brotli's pieces cannot be joined as simply.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use serde::Serialize;

use super::document::{COMPRESS_ABOVE, Document, GZIP_LEVEL, Media};
use crate::console::board::LineOnBoard;
use crate::domain::channel::LineName;

/// The header of a gzip stream, without a time or a file name, from an unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty deflate block that ends the stream (RFC 1951).
const LAST_BLOCK: [u8; 2] = [3, 0];

/// The pieces of one line.
#[derive(Debug, Clone)]
pub struct LinePieces {
    /// Of `/v1/channels`.
    pub(super) channels: Piece,
    /// Of `/v1/promotions`.
    pub(super) promotions: Piece,
    /// Of the board, and what its other parts say about the line.
    pub(super) board: Option<(LineOnBoard, Piece)>,
}

/// The pieces of bodies that describe every line.
pub type Pieces = BTreeMap<LineName, LinePieces>;

/// A part of a body, such as some items of a JSON list.
#[derive(Debug, Clone)]
pub struct Piece {
    text: Bytes,
    /// The text as deflate blocks that refer to nothing before them and end with a whole byte.
    blocks: Bytes,
    crc: Arc<Crc>,
}

impl Piece {
    /// Makes a piece of these items.
    pub(super) fn of<T: Serialize>(items: impl IntoIterator<Item = T>) -> Self {
        let mut text = Vec::new();
        for item in items {
            if !text.is_empty() {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, &item).expect("bodies contain only strings and numbers");
        }
        text.shrink_to_fit();
        Self::of_text(text.into())
    }

    /// Makes a piece of this text.
    pub(super) fn of_text(text: Bytes) -> Self {
        let mut crc = Crc::new();
        crc.update(&text);
        let mut blocks = Vec::new();
        if !text.is_empty() {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            encoder.write_all(&text).and_then(|()| encoder.flush()).expect("memory can be written to");
            blocks.clone_from(encoder.get_ref());
        }
        Self { text, blocks: blocks.into(), crc: Arc::new(crc) }
    }
}

/// What a body is joined from.
pub(super) enum Chunk<'p> {
    /// What is compressed each time.
    Text(Bytes),
    Piece(&'p mut Piece),
}

/// Joins pieces to a body. `empty` is the body without any: JSON that ends with their list. Returns `before` if it is
/// the same body.
pub(super) fn list<'p>(
    empty: &Bytes,
    pieces: impl IntoIterator<Item = &'p mut Piece>,
    before: Option<&Arc<Document>>,
) -> Arc<Document> {
    let end = empty.len() - "]}".len();
    let mut chunks = vec![Chunk::Text(empty.slice(..end))];
    for piece in pieces.into_iter().filter(|piece| !piece.text.is_empty()) {
        chunks.extend((chunks.len() > 1).then_some(Chunk::Text(Bytes::from_static(b","))));
        chunks.push(Chunk::Piece(piece));
    }
    chunks.push(Chunk::Text(empty.slice(end..)));
    joined(Media::Json, chunks, before)
}

/// Joins chunks to a body. The pieces become parts of the body, so that they take no memory of their own. Returns
/// `before` if it is the same body.
pub(super) fn joined(media: Media, chunks: Vec<Chunk<'_>>, before: Option<&Arc<Document>>) -> Arc<Document> {
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for (place, chunk) in chunks.into_iter().enumerate() {
        match chunk {
            Chunk::Text(text) => all.push(Piece::of_text(text)),
            Chunk::Piece(piece) => {
                all.push(piece.clone());
                places.push((place, piece));
            }
        }
    }
    let made = body(media, &all);
    let is_made = |before: &&Arc<Document>| before.identity == made.identity && before.gzip == made.gzip;
    let document = before.filter(is_made).map_or_else(|| Arc::new(made.clone()), Arc::clone);

    let mut own = places.into_iter().peekable();
    let (mut at, mut at_block) = (0, GZIP_HEAD.len());
    for (place, chunk) in all.iter().enumerate() {
        let (text, blocks) = (after(&mut at, &chunk.text), after(&mut at_block, &chunk.blocks));
        let Some((_, piece)) = own.next_if(|(own, _)| *own == place) else { continue };
        piece.text = document.identity.slice(text);
        // Otherwise, the piece keeps its own.
        if let Some(gzip) = &document.gzip {
            piece.blocks = gzip.slice(blocks);
        }
    }
    document
}

/// The place of the next bytes.
fn after(at: &mut usize, bytes: &[u8]) -> Range<usize> {
    let from = *at;
    *at += bytes.len();
    from..*at
}

/// A body of these pieces.
fn body(media: Media, pieces: &[Piece]) -> Document {
    let identity: Vec<u8> = pieces.iter().map(|piece| &piece.text[..]).collect::<Vec<_>>().concat();
    let mut crc = Crc::new();
    for piece in pieces {
        crc.combine(&piece.crc);
    }
    let check = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    let blocks = pieces.iter().map(|piece| &piece.blocks[..]);
    let gzip = [&GZIP_HEAD[..]].into_iter().chain(blocks).chain([&LAST_BLOCK[..], &check]);
    let gzip = gzip.collect::<Vec<_>>().concat();
    let is_worth_it = COMPRESS_ABOVE < identity.len() && gzip.len() < identity.len();
    Document::with_encodings(media, identity.into(), is_worth_it.then(|| gzip.into()), None)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn pieces(lines: &[Vec<u32>]) -> BTreeMap<usize, Piece> {
        lines.iter().map(Piece::of).enumerate().collect()
    }

    fn whole(lines: &[Vec<u32>]) -> String {
        serde_json::json!({ "all": lines.concat() }).to_string()
    }

    fn unzipped(document: &Document) -> Vec<u8> {
        let mut text = Vec::new();
        let gzip = document.gzip.as_ref().unwrap_or(&document.identity);
        match document.gzip {
            Some(_) => drop(flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut text).unwrap()),
            None => text.extend(gzip),
        }
        text
    }

    proptest! {
        #[test]
        fn a_joined_body_is_the_same_as_a_whole_one_in_both_encodings(
            mut lines in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..200), 0..6),
            (at, other) in (any::<prop::sample::Index>(), prop::collection::vec(any::<u32>(), 0..200)),
        ) {
            let empty = Bytes::from_static(br#"{"all":[]}"#);
            let mut own = pieces(&lines);
            let first = list(&empty, own.values_mut(), None);
            prop_assert_eq!(&first.identity, &whole(&lines));
            prop_assert_eq!(&unzipped(&first), &first.identity);
            prop_assert_eq!(first.gzip.is_some(), 1024 < first.identity.len());
            prop_assert!(Arc::ptr_eq(&list(&empty, own.values_mut(), Some(&first)), &first));

            // One piece is replaced; the others are now parts of the body before.
            if !lines.is_empty() {
                let at = at.index(lines.len());
                own.insert(at, Piece::of(&other));
                lines[at] = other;
            }
            let next = list(&empty, own.values_mut(), Some(&first));
            prop_assert_eq!(&next.identity, &whole(&lines));
            prop_assert_eq!(&next.gzip, &list(&empty, pieces(&lines).values_mut(), None).gzip);
            prop_assert_eq!(&unzipped(&next), &next.identity);
        }
    }

    #[test]
    fn a_piece_takes_no_memory_of_its_own() {
        let mut own = pieces(&[(0..500).collect(), (500..900).collect()]);
        let body = list(&Bytes::from_static(br#"{"all":[]}"#), own.values_mut(), None);
        let gzip = body.gzip.as_ref().unwrap();
        let is_in = |whole: &Bytes, part: &Bytes| whole.as_ptr_range().contains(&part.as_ptr());
        assert!(own.values().all(|piece| is_in(&body.identity, &piece.text) && is_in(gzip, &piece.blocks)));
    }
}
