//! Keys in files, and commands that sign in their place.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use zeroize::Zeroizing;

use super::failure::{Hint, refuse};
use super::passphrase::{PassphraseSource, Passphrases};
use crate::signing::key::{is_encrypted, public_half};
use crate::signing::{CommandSigner, PrivateKey, PublicKey, Signer};
use crate::store::durable::{self, Mode};
use crate::store::secret;

/// How the keys that a command is given sign.
#[derive(Debug, Clone, clap::Args)]
pub struct SigningArgs {
    /// A command (`sh -c CMD`) that signs with the keys whose files have only their public half: for a
    /// KMS, an HSM or a token. It reads the bytes on stdin and writes the signature on stdout, as 64
    /// bytes, in hexadecimal or in base64; `TIDEGATE_KEYID` and `TIDEGATE_DOCUMENT` name key and document
    #[arg(long, value_name = "CMD", env = "TIDEGATE_SIGN_WITH", hide_env_values = true)]
    sign_with: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl SigningArgs {
    /// What signs with the key in each of the files: the key, or the command if the file has only the
    /// public half.
    pub fn signers<'a>(
        &self,
        files: impl IntoIterator<Item = &'a PathBuf>,
    ) -> anyhow::Result<Vec<Box<dyn Signer>>> {
        let mut passphrases = self.passphrase.passphrases();
        files.into_iter().map(|file| self.signer(file, &mut passphrases)).collect()
    }

    fn signer(&self, path: &Path, passphrases: &mut Passphrases) -> anyhow::Result<Box<dyn Signer>> {
        let pem = text(path)?;
        if is_private(&pem) {
            return Ok(Box::new(open(path, &pem, passphrases)?));
        }
        let public = PublicKey::from_pem(&pem).with_context(|| unusable(path))?;
        match &self.sign_with {
            Some(command) => Ok(Box::new(CommandSigner::new(public, command.clone()))),
            None => Err(refuse(
                format!("`{}` is a public key, which cannot sign", path.display()),
                "name the file of the private key, or the command that has it: `--sign-with CMD`",
            )),
        }
    }
}

fn is_private(pem: &str) -> bool {
    pem.contains("PRIVATE KEY-----")
}

fn unusable(path: &Path) -> String {
    format!("cannot use the key `{}`", path.display())
}

/// Reads a private key, with its passphrase where it has one.
pub fn read(path: &Path, passphrases: &mut Passphrases) -> anyhow::Result<PrivateKey> {
    open(path, &text(path)?, passphrases)
}

fn open(path: &Path, pem: &str, passphrases: &mut Passphrases) -> anyhow::Result<PrivateKey> {
    check(path)?;
    let key = if is_encrypted(pem) {
        let passphrase = passphrases.of(path)?;
        PrivateKey::from_encrypted_pem(pem, passphrase.as_bytes())
    } else {
        PrivateKey::from_pem(pem)
    };
    key.with_context(|| unusable(path))
}

/// Refuses a private key that others can read: somebody may have copied it.
fn check(path: &Path) -> anyhow::Result<()> {
    let checked = secret::check(path).with_context(|| format!("cannot look at `{}`", path.display()))?;
    checked.map(drop).map_err(|exposed| {
        let hint = exposed.hint();
        refuse(exposed.to_string(), hint)
    })
}

/// What a key's file says without its passphrase.
pub struct Look {
    pub encrypted: bool,
    /// The public half, unless the file is encrypted and does not have it.
    pub public: Option<PublicKey>,
}

/// Looks at the file of a private or a public key.
pub fn look(path: &Path) -> anyhow::Result<Look> {
    let pem = text(path)?;
    let (encrypted, private) = (is_encrypted(&pem), is_private(&pem));
    if private {
        check(path)?;
    }
    let public = if encrypted {
        public_half(&pem)
    } else if private {
        PrivateKey::from_pem(&pem).map(|key| Some(key.public()))
    } else {
        PublicKey::from_pem(&pem).map(Some)
    };
    Ok(Look { encrypted, public: public.with_context(|| unusable(path))? })
}

/// Reads the public half of a key, whichever half the file has.
pub fn read_public(path: &Path) -> anyhow::Result<PublicKey> {
    look(path)?.public.ok_or_else(|| {
        refuse(
            format!("`{}` is encrypted, and does not have the public half below the key", path.display()),
            format!(
                "write the public half into a file of its own: `tidegate key public {} --out FILE`",
                path.display()
            ),
        )
    })
}

/// Refuses a key in place of the path of its file: a secret must not appear on stderr, which others
/// read.
pub fn check_path(path: &Path) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    if !text.contains('\n') && !text.contains("-----BEGIN") {
        return Ok(());
    }
    Err(refuse(
        "this is a key, not the path of its file",
        "write it to a file that only you can read, and name that file; replace a key that has been in a log: it is known to everybody",
    ))
}

/// Refuses a key among arguments and variables: whatever is wrong with those is printed with them.
pub fn check_arguments(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<()> {
    let is_key = |argument: &OsStr| {
        let text = argument.to_string_lossy();
        is_private(&text) || text.starts_with("-----BEGIN")
    };
    let key = arguments.into_iter().find(|argument| is_key(argument.as_ref()));
    key.map_or(Ok(()), |key| check_path(Path::new(key.as_ref())))
}

fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    check_path(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()));
    text.map(Zeroizing::new).hint("name a file that has a key as PEM")
}

/// Writes a new private key for its owner alone, under a passphrase if there are any.
pub fn write(path: &Path, key: &PrivateKey, passphrases: Option<&mut Passphrases>) -> anyhow::Result<()> {
    refuse_to_replace(path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::create_folder(folder, Mode::Private)?;
    }
    rewrite(path, key, passphrases)
}

/// Writes a private key in place of itself, under another passphrase or none.
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
    check_path(path)?;
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(refuse(
        format!("`{}` is there already, and a key never overwrites a file", path.display()),
        "name another file, or move that one away if nothing is signed with it any more",
    ))
}
