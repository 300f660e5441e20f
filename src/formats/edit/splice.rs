//! The second way to make an edit, for the forms that [`patch`](super::patch) leaves: putting a key
//! into a YAML text and taking one out, with everything else left byte for byte.
//!
//! The places come from a concrete syntax tree ([`yamlpath`]), which knows comments and spacing.
//! What is cut and what is put in is decided here: in block mappings by whole lines, in flow
//! mappings between commas. A comment is somebody's word and stays, on a line of its own, also
//! when what it stood beside goes.

use std::ops::Range;

use yamlpath::{Component, Document, QueryError, Route};

/// Why a text cannot be edited.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    #[error("the file is not YAML that a machine can edit")]
    NotYaml(#[source] QueryError),
    #[error(
        "`{0}` is written in a form that a machine cannot edit: edit it by hand, or write it on a line of its own as `{0}: {{ … }}`"
    )]
    Form(String),
    #[error("there is no `{0}` to remove")]
    Absent(String),
}

/// Sets a key to a value in flow form. `path` leads to the key; of its mappings the last one is
/// made where it is missing.
///
/// # Errors
/// When the text is no YAML, or uses a form in which the place cannot be told.
pub fn put(text: &str, path: &[&str], value: &str) -> Result<String, SpliceError> {
    let sheet = Sheet::new(text)?;
    let Some((key, parent)) = path.split_last() else { return Err(SpliceError::Form(String::new())) };
    if let Some(pair) = sheet.pair(path)? {
        return sheet.replace(path, &pair, value);
    }
    let top = sheet.top()?;
    if parent.is_empty() {
        return sheet.insert(&top, &format!("{key}: {value}"), path);
    }
    let name = parent.join(".");
    let Some(pair) = sheet.pair(parent)? else {
        let line = if sheet.is_flow(&top) {
            format!("{name}: {{ {key}: {value} }}")
        } else {
            format!("{name}:{}{}  {key}: {value}", sheet.line_break(top.start), sheet.indent(&top, path)?)
        };
        return sheet.insert(&top, &line, path);
    };
    match &pair.value {
        Some(value_span) if !sheet.is_flow(value_span) => {
            sheet.insert(value_span, &format!("{key}: {value}"), path)
        }
        // An empty `{}` that ends its line gives way to a block, one line for each entry.
        Some(value_span) if sheet.is_flow(&top) || !sheet.is_bare_end(value_span) => {
            sheet.insert(value_span, &format!("{key}: {value}"), path)
        }
        empty => {
            let mut text = text.to_owned();
            let indent = sheet.indent(&pair.key, path)?.to_owned();
            let colon = pair.colon.ok_or(SpliceError::Form(name))?;
            let end = sheet.line_end(colon);
            let line = format!("{indent}  {key}: {value}");
            let (at, inserted) = sheet.as_line(end, &line);
            text.insert_str(at, &inserted);
            if let Some(braces) = empty {
                text.replace_range(colon + 1..braces.end, "");
            }
            Ok(text)
        }
    }
}

/// Takes a key out, with its value, and with its mapping when that would be left empty.
///
/// # Errors
/// When the key is not there, or written in a form in which its extent cannot be told.
pub fn remove(text: &str, path: &[&str]) -> Result<String, SpliceError> {
    let sheet = Sheet::new(text)?;
    let name = || path.join(".");
    let Some((_, parent)) = path.split_last() else { return Err(SpliceError::Form(String::new())) };
    let pair = sheet.pair(path)?.ok_or_else(|| SpliceError::Absent(name()))?;
    let mapping = if parent.is_empty() {
        sheet.top()?
    } else {
        sheet.pair(parent)?.and_then(|pair| pair.value).ok_or_else(|| SpliceError::Form(name()))?
    };
    let end = pair.end();
    if sheet.is_only(&mapping, &pair, end) {
        if parent.is_empty() {
            return Err(SpliceError::Form(name()));
        }
        return remove(text, parent);
    }
    let cut = if sheet.is_flow(&mapping) {
        sheet.flow_cut(&pair, end)
    } else {
        sheet.indent(&pair.key, path)?;
        sheet.line_start(pair.key.start)..sheet.line_end(end)
    };
    Ok(sheet.cut(cut, &pair))
}

/// The way to a key.
pub(super) fn route<'a>(path: &[&'a str]) -> Route<'a> {
    Route::from(path.iter().map(|key| Component::from(*key)).collect::<Vec<_>>())
}

/// A text with its syntax tree.
struct Sheet<'a> {
    text: &'a str,
    tree: Document,
}

/// One `key: value`.
struct Pair {
    key: Range<usize>,
    colon: Option<usize>,
    /// Nothing where the key has no value.
    value: Option<Range<usize>>,
}

impl Pair {
    fn end(&self) -> usize {
        match (&self.value, self.colon) {
            (Some(value), _) => value.end,
            (None, Some(colon)) => colon + 1,
            (None, None) => self.key.end,
        }
    }
}

