//! A publication as one file: what the server answers with, ready to be served again after a
//! restart, before the catalog is read.
//!
//! ```text
//! "tidegate publication 1\n"
//! 8 bytes   length of the index, big-endian
//! index     JSON
//! bodies    one after the other; the index says where each begins and ends
//! 32 bytes  SHA-256 of all before
//! ```

mod pieces;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::pieces::{Pieces, part};
use super::document::{Document, Media};
use super::publication::{ChannelDocuments, OnePayload, Publication, ReleaseDocuments, TufFile};
use super::updates::{LineUpdates, Updates};
use crate::domain::Time;
use crate::domain::channel::{ChannelName, LineName, StageName};
use crate::domain::line::Prefix;
use crate::domain::payload::Payload;
use crate::domain::stepback::{Offer, Offered};
use crate::domain::version::Version;

const HEAD: &[u8] = b"tidegate publication 1\n";

/// Why a file is not a publication that can be served.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it is not a publication of this version of tidegate")]
    Format,
    #[error("it was cut short or changed: its digest does not fit")]
    Digest,
    #[error("its index cannot be read")]
    Index(#[from] serde_json::Error),
    #[error("its index points outside of it")]
    Range,
}

/// Borrowed from the publication, or from the file's bytes: an index is made and read while all else
/// is in memory too.
#[derive(Serialize, Deserialize)]
struct Index<'a> {
    version: u64,
    made: Time,
    expires: Time,
    renew: Time,
    demo: bool,
    bodies: Vec<Body>,
    channels: u32,
    promotions: u32,
    #[serde(borrow)]
    channel: Vec<Channel<'a>>,
    #[serde(borrow)]
    release: Vec<Release<'a>>,
    #[serde(borrow)]
    tuf: Vec<(&'a str, File<'a>)>,
    #[serde(borrow)]
    retired: Vec<(&'a str, File<'a>, Time)>,
    #[serde(borrow)]
    offers: Vec<OfferIndex<'a>>,
    known: Vec<(String, Cow<'a, [Version]>)>,
}

/// Where the encodings of one body are: from, until.
#[derive(Serialize, Deserialize)]
struct Body {
    octets: bool,
    identity: (u64, u64),
    gzip: Option<(u64, u64)>,
    brotli: Option<(u64, u64)>,
}

impl Body {
    /// Where its last encoding ends.
    fn end(&self) -> u64 {
        [Some(self.identity), self.gzip, self.brotli]
            .into_iter()
            .flatten()
            .map(|(_, end)| end)
            .max()
            .unwrap_or(0)
    }
}

/// From this place on, this body.
type Runs<'a> = Cow<'a, [(u32, u32)]>;

#[derive(Serialize, Deserialize)]
struct Channel<'a> {
    names: Vec<ChannelName>,
    name: ChannelName,
    line: LineName,
    manifest: u32,
    bodies: Vec<u32>,
    lines: Vec<(String, Runs<'a>, Runs<'a>)>,
    below: Cow<'a, [(Version, u32)]>,
    above: u32,
}

#[derive(Serialize, Deserialize)]
struct Release<'a> {
    version: Cow<'a, Version>,
    line: Cow<'a, LineName>,
    manifest: Option<u32>,
    /// Not in what was stored before releases that wait were told apart from unsigned ones.
    #[serde(default)]
    signed: bool,
    explain: u32,
    payloads: Cow<'a, [Payload]>,
}

#[derive(Serialize, Deserialize)]
enum File<'a> {
    Body(u32),
    Payload(Cow<'a, Payload>),
}

/// A release of an offer: since when, whether it is yanked, and its payloads.
type OfferedIndex<'a> = (Cow<'a, Version>, Time, bool, Cow<'a, [Payload]>);

#[derive(Serialize, Deserialize)]
struct OfferIndex<'a> {
    channel: ChannelName,
    /// Not in what was stored before further names were kept.
    #[serde(default)]
    aliases: Vec<ChannelName>,
    line: LineName,
    /// Not in what was stored before stages were kept.
    #[serde(default)]
    stage: Option<StageName>,
    prefix: String,
    /// Not in what was stored before lines could be retired.
    #[serde(default)]
    retired: bool,
    releases: Vec<OfferedIndex<'a>>,
}

