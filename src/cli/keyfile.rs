//! Keys in files, and commands that sign for keys elsewhere.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use zeroize::Zeroizing;

use super::failure::{Hint, refuse};
use super::passphrase::{PassphraseSource, Passphrases};
use crate::signing::key::{self, KeyError, is_encrypted, public_half};
use crate::signing::{CommandSigner, PrivateKey, PublicKey, Signer};
use crate::store::durable::{self, Mode};
use crate::store::{plain, secret};

/// How a command signs with the keys that it is given.
#[derive(Debug, Clone, clap::Args)]
pub struct SigningArgs {
    /// A command (`sh -c CMD`) that signs with the keys whose files have only the public half, for a KMS,
    /// an HSM or a token. It reads the bytes from stdin and writes the signature to stdout, as 64
    /// bytes, in hexadecimal or in base64; `TIDEGATE_KEYID` and `TIDEGATE_DOCUMENT` name the key and the
    /// document
    #[arg(long, value_name = "CMD", env = "TIDEGATE_SIGN_WITH")]
    sign_with: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl SigningArgs {
    /// Returns a signer for each of the files: its private key, or the command if the file has only the
    /// public half.
    pub fn signers<'a>(
        &self,
        files: impl IntoIterator<Item = &'a PathBuf>,
    ) -> anyhow::Result<Vec<Box<dyn Signer>>> {
        let mut passphrases = self.passphrase.passphrases();
        files.into_iter().map(|file| self.signer(file, &mut passphrases)).collect()
    }

    fn signer(&self, path: &Path, passphrases: &mut Passphrases) -> anyhow::Result<Box<dyn Signer>> {
        match (KeyFile::read(path)?, &self.sign_with) {
            (KeyFile::Public(public), Some(command)) => {
                Ok(Box::new(CommandSigner::new(public, command.clone())))
            }
            (KeyFile::Public(_), None) => Err(refuse(
                format!("`{}` is a public key, which cannot sign", path.display()),
                "name the file of the private key, or a command that signs with it: `--sign-with CMD`",
            )),
            (file, _) => Ok(Box::new(file.private(path, passphrases)?)),
        }
    }
}

/// The content of a key's file.
pub enum KeyFile {
    Public(PublicKey),
    Private(PrivateKey),
    /// The encrypted key, and the public half below it if the file has one.
    Encrypted(Zeroizing<String>, Option<PublicKey>),
}

impl KeyFile {
    /// Reads the file of a private or a public key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        check_path(path)?;
        let failed = || format!("cannot read `{}`", path.display());
        let bytes = plain::whole_or_pipe(path).map(Zeroizing::new).with_context(failed).hint(PEM_WANTED)?;
        let pem = key::text(&bytes).and_then(key::pem).hint_with(key_hint).with_context(|| unusable(path))?;
        if is_private(&pem) {
            check(path)?;
        }
        let content = if is_encrypted(&pem) {
            public_half(&pem).map(|public| Self::Encrypted(pem, public))
        } else if is_private(&pem) {
            PrivateKey::from_pem(&pem).map(Self::Private)
        } else {
            PublicKey::from_pem(&pem).map(Self::Public)
        };
        content.hint_with(key_hint).with_context(|| unusable(path))
    }

    /// Returns the public half, or `None` if the file is encrypted and does not have it.
    pub fn public(&self) -> Option<PublicKey> {
        match self {
            Self::Public(public) => Some(*public),
            Self::Private(key) => Some(key.public()),
            Self::Encrypted(_, public) => *public,
        }
    }

    /// Returns the private key. Gets the passphrase of the file at `path` if it is encrypted.
    pub fn private(self, path: &Path, passphrases: &mut Passphrases) -> anyhow::Result<PrivateKey> {
        let key = match self {
            Self::Public(_) => Err(KeyError::PublicForPrivate),
            Self::Private(key) => Ok(key),
            Self::Encrypted(pem, _) => PrivateKey::from_encrypted_pem(&pem, passphrases.of(path)?.as_bytes()),
        };
        key.hint_with(key_hint).with_context(|| unusable(path))
    }
}

/// Reads a private key, and gets its passphrase if the file is encrypted.
pub fn read(path: &Path, passphrases: &mut Passphrases) -> anyhow::Result<PrivateKey> {
    KeyFile::read(path)?.private(path, passphrases)
}

fn is_private(pem: &str) -> bool {
    pem.contains("PRIVATE KEY-----")
}

