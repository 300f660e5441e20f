//! Who does something: the name that the catalog keeps.

use std::process::Command;

use super::failure::refuse;
use crate::domain::release::SCHEDULE;

/// Who is entered as the author.
#[derive(Debug, clap::Args)]
pub struct Author {
    /// Who does this; by default git's `user.name`, `user.email`, or `$USER`
    #[arg(long, value_name = "NAME", env = "TIDEGATE_BY", hide_env_values = true)]
    by: Option<String>,
}

impl Author {
    /// The name.
    pub fn name(&self) -> anyhow::Result<String> {
        let name = self
            .by
            .clone()
            .or_else(|| git("user.name"))
            .or_else(|| git("user.email"))
            .or_else(|| std::env::var("USER").ok())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        match name {
            Some(name) if name == SCHEDULE => Err(refuse(
                format!("`{SCHEDULE}` is the promoter's own name"),
                "name the person who does this: `--by NAME`",
            )),
            Some(name) => Ok(name),
            None => Err(refuse(
                "nobody is named as the author of this",
                "name yourself: `--by NAME`, `TIDEGATE_BY`, or `git config user.name NAME`",
            )),
        }
    }
}

fn git(key: &str) -> Option<String> {
    let run = Command::new("git").args(["config", "--get", key]).output().ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| run.status.success() && !text.is_empty())
}
