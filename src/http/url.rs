//! Decoding URLs: path segments and query parameters.

use std::borrow::Cow;

use super::problem::{Problem, ProblemKind};

/// Decodes one segment of a path, where `+` is a literal plus sign.
///
/// # Errors
/// When an escape is malformed, or the result is not UTF-8 or contains a slash, a backslash or a NUL, which
/// no name or version contains.
pub fn segment(raw: &str) -> Result<Cow<'_, str>, Problem> {
    let text = decode(raw)?;
    if text.contains(['/', '\\', '\0']) {
        let detail = format!("`{raw}` contains a character that is not allowed in a name");
        return Err(Problem::new(ProblemKind::BadEncoding, detail));
    }
    Ok(text)
}

/// Returns a query parameter, decoded with `+` as a space. `None` if the query does not have it.
///
/// # Errors
/// When an escape is malformed, or the parameter is given more than once, because proxies and servers
/// disagree on which one counts.
pub fn parameter<'a>(query: &'a str, name: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
    let mut found = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !form(key).is_ok_and(|key| key == name) {
            continue;
        }
        if found.replace(form(value)?).is_some() {
            let detail = format!("`{name}` is given more than once");
            return Err(Problem::new(ProblemKind::DuplicateParameter, detail));
        }
    }
    Ok(found)
}

/// Decodes a name or value in a query, where `+` is a space.
///
/// # Errors
/// When an escape is malformed.
pub(super) fn form(raw: &str) -> Result<Cow<'_, str>, Problem> {
    if !raw.contains('+') {
        return decode(raw);
    }
    decode(&raw.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()))
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Problem> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bad = || Problem::new(ProblemKind::BadEncoding, format!("`{raw}` is not percent-encoded UTF-8"));
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(bad)?;
        bytes.extend(hex::decode(digits).map_err(|_| bad())?);
        rest = after;
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind<T>(result: Result<T, Problem>) -> Option<ProblemKind> {
        result.err().map(|problem| problem.kind)
    }

    #[test]
    fn a_segment_is_decoded_once_and_stays_a_segment() {
        for (raw, expected) in
            [("1.8.4%2Brke2r1", "1.8.4+rke2r1"), ("a+b", "a+b"), ("%252F", "%2F"), ("%C3%A4", "ä"), ("", "")]
        {
            assert_eq!(segment(raw).unwrap(), expected);
        }
        for raw in ["%2F", "a%2f..%2fb", "%5c", "%00", "%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(kind(segment(raw)), Some(ProblemKind::BadEncoding), "{raw}");
        }
    }

    #[test]
    fn a_parameter_is_found_by_its_decoded_name() {
        for (query, expected) in [
            ("version=1.8.4", Some("1.8.4")),
            ("a=b&version=1.8.4+x%2By&c", Some("1.8.4 x+y")),
            ("%76ersion=1", Some("1")),
            ("version", Some("")),
            ("versions=1&Version=2", None),
            ("", None),
            ("&&=&", None),
            ("version=a=b", Some("a=b")),
        ] {
            assert_eq!(parameter(query, "version").unwrap().as_deref(), expected, "{query}");
        }
        assert_eq!(kind(parameter("version=1&version=1", "version")), Some(ProblemKind::DuplicateParameter));
        assert_eq!(kind(parameter("x=%zz&version=%", "version")), Some(ProblemKind::BadEncoding));
    }

    proptest! {
        #[test]
        fn an_encoded_value_comes_back_as_it_was(value in ".{0,30}") {
            let encoded: Vec<_> = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let query = format!("a=1&version={}&b", encoded.concat());
            prop_assert_eq!(parameter(&query, "version").unwrap().unwrap(), value);
        }

        #[test]
        fn any_text_is_decoded_or_refused_without_a_panic(text in "[%+&=a-f0-9/ä ]{0,40}") {
            let _ = parameter(&text, "a");
            if let Ok(name) = segment(&text) {
                prop_assert!(!name.contains('/'));
            }
        }
    }
}
