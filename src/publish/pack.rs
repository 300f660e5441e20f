//! A publication as it is stored: a head, and a segment for each line. After a restart, a server serves it until
//! it has read the catalog.
//!
//! ```text
//! head                              segment
//! "tidegate publication 4\n"        "tidegate segment 4\n"
//! documents                         documents   one after the other; see `documents`
//! index                             index       JSON: the value, in which each document is a number
//! 32 bytes                                      SHA-256 of everything before
//! ```
//!
//! The index of the head is the [`Publication`] without its parts, and what is known of each
//! [segment](Segment): above all its digest, which is also its name. So a segment that is lost, cut or changed is
//! noticed, and only its line is lost.
//!
//! Serde derives the indexes from [`Publication`] and [`Part`], so a new field there is stored too.
//! In an index, a document is only a number. Serde passes no context to the values that it writes or
//! reads, so a thread-local holds the documents for these numbers.

mod documents;
mod segment;
mod whole;

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256 as Hasher};

use super::Publication;
use super::document::Document;
use super::evidence::shared_out;
use super::part::{Loss, Part, Parts};
use super::segment::{Segment, Stored};
use crate::domain::payload::Sha256;
pub use segment::{pack_part, unpack_part};
use whole::{Inline, Whole};

/// What every head begins with.
const NAME: &[u8] = b"tidegate publication ";
const HEAD: &[u8; 23] = b"tidegate publication 4\n";
const INLINE: &[u8; 23] = b"tidegate publication 3\n";
const WHOLE: &[u8; 23] = b"tidegate publication 2\n";

/// An index is written in many small blocks, which are hashed and passed on together.
const BUFFER: usize = 64 * 1024;

/// The length of a digest.
const DIGEST: usize = 32;

/// Why stored bytes cannot be served as a publication or a part of it.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it is not a publication")]
    Foreign,
    #[error("another version of tidegate wrote it, in a format that this one cannot read")]
    Format,
    #[error("it is incomplete or was changed: its digest is wrong")]
    Digest,
    #[error("its index cannot be read")]
    Index(#[from] serde_json::Error),
}

