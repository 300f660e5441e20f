//! Whether a client has it already (`If-None-Match`), and whether it goes on with the same thing
//! (`If-Range`).

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH, IF_RANGE};

/// Whether the client holds what has this `ETag`: weak comparison, as RFC 9110, section 13.1.2
/// wants it for `If-None-Match`.
#[must_use]
pub fn is_held(head: &HeaderMap, etag: &[u8]) -> bool {
    head.get_all(IF_NONE_MATCH).any(|value| lists(value.as_bytes(), etag))
}

/// Whether a range is meant for what has this `ETag`. Strong comparison; a date never fits, since
/// no dates are given out (RFC 9110, section 13.1.5).
#[must_use]
pub fn is_continued(head: &HeaderMap, etag: &[u8]) -> bool {
    head.get(IF_RANGE).is_none_or(|value| value.as_bytes() == etag)
}

/// Whether a list of tags has this one. Tags may hold commas, so the list is cut at its quotes.
fn lists(mut list: &[u8], etag: &[u8]) -> bool {
    loop {
        list = list.trim_ascii_start();
        match list {
            [] => return false,
            [b'*', ..] => return true,
            [b',', rest @ ..] => list = rest,
            _ => {
                let tag = list.strip_prefix(b"W/").unwrap_or(list);
                let Some(end) = tag.iter().skip(1).position(|&b| b == b'"') else { return false };
                if tag[0] != b'"' {
                    return false;
                }
                let (tag, rest) = tag.split_at(end + 2);
                if tag == etag {
                    return true;
                }
                list = rest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_cut_at_its_quotes_and_compared_weakly() {
        let etag = b"\"ab\"";
        for list in
            ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "\"a,b\",W/\"ab\"", "*", ", ,\"ab\"", "\"\",\"ab\""]
        {
            assert!(lists(list.as_bytes(), etag), "{list}");
        }
        for list in ["", "\"x\"", "ab", "\"ab", "\"ab-gz\"", "\"x\"ab\"", "w/\"ab\"", "\"", "W/"] {
            assert!(!lists(list.as_bytes(), etag), "{list}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_without_a_panic(list in "[W/\",*a ]{0,20}") {
            let _ = lists(list.as_bytes(), b"\"a\"");
        }
    }
}
