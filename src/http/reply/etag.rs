//! Whether a client's copy is current (`If-None-Match`, `If-Range`).

use actix_web::http::header::{HeaderMap, IF_NONE_MATCH, IF_RANGE};

/// Whether the client already has the body with this `ETag`. The comparison is weak, as RFC 9110, section
/// 13.1.2 requires for `If-None-Match`.
pub fn is_held(head: &HeaderMap, etag: &[u8]) -> bool {
    head.get_all(IF_NONE_MATCH).any(|value| lists(value.as_bytes(), etag))
}

/// Whether a requested range applies to the file with this `ETag`: there is no `If-Range`, or it matches.
/// The comparison is strong. A date never matches, since the server sends none (RFC 9110, section 13.1.5).
pub fn is_continued(head: &HeaderMap, etag: &[u8]) -> bool {
    head.get(IF_RANGE).is_none_or(|value| value.as_bytes() == etag)
}

/// Whether a list of tags contains this one. A tag may contain commas, so the list is split at quotes.
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
