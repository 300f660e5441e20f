//! Keys in files.

use std::fs;
use std::path::Path;

use anyhow::Context;
use zeroize::Zeroizing;

use super::failure::{Hint, refuse};
use crate::signing::{PrivateKey, PublicKey};
use crate::store::durable::{self, Mode};
use crate::store::secret;

/// Reads a private key.
pub fn read(path: &Path) -> anyhow::Result<PrivateKey> {
    let text = text(path)?;
    private(path, &text)
}

fn private(path: &Path, text: &str) -> anyhow::Result<PrivateKey> {
    let checked = secret::check(path).with_context(|| format!("`{}` cannot be looked at", path.display()))?;
    checked.map_err(|exposed| {
        let hint = exposed.hint();
        refuse(exposed.to_string(), hint)
    })?;
    PrivateKey::from_pem(text).with_context(|| format!("the key `{}` cannot be used", path.display()))
}

/// Reads the public half of a key, whichever half the file has.
pub fn read_public(path: &Path) -> anyhow::Result<PublicKey> {
    let text = text(path)?;
    if text.contains("PRIVATE KEY-----") {
        return private(path, &text).map(|key| key.public());
    }
    PublicKey::from_pem(&text).with_context(|| format!("the key `{}` cannot be used", path.display()))
}

fn text(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()));
    text.map(Zeroizing::new).hint("name a file with a key as PEM")
}

/// Writes a private key for its owner alone, and never over another file.
pub fn write(path: &Path, key: &PrivateKey) -> anyhow::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(refuse(
            format!("`{}` is there already, and a key is never written over", path.display()),
            "name another file, or move that one away if nothing is signed by it any more",
        ));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        durable::create_folder(folder, Mode::Private)?;
    }
    let pem = key.to_pem()?;
    durable::write(path, pem.as_bytes(), Mode::Private)?;
    Ok(())
}
