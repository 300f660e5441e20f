//! The paths and texts that a Rust file has, found without compiling it.
//!
//! Comments are skipped; then each path is read with its groups, and `self` and
//! `super` are resolved, inline modules counted. What macros make of their input is not seen.

use std::iter::Peekable;

/// One path, as if written in full.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    pub line: usize,
    /// Whether it is below `crate::`; else it begins with a crate's or some local name.
    pub in_this_crate: bool,
    pub segments: Vec<String>,
}

impl Used {
    pub fn path(&self) -> String {
        self.segments.join("::")
    }

    /// Whether this is `prefix` or below it. Never half a segment.
    pub fn starts_with(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.split("::").all(|part| segments.next().is_some_and(|segment| segment == part))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// What a string literal holds.
    Text(String),
    /// `::`
    Colons,
    Other(char),
}

/// Every path of two or more segments, and every one that a `use` takes, in a file that is the
/// module `modules`.
pub fn used_paths(source: &str, modules: &[&str]) -> Vec<Used> {
    let tokens = tokens(source);
    let mut inline = Inline::default();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        let follows_path = at > 0
            && match tokens[at - 1].1 {
                Token::Colons => at > 1 && matches!(tokens[at - 2].1, Token::Word(_) | Token::Other('>')),
                Token::Other(dot) => dot == '.',
                Token::Word(_) | Token::Text(_) => false,
            };
        match token {
            Token::Word(word) if word == "mod" => {
                inline.named = tokens.get(at + 1).and_then(|(_, token)| word_of(token)).map(str::to_owned);
                at += 1;
            }
            Token::Word(word) if word == "use" => {
                at += 1;
                at += usize::from(tokens.get(at).is_some_and(|(_, token)| *token == Token::Colons));
                let mut paths = Vec::new();
                at = tree(&tokens, at, &mut Vec::new(), &mut paths);
                found.extend(paths.into_iter().map(|(line, path)| resolve(line, &path, modules, &inline)));
                continue;
            }
            Token::Word(_)
                if !follows_path && tokens.get(at + 1).is_some_and(|(_, t)| *t == Token::Colons) =>
            {
                let mut path = Vec::new();
                while let Some(word) = tokens.get(at).and_then(|(_, token)| word_of(token)) {
                    path.push(word.to_owned());
                    at += 1;
                    if tokens.get(at).is_none_or(|(_, token)| *token != Token::Colons) {
                        break;
                    }
                    at += 1;
                }
                found.push(resolve(*line, &path, modules, &inline));
                continue;
            }
            Token::Other('{') => inline.open(),
            Token::Other('}') => inline.close(),
            Token::Other(';') => inline.named = None,
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one tree of a `use`, and gives the place after it.
fn tree(
    tokens: &[(usize, Token)],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let depth = before.len();
    let first = tokens.get(at).map_or(0, |(line, _)| *line);
    let mut group = false;
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "as" => {
                at += 2;
                break;
            }
            // `{self}` is the module before it.
            Token::Word(word) if word == "self" && depth > 0 => {}
            Token::Word(word) => before.push(word.clone()),
            Token::Colons | Token::Other('*') => {}
            Token::Other('{') => {
                group = true;
                at += 1;
                while tokens.get(at).is_some_and(|(_, token)| *token != Token::Other('}')) {
                    at = tree(tokens, at, before, found);
                    if tokens.get(at).is_none_or(|(_, token)| *token != Token::Other(',')) {
                        break;
                    }
                    at += 1;
                }
                at += 1;
                break;
            }
            Token::Other(_) | Token::Text(_) => break,
        }
        at += 1;
    }
    if !group {
        found.push((first, before.clone()));
    }
    before.truncate(depth);
    at
}

fn resolve(line: usize, path: &[String], modules: &[&str], inline: &Inline) -> Used {
    let mut here: Vec<String> = modules.iter().map(|&name| name.to_owned()).collect();
    here.extend(inline.modules().map(str::to_owned));
    let mut rest = path;
    let mut in_this_crate = true;
    match path.first().map(String::as_str) {
        Some("crate") => {
            here.clear();
            rest = &path[1..];
        }
        Some("self") => rest = &path[1..],
        Some("super") => {}
        _ => {
            here.clear();
            in_this_crate = false;
        }
    }
    while let [first, after @ ..] = rest
        && first == "super"
    {
        here.pop();
        rest = after;
    }
    here.extend_from_slice(rest);
    Used { line, in_this_crate, segments: here }
}

/// Which `mod name {` we are inside of.
#[derive(Debug, Default)]
struct Inline {
    /// A `mod name` was just read.
    named: Option<String>,
    /// For each open brace, the module that it opened.
    braces: Vec<Option<String>>,
}

impl Inline {
    fn open(&mut self) {
        self.braces.push(self.named.take());
    }

