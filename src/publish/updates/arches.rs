//! Answers to clusters that name their architecture.
//!
//! They differ from the others only in lines with releases that some architecture has no payload for. All
//! architectures that no release of such a line names get the same answers, so what clusters ask adds nothing to
//! what is stored.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::catalog::Catalog;
use crate::domain::line::Line;
use crate::domain::upgrade::Views;
use crate::publish::document::{Document, Media};

/// Stands for an architecture that no release names. No text of a catalog may have a control character, JSON does
/// not escape this one, and it is no [hole](super::Template) of a template.
const OTHER: &str = "\u{7f}~";

/// What clusters of each architecture are told, where it is not what all others are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arches<T> {
    /// By the architectures that releases name. `None` if it makes no difference.
    named: BTreeMap<Box<str>, Option<T>>,
    /// For all other architectures.
    other: Option<Box<T>>,
}

impl<T> Default for Arches<T> {
    fn default() -> Self {
        Self { named: BTreeMap::new(), other: None }
    }
}

impl<T> Arches<T> {
    /// Makes what is told about a line, which depends on this line and the one that it follows.
    pub(super) fn make<'a>(
        (catalog, views): (&'a Catalog, &ViewsByArch<'a>),
        line: &'a Line,
        mut make: impl FnMut(&Views<'a>) -> T,
    ) -> Self {
        let before = line.follows.as_ref().and_then(|follows| catalog.line(&follows.line));
        let lines = || [line].into_iter().chain(before);
        let arches: BTreeSet<&str> = lines().flat_map(Line::architectures).collect();
        let other = (!arches.is_empty()).then(|| Box::new(make(&views.other)));
        let named = arches.into_iter().map(|arch| {
            let differs = lines().flat_map(|line| line.releases.values()).any(|release| !release.fits(arch));
            (arch.into(), views.named.get(arch).filter(|_| differs).map(&mut make))
        });
        Self { named: named.collect(), other }
    }

    /// The architectures that releases name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|arch| &**arch)
    }
}

/// What clusters of an architecture are told. `None` if that is what all others are told.
pub(super) fn on<'u, T>(arches: Option<&'u Arches<T>>, arch: &str) -> Option<&'u T> {
    let Arches { named, other } = arches?;
    named.get(arch).map_or(other.as_deref(), Option::as_ref)
}

/// The views for clusters that name no architecture, and those for each architecture of a catalog.
#[derive(Debug)]
pub struct ViewsByArch<'a> {
    pub(super) any: Views<'a>,
    named: BTreeMap<&'a str, Views<'a>>,
    other: Views<'a>,
}

impl<'a> ViewsByArch<'a> {
    /// The views of a catalog. `any` are those for clusters that name no architecture.
    pub fn of(catalog: &'a Catalog, any: Views<'a>) -> Self {
        let arches: BTreeSet<&str> = catalog.lines().flat_map(Line::architectures).collect();
        let named = arches.into_iter().map(|arch| (arch, any.for_arch(arch))).collect();
        Self { named, other: any.for_arch(OTHER), any }
    }
}

/// Puts the architecture into an answer that was made for all which no release names.
pub(super) fn named<'p>(found: Cow<'p, Document>, arch: &str) -> Cow<'p, Document> {
    match str::from_utf8(&found.identity) {
        Ok(text) if text.contains(OTHER) => {
            let text = text.replace(OTHER, arch).into_bytes().into();
            Cow::Owned(Document::with_encodings(Media::Json, text, None, None))
        }
        Ok(_) | Err(_) => found,
    }
}