/// Packs a publication.
///
/// # Errors
/// When it cannot be written.
pub fn pack(publication: &Publication, to: &mut dyn Write) -> io::Result<()> {
    let mut bodies = Bodies::default();
    let mut by_documents: BTreeMap<&ChannelName, (&ChannelDocuments, Vec<ChannelName>)> = BTreeMap::new();
    for (name, documents) in &publication.channel {
        by_documents.entry(&documents.name).or_insert((documents, Vec::new())).1.push(name.clone());
    }
    let channel = by_documents
        .into_values()
        .map(|(documents, names)| Channel {
            names,
            name: documents.name.clone(),
            line: documents.line.clone(),
            manifest: bodies.add(&documents.manifest),
            bodies: documents.updates.bodies.iter().map(|body| bodies.add(body)).collect(),
            lines: documents
                .updates
                .lines
                .iter()
                .map(|(prefix, line)| {
                    (prefix.to_string(), Cow::Borrowed(&line.at[..]), Cow::Borrowed(&line.gaps[..]))
                })
                .collect(),
            below: Cow::Borrowed(&documents.updates.below),
            above: documents.updates.above,
        })
        .collect();
    let release = publication.release.iter().map(|(version, release)| Release {
        version: Cow::Borrowed(version),
        line: Cow::Borrowed(&release.line),
        manifest: release.manifest.as_ref().map(|manifest| bodies.add(manifest)),
        signed: release.signed,
        explain: bodies.add(&release.explain),
        payloads: Cow::Borrowed(&release.payloads),
    });
    let release = release.collect();
    let offers = publication.offers.iter().map(|offer| OfferIndex {
        channel: offer.channel.clone(),
        aliases: offer.aliases.clone(),
        line: offer.line.clone(),
        stage: offer.stage.clone(),
        prefix: offer.prefix.to_string(),
        retired: offer.retired,
        releases: offer
            .releases
            .iter()
            .map(|(version, offered)| {
                (Cow::Borrowed(version), offered.since, offered.yanked, Cow::Borrowed(&offered.payloads[..]))
            })
            .collect(),
    });
    let index = Index {
        version: publication.version,
        made: publication.made,
        expires: publication.expires,
        renew: publication.renew,
        demo: publication.demo,
        channels: bodies.add(&publication.channels),
        promotions: bodies.add(&publication.promotions),
        channel,
        release,
        tuf: publication.tuf.iter().map(|(path, file)| (&**path, bodies.file(file))).collect(),
        retired: publication
            .retired
            .iter()
            .map(|(path, (file, until))| (&**path, bodies.file(file), *until))
            .collect(),
        offers: offers.collect(),
        known: publication
            .known
            .iter()
            .map(|(prefix, known)| (prefix.to_string(), Cow::Borrowed(&known[..])))
            .collect(),
        bodies: bodies.index,
    };
    // Written twice, the first time for its length alone: it is as large as a third of the bodies, and
    // is made while two publications are in memory.
    let mut length = Length(0);
    serde_json::to_writer(&mut length, &index)?;
    // The digest takes large pieces faster than the many small ones of an index.
    let mut to = BufWriter::new(Digested { to, digest: Sha256::new() });
    to.write_all(HEAD)?;
    to.write_all(&length.0.to_be_bytes())?;
    serde_json::to_writer(&mut to, &index)?;
    bodies.parts.iter().try_for_each(|part| to.write_all(part))?;
    let Digested { to, digest } = to.into_inner().map_err(io::IntoInnerError::into_error)?;
    to.write_all(&digest.finalize())
}

/// Counts what would be written.
struct Length(u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes on, and has the digest of what was written.
struct Digested<'a> {
    to: &'a mut dyn Write,
    digest: Sha256,
}

