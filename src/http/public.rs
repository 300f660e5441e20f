//! The handlers of the public listener, one file for each resource.

pub mod channels;
pub mod forecast;
pub mod pages;
pub mod payloads;
pub mod releases;
pub mod tuf;
pub mod update;

use super::problem::{Problem, ProblemKind};
use crate::domain::channel::LineName;

/// Returns the problem of a line whose stored documents the server cannot read.
fn lost(line: &LineName) -> Problem {
    let detail = format!("what this server has published of line `{line}` is lost");
    Problem::new(ProblemKind::LineLost, detail).hint("ask again later: it comes back once it is restored")
}
