//! What is left when the server or a command ends in the middle of its work.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod full;
mod kill;
mod order;
#[path = "../serve/place.rs"]
#[allow(dead_code, reason = "what asks a running server is for other tests")]
mod place;
#[path = "../serve/spawn.rs"]
#[allow(dead_code, reason = "what asks a running server is for other tests")]
mod spawn;