thread_local! {
    /// The documents of the index that is being written or read, in the order of their numbers.
    static DOCUMENTS: RefCell<Vec<Document>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work`, which writes or reads an index, with these documents. Returns its result and the documents,
/// including any that it added.
fn with_documents<T>(documents: Vec<Document>, work: impl FnOnce() -> T) -> (T, Vec<Document>) {
    DOCUMENTS.set(documents);
    let done = work();
    (done, DOCUMENTS.take())
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = DOCUMENTS.with_borrow_mut(|documents| {
            // This is cheap: a clone shares the bodies.
            documents.push(self.clone());
            documents.len() - 1
        });
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = usize::deserialize(deserializer)?;
        let document = DOCUMENTS.with_borrow(|documents| documents.get(number).cloned());
        document.ok_or_else(|| D::Error::custom(format!("there is no document {number}")))
    }
}

/// Packs the head of a publication, whose parts must be stored already.
///
/// # Errors
/// When a part is not stored.
pub fn pack(publication: &Publication) -> io::Result<Vec<u8>> {
    let segments = publication.parts.iter().map(|part| part.segment()).collect::<Option<Vec<_>>>();
    let segments = segments.ok_or_else(|| io::Error::other("a part of the publication was not stored"))?;
    let mut packed = Vec::new();
    let sha256 = write(HEAD, &(publication, segments), &mut packed)?.sha256;
    packed.extend_from_slice(sha256.as_bytes());
    Ok(packed)
}

/// Writes documents and the index of a value, and returns the digest and the number of the written bytes.
fn write(head: &[u8], value: &impl Serialize, to: &mut dyn Write) -> io::Result<Stored> {
    // The index is written twice, the first time only to collect its documents. Keeping it in memory would
    // be worse, at a time when two publications are already in memory.
    let (written, documents) = with_documents(Vec::new(), || serde_json::to_writer(io::sink(), value));
    written?;
    let mut to = BufWriter::with_capacity(BUFFER, Digested::new(to));
    to.write_all(head)?;
    documents::write(&documents, &mut to)?;
    drop(documents);
    let (written, _) = with_documents(Vec::new(), || serde_json::to_writer(&mut to, value));
    written?;
    Ok(to.into_inner().map_err(io::IntoInnerError::into_error)?.finish().1)
}

/// Unpacks a publication from a head of `length` bytes. `read` reads the part in a segment, or says why it is
/// lost; several segments are read at once. A line for which it returns `Ok(None)` is left out.
///
/// # Errors
/// When the head cannot be read, is not a publication, or is damaged.
pub fn unpack(
    from: &mut dyn Read,
    length: u64,
    read: &(dyn Fn(&Segment) -> Result<Option<Part>, Loss> + Sync),
) -> Result<Publication, PackError> {
    let content = length.checked_sub(DIGEST as u64).ok_or(PackError::Foreign)?;
    let mut from = BufReader::with_capacity(BUFFER, Digested::new(from.take(content)));
    let mut head = [0; HEAD.len()];
    from.read_exact(&mut head).map_err(|_| PackError::Foreign)?;
    if ![HEAD, INLINE, WHOLE].contains(&&head) {
        return Err(if head.starts_with(NAME) { PackError::Format } else { PackError::Foreign });
    }
    let (documents, index) = read_all(&mut from, content)?;
    let (inner, found) = from.into_inner().finish();
    let mut expected = [0; DIGEST];
    inner.into_inner().read_exact(&mut expected).map_err(cut_short)?;
    if *found.sha256.as_bytes() != expected {
        return Err(PackError::Digest);
    }
    match &head {
        HEAD => {
            let (mut publication, segments): (Publication, Vec<Segment>) = read_index(&index, documents)?;
            let parts = shared_out(&segments, 1, |segment| match read(segment) {
                Ok(part) => part,
                Err(loss) => Some(Part::lost(segment.clone(), loss)),
            });
            publication.parts = Parts::of(parts.into_iter().flatten().map(Arc::new));
            Ok(publication)
        }
        INLINE => {
            let mut publication: Publication = read_index(&index, documents.clone())?;
            let Inline { parts } = read_index(&index, documents)?;
            publication.parts = Parts::of(parts);
            Ok(publication)
        }
        _ => {
            let whole: Whole = read_index(&index, documents)?;
            Ok(whole.try_into().map_err(serde_json::Error::custom)?)
        }
    }
}

/// Reads what [`write()`] has written after the first line.
fn read_all(from: &mut impl Read, most: u64) -> Result<(Vec<Document>, Vec<u8>), PackError> {
    let documents = documents::read(from, most)?;
    let mut index = Vec::new();
    from.read_to_end(&mut index)?;
    Ok((documents, index))
}

/// Reads an index whose numbers are those of `documents`.
fn read_index<T: DeserializeOwned>(index: &[u8], documents: Vec<Document>) -> Result<T, PackError> {
    let (read, _) = with_documents(documents, || serde_json::from_slice(index));
    Ok(read?)
}

fn cut_short(error: io::Error) -> PackError {
    if error.kind() == io::ErrorKind::UnexpectedEof { PackError::Digest } else { PackError::Read(error) }
}

/// A reader or writer that hashes and counts all bytes that pass through it.
struct Digested<I> {
    inner: I,
    digest: Hasher,
    size: u64,
}

impl<I> Digested<I> {
    fn new(inner: I) -> Self {
        Self { inner, digest: Hasher::new(), size: 0 }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
    }

    fn finish(self) -> (I, Stored) {
        let Self { inner, digest, size } = self;
        (inner, Stored { sha256: Sha256::new(digest.finalize().into()), size })
    }
}

impl Write for Digested<&mut dyn Write> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.pass(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.pass(&bytes[..count]);
        Ok(count)
    }
}
