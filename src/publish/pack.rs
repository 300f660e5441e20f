//! A publication as one file. After a restart, a server serves it until it has read the catalog.
//!
//! ```text
//! "tidegate publication 3\n"
//! documents   one after the other; see `documents`
//! index       JSON: the value that was packed, in which each document is a number
//! 32 bytes    SHA-256 of everything before
//! ```
//!
//! Serde derives the index from [`Publication`], so a new field there is stored too.
//! In the index, a document is only a number. Serde passes no context to the values that it writes or
//! reads, so a thread-local holds the documents for these numbers.

mod documents;
mod whole;

use std::cell::RefCell;
use std::io::{self, BufReader, BufWriter, Read, Write};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::Publication;
use super::document::Document;
use whole::Whole;

const NAME: &[u8] = b"tidegate publication ";
const HEAD: &[u8] = b"tidegate publication 3\n";
const WHOLE: &[u8] = b"tidegate publication 2\n";

/// The length of a digest.
const DIGEST: usize = 32;

/// Why a file cannot be served as a publication.
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

/// Writes a publication.
///
/// # Errors
/// When it cannot be written.
pub fn pack(value: &Publication, to: &mut dyn Write) -> io::Result<()> {
    // The index is written twice, the first time only to collect its documents. Keeping it in memory would
    // be worse, at a time when two publications are already in memory.
    let (written, documents) = with_documents(Vec::new(), || serde_json::to_writer(io::sink(), value));
    written?;
    // The buffer makes hashing faster: an index is written in many small blocks.
    let mut to = BufWriter::new(Digested { inner: to, digest: Sha256::new() });
    to.write_all(HEAD)?;
    documents::write(&documents, &mut to)?;
    drop(documents);
    let (written, _) = with_documents(Vec::new(), || serde_json::to_writer(&mut to, value));
    written?;
    let Digested { inner, digest } = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    inner.write_all(&digest.finalize())
}

/// Reads a packed publication from a file of `length` bytes.
///
/// It is read as a stream, since the file can be hundreds of megabytes.
///
/// # Errors
/// When the file cannot be read, is not a publication, or is damaged.
pub fn unpack(from: &mut dyn Read, length: u64) -> Result<Publication, PackError> {
    let content = length.checked_sub(DIGEST as u64).ok_or(PackError::Foreign)?;
    let digested = Digested { inner: from.take(content), digest: Sha256::new() };
    let mut from = BufReader::with_capacity(64 * 1024, digested);
    let mut head = [0; HEAD.len()];
    from.read_exact(&mut head).map_err(|_| PackError::Foreign)?;
    if head != HEAD && head != WHOLE {
        return Err(if head.starts_with(NAME) { PackError::Format } else { PackError::Foreign });
    }
    let documents = documents::read(&mut from, content)?;
    let mut index = Vec::new();
    from.read_to_end(&mut index)?;
    let Digested { inner, digest } = from.into_inner();
    let mut expected = [0; DIGEST];
    inner.into_inner().read_exact(&mut expected).map_err(cut_short)?;
    if digest.finalize()[..] != expected {
        return Err(PackError::Digest);
    }
    if head == HEAD {
        read_index(&index, documents)
    } else {
        let whole: Whole = read_index(&index, documents)?;
        Ok(whole.try_into().map_err(serde_json::Error::custom)?)
    }
}

/// Reads an index whose numbers are those of `documents`.
fn read_index<T: DeserializeOwned>(index: &[u8], documents: Vec<Document>) -> Result<T, PackError> {
    let (read, _) = with_documents(documents, || serde_json::from_slice(index));
    Ok(read?)
}

fn cut_short(error: io::Error) -> PackError {
    if error.kind() == io::ErrorKind::UnexpectedEof { PackError::Digest } else { PackError::Read(error) }
}

/// A reader or writer that hashes all bytes that pass through it.
struct Digested<I> {
    inner: I,
    digest: Sha256,
}

impl Write for Digested<&mut dyn Write> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.digest.update(&bytes[..count]);
        Ok(count)
    }
}