/// Says what to do about a key that cannot be used.
pub const fn key_hint(error: &KeyError) -> &'static str {
    match error {
        KeyError::Empty => {
            "if a CI job wrote it from a secret, check that the secret is set there, under this name"
        }
        KeyError::Masked => "write the secret itself to the file: what a job prints is masked",
        KeyError::Base64 => "decode it first: `(umask 077; base64 -d FILE > KEY.pem)`",
        KeyError::Utf16 => "convert it: `(umask 077; iconv -f UTF-16 -t UTF-8 FILE > KEY.pem)`",
        KeyError::Der => {
            "convert it: `openssl pkey -inform DER -in FILE -out KEY.pem`, with `-pubin` if it is a public key"
        }
        KeyError::Passphrase => {
            "type the passphrase of this key again; with `--passphrase-fd`, the lines must be in the order of the keys"
        }
        KeyError::Encryption(_) => {
            "encrypt it again: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY.pem -out NEW.pem`"
        }
        KeyError::OtherHalf => "restore the file from its backup",
        KeyError::PublicForPrivate => "name the file of the private key",
        KeyError::Random(_)
        | KeyError::NotPem
        | KeyError::Encrypted
        | KeyError::Private(_)
        | KeyError::PrivateForPublic
        | KeyError::Public(_)
        | KeyError::Point => {
            "name a file that `tidegate key generate` or `openssl genpkey -algorithm ed25519` wrote"
        }
    }
}

fn unusable(path: &Path) -> String {
    format!("cannot use the key `{}`", path.display())
}

/// Refuses a private key that others can read: somebody may have copied it.
fn check(path: &Path) -> anyhow::Result<()> {
    let checked = secret::check(path).with_context(|| format!("cannot check `{}`", path.display()))?;
    checked.hint_with(secret::Exposed::hint)
}

/// Reads the public half of a key, whichever half the file has.
pub fn read_public(path: &Path) -> anyhow::Result<PublicKey> {
    KeyFile::read(path)?.public().ok_or_else(|| {
        refuse(
            format!(
                "`{}` is encrypted, and the file does not contain the public half after the private key",
                path.display()
            ),
            format!(
                "write the public half into a file of its own: `tidegate key public {} --out FILE`",
                path.display()
            ),
        )
    })
}

/// How long a path may be that is shown although nothing shows that it is one. Every form of a key is longer.
const SHORT: usize = 32;

/// Refuses a key in any argument or environment variable, because errors about those print the value.
pub fn refuse_key(argument: impl AsRef<OsStr>) -> anyhow::Result<()> {
    if key::is_key(&argument.as_ref().to_string_lossy()) {
        return Err(refuse("this is a key, not the path of a key file", REPLACE));
    }
    Ok(())
}

/// Refuses what may be a key or a passphrase where the path of a key file is expected: an error would print the
/// secret to stderr.
pub fn check_path(path: &Path) -> anyhow::Result<()> {
    refuse_key(path)?;
    if path.exists() {
        return Ok(());
    }
    let text = path.to_string_lossy();
    let trimmed = text.trim();
    if trimmed != text && Path::new(trimmed).exists() {
        return Err(refuse(
            format!("the path `{trimmed}` of a key file begins or ends with a line break or a space"),
            "leave it out where the path is set",
        ));
    }
    // The other forms of a key, and passphrases, have no folder and no ending. Base64 may begin with a slash.
    let in_folder = |folder: &Path| !matches!(folder.to_str(), Some("" | "/")) && folder.is_dir();
    let has_folder = path.parent().is_some_and(in_folder);
    let has_ending = path.extension().is_some_and(|end| end.len() < 6);
    if trimmed.lines().count() < 2 && (has_folder || has_ending || text.len() < SHORT) {
        return Ok(());
    }
    Err(refuse(
        "there is no such key file, and its path is not shown because it may be a key or a passphrase",
        format!("name a key file that exists; or if this is a key, {REPLACE}"),
    ))
}

const REPLACE: &str =
    "write it to a file that only you can read, and name that file; if the key was in a log, replace it";

const PEM_WANTED: &str = "name a file that has a key in PEM form";

/// Writes a private key to a new file that only its owner can read, encrypted if `passphrases` are given.
pub fn write(path: &Path, key: &PrivateKey, passphrases: Option<&mut Passphrases>) -> anyhow::Result<()> {
    refuse_to_replace(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::create_folder(folder, Mode::Private)?;
    }
    rewrite(path, key, passphrases)
}

/// Overwrites a private key's own file, encrypted with a new passphrase or not at all.
pub fn rewrite(path: &Path, key: &PrivateKey, passphrases: Option<&mut Passphrases>) -> anyhow::Result<()> {
    let pem = match passphrases {
        Some(passphrases) => key.to_encrypted_pem(passphrases.for_new(path)?.as_bytes())?,
        None => key.to_pem()?,
    };
    durable::write(path, pem.as_bytes(), Mode::Private)?;
    Ok(())
}

/// Refuses to write a key over another file.
pub fn refuse_to_replace(path: &Path) -> anyhow::Result<()> {
    refuse_key(path)?;
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(refuse(
        format!("`{}` exists already, and this command never overwrites a file", path.display()),
        "name another file, or move that one away if its key is no longer in use",
    ))
}
