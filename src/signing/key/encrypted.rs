//! Private keys encrypted with a passphrase: PKCS#8 with PBES2, scrypt and AES-256-CBC, which `openssl` can
//! read. Keys encrypted by `openssl` (scrypt, or PBKDF2 with SHA-2) can be read as well.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use pkcs8::der::pem::{LineEnding, PemLabel};
use pkcs8::pkcs5::{self, pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use super::{KeyError, PrivateKey, PublicKey, form, pair};

/// `openssl` allows scrypt at most 32 MiB, which is N = 2^14 with r = 8. A higher p compensates for that.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 5;

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// Whether a string contains an encrypted private key.
pub fn is_encrypted(pem: &str) -> bool {
    pem.contains(BEGIN)
}

/// Returns the public half that follows an encrypted key, if the file has one. If so, only signing needs
/// the passphrase.
///
/// # Errors
/// When the public half is invalid.
pub fn public_half(pem: &str) -> Result<Option<PublicKey>, KeyError> {
    pem.find("-----BEGIN PUBLIC KEY-----").map(|at| PublicKey::from_pem(&pem[at..])).transpose()
}

impl PrivateKey {
    /// Reads an encrypted key from PEM.
    ///
    /// # Errors
    /// When the passphrase is wrong, or the string is not an encrypted key.
    pub fn from_encrypted_pem(pem: &str, passphrase: &[u8]) -> Result<Self, KeyError> {
        let pem = &form::pem(pem)?;
        let block = pem.find(BEGIN).and_then(|at| {
            let end = pem[at..].find(END)?;
            Some(&pem[at..at + end + END.len()])
        });
        let block = block.ok_or(KeyError::Private(pkcs8::KeyError::Invalid.into()))?;
        let (_, document) = SecretDocument::from_pem(block).map_err(|e| KeyError::Private(e.into()))?;
        let sealed =
            EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(KeyError::Encryption)?;
        let opened = sealed.decrypt(passphrase).map_err(|error| match error {
            // With a wrong passphrase, the padding can be valid by chance, but the content is garbage.
            pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_) => {
                KeyError::Passphrase
            }
            other => KeyError::Encryption(other),
        })?;
        let key = SigningKey::from_pkcs8_der(opened.as_bytes()).map_err(|_| KeyError::Passphrase)?;
        let key = Self::of(key);
        match public_half(pem)? {
            Some(public) if public != key.public() => Err(KeyError::OtherHalf),
            _ => Ok(key),
        }
    }

    /// The key as PEM, encrypted with a passphrase and followed by its public half. `openssl` reads only
    /// the private key.
    ///
    /// # Errors
    /// When the system provides no randomness, or an encoder fails.
    pub fn to_encrypted_pem(&self, passphrase: &[u8]) -> Result<Zeroizing<String>, KeyError> {
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut iv)).map_err(KeyError::Random)?;
        let seal = || -> pkcs8::Result<Zeroizing<String>> {
            let cost = scrypt::Params::new(LOG_N, R, P).map_err(|_| pkcs8::Error::ParametersMalformed)?;
            let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv)?;
            let plain = pair(&self.key).to_pkcs8_der()?;
            let plain = PrivateKeyInfoRef::try_from(plain.as_bytes())?;
            let sealed = plain.encrypt_with_params(parameters, passphrase)?;
            Ok(sealed.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)?)
        };
        let mut pem = seal().map_err(KeyError::Encryption)?;
        pem.push_str(&self.public().to_pem()?);
        Ok(pem)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn openssl(arguments: &str) -> String {
        let run = Command::new("sh").args(["-c", &format!("openssl {arguments}")]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    #[test]
    fn an_encrypted_key_survives_its_pem_and_opens_for_one_passphrase() {
        let key = PrivateKey::generate().unwrap();
        let pem = key.to_encrypted_pem(b"correct horse").unwrap();
        assert!(is_encrypted(&pem));
        assert_eq!(public_half(&pem).unwrap(), Some(key.public()));
        assert_eq!(PrivateKey::from_encrypted_pem(&pem, b"correct horse").unwrap().id(), key.id());
        for wrong in [&b"correct house"[..], b""] {
            let opened = PrivateKey::from_encrypted_pem(&pem, wrong);
            assert!(matches!(opened, Err(KeyError::Passphrase)), "{opened:?}");
        }
        assert!(matches!(PrivateKey::from_pem(&pem), Err(KeyError::Encrypted)));
        assert!(matches!(PublicKey::from_pem(&pem), Err(KeyError::PrivateForPublic)));
    }

    #[test]
    fn another_public_half_below_a_key_is_told() {
        let pem = PrivateKey::from_seed(&[1; 32]).to_encrypted_pem(b"x").unwrap();
        let other = PrivateKey::from_seed(&[2; 32]).public().to_pem().unwrap();
        let at = pem.find("-----BEGIN PUBLIC").unwrap();
        let changed = format!("{}{other}", &pem[..at]);
        assert!(matches!(PrivateKey::from_encrypted_pem(&changed, b"x"), Err(KeyError::OtherHalf)));
        assert!(PrivateKey::from_encrypted_pem(&pem[..at], b"x").is_ok());
    }

    #[test]
    fn openssl_opens_what_we_encrypt() {
        let key = PrivateKey::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.to_encrypted_pem(b"secret").unwrap().as_bytes()).unwrap();
        let opened = openssl(&format!("pkey -in {} -passin pass:secret", file.path().display()));
        assert_eq!(PrivateKey::from_pem(&opened).unwrap().id(), key.id());
        let public = openssl(&format!("pkey -in {} -passin pass:secret -pubout", file.path().display()));
        assert_eq!(PublicKey::from_pem(&public).unwrap(), key.public());
    }

    #[test]
    fn we_open_what_openssl_encrypts() {
        let key = PrivateKey::generate().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.to_pem().unwrap().as_bytes()).unwrap();
        for form in ["-scrypt", "-v2 aes-256-cbc", "-v2 aes-128-cbc -v2prf hmacWithSHA512"] {
            let pem =
                openssl(&format!("pkcs8 -topk8 {form} -in {} -passout pass:secret", file.path().display()));
            assert_eq!(PrivateKey::from_encrypted_pem(&pem, b"secret").unwrap().id(), key.id(), "{form}");
            assert_eq!(public_half(&pem).unwrap(), None);
        }
    }
}