impl Write for Digested<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[derive(Default)]
struct Bodies<'a> {
    parts: Vec<&'a [u8]>,
    length: u64,
    index: Vec<Body>,
    /// Shared documents are stored once.
    places: HashMap<*const Document, u32>,
}

impl<'a> Bodies<'a> {
    fn add(&mut self, document: &'a Arc<Document>) -> u32 {
        if let Some(place) = self.places.get(&Arc::as_ptr(document)) {
            return *place;
        }
        let place = u32::try_from(self.index.len()).expect("a publication has fewer than 2^32 bodies");
        let body = Body {
            octets: document.media == Media::Octets,
            identity: self.write(&document.identity),
            gzip: document.gzip.as_ref().map(|bytes| self.write(bytes)),
            brotli: document.brotli.as_ref().map(|bytes| self.write(bytes)),
        };
        self.index.push(body);
        self.places.insert(Arc::as_ptr(document), place);
        place
    }

    fn write(&mut self, bytes: &'a [u8]) -> (u64, u64) {
        let from = self.length;
        self.length += bytes.len() as u64;
        self.parts.push(bytes);
        (from, self.length)
    }

    fn file(&mut self, file: &'a TufFile) -> File<'a> {
        match file {
            TufFile::Document(document) => File::Body(self.add(document)),
            TufFile::Payload(payload) => File::Payload(Cow::Borrowed(&**payload)),
        }
    }
}

/// Reads a packed publication of a length.
///
/// As a stream: a file of hundreds of megabytes is never in memory beside what is made from it.
///
/// # Errors
/// When the file cannot be read, is not a publication, or not a whole one.
pub fn unpack(from: &mut dyn Read, length: u64) -> Result<Publication, PackError> {
    let mut head = [0; HEAD.len() + 8];
    let (format, index) = head.split_at_mut(HEAD.len());
    from.read_exact(format).map_err(|_| PackError::Format)?;
    if format != HEAD {
        return Err(PackError::Format);
    }
    from.read_exact(index).map_err(|_| PackError::Digest)?;
    let index: [u8; 8] = index.try_into().map_err(|_| PackError::Range)?;
    let index = u64::from_be_bytes(index);
    // Checked against the file's length before anything is allocated for it.
    let rest = length.checked_sub(head.len() as u64 + 32).ok_or(PackError::Digest)?;
    let bodies = rest.checked_sub(index).ok_or(PackError::Digest)?;
    let mut hasher = Sha256::new();
    hasher.update(head);
    let index = part(from, index, &mut hasher)?;
    // Believed when the digest fits.
    let index: Result<Index<'_>, _> = serde_json::from_slice(&index);
    let ends = index.iter().flat_map(|index| &index.bodies).map(Body::end);
    let bodies = Pieces::read(from, bodies, ends, &mut hasher)?;
    let mut digest = [0; 32];
    from.read_exact(&mut digest).map_err(|_| PackError::Digest)?;
    if hasher.finalize()[..] != digest {
        return Err(PackError::Digest);
    }
    let index = index?;

    let documents: Vec<Arc<Document>> =
        index.bodies.iter().map(|body| document(body, &bodies)).collect::<Result<_, _>>()?;
    let at = |place: u32| documents.get(place as usize).cloned().ok_or(PackError::Range);
    let known: HashMap<Prefix, Arc<[Version]>> = index
        .known
        .into_iter()
        .map(|(text, known)| Ok((prefix(&text)?, known.into_owned().into())))
        .collect::<Result<_, PackError>>()?;

    let mut channel = HashMap::new();
    for stored in index.channel {
        let lines = stored
            .lines
            .into_iter()
            .map(|(text, runs, gaps)| {
                let prefix = prefix(&text)?;
                let known = known.get(&prefix).cloned().ok_or(PackError::Range)?;
                Ok((prefix, LineUpdates { known, at: runs.into_owned(), gaps: gaps.into_owned() }))
            })
            .collect::<Result<_, PackError>>()?;
        let updates = Updates {
            bodies: stored.bodies.into_iter().map(at).collect::<Result<_, _>>()?,
            lines,
            below: stored.below.into_owned(),
            above: stored.above,
        };
        let (line, name, manifest) = (stored.line, stored.name, at(stored.manifest)?);
        let entry = Arc::new(ChannelDocuments { line, name, manifest, updates });
        channel.extend(stored.names.into_iter().map(|name| (name, Arc::clone(&entry))));
    }
    let mut lists = Lists::default();
    let mut release = HashMap::with_capacity(index.release.len());
    for stored in index.release {
        let documents = ReleaseDocuments {
            line: stored.line.into_owned(),
            signed: stored.signed || stored.manifest.is_some(),
            manifest: stored.manifest.map(at).transpose()?,
            explain: at(stored.explain)?,
            payloads: lists.share(stored.payloads),
        };
        release.insert(stored.version.into_owned(), documents);
    }
    let file = |file: File<'_>, lists: &Lists| -> Result<TufFile, PackError> {
        Ok(match file {
            File::Body(place) => TufFile::Document(at(place)?),
            File::Payload(payload) => TufFile::Payload(lists.one(payload)),
        })
    };
    let tuf = index.tuf.into_iter().map(|(path, stored)| Ok((path.into(), file(stored, &lists)?)));
    let tuf = tuf.collect::<Result<_, PackError>>()?;
    let retired = index
        .retired
        .into_iter()
        .map(|(path, stored, until)| Ok((path.into(), (file(stored, &lists)?, until))));
    let retired = retired.collect::<Result<_, PackError>>()?;
    let offers = index.offers.into_iter().map(|offer| {
        let releases = offer.releases.into_iter().map(|(version, since, yanked, payloads)| {
            (version.into_owned(), Offered { since, yanked, payloads: lists.share(payloads) })
        });
        Ok(Offer {
            channel: offer.channel,
            aliases: offer.aliases,
            line: offer.line,
            stage: offer.stage,
            prefix: prefix(&offer.prefix)?,
            retired: offer.retired,
            releases: releases.collect(),
        })
    });
    Ok(Publication {
        version: index.version,
        made: index.made,
        expires: index.expires,
        renew: index.renew,
        demo: index.demo,
        channels: at(index.channels)?,
        promotions: at(index.promotions)?,
        channel,
        release,
        tuf,
        retired,
        offers: offers.collect::<Result<_, PackError>>()?,
        known,
    })
}

