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
use crate::domain::channel::LineName;

/// The header of a gzip stream, without a time or a file name, from an unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty deflate block that ends the stream (RFC 1951).
const LAST_BLOCK: [u8; 2] = [3, 0];

/// The pieces of `/v1/channels` and `/v1/promotions`, one for each line.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    pub(super) channels: BTreeMap<LineName, Piece>,
    pub(super) promotions: BTreeMap<LineName, Piece>,
}

/// Some items of a JSON list.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The items, with commas between them. Empty if there are none.
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

    fn of_text(text: Bytes) -> Self {
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

/// Joins pieces to a body. `empty` is the body without any: JSON that ends with their list. The pieces become
/// parts of the body, so that they take no memory of their own. Returns `before` if it is the same body.
pub(super) fn joined<K: Ord>(
    empty: &Bytes,
    pieces: &mut BTreeMap<K, Piece>,
    before: Option<&Arc<Document>>,
) -> Arc<Document> {
    let end = empty.len() - "]}".len();
    let [head, comma, tail] =
        [empty.slice(..end), Bytes::from_static(b","), empty.slice(end..)].map(Piece::of_text);
    let mut all = vec![&head];
    for piece in pieces.values().filter(|piece| !piece.text.is_empty()) {
        all.extend((all.len() > 1).then_some(&comma));
        all.push(piece);
    }
    all.push(&tail);
    let made = body(&all);
    let is_made = |before: &&Arc<Document>| before.identity == made.identity && before.gzip == made.gzip;
    let document = before.filter(is_made).map_or_else(|| Arc::new(made.clone()), Arc::clone);

    let (mut at, mut at_block) = (head.text.len(), GZIP_HEAD.len() + head.blocks.len());
    for (place, piece) in pieces.values_mut().filter(|piece| !piece.text.is_empty()).enumerate() {
        if place > 0 {
            (at, at_block) = (at + comma.text.len(), at_block + comma.blocks.len());
        }
        let (text, blocks) = (after(&mut at, &piece.text), after(&mut at_block, &piece.blocks));
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
fn body(pieces: &[&Piece]) -> Document {
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
    Document::with_encodings(Media::Json, identity.into(), is_worth_it.then(|| gzip.into()), None)
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
            let first = joined(&empty, &mut own, None);
            prop_assert_eq!(&first.identity, &whole(&lines));
            prop_assert_eq!(&unzipped(&first), &first.identity);
            prop_assert_eq!(first.gzip.is_some(), 1024 < first.identity.len());
            prop_assert!(Arc::ptr_eq(&joined(&empty, &mut own, Some(&first)), &first));

            // One piece is replaced; the others are now parts of the body before.
            if !lines.is_empty() {
                let at = at.index(lines.len());
                own.insert(at, Piece::of(&other));
                lines[at] = other;
            }
            let next = joined(&empty, &mut own, Some(&first));
            prop_assert_eq!(&next.identity, &whole(&lines));
            prop_assert_eq!(&next.gzip, &joined(&empty, &mut pieces(&lines), None).gzip);
            prop_assert_eq!(&unzipped(&next), &next.identity);
        }
    }

    #[test]
    fn a_piece_takes_no_memory_of_its_own() {
        let mut own = pieces(&[(0..500).collect(), (500..900).collect()]);
        let body = joined(&Bytes::from_static(br#"{"all":[]}"#), &mut own, None);
        let gzip = body.gzip.as_ref().unwrap();
        let is_in = |whole: &Bytes, part: &Bytes| whole.as_ptr_range().contains(&part.as_ptr());
        assert!(own.values().all(|piece| is_in(&body.identity, &piece.text) && is_in(gzip, &piece.blocks)));
    }
}
