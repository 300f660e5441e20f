//! Keys in files, and whatever signs in their place.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

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
    /// A command that signs with the keys whose files hold their public half (`sh -c CMD`): for a
    /// KMS, an HSM or a token. It gets the bytes on stdin and writes the signature on stdout, as 64
    /// bytes, in hexadecimal or in base64; `TIDEGATE_KEYID` and `TIDEGATE_DOCUMENT` tell it what for
    #[arg(long, value_name = "CMD", env = "TIDEGATE_SIGN_WITH", hide_env_values = true)]
    sign_with: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Turns files into what signs.
pub struct Keyring {
    command: Option<String>,
    passphrases: Passphrases,
}

impl SigningArgs {
    pub fn keyring(&self) -> Keyring {
        Keyring { command: self.sign_with.clone(), passphrases: self.passphrase.passphrases() }
    }
}

impl Keyring {
    /// What signs with the key in a file: the key, or the command where it is a public one.
    pub fn signer(&mut self, path: &Path) -> anyhow::Result<Box<dyn Signer>> {
        let pem = text(path)?;
        if pem.contains("PRIVATE KEY-----") {
            return Ok(Box::new(open(path, &pem, &mut self.passphrases)?));
        }
        let public =
            PublicKey::from_pem(&pem).with_context(|| format!("the key `{}` cannot be used", path.display()));
        match &self.command {
            Some(command) => Ok(Box::new(CommandSigner::new(public?, command.clone()))),
            None => Err(refuse(
                format!("`{}` is a public key, which cannot sign", path.display()),
                "name the file of the private key, or the command that has it: `--sign-with CMD`",
            )),
        }
    }

    /// As [`Keyring::signer`], for each of the files.
    pub fn signers<P: AsRef<Path>>(&mut self, paths: &[P]) -> anyhow::Result<Vec<Box<dyn Signer>>> {
        paths.iter().map(|path| self.signer(path.as_ref())).collect()
    }
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
    key.with_context(|| format!("the key `{}` cannot be used", path.display()))
}

/// Refuses a private key that others may read: it may have been copied already.
fn check(path: &Path) -> anyhow::Result<()> {
    let checked = secret::check(path).with_context(|| format!("`{}` cannot be looked at", path.display()))?;
    checked.map(drop).map_err(|exposed| {
        let hint = exposed.hint();
        refuse(exposed.to_string(), hint)
    })
}

/// What can be said of a key's file without its passphrase.
pub struct Look {
    pub encrypted: bool,
    /// The public half, if it can be had.
    pub public: Option<PublicKey>,
}

/// Looks at the file of a key of either kind.
pub fn look(path: &Path) -> anyhow::Result<Look> {
    let pem = text(path)?;
    let encrypted = is_encrypted(&pem);
    if pem.contains("PRIVATE KEY-----") {
        check(path)?;
    }
    let public = if encrypted {
        public_half(&pem)
    } else if pem.contains("PRIVATE KEY-----") {
        PrivateKey::from_pem(&pem).map(|key| Some(key.public()))
    } else {
        PublicKey::from_pem(&pem).map(Some)
    };
    let public = public.with_context(|| format!("the key `{}` cannot be used", path.display()))?;
    Ok(Look { encrypted, public })
}

/// Reads the public half of a key, whichever half the file has.
pub fn read_public(path: &Path) -> anyhow::Result<PublicKey> {
    look(path)?.public.ok_or_else(|| {
        refuse(
            format!("`{}` is encrypted, and its public half does not stand below it", path.display()),
            format!("write that into a file of its own: `tidegate key public {} --out FILE`", path.display()),
        )
    })
}

/// Refuses what is a key and no path of one: a secret that was given in the place of a file's name
/// must not be told on stderr, which others read.
pub fn check_path(path: &Path) -> anyhow::Result<()> {
    let text = path.to_string_lossy();
    if !text.contains('\n') && !text.contains("-----BEGIN") {
        return Ok(());
    }
    Err(refuse(
        "this is a key, and the path of its file is wanted",
        "write it to a file that only you can read, and name that file; a key that was in a log is everybody's: replace it",
    ))
}

/// Refuses a key among arguments and variables, which would be told with whatever is wrong
/// about them.
pub fn check_arguments(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<()> {
    let is_key = |argument: &OsStr| {
        let text = argument.to_string_lossy();
        text.contains("PRIVATE KEY-----") || text.starts_with("-----BEGIN")
    };
    let key = arguments.into_iter().find(|argument| is_key(argument.as_ref()));
    key.map_or(Ok(()), |key| check_path(Path::new(key.as_ref())))
}

fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    check_path(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()));
    text.map(Zeroizing::new).hint("name a file with a key as PEM")
}

/// Writes a private key for its owner alone, and never over another file. With passphrases it is
/// encrypted under one of them.
pub fn write(path: &Path, key: &PrivateKey, passphrases: Option<&mut Passphrases>) -> anyhow::Result<()> {
    refuse_to_replace(path)?;
    let pem = sealed(path, key, passphrases)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::create_folder(folder, Mode::Private)?;
    }
    durable::write(path, pem.as_bytes(), Mode::Private)?;
    Ok(())
}

/// Writes a private key in place of itself, under another passphrase or none.
pub fn rewrite(path: &Path, key: &PrivateKey, passphrases: Option<&mut Passphrases>) -> anyhow::Result<()> {
    let pem = sealed(path, key, passphrases)?;
    durable::write(path, pem.as_bytes(), Mode::Private)?;
    Ok(())
}

fn sealed(
    path: &Path,
    key: &PrivateKey,
    passphrases: Option<&mut Passphrases>,
) -> anyhow::Result<Zeroizing<String>> {
    Ok(match passphrases {
        Some(passphrases) => key.to_encrypted_pem(passphrases.for_new(path)?.as_bytes())?,
        None => key.to_pem()?,
    })
}

/// A key is never written over another file.
pub fn refuse_to_replace(path: &Path) -> anyhow::Result<()> {
    check_path(path)?;
    if fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(refuse(
        format!("`{}` is there already, and a key is never written over", path.display()),
        "name another file, or move that one away if nothing is signed by it any more",
    ))
}
