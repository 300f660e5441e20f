//! The bodies of a packed publication, in pieces. Not one block: of what is read, a part is soon
//! replaced, and a piece goes away with the last of its bodies.

use std::io::{self, Read};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::PackError;

/// The bodies of a file.
pub(super) struct Pieces {
    /// Each with the place where it begins, in the order of places.
    pieces: Vec<(u64, Bytes)>,
}

impl Pieces {
    /// Bytes; a piece has more by less than one body.
    const PIECE: u64 = 256 * 1024;

    /// Reads so many bytes, in pieces that end where bodies do. `ends` come in ascending order.
    pub fn read(
        from: &mut dyn Read,
        length: u64,
        ends: impl Iterator<Item = u64>,
        hasher: &mut Sha256,
    ) -> Result<Self, PackError> {
        let (mut pieces, mut begin) = (Vec::new(), 0);
        for end in ends.filter(|end| *end < length).chain([length]) {
            if end == length || end.saturating_sub(begin) >= Self::PIECE {
                pieces.push((begin, part(from, end - begin, hasher)?.into()));
                begin = end;
            }
        }
        Ok(Self { pieces })
    }

    /// The bytes from one place until another, which share their piece.
    pub fn slice(&self, (from, until): (u64, u64)) -> Result<Bytes, PackError> {
        let place = self.pieces.partition_point(|(begin, _)| *begin <= from);
        let (begin, piece) =
            place.checked_sub(1).and_then(|at| self.pieces.get(at)).ok_or(PackError::Range)?;
        let within = |at: u64| {
            let at = at.checked_sub(*begin).and_then(|at| usize::try_from(at).ok());
            at.filter(|at| *at <= piece.len()).ok_or(PackError::Range)
        };
        let (from, until) = (within(from)?, within(until)?);
        if from <= until { Ok(piece.slice(from..until)) } else { Err(PackError::Range) }
    }
}

/// Reads the next bytes, as many as the file's head says.
pub(super) fn part(from: &mut dyn Read, length: u64, hasher: &mut Sha256) -> Result<Vec<u8>, PackError> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| PackError::Range)?];
    from.read_exact(&mut bytes).map_err(|e| {
        if e.kind() == io::ErrorKind::UnexpectedEof { PackError::Digest } else { PackError::Read(e) }
    })?;
    hasher.update(&bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_found_in_its_piece_and_nothing_beyond_the_file() {
        let all: Vec<u8> = (0..3 * Pieces::PIECE).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let length = all.len() as u64;
        // Bodies of growing length, so that pieces end at uneven places.
        let mut ends = vec![0];
        while let Some(next) =
            ends.last().map(|end| end + 1000 * ends.len() as u64).filter(|end| *end < length)
        {
            ends.push(next);
        }
        ends.push(length);
        let mut hasher = Sha256::new();
        let pieces = Pieces::read(&mut &all[..], length, ends.iter().copied(), &mut hasher).unwrap();
        assert!(pieces.pieces.len() > 1);
        let at = |place: u64| usize::try_from(place).unwrap();
        for body in ends.windows(2) {
            assert_eq!(pieces.slice((body[0], body[1])).unwrap(), all[at(body[0])..at(body[1])]);
        }
        assert_eq!(hasher.finalize(), Sha256::digest(&all));
        for beyond in [(0, length), (length - 1, length + 1), (length + 1, length + 1), (5, 4), (0, u64::MAX)]
        {
            assert!(matches!(pieces.slice(beyond), Err(PackError::Range)), "{beyond:?}");
        }
        assert!(pieces.slice((length, length)).unwrap().is_empty());
    }
}
