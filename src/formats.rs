//! From the domain to bytes and back: what documents look like, without files, network or time.

pub mod ascii;
pub mod canonical;
pub mod seconds;

pub mod manifest;
pub mod tuf;
