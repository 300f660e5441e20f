//! The first way to make an edit: [`yamlpatch`], wherever its result is what an edit promises.
//!
//! This way go the forms that a catalog is usually written in: keys of block mappings, on lines of
//! their own. They are put in (with their mapping, where that is missing), replaced and removed.
//!
//! The second way, [`splice`](super::splice), is for what yamlpatch does otherwise than promised:
//! - entries of flow mappings: it writes the whole mapping anew, cuts the whole line, or refuses;
//! - a mapping without a value, or an empty `{}`: it refuses, or fills the braces;
//! - comments beside or inside what is replaced or removed: they would go too;
//! - comments deeper than a mapping, behind its last entry: it writes above them;
//! - a block scalar as the last value before a new key: its last lines may pass for comments or
//!   for empty lines, and would be cut off;
//! - texts with mixed line ends: it writes `\n` only.
//!
//! No form is looked for beforehand, but for line ends, which are made `\n` and put back. The others
//! show in the result: it is taken only if it differs from the old text in the lines of the edit
//! alone, and says the same but for the edit.

use serde_json::Value;
use yamlpatch::{Op, Patch, apply_yaml_patches};
use yamlpath::{Document, Route};

use super::splice::route;

/// Stands for the value while yamlpatch is at work: it writes mappings as blocks, and edits are
/// one line in flow form.
const PLACEHOLDER: &str = "TIDEGATE-VALUE";

/// Sets a key to a value in flow form, if yamlpatch can.
pub fn put(text: &str, path: &[&str], value: &str) -> Option<String> {
    let mut meant = meaning(text)?;
    let there = at(&mut meant, path).is_some();
    let (entry, route, operation) = match path {
        [.., key] if there => (vec![format!("{key}: {value}")], route(path), Op::Replace(PLACEHOLDER.into())),
        [key] => {
            let add = Op::Add { key: (*key).to_owned(), value: PLACEHOLDER.into() };
            (vec![format!("{key}: {value}")], Route::default(), add)
        }
        [parent, key] => {
            let mut entry = vec![format!("{key}: {value}")];
            if at(&mut meant, &[parent]).is_none() {
                entry = vec![format!("{parent}:"), format!("  {key}: {value}")];
                meant.as_object_mut()?.insert((*parent).to_owned(), Value::Object(serde_json::Map::new()));
            }
            let updates = std::iter::once(((*key).to_owned(), PLACEHOLDER.into())).collect();
            (entry, Route::default(), Op::MergeInto { key: (*parent).to_owned(), updates })
        }
        _ => return None,
    };
    let (key, parent) = path.split_last()?;
    at(&mut meant, parent)?.as_object_mut()?.insert((*key).to_owned(), meaning(value)?);

    let new = with_line_feeds(text, |old| {
        if old.contains(PLACEHOLDER) {
            return None;
        }
        let old = Document::new(old).ok()?;
        let new = patch(&old, route, operation)?.replacen(PLACEHOLDER, value, 1);
        let lines = Difference::of(old.source(), &new);
        let fits = if there { lines.replace(&old, path, value) } else { lines.insert(&entry) };
        fits.then_some(new)
    })?;
    (meaning(&new)? == meant).then_some(new)
}

/// Takes a key out, and its mapping when that would be left empty, if yamlpatch can.
pub fn remove(text: &str, path: &[&str]) -> Option<String> {
    let mut meant = meaning(text)?;
    let (key, parent) = path.split_last()?;
    let mapping = at(&mut meant, parent)?.as_object_mut()?;
    mapping.remove(*key)?;
    if mapping.is_empty() {
        return remove(text, parent);
    }
    let new = with_line_feeds(text, |old| {
        let old = Document::new(old).ok()?;
        let new = patch(&old, route(path), Op::Remove)?;
        Difference::of(old.source(), &new).remove(&old).then_some(new)
    })?;
    (meaning(&new)? == meant).then_some(new)
}

fn patch(old: &Document, route: Route, operation: Op) -> Option<String> {
    let new = apply_yaml_patches(old, &[Patch { route, operation }]).ok()?;
    Some(new.source().to_owned())
}

/// What a text says, without how it says it.
fn meaning(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

fn at<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, key| value.get_mut(*key))
}

/// Edits a text in which each line ends with `\n`, the last one too, and gives the result the line
/// ends that the text had.
fn with_line_feeds(text: &str, edit: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let crlf = text.contains("\r\n");
    let mut old = text.replace("\r\n", "\n");
    if crlf && old.replace('\n', "\r\n") != text {
        return None;
    }
    let ended = old.ends_with('\n');
    if !ended {
        old.push('\n');
    }
    let mut new = edit(&old)?;
    if !ended {
        new.pop();
        if new.ends_with('\n') {
            return None;
        }
    }
    Some(if crlf { new.replace('\n', "\r\n") } else { new })
}

/// The lines in which two texts differ. All others are byte for byte the same.
struct Difference<'a> {
    /// Where they begin, in both texts.
    start: usize,
    old: &'a str,
    new: &'a str,
    /// What follows them, in both texts.
    behind: &'a str,
}

impl<'a> Difference<'a> {
    fn of(old: &'a str, new: &'a str) -> Self {
        let same = |lines: &(&str, &str)| lines.0 == lines.1;
        let lines = old.split_inclusive('\n').zip(new.split_inclusive('\n'));
        let start = lines.take_while(same).map(|(line, _)| line.len()).sum();
        let (old, new) = (&old[start..], &new[start..]);
        let lines = old.split_inclusive('\n').rev().zip(new.split_inclusive('\n').rev());
        let end: usize = lines.take_while(same).map(|(line, _)| line.len()).sum();
        let (old, behind) = old.split_at(old.len() - end);
        Self { start, old, new: &new[..new.len() - end], behind }
    }

    /// Whether only these lines were put in, at some indent, and not above a comment that stands
    /// deeper and so belongs to what is above.
    fn insert(&self, entry: &[String]) -> bool {
        let width = |line: &str| line.len() - line.trim_start().len();
        let indent = &self.new[..width(self.new)];
        let lines = self.new.lines().map(|line| line.strip_prefix(indent));
        let next = self.behind.lines().find(|line| !line.trim().is_empty());
        let deeper =
            next.is_some_and(|line| line.trim_start().starts_with('#') && width(line) > indent.len());
        self.old.is_empty() && lines.eq(entry.iter().map(|line| Some(line.as_str()))) && !deeper
    }

    /// Whether only the value of a key was replaced, with all else on its line the same.
    fn replace(&self, old: &Document, path: &[&str], value: &str) -> bool {
        let Some((before, after)) = self.new.split_once(value) else { return false };
        let before = before.trim_end();
        let Some(gone) = self.old.strip_prefix(before).and_then(|old| old.strip_suffix(after)) else {
            return false;
        };
        let Ok(was) = old.query_exact(&route(path)) else { return false };
        let was = was.map_or("", |was| old.extract(&was));
        self.new.matches('\n').count() == 1
            && gone.trim() == was.trim()
            && !has_comment_or_space(old, self.start + before.len(), gone)
    }

    /// Whether lines were only taken out, and none that somebody wrote for a reader.
    fn remove(&self, old: &Document) -> bool {
        self.new.is_empty() && !has_comment_or_space(old, self.start, self.old)
    }
}

/// Whether a part of a text has comments or empty lines.
fn has_comment_or_space(text: &Document, start: usize, part: &str) -> bool {
    let comment = part.match_indices('#').any(|(i, _)| text.offset_inside_comment(start + i));
    comment || part.lines().any(|line| line.trim().is_empty())
}
