//! Pins: the root and the targets role that a key last signed under, in a file beside the key.
//!
//! What a key is asked to sign next must lead on from them, whoever sent it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::failure::Hint;
use super::super::terminal::Terminal;
use crate::signing::ceremony::{Ceremony, Held};
use crate::store::durable::{self, Mode};

/// The file of a key's pin: `root.pem.pin.json` beside `root.pem`.
pub fn place(key: &Path) -> PathBuf {
    let mut name = key.file_name().unwrap_or_default().to_owned();
    name.push(".pin.json");
    key.with_file_name(name)
}

/// Checks that a ceremony leads on from what is pinned beside each of these keys. Returns whether anything
/// is pinned.
pub fn check<'a>(keys: impl IntoIterator<Item = &'a PathBuf>, ceremony: &Ceremony) -> anyhow::Result<bool> {
    let mut any = false;
    for key in keys {
        let place = place(key);
        let Some(held) = read(&place)? else { continue };
        any = true;
        ceremony
            .leads_on_from(&held)
            .with_context(|| {
                format!(
                    "`{}` signs nothing here: what would be signed does not lead on from its pin `{}`",
                    key.display(),
                    place.display()
                )
            })
            .hint(format!(
                "do not sign: the keys and roles are out of date, forged, or those of another repository; restore `trust/` as it was, or ask for the ceremony file again; only if you know that the key belongs to another repository now, delete `{}`",
                place.display()
            ))?;
    }
    Ok(any)
}

fn read(place: &Path) -> anyhow::Result<Option<Held>> {
    let raw = match fs::read(place) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        read => read.with_context(|| format!("cannot read `{}`", place.display()))?,
    };
    let held = Held::read(&raw).with_context(|| format!("cannot use `{}`", place.display()));
    held.map(Some)
        .hint("restore the file; without it, tidegate cannot tell whether the keys and roles are real")
}

/// Pins a root and a targets role beside each of these keys, and says which keys had no pin before.
pub fn keep<'a>(
    keys: impl IntoIterator<Item = &'a PathBuf>,
    held: Option<Held>,
    terminal: &mut Terminal<'_>,
) {
    let Some((version, file)) = held.and_then(|held| Some((held.version(), held.file()?))) else { return };
    let mut new = Vec::new();
    for key in keys {
        let place = place(key);
        let before = fs::read(&place).ok();
        if before.as_ref() == Some(&file) {
            continue;
        }
        match durable::write(&place, &file, Mode::Keep) {
            Ok(()) if before.is_some() => {}
            Ok(()) => new.push(format!("`{}`", place.display())),
            // The key may be on a read-only medium, or come from a pipe.
            Err(error) => terminal.note(format_args!(
                "warning: cannot pin root version {version} in `{}`, so what the key signs next is compared with an older one or with nothing: {error}",
                place.display()
            )),
        }
    }
    if !new.is_empty() {
        terminal.note(format_args!(
            "pinned root version {version} beside the keys, for comparison with what they sign next: {}",
            new.join(", ")
        ));
    }
}
