//! Choosing the encoding for a client (`Accept-Encoding`, RFC 9110, section 12.5.3).

use actix_web::http::header::{ACCEPT_ENCODING, HeaderMap};

use crate::publish::document::{Document, Encoding};

/// The weight of each coding in thousandths; `None` if the client does not mention it.
#[derive(Debug, Clone, Copy, Default)]
struct Weights {
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

/// Returns the encoding with the highest weight; between equal weights, the one with the shortest body.
/// `None` if the client accepts none of the document's encodings.
pub fn choose(head: &HeaderMap, document: &Document) -> Option<Encoding> {
    let weights = weigh(head);
    let listed = [
        (Encoding::Brotli, weights.brotli.or(weights.any).filter(|_| document.brotli.is_some())),
        (Encoding::Gzip, weights.gzip.or(weights.any).filter(|_| document.gzip.is_some())),
        (Encoding::Identity, weights.identity),
    ];
    let mut best: Option<(Encoding, u16)> = None;
    for (encoding, weight) in listed {
        let Some(weight) = weight.filter(|&weight| weight > 0) else { continue };
        if best.is_none_or(|(_, highest)| weight > highest) {
            best = Some((encoding, weight));
        }
    }
    match best {
        Some((encoding, _)) => Some(encoding),
        // Identity is acceptable unless the client excludes it, by its name or by `*`.
        None => {
            weights.identity.or(weights.any).is_none_or(|weight| weight > 0).then_some(Encoding::Identity)
        }
    }
}

fn weigh(head: &HeaderMap) -> Weights {
    let mut weights = Weights::default();
    for value in head.get_all(ACCEPT_ENCODING) {
        let Ok(value) = value.to_str() else { continue };
        for item in value.split(',') {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let place = match coding.trim() {
                c if c.eq_ignore_ascii_case("br") => &mut weights.brotli,
                c if c.eq_ignore_ascii_case("gzip") || c.eq_ignore_ascii_case("x-gzip") => &mut weights.gzip,
                c if c.eq_ignore_ascii_case("identity") => &mut weights.identity,
                "*" => &mut weights.any,
                _ => continue,
            };
            *place = Some(weight(parameters));
        }
    }
    weights
}

/// Parses a weight, in thousandths. An invalid one counts as zero, because the client has not clearly asked
/// for the coding.
fn weight(parameters: &str) -> u16 {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return 1000;
    }
    let Some(q) = parameters.strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='))
    else {
        return 0;
    };
    let (whole, fraction) = q.trim().split_once('.').unwrap_or((q.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let thousandths = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = thousandths.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => thousandths,
        "1" if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::document::Media;
    use actix_web::http::header::HeaderValue;
    use bytes::Bytes;

    fn check(lines: &[&str], large: Option<Encoding>, small: Option<Encoding>) {
        let mut head = HeaderMap::new();
        for line in lines {
            head.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        let document = |size| Document::new(Media::Json, Bytes::from(vec![b' '; size]));
        assert_eq!(choose(&head, &document(10_000)), large, "{lines:?}");
        assert_eq!(choose(&head, &document(50)), small, "{lines:?}");
    }

    #[test]
    fn the_client_gets_what_it_weighs_highest() {
        use Encoding::{Brotli, Gzip, Identity};
        check(&[], Some(Identity), Some(Identity));
        check(&[""], Some(Identity), Some(Identity));
        check(&["gzip"], Some(Gzip), Some(Identity));
        check(&["x-gzip"], Some(Gzip), Some(Identity));
        check(&["gzip, deflate, BR"], Some(Brotli), Some(Identity));
        check(&["gzip", "br"], Some(Brotli), Some(Identity));
        check(&["br;q=0.5, gzip"], Some(Gzip), Some(Identity));
        check(&["br; q=0.5 , gzip;q=0.4"], Some(Brotli), Some(Identity));
        check(&["gzip;q=0.5, identity"], Some(Identity), Some(Identity));
        check(&["*"], Some(Brotli), Some(Identity));
        check(&["br;q=0, *"], Some(Gzip), Some(Identity));
        check(&["gzip;q=0"], Some(Identity), Some(Identity));
        check(&["deflate, zstd"], Some(Identity), Some(Identity));
    }

    #[test]
    fn nothing_is_forced_on_a_client_that_rules_it_out() {
        use Encoding::{Brotli, Gzip, Identity};
        check(&["identity;q=0"], None, None);
        check(&["*;q=0"], None, None);
        check(&["gzip, *;q=0"], Some(Gzip), None);
        check(&["br, identity;q=0"], Some(Brotli), None);
        check(&["identity, *;q=0"], Some(Identity), Some(Identity));
        check(&["identity;q=0.001, *;q=0"], Some(Identity), Some(Identity));
    }

    #[test]
    fn a_weight_that_cannot_be_read_asks_for_nothing() {
        for text in ["q=2", "q=1.5", "q=-1", "q=NaN", "q=0.0000", "q=", "level=3", "q=0.٣"] {
            assert_eq!(weight(text), 0, "{text}");
        }
        for (text, expected) in
            [("", 1000), ("q=1", 1000), ("q=1.000", 1000), (" Q = 0.25", 250), ("q=0.001", 1)]
        {
            assert_eq!(weight(text), expected, "{text}");
        }
    }
}
