//! From a catalog, keys and a time to a [`Publication`]: everything the server answers with.

pub mod document;
pub mod publication;

pub use document::Document;
pub use publication::Publication;
