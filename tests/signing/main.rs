//! Signed documents and repositories, seen from outside the crate.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod openssl;
mod repository;
mod verify;
