//! Reads and writes the domain: the catalog's YAML, signed documents and API bodies. This room is pure;
//! callers pass in the bytes.

pub mod clock;
pub mod edit;
pub mod fault;
pub mod report;
pub mod restraints;
pub mod schema;
pub mod yaml;

pub mod ascii;
pub mod canonical;
pub mod seconds;

pub mod manifest;
pub mod tuf;

mod sparse;

pub mod api;
pub mod described;
pub mod images;
