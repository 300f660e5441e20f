//! Ceremonies, from their beginning to their end, with the binary as people use it.
#![expect(clippy::unwrap_used, reason = "this is a test")]

#[path = "../cli/desk.rs"]
#[allow(dead_code, reason = "what other commands need is for their tests")]
mod desk;

mod encrypted;
mod keepers;
mod pins;
mod refusals;
mod releases;
mod retire;
mod rotate;
mod sign_with;
