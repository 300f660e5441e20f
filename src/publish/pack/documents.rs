//! The documents of a packed publication. Each consists of its media type (one byte), the lengths of its
//! bodies (identity, gzip and Brotli; four bytes each, big-endian, 0 if there is none), and the bodies. A
//! byte that is not a media type ends the list.

use std::io::{self, Read, Write};
use std::mem;

use bytes::Bytes;

use super::{PackError, cut_short};
use crate::publish::document::{Document, Media};

/// Their places are what is stored.
const MEDIA: [Media; 4] = [Media::Json, Media::Octets, Media::Html, Media::Calendar];
const END: u8 = u8::MAX;

/// Bodies are read into chunks of this many bytes. A single block would stay in memory as long as any body
/// in it is used, and many bodies are soon replaced. An allocation for each body would waste memory, since
/// there are tens of thousands of small ones.
const CHUNK: usize = 256 * 1024;

pub(super) fn write(documents: &[Document], to: &mut impl Write) -> io::Result<()> {
    for document in documents {
        let Document { media, identity, gzip, brotli, sha256: _ } = document;
        let place = MEDIA.iter().position(|known| known == media);
        to.write_all(&[place.and_then(|place| u8::try_from(place).ok()).unwrap_or(END)])?;
        let bodies = [Some(identity), gzip.as_ref(), brotli.as_ref()].map(|body| body.map_or(&[][..], |b| b));
        for body in bodies {
            let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
            to.write_all(&length.to_be_bytes())?;
        }
        bodies.iter().try_for_each(|body| to.write_all(body))?;
    }
    to.write_all(&[END])
}

/// Reads documents from a file of at most `most` bytes.
pub(super) fn read(from: &mut impl Read, most: u64) -> Result<Vec<Document>, PackError> {
    let mut documents = Vec::new();
    let mut chunk = Chunk::default();
    let mut left = most;
    loop {
        let [media] = array(from)?;
        let Some(media) = MEDIA.get(usize::from(media)) else { break };
        let mut lengths = [0; 3];
        for length in &mut lengths {
            *length = u32::from_be_bytes(array(from)?);
        }
        // Compare the total with the file's length before allocating anything.
        let total = lengths.iter().copied().map(u64::from).sum();
        left = left.checked_sub(total).ok_or(PackError::Digest)?;
        let lengths = lengths.map(|length| length as usize);
        let total: usize = lengths.iter().sum();
        if chunk.bytes.len() + total > chunk.bytes.capacity() {
            chunk.finish(&mut documents);
            chunk.bytes.reserve_exact(total.max(CHUNK));
        }
        let begin = chunk.bytes.len();
        chunk.bytes.resize(begin + total, 0);
        from.read_exact(&mut chunk.bytes[begin..]).map_err(cut_short)?;
        chunk.waiting.push((*media, lengths));
    }
    chunk.finish(&mut documents);
    Ok(documents)
}

/// The chunk that is being read.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// The media type of each document in the chunk, and the lengths of its bodies.
    waiting: Vec<(Media, [usize; 3])>,
}

impl Chunk {
    /// Turns the chunk into documents, and empties it.
    fn finish(&mut self, documents: &mut Vec<Document>) {
        let mut bytes = Bytes::from(mem::take(&mut self.bytes));
        for (media, lengths) in self.waiting.drain(..) {
            let [identity, gzip, brotli] = lengths.map(|length| bytes.split_to(length));
            let encoded = |body: Bytes| (!body.is_empty()).then_some(body);
            documents.push(Document::with_encodings(media, identity, encoded(gzip), encoded(brotli)));
        }
    }
}

fn array<const N: usize>(from: &mut impl Read) -> Result<[u8; N], PackError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(cut_short)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<Vec<Document>, PackError> {
        read(&mut &*bytes, bytes.len() as u64)
    }

    #[test]
    fn documents_come_back_whole_across_chunks() {
        // Of growing length, so that chunks end at uneven places, and one larger than a chunk.
        let text = |length: usize| -> Bytes {
            (0..length).map(|i| u8::try_from((i * i + length) % 251).unwrap()).collect()
        };
        let lengths = (0..40).map(|i| i * 1000).chain([2 * CHUNK + 1, 0, 1]);
        let documents: Vec<Document> =
            lengths.map(|length| Document::new(Media::Json, text(length))).collect();
        let mut bytes = Vec::new();
        write(&documents, &mut bytes).unwrap();
        let back = read_all(&bytes).unwrap();
        assert_eq!(back.len(), documents.len());
        for (back, document) in back.iter().zip(&documents) {
            assert_eq!(back.identity, document.identity);
            assert_eq!((&back.gzip, &back.brotli), (&document.gzip, &document.brotli));
            assert_eq!(back.sha256, document.sha256);
        }
        for cut in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
            assert!(matches!(read_all(&bytes[..cut]), Err(PackError::Digest)), "{cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_file_is_refused_before_anything_is_allocated() {
        let mut bytes = vec![0];
        bytes.extend([u32::MAX; 3].map(u32::to_be_bytes).concat());
        assert!(matches!(read_all(&bytes), Err(PackError::Digest)));
    }
}
