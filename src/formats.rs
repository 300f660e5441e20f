//! Domain values from and to bytes.

pub mod edit;
