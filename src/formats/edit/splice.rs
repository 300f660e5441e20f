//! Sets or removes a key in a YAML file, or adds an item to a list, and keeps every other byte.
//!
//! The catalog's own reader reports where each key and value is. This file decides what to cut and insert:
//! whole lines in block mappings, and the text between commas in flow mappings. When a value is removed,
//! its comment stays, on a line of its own.

use std::ops::Range;

use crate::formats::yaml::node::{Entry, Node, Value, colon, parse};

/// Why a file's text cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    #[error("line {line} is not YAML that tidegate can edit: {message}")]
    NotYaml { line: u32, message: String },
    #[error("the file is not a mapping of keys to values")]
    NoMapping,
    #[error(
        "`{0}` is written in a form that tidegate cannot edit: edit it by hand, or write it on its own line as `{0}: {{ … }}`"
    )]
    Form(String),
    #[error("there is no `{0}` to remove")]
    Absent(String),
}

/// Sets the key at `path` to a value in flow form. If the mapping that should contain the key is missing,
/// it is added.
///
/// # Errors
/// When the text is not YAML, or has a layout that cannot be edited.
pub fn put(text: &str, path: &[&str], value: &str) -> Result<String, SpliceError> {
    let sheet = Sheet::new(text)?;
    let form = || SpliceError::Form(path.join("."));
    let (key, parent) = path.split_last().ok_or_else(form)?;
    let pair = format!("{key}: {value}");
    if let Some(entry) = sheet.entry(path)? {
        return sheet.replace(path, entry, value);
    }
    if parent.is_empty() {
        return sheet.insert(&sheet.root, &pair, path);
    }
    let name = parent.join(".");
    let Some(entry) = sheet.entry(parent)? else {
        let lines = if sheet.is_flow(&sheet.root) {
            format!("{name}: {{ {pair} }}")
        } else {
            let (line_break, indent) = (sheet.line_break(0), sheet.indent(&sheet.root, path)?);
            format!("{name}:{line_break}{indent}  {pair}")
        };
        return sheet.insert(&sheet.root, &lines, path);
    };
    let mapping = &entry.value;
    let is_missing = is_missing(mapping);
    if !is_missing && !matches!(mapping.value, Value::Map(_)) {
        return Err(form());
    }
    if sheet.is_flow(&sheet.root) && is_missing {
        return sheet.replace(parent, entry, &format!("{{ {pair} }}"));
    }
    if sheet.is_flow(&sheet.root) || !is_missing && !sheet.is_bare_end(mapping) {
        return sheet.insert(mapping, &pair, path);
    }
    // An empty `{}` at the end of its line becomes a block, with a line for each entry.
    let indent = sheet.indent(&entry.key, path)?;
    let colon = colon(text, &entry.key).ok_or_else(form)?;
    let (at, line) = sheet.as_line(sheet.line_end(colon), &format!("{indent}  {pair}"));
    let mut text = text.to_owned();
    text.insert_str(at, &line);
    text.replace_range(colon + 1..mapping.bytes.end, "");
    Ok(text)
}

/// Adds an item in flow form to the end of the list at `path`. If the list is missing, it is added.
///
/// # Errors
/// When the text is not YAML, or has a layout that cannot be edited.
pub fn append(text: &str, path: &[&str], item: &str) -> Result<String, SpliceError> {
    let sheet = Sheet::new(text)?;
    let form = || SpliceError::Form(path.join("."));
    let list = match sheet.entry(path)? {
        Some(entry) if !is_missing(&entry.value) => &entry.value,
        Some(_) | None => return put(text, path, &format!("[{item}]")),
    };
    let Value::List(items) = &list.value else { return Err(form()) };
    let (Some(end), false) = (items.last(), sheet.is_flow(list)) else {
        return Ok(sheet.insert_flow(list, item));
    };
    let dash = sheet.line_start(end.bytes.start);
    let indent = &text[dash..dash + text[dash..].find('-').ok_or_else(form)?];
    if !indent.bytes().all(|b| b == b' ') {
        return Err(form());
    }
    let behind = sheet.past_deeper_comments(sheet.line_end(end.bytes.end), indent.len());
    let (at, line) = sheet.as_line(behind, &format!("{indent}- {item}"));
    let mut text = text.to_owned();
    text.insert_str(at, &line);
    Ok(text)
}

