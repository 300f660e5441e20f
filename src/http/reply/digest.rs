//! A digest as a header field (RFC 9530).

use crate::domain::payload::Sha256;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The digest as the value of `Repr-Digest`, `sha-256=:…:`.
#[must_use]
pub fn field(sha256: &Sha256) -> String {
    let mut text = String::from("sha-256=:");
    for group in sha256.as_bytes().chunks(3) {
        let bits =
            group.iter().fold(0usize, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            text.push(if i <= group.len() { char::from(ALPHABET[bits >> (18 - 6 * i) & 63]) } else { '=' });
        }
    }
    text.push(':');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_a_structured_byte_sequence() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let expected = "sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:";
        assert_eq!(field(&Sha256::parse(text).unwrap()), expected);
    }
}
