//! A page of the console as a document.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::{Document, Media};

/// The pages about all lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pages {
    pub board: Arc<Document>,
    pub calendar: Arc<Document>,
    /// The calendar as a feed.
    pub feed: Arc<Document>,
    pub trust: Arc<Document>,
}

/// A page as a document.
pub(super) fn html(page: String, before: Option<&Arc<Document>>) -> Arc<Document> {
    Document::reusing_of(Media::Html, before, page.into())
}