    fn close(&mut self) {
        self.braces.pop();
    }

    fn modules(&self) -> impl Iterator<Item = &str> {
        self.braces.iter().flatten().map(String::as_str)
    }
}

fn word_of(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

/// A file without its comments.
pub fn tokens(source: &str) -> Vec<(usize, Token)> {
    let mut chars = source.chars().peekable();
    let mut line = 1;
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|&c| c != '\n').is_some() {},
            '/' if chars.peek() == Some(&'*') => line += block_comment(&mut chars),
            '"' => {
                let (text, lines) = string(&mut chars);
                tokens.push((line, Token::Text(text)));
                line += lines;
            }
            '\'' => quote(&mut chars),
            ':' if chars.next_if_eq(&':').is_some() => tokens.push((line, Token::Colons)),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|&c| c.is_alphanumeric() || c == '_') {
                    word.push(c);
                }
                match (word.as_str(), chars.peek()) {
                    ("r" | "br" | "cr", Some('"' | '#')) => match raw(&mut chars) {
                        Raw::Text(text) => {
                            let lines = text.matches('\n').count();
                            tokens.push((line, Token::Text(text)));
                            line += lines;
                        }
                        Raw::Word(word) => tokens.push((line, Token::Word(word))),
                    },
                    // What follows is a string or a byte, and its prefix is no name.
                    ("b" | "c", Some('"' | '\'')) => {}
                    _ => tokens.push((line, Token::Word(word))),
                }
            }
            c if c.is_whitespace() => {}
            c => tokens.push((line, Token::Other(c))),
        }
    }
    tokens
}

/// Skips a block comment, which may have others in it, and counts its lines.
fn block_comment(chars: &mut Peekable<impl Iterator<Item = char>>) -> usize {
    let (mut depth, mut lines) = (0, 0);
    let mut last = '/';
    for c in chars {
        match (last, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            (_, '\n') => lines += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        // `/*/` opens and does not close.
        last = if matches!((last, c), ('/', '*') | ('*', '/')) { ' ' } else { c };
    }
    lines
}

/// Reads a string to its end, and counts its lines.
fn string(chars: &mut impl Iterator<Item = char>) -> (String, usize) {
    let (mut text, mut lines) = (String::new(), 0);
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => lines += usize::from(chars.next() == Some('\n')),
            c => {
                lines += usize::from(c == '\n');
                text.push(c);
            }
        }
    }
    (text, lines)
}

/// Skips a character, or the tick of a lifetime, which has no tick at its end.
fn quote(chars: &mut Peekable<impl Iterator<Item = char> + Clone>) {
    let mut ahead = chars.clone();
    match (ahead.next(), ahead.next()) {
        (Some('\\'), _) => {
            chars.next();
            chars.next();
            while chars.next().is_some_and(|c| c != '\'') {}
        }
        (Some(_), Some('\'')) => {
            chars.next();
            chars.next();
        }
        _ => {}
    }
}

enum Raw {
    /// What a raw string holds.
    Text(String),
    /// `r#word`
    Word(String),
}

fn raw(chars: &mut Peekable<impl Iterator<Item = char>>) -> Raw {
    let mut hashes = 0;
    while chars.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if chars.next_if_eq(&'"').is_none() {
        let mut word = String::new();
        while let Some(c) = chars.next_if(|&c| c.is_alphanumeric() || c == '_') {
            word.push(c);
        }
        return Raw::Word(word);
    }
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '"' {
            let mut seen = 0;
            while seen < hashes && chars.next_if_eq(&'#').is_some() {
                seen += 1;
            }
            if seen == hashes {
                break;
            }
        }
        text.push(c);
    }
    Raw::Text(text)
}