impl<'a> Sheet<'a> {
    fn new(text: &'a str) -> Result<Self, SpliceError> {
        let tree = Document::new(text).map_err(SpliceError::NotYaml)?;
        Ok(Self { text, tree })
    }

    fn top(&self) -> Result<Range<usize>, SpliceError> {
        let top = self.tree.top_feature().map_err(SpliceError::NotYaml)?;
        let (start, end) = top.location.byte_span;
        Ok(start..self.content_end(start..end))
    }

    fn pair(&self, path: &[&str]) -> Result<Option<Pair>, SpliceError> {
        if let Some((_, parent @ [_, ..])) = path.split_last()
            && self.pair(parent)?.is_none_or(|parent| parent.value.is_none())
        {
            return Ok(None);
        }
        let route = route(path);
        let key = match self.tree.query_key_only(&route) {
            Ok(key) => key.location.byte_span.0..key.location.byte_span.1,
            Err(QueryError::ExhaustedMapping(_)) => return Ok(None),
            Err(e) => return Err(SpliceError::NotYaml(e)),
        };
        let value = self.tree.query_exact(&route).map_err(SpliceError::NotYaml)?.map(|value| {
            let (start, end) = value.location.byte_span;
            start..if self.is_flow(&(start..end)) { end } else { self.content_end(start..end) }
        });
        let rest = self.text[key.end..].trim_start();
        let colon = rest.starts_with(':').then(|| self.text.len() - rest.len());
        Ok(Some(Pair { key, colon, value }))
    }

    fn is_flow(&self, span: &Range<usize>) -> bool {
        self.text[span.start..].starts_with('{')
    }

    /// The end of a value without the comments and empty lines that the tree counts to it.
    fn content_end(&self, span: Range<usize>) -> usize {
        let mut end = span.end;
        // The empty lines at the end of such a scalar are its content.
        let keeps = |start: usize| {
            let head = self.text[start..].lines().next().unwrap_or_default();
            head.starts_with(['|', '>']) && head.contains('+')
        };
        if keeps(span.start) {
            return end;
        }
        loop {
            let body = self.text[span.start..end].trim_end();
            end = span.start + body.len();
            let line = body.rfind('\n').map_or(span.start, |at| span.start + at + 1);
            let content = self.text[line..end].trim_start();
            if line == span.start || !content.starts_with('#') || !self.in_comment(end - content.len()) {
                break;
            }
            end = line;
        }
        match self.tree.query_exact(&Route::from(vec![Component::from("note")])) {
            Ok(Some(note)) if keeps(note.location.byte_span.0) && note.location.byte_span.1 <= span.end => {
                end.max(note.location.byte_span.1)
            }
            _ => end,
        }
    }

