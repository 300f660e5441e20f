//! Sentences in a room that must hold none, found in its string literals.

use super::paths::{Token, tokens};

/// What may hold a sentence: an error's own line, and what only a programmer reads.
const MAY: &[&str] = &["error", "expect", "panic", "unreachable", "assert", "assert_eq", "assert_ne"];

/// The sentences and commands of a file, without those of its inline test modules, each with its line.
pub fn sentences(source: &str) -> Vec<(usize, String)> {
    let tokens = tokens(source);
    let mut calls: Vec<Option<&str>> = Vec::new();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        match token {
            Token::Other('(') => calls.push(called(&tokens[..at])),
            Token::Other(')') => {
                calls.pop();
            }
            Token::Word(word) if word == "mod" && is_test_module(&tokens[at..]) => {
                at = end_of_block(&tokens, at + 2);
            }
            Token::Text(text)
                if is_sentence(text) && !calls.iter().flatten().any(|call| MAY.contains(call)) =>
            {
                found.push((*line, text.clone()));
            }
            Token::Text(_) | Token::Word(_) | Token::Colons | Token::Other(_) => {}
        }
        at += 1;
    }
    found
}

/// The function, macro or attribute whose arguments begin after these tokens.
fn called(before: &[(usize, Token)]) -> Option<&str> {
    let before = match before {
        [rest @ .., (_, Token::Other('!'))] => rest,
        all => all,
    };
    match before.last() {
        Some((_, Token::Word(word))) => Some(word),
        _ => None,
    }
}

fn is_test_module(tokens: &[(usize, Token)]) -> bool {
    matches!(tokens, [_, (_, Token::Word(name)), (_, Token::Other('{')), ..] if name == "tests")
}

/// The place of the brace that closes the one at `open`.
fn end_of_block(tokens: &[(usize, Token)], open: usize) -> usize {
    let mut depth = 0;
    for (place, (_, token)) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Other('{') => depth += 1,
            Token::Other('}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    tokens.len()
}

/// Three words make a sentence; a placeholder is none. A command to type is as much.
fn is_sentence(text: &str) -> bool {
    let mut depth = 0;
    let plain: String = text
        .chars()
        .filter(|&c| {
            depth += i32::from(c == '{');
            let outside = depth == 0;
            depth -= i32::from(c == '}');
            outside
        })
        .collect();
    let is_word = |part: &&str| part.chars().filter(|c| c.is_alphabetic()).count() > 1;
    plain.split_whitespace().filter(is_word).count() > 2 || plain.contains("tidegate ")
}

#[test]
fn sentences_and_commands_are_found() {
    for (source, expected) in [
        (r#"fn f() { g("put it back, {name}") }"#, 1),
        (r#"fn f() -> String { format!("`{a}` was published in `{b}`") }"#, 1),
        (r#"const C: &str = "tidegate promote";"#, 1),
        (r##"const C: &str = r#"a raw one counts"#;"##, 1),
        (r#"#[error("`{0}` is not a version")] struct E(String); fn f() { g("and this is one") }"#, 1),
        (r#"mod tests { fn f() { g("not in a test") } } fn f() { g("but after it") }"#, 1),
        (r#"#[error("`{0}` is not a version")] struct E(String);"#, 0),
        (r#"fn f() { x.expect("it was checked before"); assert!(a, "{}", "it was checked") }"#, 0),
        (r#"fn f() { write!(f, "{} {from}-{until} {}", a, b) } const C: &str = "not_before";"#, 0),
        ("// put it back here\n/// \"a quoted doc comment\"\nfn f() {}", 0),
    ] {
        assert_eq!(sentences(source).len(), expected, "{source}: {:?}", sentences(source));
    }
}
