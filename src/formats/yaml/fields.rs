//! Reads the keys of one map.

use super::faults::Faults;
use super::keys::Shape;
use super::node::{Entry, Node, Value};
use super::scalar;
use crate::domain::suggest::suggest;
use crate::formats::fault::Spot;

/// A map whose unknown and missing keys have been reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n, 'a> {
    shape: &'static Shape,
    entries: &'n [Entry<'a>],
}

impl<'n, 'a> Fields<'n, 'a> {
    /// Checks a map's keys. Missing keys are reported at `at`.
    pub fn of(node: &'n Node<'a>, at: Spot, shape: &'static Shape, faults: &mut Faults<'_>) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Refused => return None,
            _ => return expected("a map", node, &format!("its keys are {}", names(shape)), faults),
        };
        for entry in entries {
            let name = entry.name();
            if !shape.has(name) && entry.has_no_colon() {
                let message = format!("`{name}` is not a key with a value: in braces, a comma ends a value");
                let hint = "put quotes around a value that has a comma, or write a list in brackets";
                faults.push(entry.key.spot, message, hint);
            } else if !shape.has(name) {
                let is_there = |key: &str| entries.iter().any(|entry| entry.name() == key);
                let hint = match suggest(name, shape.keys.iter().map(|key| key.name)).first() {
                    Some(near) if is_there(near) => format!("`{near}` is there already: keep one of them"),
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the known keys are {}", names(shape)),
                };
                faults.push(entry.key.spot, format!("unknown key `{name}`"), hint);
            }
        }
        for key in shape.keys.iter().filter(|key| key.required) {
            if !entries.iter().any(|entry| entry.name() == key.name) {
                let hint = format!("add `{}`: {}", key.name, key.about.trim_end_matches('.'));
                faults.push(at, format!("key `{}` is missing", key.name), hint);
            }
        }
        Some(Self { shape, entries })
    }

    /// Returns a key and its value, if the key exists.
    pub fn get(&self, name: &str) -> Option<&'n Entry<'a>> {
        debug_assert!(self.shape.has(name), "`{name}` is not in the table");
        self.entries.iter().find(|entry| entry.name() == name)
    }

    /// Reads a key's value, if the key exists.
    pub fn read<T>(
        &self,
        name: &str,
        faults: &mut Faults<'_>,
        read: impl FnOnce(&'n Node<'a>, &mut Faults<'_>) -> Option<T>,
    ) -> Option<T> {
        read(&self.get(name)?.value, faults)
    }

    /// Reads a key's value, which is a map, with a function that reports missing keys at the given spot:
    /// that of this key.
    pub fn nested<T>(
        &self,
        name: &str,
        faults: &mut Faults<'_>,
        read: impl FnOnce(&'n Node<'a>, Spot, &mut Faults<'_>) -> Option<T>,
    ) -> Option<T> {
        let entry = self.get(name)?;
        read(&entry.value, entry.key.spot, faults)
    }
}

/// Reads the items of a list, and skips those that `read` rejects.
pub(super) fn list<'n, 'a, T>(
    node: &'n Node<'a>,
    faults: &mut Faults<'_>,
    mut read: impl FnMut(&'n Node<'a>, &mut Faults<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    match &node.value {
        Value::List(items) => Some(items.iter().filter_map(|item| read(item, faults)).collect()),
        Value::Refused => None,
        _ => expected("a list", node, "write `[…]`, or each item on its own line after `- `", faults),
    }
}

/// Reads the entries of a map whose keys are arbitrary names, and skips those that `read` rejects.
pub(super) fn map<'n, 'a, T>(
    node: &'n Node<'a>,
    faults: &mut Faults<'_>,
    mut read: impl FnMut(&'n Node<'a>, &'n Node<'a>, &mut Faults<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    match &node.value {
        Value::Map(entries) => {
            Some(entries.iter().filter_map(|entry| read(&entry.key, &entry.value, faults)).collect())
        }
        Value::Refused => None,
        _ => expected("a map", node, "write `{name: value}`, or each entry on its own line", faults),
    }
}

/// Reports that a value is not of the expected kind.
fn expected<T>(what: &str, node: &Node<'_>, hint: &str, faults: &mut Faults<'_>) -> Option<T> {
    faults.push(node.spot, format!("expected {what}, found {}", scalar::kind(node)), hint);
    None
}

fn names(shape: &Shape) -> String {
    let names: Vec<String> = shape.keys.iter().map(|key| format!("`{}`", key.name)).collect();
    names.join(", ")
}
