//! The files of a catalog as they were last read.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::signed_name;
use crate::formats::yaml::ParsedFile;
use crate::store::port::{Manifests, Revision, reuse};
use crate::store::stamp::Stamp;

/// Files by path, with what depends on all of them.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Boxed, because an empty slot in a map is as large as a value.
    by_path: BTreeMap<Arc<str>, Box<Cached>>,
    sum: Sum,
    /// The signed manifests once more, as snapshots share them.
    manifests: Arc<Manifests>,
    /// The signed documents that may be in memory twice.
    unshared: HashSet<Arc<str>>,
}

/// A file as it was last read.
#[derive(Debug)]
pub(super) struct Cached {
    pub stamp: Option<Stamp>,
    /// Whether a later change shows in the stamp, because it was old enough when the file was read.
    pub is_sure: bool,
    pub digest: [u8; 32],
    pub content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Parsed(ParsedFile),
    /// A role or a release manifest. If one cannot be read, only its line or release fails.
    Signed(Result<Bytes, String>),
}

impl Cached {
    /// Whether the file was read. If not, `digest` is not that of its bytes.
    pub const fn is_read(&self) -> bool {
        self.stamp.is_some()
    }

    pub fn parsed(&self) -> Option<&ParsedFile> {
        match &self.content {
            Content::Parsed(parsed) => Some(parsed),
            Content::Signed(_) => None,
        }
    }
}

impl Files {
    pub fn get(&self, path: &str) -> Option<&Cached> {
        self.by_path.get(path).map(Box::as_ref)
    }

    #[cfg(test)]
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Cached> {
        self.by_path.values_mut().map(Box::as_mut)
    }

    pub fn parsed(&self) -> impl Iterator<Item = &ParsedFile> + Clone {
        self.by_path.values().filter_map(|cached| cached.parsed())
    }

    pub fn insert(&mut self, path: &Arc<str>, cached: Cached) {
        if let Content::Signed(read) = &cached.content {
            if is_manifest(path) {
                Arc::make_mut(&mut self.manifests).insert(signed_name(path).into(), read.clone());
            }
            self.unshared.insert(Arc::clone(path));
        }
        self.sum.add(path, &cached.digest);
        if let Some(before) = self.by_path.insert(Arc::clone(path), Box::new(cached)) {
            self.sum.remove(path, &before.digest);
        }
    }

    fn remove(&mut self, path: &str) {
        let Some(cached) = self.by_path.remove(path) else { return };
        self.sum.remove(path, &cached.digest);
        self.unshared.remove(path);
        if is_manifest(path) {
            Arc::make_mut(&mut self.manifests).remove(signed_name(path));
        }
    }

    /// Forgets the files that are not listed: of those whose paths begin with any of these prefixes or are one, or
    /// of all.
    pub fn retain(&mut self, is_listed: impl Fn(&str) -> bool, prefixes: Option<&[String]>) {
        let is_gone = |path: &&Arc<str>| !is_listed(path);
        let mut gone: Vec<Arc<str>> = Vec::new();
        match prefixes {
            None => gone.extend(self.by_path.keys().filter(is_gone).cloned()),
            Some(prefixes) => {
                for prefix in prefixes {
                    gone.extend(self.paths_of(prefix).filter(is_gone).cloned());
                }
            }
        }
        for path in gone {
            self.remove(&path);
        }
    }

    /// The paths that begin with a prefix or are one.
    pub fn paths_of(&self, prefix: &str) -> impl Iterator<Item = &Arc<str>> {
        let own = self.by_path.get_key_value(prefix.trim_end_matches('/')).map(|(path, _)| path);
        own.into_iter().chain(self.below(prefix).map(|(path, _)| path))
    }

