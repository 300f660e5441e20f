//! How a command finds out who runs it.

use std::process::Command;

use super::operation::refusal;
use crate::operations::{self, Refused};

/// The person recorded as the author.
#[derive(Debug, clap::Args)]
pub struct Author {
    /// The author to record; by default git's `user.name`, `user.email`, or `$USER`
    #[arg(long, value_name = "NAME", env = "TIDEGATE_BY")]
    by: Option<String>,
}

impl Author {
    /// Returns the author, or an error if none is named anywhere.
    pub fn author(&self) -> anyhow::Result<operations::Author> {
        self.known()?.ok_or_else(|| refusal(&Refused::NoAuthor))
    }

    /// Returns the author, if one is named anywhere.
    pub fn known(&self) -> anyhow::Result<Option<operations::Author>> {
        let by = self.by.clone().or_else(|| git("user.name")).or_else(|| git("user.email"));
        match operations::Author::named(&by.or_else(|| std::env::var("USER").ok()).unwrap_or_default()) {
            Ok(author) => Ok(Some(author)),
            Err(Refused::NoAuthor) => Ok(None),
            Err(refused) => Err(refusal(&refused)),
        }
    }
}

fn git(key: &str) -> Option<String> {
    let run = Command::new("git").args(["config", "--get", key]).output().ok()?;
    let text = String::from_utf8(run.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| run.status.success() && !text.is_empty())
}
