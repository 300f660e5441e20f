//! `tidegate release hold` and `resume`.

use super::super::author::Author;
use crate::domain::version::Version;
use crate::operations::{Hold, Operation, Resume};

/// Stop a release from going further
///
/// It stays offered where it is. To end its offer everywhere, yank it.
#[derive(Debug, clap::Args)]
pub struct HoldArgs {
    /// The version
    version: Version,
    /// Why; it is public
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    author: Author,
}

/// Let a held release go on
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The version
    version: Version,
}

impl HoldArgs {
    pub fn operation(&self) -> anyhow::Result<Operation> {
        let Self { version, reason, author } = self;
        let (version, reason) = (version.clone(), reason.clone());
        Ok(Operation::Hold(Hold { version, reason, by: author.author()? }))
    }
}

impl ResumeArgs {
    pub fn operation(&self) -> Operation {
        Operation::Resume(Resume { version: self.version.clone() })
    }
}