    fn below(&self, prefix: &str) -> impl Iterator<Item = (&Arc<str>, &Box<Cached>)> {
        let from = self.by_path.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(path, _)| path.starts_with(prefix))
    }

    /// The revision of the catalog with these files.
    pub fn revision(&self) -> Revision {
        self.sum.revision()
    }

    /// The revision of the catalog once these files, given with their digests, have replaced others.
    pub fn revision_with<'a>(&self, written: impl Iterator<Item = (&'a str, [u8; 32])>) -> Revision {
        let written: BTreeMap<&str, [u8; 32]> = written.collect();
        let mut sum = self.sum;
        for (path, digest) in written {
            if let Some(before) = self.by_path.get(path) {
                sum.remove(path, &before.digest);
            }
            sum.add(path, &digest);
        }
        sum.revision()
    }

    pub fn manifests(&self) -> Arc<Manifests> {
        Arc::clone(&self.manifests)
    }

    /// The roles in `trust/`, by file name, or why they cannot be read.
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Result<Bytes, String>)> {
        self.below("trust/").filter_map(|(path, cached)| match &cached.content {
            Content::Signed(read) => Some((signed_name(path), read)),
            Content::Parsed(_) => None,
        })
    }

    /// Replaces signed documents with equal ones that are already in memory. Those that were replaced before are
    /// not compared again.
    pub fn share(&mut self, served: &dyn Fn(&str) -> Option<Bytes>) {
        let manifests = Arc::make_mut(&mut self.manifests);
        let files = &mut self.by_path;
        self.unshared.retain(|path| {
            let name = signed_name(path);
            let Some(Content::Signed(Ok(bytes))) = files.get_mut(path).map(|cached| &mut cached.content)
            else {
                return false;
            };
            let is_shared = reuse(bytes, served(name));
            if let Some(Ok(held)) = manifests.get_mut(name).filter(|_| is_manifest(path)) {
                *held = bytes.clone();
            }
            !is_shared
        });
    }
}

fn is_manifest(path: &str) -> bool {
    path.starts_with("payloads:")
}

/// The sum of the digests of all names and contents. It is the same in every order, so a change to one file needs
/// nothing of the others.
#[derive(Debug, Clone, Copy, Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, path: &str, digest: &[u8; 32]) {
        self.combine(path, digest, u64::wrapping_add);
    }

    fn remove(&mut self, path: &str, digest: &[u8; 32]) {
        self.combine(path, digest, u64::wrapping_sub);
    }

    fn combine(&mut self, path: &str, digest: &[u8; 32], combine: impl Fn(u64, u64) -> u64) {
        let file = Sha256::new().chain_update(path).chain_update([0]).chain_update(digest).finalize();
        for (part, bytes) in self.0.iter_mut().zip(file.as_chunks::<8>().0) {
            *part = combine(*part, u64::from_be_bytes(*bytes));
        }
    }

    fn revision(self) -> Revision {
        let mut bytes = [0; 32];
        for (to, part) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *to = part.to_be_bytes();
        }
        Revision::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_follows_from_the_files_alone_however_they_came() {
        let file = |n: u8| Cached {
            stamp: None,
            is_sure: false,
            digest: [n; 32],
            content: Content::Signed(Err(String::new())),
        };
        let mut one = Files::default();
        let empty = one.revision();
        one.insert(&"a".into(), file(1));
        one.insert(&"b".into(), file(2));
        let mut other = Files::default();
        for (path, n) in [("b", 7), ("c", 3), ("b", 2), ("a", 1)] {
            other.insert(&path.into(), file(n));
        }
        assert_ne!(one.revision(), other.revision());
        assert_eq!(one.revision_with([("c", [3; 32]), ("b", [2; 32])].into_iter()), other.revision());
        other.remove("c");
        assert_eq!(one.revision(), other.revision());
        // Two files that swap their contents are another catalog.
        let swapped = one.revision_with([("a", [2; 32]), ("b", [1; 32])].into_iter());
        assert_ne!(swapped, one.revision());
        one.remove("a");
        one.remove("b");
        assert_eq!(one.revision(), empty);
    }
}
