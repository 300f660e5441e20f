//! A line, as pages show it.

use crate::domain::Time;
use crate::domain::degraded::LineRefusal;
use crate::domain::line::Line;
use crate::domain::not_promoting::NotPromoting;
use crate::domain::promotion::Decision;

/// A line, and the decisions about its releases.
#[derive(Debug, Clone, Copy)]
pub struct LineView<'a> {
    pub line: &'a Line,
    /// About every release that is not in its last stage.
    pub decisions: &'a [Decision<'a>],
    /// Why the server refused the line, so that it keeps what was published of it.
    pub refused: Option<&'a LineRefusal>,
    /// Why the server does not promote, if it does not.
    pub not_promoting: Option<NotPromoting>,
    /// What commands that are shown must have, so that they find the catalog.
    pub flags: &'a str,
    pub now: Time,
}
