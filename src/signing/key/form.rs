//! What a file has in place of a key, as CI jobs, secret stores and editors leave it.

use super::KeyError;

/// How the base64 form of a text starts if the text starts with `-----BEGIN`.
const BEGIN_IN_BASE64: &str = "LS0tLS1CRUdJTi";

/// Returns the text without a byte order mark and without white space around it. Line ends of Windows are
/// part of PEM.
///
/// # Errors
/// When the text cannot be PEM. The error says what the text is instead.
pub fn pem(text: &str) -> Result<&str, KeyError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.chars().all(|c| c == '*') {
        return Err(KeyError::Masked);
    }
    if text.starts_with(BEGIN_IN_BASE64) {
        return Err(KeyError::Base64);
    }
    if !text.contains("-----BEGIN ") {
        return Err(KeyError::NotPem);
    }
    if !text.contains(['\n', '\r']) {
        return Err(KeyError::OneLine);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use crate::signing::key::{PrivateKey, PublicKey, public_half};

    #[test]
    fn what_is_no_pem_is_named() {
        let key = PrivateKey::from_seed(&[1; 32]).to_pem().unwrap();
        let (spaces, escaped) = (key.trim().replace('\n', " "), key.replace('\n', "\\n"));
        for (text, expected) in [
            ("", "this file is empty"),
            (" \r\n", "this file is empty"),
            ("\u{feff}\n", "this file is empty"),
            ("***\n", "this is a masked secret"),
            ("LS0tLS1CRUdJTiBQUklW\nQVRFIEtFWS0tLS0t", "this is PEM that was encoded in base64 once more"),
            (&spaces, "this is PEM without its line ends"),
            (&escaped, "this is PEM without its line ends"),
            ("hello", "this is not a key in PEM format"),
        ] {
            for error in [PrivateKey::from_pem(text).unwrap_err(), PublicKey::from_pem(text).unwrap_err()] {
                assert!(error.to_string().starts_with(expected), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_and_line_ends_of_windows_are_accepted() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let windows = |pem: &str| format!("\u{feff}{}", pem.replace('\n', "\r\n"));
        assert_eq!(PrivateKey::from_pem(&windows(&key.to_pem().unwrap())).unwrap().id(), key.id());
        let public = windows(&key.public().to_pem().unwrap());
        assert_eq!(PublicKey::from_pem(&public).unwrap(), key.public());
        let encrypted = windows(&key.to_encrypted_pem(b"secret").unwrap());
        assert_eq!(public_half(&encrypted).unwrap(), Some(key.public()));
        assert_eq!(PrivateKey::from_encrypted_pem(&encrypted, b"secret").unwrap().id(), key.id());
    }
}
