//! Parses a file's text into a tree in which every key and value has its position.
//!
//! YAML features beyond maps, lists and scalars are rejected here: anchors and aliases (with which a small
//! file can expand without bounds), tags, merge keys, directives and multiple documents. So is anything
//! that two readers could interpret differently: duplicate keys, tabs and byte order marks.

use std::borrow::Cow;
use std::ops::Range;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::faults::Faults;
use crate::formats::fault::{Fault, Spot, is_unprintable, small};

/// The maximum size of a file, in bytes. Real files are below 2 KiB.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// The maximum nesting depth of maps and lists. Catalog files need six levels.
pub(super) const MAX_DEPTH: usize = 16;
/// The maximum number of entries in a map or a list. It is far higher than any catalog file needs, and low
/// enough to find duplicates by comparing each key with every other.
pub(super) const MAX_ENTRIES: usize = 1000;

/// A key or a value, with its position.
#[derive(Debug)]
pub(in crate::formats) struct Node<'a> {
    pub spot: Spot,
    /// The value's range in the text. It ends with the value's last word, or after the trailing empty lines
    /// of a block scalar that keeps them. A missing value has an empty range after its key.
    pub bytes: Range<usize>,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub(in crate::formats) enum Value<'a> {
    /// `plain` means without quotes. YAML takes a plain `1.8` for a number.
    Scalar { text: Cow<'a, str>, plain: bool },
    /// Items, in order.
    List(Vec<Node<'a>>),
    /// Keys and values, in order.
    Map(Vec<Entry<'a>>),
    /// Something that was rejected and has been reported.
    Refused,
}

/// One key of a map and its value.
#[derive(Debug)]
pub(in crate::formats) struct Entry<'a> {
    pub key: Node<'a>,
    pub value: Node<'a>,
}

impl Entry<'_> {
    /// Whether the key has neither a value nor a colon, as `b` in `{ a: 1, b }`.
    pub fn has_no_colon(&self) -> bool {
        self.value.bytes.is_empty() && self.value.bytes.start == self.key.bytes.end
    }

    /// Returns the key's text, or nothing for a key that was rejected.
    pub fn name(&self) -> &str {
        match &self.key.value {
            Value::Scalar { text, .. } => text,
            _ => "",
        }
    }
}

/// Returns the text of a file, or why it is not valid text.
pub(super) fn text<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    let fault =
        |text: &str, spot, message: &str, hint: &str| Err(Fault::new(path, text, spot, message, hint));
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than the limit of {MAX_BYTES}", bytes.len());
        return fault("", Spot::START, &message, "keep long text elsewhere, and link to it");
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let (valid, _) = bytes.split_at(e.valid_up_to());
            let lossy = String::from_utf8_lossy(bytes);
            let spot = Spot::of_byte(&lossy, valid.len());
            return fault(&lossy, spot, "the file is not UTF-8 text", "save it in UTF-8");
        }
    };
    // Most files are plain ASCII, which is much faster to check.
    if bytes.iter().all(|b| matches!(b, 0x20..=0x7e | b'\n')) {
        return Ok(text);
    }
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let (message, hint) = match c {
            '\u{20}'..='\u{7e}' | '\n' => continue,
            '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => continue,
            '\t' => ("there is a tab", "use spaces"),
            '\u{feff}' => ("there is a byte order mark", "save the file without one"),
            c if is_unprintable(c) => ("there is a control character", "remove it"),
            _ => continue,
        };
        return fault(text, Spot::of_byte(text, at), message, hint);
    }
    Ok(text)
}

/// A list or a map that has begun but not ended yet.
struct Open<'a> {
    node: Node<'a>,
    /// In a map: the key whose value has not been read yet.
    key: Option<Node<'a>>,
}

impl<'a> Open<'a> {
    fn new(span: &Span, value: Value<'a>) -> Self {
        // The spot of a collection is its first character.
        let node = Node { spot: Spot { length: 1, ..spot(span) }, bytes: bytes(span), value };
        Self { node, key: None }
    }

    /// Ends the collection at its closing bracket or, in block style, after its last item.
    fn close(mut self, span: &Span) -> Node<'a> {
        let last = match &self.node.value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|entry| &entry.value),
            Value::Scalar { .. } | Value::Refused => None,
        };
        let start = self.node.bytes.start;
        let end = if span.is_empty() { last.map_or(start, |last| last.bytes.end) } else { bytes(span).end };
        self.node.bytes = start..end;
        self.node
    }

    /// Adds an item to a list, or a key or a value to a map.
    fn push(&mut self, text: &str, done: Node<'a>, faults: &mut Faults<'_>) {
        match (&mut self.node.value, self.key.take()) {
            (Value::List(items), _) => items.push(done),
            (Value::Map(entries), None) => self.key = Some(checked_key(done, entries, faults)),
            (Value::Map(entries), Some(key)) => insert(text, key, done, entries),
            (Value::Scalar { .. } | Value::Refused, _) => {}
        }
    }

    fn len(&self) -> usize {
        match &self.node.value {
            Value::List(items) => items.len(),
            Value::Map(entries) => entries.len(),
            Value::Scalar { .. } | Value::Refused => 0,
        }
    }
}