/// Removes a key and its value, and the mapping around them if it would become empty.
///
/// # Errors
/// When the key is missing, or has a layout that cannot be edited.
pub fn remove(text: &str, path: &[&str]) -> Result<String, SpliceError> {
    let sheet = Sheet::new(text)?;
    let form = || SpliceError::Form(path.join("."));
    let (_, parent) = path.split_last().ok_or_else(form)?;
    let entry = sheet.entry(path)?.ok_or_else(|| SpliceError::Absent(path.join(".")))?;
    let mapping = match sheet.entry(parent)? {
        Some(parent) => &parent.value,
        None => &sheet.root,
    };
    if entries(mapping).len() == 1 {
        return if parent.is_empty() { Err(form()) } else { remove(text, parent) };
    }
    let cut = if sheet.is_flow(mapping) {
        sheet.flow_cut(entry)
    } else {
        sheet.indent(&entry.key, path)?;
        sheet.line_start(entry.key.bytes.start)..sheet.line_end(entry.value.bytes.end)
    };
    Ok(sheet.cut(cut, entry))
}

fn entries<'n, 'a>(mapping: &'n Node<'a>) -> &'n [Entry<'a>] {
    match &mapping.value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

/// Whether a key has no value, as in `stages:` with nothing after it.
fn is_missing(value: &Node<'_>) -> bool {
    matches!(&value.value, Value::Scalar { text, plain: true } if text.is_empty())
}

/// A file's text, its parsed tree, and the positions of its comments.
struct Sheet<'a> {
    text: &'a str,
    root: Node<'a>,
    comments: Vec<Range<usize>>,
}

impl<'a> Sheet<'a> {
    fn new(text: &'a str) -> Result<Self, SpliceError> {
        let root = parse(text)
            .map_err(|fault| SpliceError::NotYaml { line: fault.line, message: fault.message })?
            .filter(|root| matches!(root.value, Value::Map(_)))
            .ok_or(SpliceError::NoMapping)?;
        let comments = comments(text, &root);
        Ok(Self { text, root, comments })
    }

