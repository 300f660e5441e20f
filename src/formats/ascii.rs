//! Converts free text for signed documents, which contain only printable ASCII.
//!
//! OLPC canonical JSON keeps non-ASCII text as it is, in Unicode's normalization form C, and does not
//! escape control characters. `jq`, python-tuf and tough each deviate from that in places, and a document
//! that two readers write differently has no reliable signature. So text that people write is converted to
//! ASCII before it is signed. The catalog keeps the original.

use std::borrow::Cow;
use std::fmt::Write;

/// Converts text to printable ASCII: typographic marks and Latin letters become their plain forms, control
/// characters become spaces, and characters without a plain form become `?`.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            ' '..='~' => plain.push(c),
            _ if c.is_control() || c.is_whitespace() => plain.push(' '),
            _ => plain.push_str(&plain_form(c)),
        }
    }
    plain
}

/// Converts a link to ASCII: characters that a URI must not contain are percent-encoded, as in RFC 3987,
/// section 3.1.
pub fn uri(text: &str) -> String {
    let mut uri = String::with_capacity(text.len());
    for byte in text.trim().bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => push_percent(&mut uri, byte),
            b'!'..=b'~' => uri.push(char::from(byte)),
            _ => push_percent(&mut uri, byte),
        }
    }
    uri
}

fn push_percent(uri: &mut String, byte: u8) {
    // Writing to a `String` cannot fail.
    let _ = write!(uri, "%{byte:02X}");
}

/// Returns the plain form of a character that European languages use: letters of Latin-1 and Latin
/// Extended-A, quotes, dashes and a few signs.
fn plain_form(c: char) -> Cow<'static, str> {
    let find = |c| FORMS.iter().find(|(from, _)| from.contains(c)).map(|(_, plain)| *plain);
    if let Some(plain) = find(c) {
        return plain.into();
    }
    // A capital letter gets the form of its small letter, capitalized: `Ä` becomes `Ae`. No letter above
    // U+021B has a plain form.
    let mut small = c.to_lowercase();
    match small.next().filter(|_| c <= '\u{21b}').and_then(find) {
        Some(plain) => [plain[..1].to_ascii_uppercase().as_str(), &plain[1..]].concat().into(),
        None => "?".into(),
    }
}

/// Small letters and signs with their plain forms.
const FORMS: [(&str, &str); 34] = [
    ("àáâãāăą", "a"),
    ("ä", "ae"),
    ("å", "aa"),
    ("æ", "ae"),
    ("çćĉċč", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ìíîïĩīĭįı", "i"),
    ("ĺļľł", "l"),
    ("ñńņň", "n"),
    ("öœ", "oe"),
    ("òóôõøōŏő", "o"),
    ("ŕř", "r"),
    ("śŝşšș", "s"),
    ("İ", "I"),
    ("ß", "ss"),
    ("ťţț", "t"),
    ("ü", "ue"),
    ("ùúûũūŭůűų", "u"),
    ("ýÿ", "y"),
    ("źżž", "z"),
    ("‘’‚‹›′", "'"),
    ("“”„«»″", "\""),
    ("‐‑‒–—―−", "-"),
    ("…", "..."),
    ("•·", "*"),
    ("→", "->"),
    ("←", "<-"),
    ("≤", "<="),
    ("≥", ">="),
    ("×", "x"),
    ("€", "EUR"),
    ("©", "(c)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_printable_ascii() {
        for (text, expected) in [
            ("Kubernetes 1.8.4", "Kubernetes 1.8.4"),
            ("„Größe“ – fixed…", "\"Groesse\" - fixed..."),
            ("etcd 3.1.8 → 3.1.10", "etcd 3.1.8 -> 3.1.10"),
            ("Łódź, Ångström, São Paulo", "Lodz, Aangstroem, Sao Paulo"),
            ("two\nlines\tand\u{a0}a\u{7f}", "two lines and a "),
            ("  edges ", "edges"),
            ("設定", "??"),
        ] {
            assert_eq!(ascii(text), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_form_that_can_be_signed(text in ".{0,60}|[\\x00-\\x7f]{0,20}") {
            for form in [ascii(&text), uri(&text)] {
                proptest::prop_assert!(crate::formats::canonical::canonical(&form).is_ok(), "{form:?}");
                proptest::prop_assert_eq!(ascii(&form), form.trim());
            }
        }
    }

    #[test]
    fn links_are_percent_encoded() {
        assert_eq!(uri("https://example.com/a?b=%20#c"), "https://example.com/a?b=%20#c");
        assert_eq!(uri("https://example.com/ä b"), "https://example.com/%C3%A4%20b");
    }
}
