//! The listeners: operators can have one of their own.

/// Where a route is served, or which routes a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    All,
    Public,
    Admin,
}

impl Listener {
    /// Whether this listener serves routes for `other`.
    pub fn serves(self, other: Self) -> bool {
        self == other || self == Self::All || other == Self::All
    }
}
