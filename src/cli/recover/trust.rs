//! `tidegate recover --trust`: puts back the catalog's roles.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use serde::Serialize;

use super::super::failure::{Hint, refuse};
use super::super::terminal::Terminal;
use super::super::verify::source::own_root;
use super::super::workspace::Workspace;
use super::{Args, seen};
use crate::formats::tuf::names;
use crate::promoter::stored;
use crate::publish::continuity::{published, trusted};
use crate::signing::trust::{Checked, Trust};

#[derive(Debug, Serialize)]
struct Body {
    /// Paths below the catalog; empty if nothing was missing.
    written: Vec<String>,
}

/// Puts back the roots and roles of a publication that are missing from `trust/`, or older there. Whatever
/// is newer there stays.
pub fn run(args: &Args, workspace: &Workspace, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let publication = match &args.from {
        Some(from) => {
            let root = own_root(args.root.as_deref(), &workspace.catalog)?.ok_or_else(|| {
                refuse(
                    format!("the catalog `{}` has no root to start from", workspace.catalog.display()),
                    "name the root that you trust with `--root FILE`",
                )
            })?;
            seen(from, args.ca.as_deref(), &root, workspace.now())?
        }
        None => stored::publication(&*workspace.state_store())?.ok_or_else(|| {
            refuse(
                format!("`{}` has no last publication to take the roles from", workspace.state.display()),
                "name a place where they are published: `--from DIR|URL`",
            )
        })?,
    };
    let store = workspace.store()?;
    let _exclusive = store.exclusive()?;
    let present = store.read(workspace.now())?.trust;
    let files = published(&publication).files();
    let is_newer = |name: &String, raw: &Bytes| {
        // The index of a line goes with the line's role.
        if let Some(line) = name.strip_prefix(names::INDEX) {
            let role = format!("{}{line}", names::RELEASES);
            let [own, published] = [&present, &files].map(|files| files.get(&role).map(|raw| version(raw)));
            return published < own || published == own && present.get(name) == Some(raw);
        }
        present.get(name).is_some_and(|present| version(raw) <= version(present))
    };
    let lacking: BTreeMap<String, Bytes> = files
        .iter()
        .filter(|(name, raw)| !is_newer(name, raw))
        .map(|(n, r)| (n.clone(), r.clone()))
        .collect();
    let mut after = present.clone();
    after.extend(lacking.clone());
    let mixed =
        "restore the whole folder `trust/` from git or a backup, as it was when it was published last";
    Trust::read(&after).context("`trust/` would still be invalid").hint(mixed)?;
    if let Some(why) = trusted(&after, &BTreeMap::new(), Some(&publication), &Checked::default()).kept {
        return Err(why).context("`trust/` would still differ from what was published").hint(mixed);
    }
    store.put(&BTreeMap::new(), &lacking)?;
    let body = Body { written: lacking.into_keys().map(|name| format!("trust/{name}")).collect() };
    terminal.show(&body, String::new)?;
    for path in &body.written {
        terminal.note(format_args!("wrote `{path}`"));
    }
    if body.written.is_empty() {
        terminal.note("nothing to do: `trust/` has everything that was published");
    }
    Ok(ExitCode::SUCCESS)
}

/// The version of a role; 0 if the bytes are no role.
fn version(raw: &[u8]) -> u64 {
    let value = serde_json::from_slice::<serde_json::Value>(raw).unwrap_or_default();
    value["signed"]["version"].as_u64().unwrap_or(0)
}