    fn in_comment(&self, at: usize) -> bool {
        self.tree.offset_inside_comment(at)
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Behind the line break of the line that the text before `at` ends on.
    fn line_end(&self, at: usize) -> usize {
        if at > 0 && self.text.as_bytes()[at - 1] == b'\n' {
            return at;
        }
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// The line break that is used near a place.
    fn line_break(&self, at: usize) -> &'static str {
        let end = self.text[at..].find('\n').map(|end| at + end);
        match end.or_else(|| self.text.find('\n')) {
            Some(end) if self.text[..end].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// What stands before a key on its line: nothing but spaces.
    fn indent(&self, span: &Range<usize>, path: &[&str]) -> Result<&'a str, SpliceError> {
        let indent = &self.text[self.line_start(span.start)..span.start];
        if indent.bytes().all(|b| b == b' ') { Ok(indent) } else { Err(SpliceError::Form(path.join("."))) }
    }

    /// A line to be inserted at a line's beginning or at the end of the text, which may lack its
    /// line break and goes on lacking it.
    fn as_line(&self, at: usize, line: &str) -> (usize, String) {
        let before = at.saturating_sub(1);
        let line_break = self.line_break(self.line_start(before));
        if at > 0 && self.text.as_bytes()[before] != b'\n' {
            (at, format!("{line_break}{line}"))
        } else {
            (at, format!("{line}{line_break}"))
        }
    }

    fn insert(&self, mapping: &Range<usize>, pair: &str, path: &[&str]) -> Result<String, SpliceError> {
        let (at, inserted) = if self.is_flow(mapping) {
            return Ok(self.insert_flow(mapping, pair));
        } else {
            let indent = self.indent(mapping, path)?;
            let end = self.past_deeper_comments(self.line_end(mapping.end), indent.len());
            self.as_line(end, &format!("{indent}{pair}"))
        };
        let mut text = self.text.to_owned();
        text.insert_str(at, &inserted);
        Ok(text)
    }

    /// Comments that stand deeper than a mapping's keys belong to its last entry.
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

    fn insert_flow(&self, mapping: &Range<usize>, pair: &str) -> String {
        let close = mapping.end - 1;
        let (last, comma) = self.last_in_flow(mapping);
        let mut text = self.text.to_owned();
        if last == mapping.start + 1 {
            if self.text[last..close].trim().is_empty() {
                text.replace_range(last..close, &format!(" {pair} "));
            } else {
                // Only comments inside: the last of them ends its line.
                let line = self.line_start(close);
                let indent = &self.text[line..close];
                text.insert_str(line, &format!("{indent}  {pair}{}", self.line_break(mapping.start)));
            }
            return text;
        }
        let behind = comma.map_or(last, |comma| comma + 1);
        if !self.text[last..close].contains('\n') {
            let joint = if comma.is_some() { " " } else { ", " };
            text.insert_str(behind, &format!("{joint}{pair}"));
            return text;
        }
        // One entry to a line: a line of its own, behind the comment of the one before it.
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

    /// The end of the last entry of a flow mapping, or of its brace, and the comma behind it.
    fn last_in_flow(&self, mapping: &Range<usize>) -> (usize, Option<usize>) {
        let mut comma = None;
        let mut at = mapping.end - 1;
        while at > mapping.start + 1 {
            let byte = self.text.as_bytes()[at - 1];
            if byte == b',' && !self.in_comment(at - 1) && comma.is_none() {
                comma = Some(at - 1);
            } else if !byte.is_ascii_whitespace() && !self.in_comment(at - 1) {
                break;
            }
            at -= 1;
        }
        (at, comma)
    }

    /// Whether nothing but an empty `{}` and maybe a comment stands between here and the line's end.
    fn is_bare_end(&self, braces: &Range<usize>) -> bool {
        let inside = &self.text[braces.start + 1..braces.end - 1];
        let rest = self.text[braces.end..self.line_end(braces.end)].trim();
        inside.trim().is_empty() && !inside.contains('\n') && (rest.is_empty() || rest.starts_with('#'))
    }

    /// Whether a mapping has no other entry.
    fn is_only(&self, mapping: &Range<usize>, pair: &Pair, end: usize) -> bool {
        if self.is_flow(mapping) {
            let (last, _) = self.last_in_flow(mapping);
            let before = mapping.start + 1..pair.key.start;
            last == end && self.is_void(before)
        } else {
            pair.key.start <= mapping.start && self.line_end(end) >= self.line_end(mapping.end)
        }
    }

    /// Whether a span holds nothing but spaces and comments.
    fn is_void(&self, mut span: Range<usize>) -> bool {
        span.all(|at| self.text.as_bytes()[at].is_ascii_whitespace() || self.in_comment(at))
    }

    fn flow_cut(&self, pair: &Pair, end: usize) -> Range<usize> {
        let start = pair.key.start;
        let rest = &self.text[end..];
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let comma = rest[spaces..].starts_with(',').then_some(end + spaces);
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
        if before.ends_with(',') && !self.in_comment(before.len() - 1) {
            before.len() - 1..end
        } else {
            start..end
        }
    }

    /// Cuts a span out, and leaves its comments on lines of their own.
    fn cut(&self, span: Range<usize>, pair: &Pair) -> String {
        let kept = self.comments(&span, pair);
        let mut text = self.text.to_owned();
        if self.line_start(span.start) == span.start && self.line_end(span.end) == span.end {
            text.replace_range(span.clone(), &kept);
            // At the end of a text that lacks its last line break, the line before goes on lacking it.
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

    /// The comments that begin in a span, each on a line with its line break.
    fn comments(&self, span: &Range<usize>, pair: &Pair) -> String {
        let line_break = self.line_break(span.start);
        let own = &self.text[self.line_start(pair.key.start)..pair.key.start];
        let own = &own[..own.len() - own.trim_start_matches(' ').len()];
        let mut kept = String::new();
        let mut at = span.start;
        while let Some(found) = self.text[at..span.end].find('#') {
            let start = at + found;
            at = start + 1;
            let line = self.line_start(start);
            if !self.in_comment(start) {
                continue;
            }
            at = self.line_end(start + 1);
            let before = &self.text[line..start];
            kept.push_str(if before.trim().is_empty() { before } else { own });
            kept.push_str(self.text[start..at].trim_end());
            kept.push_str(line_break);
            if at >= span.end {
                break;
            }
        }
        kept
    }

    fn replace(&self, path: &[&str], pair: &Pair, value: &str) -> Result<String, SpliceError> {
        let form = || SpliceError::Form(path.join("."));
        let colon = pair.colon.ok_or_else(form)?;
        let end = pair.end();
        let mut text = self.text.to_owned();
        if !self.text[colon..end].contains('\n') {
            text.replace_range(colon + 1..end, &format!(" {value}"));
            return Ok(text);
        }
        let flow = pair.value.as_ref().is_some_and(|value| self.is_flow(value));
        let end = if flow { end } else { self.line_end(end) };
        let kept = self.comments(&(colon..end), pair);
        if !kept.is_empty() {
            let (at, lines) = self.as_line(self.line_end(end), kept.trim_end());
            text.insert_str(at, &lines);
        }
        let behind = if !flow && self.text[..end].ends_with('\n') { self.line_break(colon) } else { "" };
        text.replace_range(colon + 1..end, &format!(" {value}{behind}"));
        Ok(text)
    }
}
