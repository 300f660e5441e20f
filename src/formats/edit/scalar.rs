//! Writes text as a YAML scalar that no reader mistakes for anything else.

use std::fmt::Write;

use crate::domain::version::Version;

/// Words that some YAML readers take for a boolean, null or a number.
const WORDS: [&str; 11] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf"];

/// Writes a string as a scalar on one line, for flow and block style. It is plain if every reader takes it
/// for text, and in double quotes otherwise.
pub fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || " _-./+()".contains(c);
    let Some(first) = text.chars().next() else { return false };
    let word = text.to_ascii_lowercase();
    text.chars().all(inside)
        && !text.ends_with(' ')
        && !WORDS.contains(&word.as_str())
        && (first.is_alphabetic() || is_version(text) || is_digest(text))
}

/// A version needs no quotes: no reader takes three numbers separated by dots for a number. Some do take
/// `1.8`, `1e5` or `0x1` for one.
fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// A digest is written without quotes by convention, unless some reader could take it for a number.
fn is_digest(text: &str) -> bool {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) && letters > 1
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Control characters, Unicode's line separators, the byte order mark and noncharacters.
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_every_reader_takes_for_text_stays_plain() {
        for plain in
            ["soaked 14d", "schedule", "1.8.4", "1.8.4+tectonic.1", "v0.1.2", "x-y_z", "Grüße", "a.b"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for (text, expected) in [
            ("", r#""""#),
            ("1.8", r#""1.8""#),
            ("1e5", r#""1e5""#),
            ("0x10", r#""0x10""#),
            ("14", r#""14""#),
            ("2018-01-02", r#""2018-01-02""#),
            ("Yes", r#""Yes""#),
            ("null", r#""null""#),
            ("~", r#""~""#),
            ("- a", r#""- a""#),
            ("a ", r#""a ""#),
            (" a", r#"" a""#),
            ("a: b", r#""a: b""#),
            ("a #b", "\"a #b\""),
            ("a, b", r#""a, b""#),
            ("{a}", r#""{a}""#),
            ("*a", r#""*a""#),
            ("say \"hi\" \\ it's", r#""say \"hi\" \\ it's""#),
            ("two\nlines", r#""two\nlines""#),
            ("a\u{2028}\u{7}", r#""a\u2028\u0007""#),
            ("https://example.com/", r#""https://example.com/""#),
        ] {
            assert_eq!(scalar(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_digest_is_plain_unless_it_looks_like_a_number() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert_eq!(scalar(digest), digest);
        for number in ["1".repeat(64), format!("1e{}", "0".repeat(62))] {
            assert_eq!(scalar(&number), format!("\"{number}\""));
        }
    }
}