/// Lists of payloads, each in memory once: the same one stands with a release, in the offer of each of
/// its stages, and in the repository.
#[derive(Default)]
struct Lists {
    all: HashSet<Arc<[Payload]>>,
    by_digest: HashMap<[u8; 32], Arc<[Payload]>>,
}

impl Lists {
    fn share(&mut self, list: Cow<'_, [Payload]>) -> Arc<[Payload]> {
        if let Some(known) = self.all.get(&*list) {
            return Arc::clone(known);
        }
        let list: Arc<[Payload]> = list.into_owned().into();
        self.all.insert(Arc::clone(&list));
        self.by_digest.extend(list.iter().map(|payload| (*payload.sha256.as_bytes(), Arc::clone(&list))));
        list
    }

    /// One payload, as a part of the list of its release.
    fn one(&self, payload: Cow<'_, Payload>) -> OnePayload {
        let known = self.by_digest.get(payload.sha256.as_bytes());
        let known = known.and_then(|all| OnePayload::find(all, |known| *known == *payload));
        known.unwrap_or_else(|| OnePayload::alone(payload.into_owned()))
    }
}

fn prefix(text: &str) -> Result<Prefix, PackError> {
    Prefix::parse(text).map_err(|_| PackError::Range)
}

fn document(body: &Body, bodies: &Pieces) -> Result<Arc<Document>, PackError> {
    let slice = |range| bodies.slice(range);
    let media = if body.octets { Media::Octets } else { Media::Json };
    let identity = slice(body.identity)?;
    let (gzip, brotli) = (body.gzip.map(slice).transpose()?, body.brotli.map(slice).transpose()?);
    Ok(Arc::new(Document::with_encodings(media, identity, gzip, brotli)))
}