/// Parses a file's text for an edit, and returns the first fault if there is one: a faulty file is not
/// edited.
pub(in crate::formats) fn parse(text: &str) -> Result<Option<Node<'_>>, Fault> {
    let mut faults = Faults::new("", text);
    let root = tree(text, &mut faults);
    match faults.into_list().into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(root),
    }
}

/// Parses a file's text into a tree, and reports what it rejects to `faults`. Returns `None` if the text is
/// empty, is not a single YAML document, or exceeds a limit.
pub(super) fn tree<'a>(text: &'a str, faults: &mut Faults<'_>) -> Option<Node<'a>> {
    let (mut open, mut root) = (Vec::new(), None);
    grow(text, faults, &mut open, &mut root, &mut 0)?;
    root
}

/// Parses as much of a file's text as can be parsed, to look for stops in it. If that is not all, the second result
/// is how many bytes were parsed.
pub(super) fn partial_tree(text: &str) -> (Option<Node<'_>>, Option<usize>) {
    let mut faults = Faults::new("", text);
    let (mut open, mut root): (Vec<Open<'_>>, _) = (Vec::new(), None);
    let mut parsed = 0;
    let is_all = grow(text, &mut faults, &mut open, &mut root, &mut parsed).is_some();
    while let Some(Open { mut node, key }) = open.pop() {
        // A key whose value cannot be parsed counts, too.
        if let (Value::Map(entries), Some(key)) = (&mut node.value, key) {
            let value = Node { spot: key.spot, bytes: key.bytes.clone(), value: Value::Refused };
            insert(text, key, value, entries);
        }
        match open.last_mut() {
            Some(parent) => parent.push(text, node, &mut faults),
            None => root = Some(node),
        }
    }
    (root, (!is_all).then_some(parsed))
}

/// Parses a file's text up to its end, or up to what cannot be parsed. Then `open` has what had begun, and
/// `parsed` how many bytes that took.
fn grow<'a>(
    text: &'a str,
    faults: &mut Faults<'_>,
    open: &mut Vec<Open<'a>>,
    root: &mut Option<Node<'a>>,
    parsed: &mut usize,
) -> Option<()> {
    let parser = Parser::new_from_str_with_options(
        text,
        options! {
            disallow_directives: true,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            emit_comments: false,
            flow_nesting_limit: 2 * MAX_DEPTH,
            block_nesting_limit: 2 * MAX_DEPTH,
        },
    );
    let mut documents = 0;
    for next in parser {
        let (event, span) = match next {
            Ok(next) => next,
            Err(e) => {
                report(&e, text, faults);
                return None;
            }
        };
        let spot = spot(&span);
        *parsed = bytes(&span).end.max(*parsed);
        if let Some(tag) = span.tag_span() {
            faults.push(self::spot(&tag), "there is a tag", "write the value without it: its type is known");
        }
        let done = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    let hint = "put each document into its own file";
                    faults.push(spot, "a second YAML document begins here", hint);
                    return None;
                }
                continue;
            }
            Event::Anchor(..) => {
                faults.push(spot, "there is an anchor", "remove it, and write out each value");
                continue;
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                faults.push(spot, "there is an alias", "write the value out");
                Node { spot, bytes: bytes(&span), value: Value::Refused }
            }
            Event::Scalar(value, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                // The parser returns `~` for a missing value.
                let value = if plain && span.is_empty() { Cow::Borrowed("") } else { value };
                let mut bytes = bytes(&span);
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    bytes.end = block_scalar_end(text, &value, bytes.end);
                }
                Node { spot, bytes, value: Value::Scalar { text: value, plain } }
            }
            Event::SequenceStart(..) => {
                open.push(Open::new(&span, Value::List(Vec::new())));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::new(&span, Value::Map(Vec::new())));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(open) => open.close(&span),
                None => continue,
            },
            _ => continue,
        };
        if open.len() > MAX_DEPTH {
            let message = format!("this is nested deeper than {MAX_DEPTH} levels");
            faults.push(spot, message, "no catalog file needs that");
            return None;
        }
        let Some(parent) = open.last_mut() else {
            *root = Some(done);
            continue;
        };
        parent.push(text, done, faults);
        if parent.len() > MAX_ENTRIES {
            let message = format!("there are more than {MAX_ENTRIES} entries");
            faults.push(spot, message, "no catalog file needs that many");
            return None;
        }
    }
    Some(())
}

