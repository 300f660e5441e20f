//! `tidegate release yank` and `unyank`.

use super::super::author::Author;
use crate::domain::version::Version;
use crate::operations::{Operation, Unyank, Yank};

/// End the offer of a release everywhere
///
/// The release stays known: clusters that run it are led to a higher one.
#[derive(Debug, clap::Args)]
pub struct YankArgs {
    /// The version
    version: Version,
    /// Why; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The release to take instead; a barrier must name one that is higher
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    #[command(flatten)]
    author: Author,
}

/// Restore the offer of a yanked release
#[derive(Debug, clap::Args)]
pub struct UnyankArgs {
    /// The version
    version: Version,
    /// Why; shown here, and for the commit's message
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl YankArgs {
    pub fn operation(&self) -> anyhow::Result<Operation> {
        let Self { version, reason, to, author } = self;
        let (version, reason, to) = (version.clone(), reason.clone(), to.clone());
        Ok(Operation::Yank(Yank { version, to, reason, by: author.author()? }))
    }
}

impl UnyankArgs {
    pub fn operation(&self) -> Operation {
        Operation::Unyank(Unyank { version: self.version.clone(), reason: self.reason.clone() })
    }
}
