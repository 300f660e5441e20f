//! Pins: the root and the targets role that a key last signed under, in a file beside the key.
//!
//! What a key is asked to sign next must lead on from them, whoever sent it.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::super::failure::Hint;
use super::super::terminal::Terminal;
use super::super::workspace::Workspace;
use crate::signing::ceremony::{Ceremony, Held};
use crate::store::durable::{self, Mode, present};
use crate::store::plain;

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

/// The same for a ceremony that is finished. A pin of its result is from an earlier run.
pub fn check_finished(keys: &[PathBuf], ceremony: &Ceremony) -> anyhow::Result<()> {
    let result = ceremony.result();
    let has_result = |key: &&PathBuf| {
        let held = read(&place(key)).ok().flatten();
        held.zip(result.as_ref()).is_some_and(|(held, result)| held.is_same(result))
    };
    check(keys.iter().filter(|key| !has_result(key)), ceremony).map(drop)
}

/// Whether `init` has begun this ceremony on this machine: it pins what it founds beside the online key too.
pub fn has_begun_here(ceremony: &Ceremony, workspace: &Workspace) -> bool {
    let held = read(&place(&workspace.online_key_path())).ok().flatten();
    held.is_some_and(|held| ceremony.founds() && ceremony.leads_on_from(&held).is_ok())
}

fn read(place: &Path) -> anyhow::Result<Option<Held>> {
    let raw = present(plain::whole(place)).with_context(|| format!("cannot read `{}`", place.display()))?;
    let Some(raw) = raw else { return Ok(None) };
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
        let before = plain::whole(&place).ok();
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