/// Returns the key, or a rejected node if the key is not valid here.
fn checked_key<'a>(key: Node<'a>, entries: &[Entry<'a>], faults: &mut Faults<'_>) -> Node<'a> {
    let refused = Node { spot: key.spot, bytes: key.bytes.clone(), value: Value::Refused };
    match &key.value {
        Value::Scalar { text, plain: true } if text == "<<" => {
            faults.push(key.spot, "there is a merge key", "write the keys out");
            refused
        }
        Value::Scalar { text, .. } => {
            if let Some(first) = entries.iter().find(|entry| entry.name() == text) {
                let message = format!("duplicate key `{text}`, first on line {}", first.key.spot.line);
                faults.push(key.spot, message, "keep one of them");
                return refused;
            }
            key
        }
        Value::List(_) | Value::Map(_) => {
            let hint = "a key is text; quote it if it begins with `{` or `[`";
            faults.push(key.spot, "a list or a map cannot be a key", hint);
            refused
        }
        Value::Refused => key,
    }
}

fn insert<'a>(text: &str, key: Node<'a>, mut value: Node<'a>, entries: &mut Vec<Entry<'a>>) {
    if matches!(key.value, Value::Refused) {
        return;
    }
    // A missing value has no position of its own, so it gets that of its key.
    if matches!(&value.value, Value::Scalar { text, plain: true } if text.is_empty()) {
        value.spot = key.spot;
        let end = colon(text, &key).map_or(key.bytes.end, |colon| colon + 1);
        value.bytes = end..end;
    }
    entries.push(Entry { key, value });
}

/// Returns the position of a key's colon, or `None` if there is no colon or a comment comes before it.
pub(in crate::formats) fn colon(text: &str, key: &Node<'_>) -> Option<usize> {
    let rest = text[key.bytes.end..].trim_start();
    rest.starts_with(':').then(|| text.len() - rest.len())
}

/// Returns where a block scalar ends. For the parser, it extends to the first word after it.
fn block_scalar_end(text: &str, value: &str, end: usize) -> usize {
    let read = &text[..end];
    // Trailing empty lines belong to the value only if the scalar keeps them (`|+`).
    let content = value.strip_suffix('\n').unwrap_or(value);
    let keeps_lines = value == "\n" || content.ends_with(char::is_whitespace);
    if keeps_lines {
        let line = read.rfind('\n').map_or(0, |at| at + 1);
        if read[line..].trim().is_empty() { line } else { end }
    } else {
        read.trim_end().len()
    }
}

fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

fn spot(span: &Span) -> Spot {
    let (start, end) = (span.start, span.end);
    let length = if start.line() == end.line() { end.col().saturating_sub(start.col()).max(1) } else { 1 };
    Spot { line: small(start.line().max(1)), column: small(start.col() + 1), length: small(length) }
}

fn report(error: &ScanError, text: &str, faults: &mut Faults<'_>) {
    let mark = error.marker();
    // Web pages and word processors put these where a space should be, and nobody can see them.
    let odd = text.char_indices().filter(|(_, c)| c.is_whitespace() && !c.is_ascii());
    let mut odd = odd.map(|(at, c)| (Spot::of_byte(text, at), c));
    if let Some((spot, c)) = odd.find(|(spot, _)| mark.line().abs_diff(spot.line as usize) <= 1) {
        let message = format!("there is a space that is not an ordinary one (U+{:04X})", u32::from(c));
        faults.push(spot, message, "replace it with an ordinary space");
        return;
    }
    let lines = text.lines().count().max(1);
    // The parser puts the end of the file after the last line, where there is no snippet to show.
    let spot = if mark.line() > lines {
        let column = text.lines().last().map_or(0, |line| line.chars().count());
        Spot { line: small(lines), column: small(column + 1), length: 1 }
    } else {
        Spot { line: small(mark.line().max(1)), column: small(mark.col() + 1), length: 1 }
    };
    let hint = match error.kind() {
        ErrorKind::RecursionLimitExceeded => "no catalog file is nested this deep",
        ErrorKind::DirectiveDisallowed => "remove the line: no directive is needed",
        ErrorKind::UnclosedQuotedScalar => "close the quote",
        ErrorKind::UnclosedFlowCollection { .. } => "close the bracket",
        ErrorKind::UnknownQuotedScalarEscape => "write `\\\\` for a backslash, or use single quotes",
        ErrorKind::MappingValueNotAllowed => "quote text that contains `: `",
        _ => "check the indentation, the brackets and the quotes here and on the line above",
    };
    faults.push(spot, format!("this is not YAML: {}", error.kind()), hint);
}
