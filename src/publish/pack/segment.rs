//! The segment of a line: its part of a publication.

use std::io::{self, BufReader, Read, Write};

use super::{BUFFER, Digested, PackError, cut_short, read_all, read_index, write};
use crate::publish::part::Part;
use crate::publish::segment::{Segment, Stored};

const HEAD: &[u8; 19] = b"tidegate segment 4\n";

/// Writes the segment of a part, which remembers it.
///
/// # Errors
/// When it cannot be written.
pub fn pack_part(part: &Part, to: &mut dyn Write) -> io::Result<Stored> {
    let stored = write(HEAD, part, to)?;
    part.store(stored);
    Ok(stored)
}

/// Unpacks a segment of `length` bytes.
///
/// # Errors
/// When it cannot be read, or is not this segment to the letter.
pub fn unpack_part(from: &mut dyn Read, length: u64, segment: &Segment) -> Result<Part, PackError> {
    let mut from = BufReader::with_capacity(BUFFER, Digested::new(from.take(length)));
    let mut head = [0; HEAD.len()];
    from.read_exact(&mut head).map_err(cut_short)?;
    let (documents, index) = read_all(&mut from, length)?;
    if from.into_inner().finish().1 != segment.stored || head != *HEAD {
        return Err(PackError::Digest);
    }
    let part: Part = read_index(&index, documents)?;
    part.store(segment.stored);
    Ok(part)
}