    /// Returns the entry at a path, if there is one. An empty path has no entry.
    fn entry(&self, path: &[&str]) -> Result<Option<&Entry<'a>>, SpliceError> {
        let mut node = &self.root;
        let mut found = None;
        for (i, key) in path.iter().enumerate() {
            if !matches!(node.value, Value::Map(_)) && !is_missing(node) {
                return Err(SpliceError::Form(path[..i].join(".")));
            }
            found = entries(node).iter().find(|entry| entry.name() == *key);
            match found {
                Some(entry) => node = &entry.value,
                None => return Ok(None),
            }
        }
        Ok(found)
    }

    /// Whether a mapping or a list is written in brackets.
    fn is_flow(&self, node: &Node<'_>) -> bool {
        match node.value {
            Value::Map(_) => self.text[node.bytes.start..].starts_with('{'),
            Value::List(_) => self.text[node.bytes.start..].starts_with('['),
            Value::Scalar { .. } | Value::Refused => false,
        }
    }

    /// Returns the comment that covers a position.
    fn comment_at(&self, at: usize) -> Option<&Range<usize>> {
        let next = self.comments.partition_point(|comment| comment.end <= at);
        self.comments.get(next).filter(|comment| comment.contains(&at))
    }

    /// Finds the comma after an entry of a flow mapping, skipping spaces, line breaks and comments.
    fn comma(&self, mut at: usize) -> Option<usize> {
        loop {
            let rest = self.text[at..].trim_start();
            at = self.text.len() - rest.len();
            match self.comment_at(at) {
                Some(comment) => at = comment.end,
                None => return rest.starts_with(',').then_some(at),
            }
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Returns the end of the line that contains a position, after its line break. A position right after a
    /// line break already is the end of a line.
    fn line_end(&self, at: usize) -> usize {
        if at > 0 && self.text.as_bytes()[at - 1] == b'\n' {
            return at;
        }
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// Returns the kind of line break used near a position.
    fn line_break(&self, at: usize) -> &'static str {
        let end = self.text[at..].find('\n').map(|end| at + end);
        match end.or_else(|| self.text.find('\n')) {
            Some(end) if self.text[..end].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// Returns the spaces before a key on its line. Fails if there is anything else before it.
    fn indent(&self, node: &Node<'_>, path: &[&str]) -> Result<&'a str, SpliceError> {
        let start = node.bytes.start;
        let indent = &self.text[self.line_start(start)..start];
        if indent.bytes().all(|b| b == b' ') { Ok(indent) } else { Err(SpliceError::Form(path.join("."))) }
    }

    /// Returns the text to insert so that `line` becomes a line of its own, and the position to insert it
    /// at. `at` is the start of a line or the end of the text. If the text does not end with a line break,
    /// neither does the result.
    fn as_line(&self, at: usize, line: &str) -> (usize, String) {
        let before = at.saturating_sub(1);
        let line_break = self.line_break(self.line_start(before));
        if at > 0 && self.text.as_bytes()[before] != b'\n' {
            (at, format!("{line_break}{line}"))
        } else {
            (at, format!("{line}{line_break}"))
        }
    }

    fn insert(&self, mapping: &Node<'_>, pair: &str, path: &[&str]) -> Result<String, SpliceError> {
        if self.is_flow(mapping) {
            return Ok(self.insert_flow(mapping, pair));
        }
        let indent = self.indent(mapping, path)?;
        let end = self.past_deeper_comments(self.line_end(mapping.bytes.end), indent.len());
        let (at, line) = self.as_line(end, &format!("{indent}{pair}"));
        let mut text = self.text.to_owned();
        text.insert_str(at, &line);
        Ok(text)
    }

    /// Skips comments that are indented deeper than a mapping's keys, since they belong to its last entry.
    fn past_deeper_comments(&self, mut end: usize, indent: usize) -> usize {
        let mut at = end;
        while let Some(line) = self.text[at..].split_inclusive('\n').next() {
            let content = line.trim_start();
            at += line.len();
            if content.starts_with('#') && line.len() - content.len() > indent {
                end = at;
            } else if !content.is_empty() {
                break;
            }
        }
        end
    }

    fn insert_flow(&self, mapping: &Node<'_>, pair: &str) -> String {
        let mut text = self.text.to_owned();
        let (open, close) = (mapping.bytes.start + 1, mapping.bytes.end - 1);
        let last = match &mapping.value {
            Value::List(items) => items.last(),
            _ => entries(mapping).last().map(|entry| &entry.value),
        };
        let Some(last) = last.map(|last| last.bytes.end) else {
            if self.text[open..close].trim().is_empty() {
                text.replace_range(open..close, &format!(" {pair} "));
            } else {
                // The mapping contains only comments, so its `}` is on a new line.
                let line = self.line_start(close);
                let indent = &self.text[line..close];
                text.insert_str(line, &format!("{indent}  {pair}{}", self.line_break(mapping.bytes.start)));
            }
            return text;
        };
        let comma = self.comma(last);
        let behind = comma.map_or(last, |comma| comma + 1);
        if !self.text[last..close].contains('\n') {
            let joint = if comma.is_some() { " " } else { ", " };
            text.insert_str(behind, &format!("{joint}{pair}"));
            return text;
        }
        // Each entry has its own line, so the new one goes on the line after the last entry and its
        // comment.
        let line = self.line_start(last);
        let content = self.text[line..].trim_start_matches(' ');
        let indent = &self.text[line..self.text.len() - content.len()];
        let trailing = if comma.is_some() { "," } else { "" };
        let line_break = self.line_break(last);
        text.insert_str(self.line_end(behind), &format!("{indent}{pair}{trailing}{line_break}"));
        if comma.is_none() {
            text.insert(last, ',');
        }
        text
    }

    /// Whether a mapping is an empty `{}` at the end of its line, apart from a comment.
    fn is_bare_end(&self, braces: &Node<'_>) -> bool {
        let Range { start, end } = braces.bytes;
        let inside = self.text[start..end].trim_matches(['{', '}']);
        let rest = self.text[end..self.line_end(end)].trim();
        inside.trim().is_empty() && !inside.contains('\n') && (rest.is_empty() || rest.starts_with('#'))
    }

    fn flow_cut(&self, entry: &Entry<'_>) -> Range<usize> {
        let (start, end) = (entry.key.bytes.start, entry.value.bytes.end);
        let comma = self.comma(end);
        let behind = comma.map_or(end, |comma| comma + 1);
        let line = self.line_start(start);
        let line_end = self.line_end(behind);
        let tail = self.text[behind..line_end].trim();
        let own_lines =
            self.text[line..start].trim().is_empty() && (tail.is_empty() || tail.starts_with('#'));
        if own_lines && line_end > behind {
            return line..line_end;
        }
        if comma.is_some() {
            let rest = &self.text[behind..];
            return start..self.text.len() - rest.trim_start_matches([' ', '\t']).len();
        }
        let before = self.text[..start].trim_end();
        if before.ends_with(',') && self.comment_at(before.len() - 1).is_none() {
            before.len() - 1..end
        } else {
            start..end
        }
    }

    /// Cuts out a span, but keeps its comments, each on its own line.
    fn cut(&self, span: Range<usize>, entry: &Entry<'_>) -> String {
        let kept = self.kept_comments(&span, entry);
        let mut text = self.text.to_owned();
        if self.line_start(span.start) == span.start && self.line_end(span.end) == span.end {
            text.replace_range(span.clone(), &kept);
            // If the original text does not end with a line break, neither does the result.
            if span.end == self.text.len() && !self.text.ends_with('\n') {
                text.truncate(text.trim_end_matches(['\n', '\r']).len());
            }
        } else {
            if !kept.is_empty() {
                let (at, lines) = self.as_line(self.line_end(span.end), kept.trim_end());
                text.insert_str(at, &lines);
            }
            text.replace_range(span, "");
        }
        text
    }

    /// Returns the comments that begin in a span, each on its own line, with a line break at the end.
    fn kept_comments(&self, span: &Range<usize>, entry: &Entry<'_>) -> String {
        let line_break = self.line_break(span.start);
        let own = &self.text[self.line_start(entry.key.bytes.start)..entry.key.bytes.start];
        let own = &own[..own.len() - own.trim_start_matches(' ').len()];
        let mut kept = String::new();
        for comment in self.comments.iter().filter(|comment| span.contains(&comment.start)) {
            let before = &self.text[self.line_start(comment.start)..comment.start];
            kept.push_str(if before.trim().is_empty() { before } else { own });
            kept.push_str(self.text[comment.clone()].trim_end());
            kept.push_str(line_break);
        }
        kept
    }

    fn replace(&self, path: &[&str], entry: &Entry<'_>, value: &str) -> Result<String, SpliceError> {
        let colon = colon(self.text, &entry.key).ok_or_else(|| SpliceError::Form(path.join(".")))?;
        let end = entry.value.bytes.end;
        let mut text = self.text.to_owned();
        if !self.text[colon..end].contains('\n') {
            text.replace_range(colon + 1..end, &format!(" {value}"));
            return Ok(text);
        }
        let flow = self.is_flow(&entry.value);
        let end = if flow { end } else { self.line_end(end) };
        let kept = self.kept_comments(&(colon..end), entry);
        if !kept.is_empty() {
            let (at, lines) = self.as_line(self.line_end(end), kept.trim_end());
            text.insert_str(at, &lines);
        }
        let behind = if !flow && self.text[..end].ends_with('\n') { self.line_break(colon) } else { "" };
        text.replace_range(colon + 1..end, &format!(" {value}{behind}"));
        Ok(text)
    }
}

/// Finds the comments of a text: each begins at a `#` that is not part of a key or a value, and ends before
/// the line break.
fn comments(text: &str, root: &Node<'_>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    words_with_hash(root, &mut words);
    let mut words = words.into_iter().peekable();
    let mut comments: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices('#') {
        while words.next_if(|word| word.end <= at).is_some() {}
        let is_in_word = words.peek().is_some_and(|word| word.contains(&at));
        if !is_in_word && comments.last().is_none_or(|last| last.end <= at) {
            let length = text[at..].find(['\r', '\n']).unwrap_or(text.len() - at);
            comments.push(at..at + length);
        }
    }
    comments
}

/// Collects the positions of the keys and values that contain a `#`, in text order.
fn words_with_hash(node: &Node<'_>, words: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Scalar { text, .. } if text.contains('#') => words.push(node.bytes.clone()),
        Value::Scalar { .. } | Value::Refused => {}
        Value::List(items) => items.iter().for_each(|item| words_with_hash(item, words)),
        Value::Map(entries) => {
            for entry in entries {
                words_with_hash(&entry.key, words);
                words_with_hash(&entry.value, words);
            }
        }
    }
}
