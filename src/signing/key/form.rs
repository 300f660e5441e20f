//! Reading PEM as CI jobs, secret stores and editors leave it, and naming what a file has in place of it.

use zeroize::Zeroizing;

use super::KeyError;

/// How the base64 form of a text contains `-----BEGIN` at its start, also after a byte order mark.
const BEGIN_IN_BASE64: &str = "LS0tLS1CRUdJTi";

/// What the body of every Ed25519 private key in PKCS#8 PEM has before its seed, in both versions.
const BODY: &str = "BQYDK2VwBCIEI";

/// Fewer symbols of base64 in a row than this are not taken for a key. Every line of a key is longer.
const SHORTEST: usize = 20;

/// What CI systems print in place of a secret, besides asterisks.
const MASKS: [&str; 2] = ["[masked]", "[redacted]"];

/// The width of a line of PEM.
const WIDTH: usize = 64;

/// Whether a text contains a key, in whichever form a variable may have it. A mark such as `-----BEGIN` alone
/// does not count.
pub fn is_key(text: &str) -> bool {
    let is_symbol = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let is_pem = text.contains("KEY-----");
    let mut bodies = text.split(|c| !is_symbol(c)).filter(|body| body.len() >= SHORTEST);
    bodies.any(|body| is_pem || [BEGIN_IN_BASE64, BODY].iter().any(|mark| body.contains(mark)))
}

/// Returns the text of a key's file.
///
/// # Errors
/// When the file is not text that can be PEM. The error says what it is instead.
pub fn text(bytes: &[u8]) -> Result<&str, KeyError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(KeyError::Utf16);
    }
    // A sequence, whose length or content is no text.
    if bytes.first() == Some(&0x30) && bytes.iter().any(|&byte| byte < b'\t') {
        return Err(KeyError::Der);
    }
    std::str::from_utf8(bytes).map_err(|_| KeyError::NotPem)
}

/// Returns the blocks of PEM in a text, each with the lines that PEM wants. White space in a block, such as
/// indentation or spaces for line ends, has no meaning, and neither has what surrounds it, such as quotes.
///
/// # Errors
/// When the text cannot be PEM. The error says what the text is instead.
pub fn pem(text: &str) -> Result<Zeroizing<String>, KeyError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.chars().all(|c| c == '*') || MASKS.iter().any(|mask| text.eq_ignore_ascii_case(mask)) {
        return Err(KeyError::Masked);
    }
    let Some(begin) = text.find("-----BEGIN ") else {
        return Err(if text.contains(BEGIN_IN_BASE64) { KeyError::Base64 } else { KeyError::NotPem });
    };
    // Room for the added line ends, so that no copy is left behind where the text grows.
    let mut blocks = Zeroizing::new(String::with_capacity(2 * text.len() + WIDTH));
    let mut parts = text[begin..].split("-----").skip(1);
    while let (Some(begin), Some(body), Some(end)) = (parts.next(), parts.next(), parts.next()) {
        blocks.extend(["-----", begin, "-----"]);
        for (place, symbol) in symbols(body).enumerate() {
            if place % WIDTH == 0 {
                blocks.push('\n');
            }
            blocks.push(symbol);
        }
        blocks.extend(["\n-----", end, "-----\n"]);
        parts.next();
    }
    if blocks.is_empty() { Ok(Zeroizing::new(text.to_owned())) } else { Ok(blocks) }
}

/// The symbols of a block's body, without white space and without line ends that are written as `\n`.
fn symbols(body: &str) -> impl Iterator<Item = char> {
    let parts = body.split("\\r").flat_map(|part| part.split("\\n"));
    parts.flat_map(|part| part.chars().filter(|symbol| !symbol.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::signing::key::{KeyError, PrivateKey, PublicKey, public_half};

    #[test]
    fn what_is_no_pem_is_named() {
        for (text, expected) in [
            ("", "this file is empty"),
            (" \r\n", "this file is empty"),
            ("\u{feff}\n", "this file is empty"),
            ("***\n", "this is a masked secret"),
            ("LS0tLS1CRUdJTiBQUklW\nQVRFIEtFWS0tLS0t", "this is PEM that was encoded in base64 once more"),
            ("77u/LS0tLS1CRUdJTiBQUklW", "this is PEM that was encoded in base64 once more"),
            ("[MASKED]", "this is a masked secret"),
            ("hello", "this is not a key in PEM format"),
        ] {
            for error in [PrivateKey::from_pem(text).unwrap_err(), PublicKey::from_pem(text).unwrap_err()] {
                assert!(error.to_string().starts_with(expected), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_key_that_is_damaged_is_refused() {
        let key = PrivateKey::from_seed(&[1; 32]).to_pem().unwrap();
        for damaged in [&key[..60], &key.replace("MC4C", "MC4C:"), &key.replace("MC4C", "MC4")] {
            assert!(matches!(PrivateKey::from_pem(damaged), Err(KeyError::Private(_))), "{damaged}");
        }
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (bytes, expected) in [
            (&b"\xff\xfe-\0"[..], "this is UTF-16"),
            (b"\xfe\xff\0-", "this is UTF-16"),
            (b"\x30\x2e\x02\x01\x00\x30\x05", "this is DER"),
            (b"\x80", "this is not a key in PEM format"),
        ] {
            let error = text(bytes).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{bytes:?}: {error}");
        }
        assert_eq!(text(b"0 and more").unwrap(), "0 and more");
    }

    #[test]
    fn white_space_in_a_key_and_what_surrounds_it_do_not_matter() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let changes: [fn(&str) -> String; 8] = [
            |pem| format!("\u{feff}{}", pem.replace('\n', "\r\n")),
            |pem| pem.trim().replace('\n', " "),
            |pem| pem.replace('\n', ""),
            |pem| pem.replace('\n', "\\n"),
            |pem| pem.replace('\n', "\\r\\n"),
            |pem| format!("    {}", pem.replace('\n', "  \n    ")),
            |pem| format!("\"{}\"\n", pem.trim()),
            |pem| format!("KEY={pem}"),
        ];
        for change in changes {
            let pem = change(&key.to_pem().unwrap());
            assert_eq!(PrivateKey::from_pem(&pem).unwrap().id(), key.id(), "{pem}");
            assert_eq!(PublicKey::from_pem(&change(&key.public().to_pem().unwrap())).unwrap(), key.public());
            let encrypted = change(&key.to_encrypted_pem(b"secret").unwrap());
            assert!(matches!(PrivateKey::from_pem(&encrypted), Err(KeyError::Encrypted)), "{encrypted}");
            assert_eq!(public_half(&encrypted).unwrap(), Some(key.public()), "{encrypted}");
            assert_eq!(PrivateKey::from_encrypted_pem(&encrypted, b"secret").unwrap().id(), key.id());
        }
    }
}
