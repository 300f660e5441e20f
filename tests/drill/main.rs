//! The drill of `docs/drill.md`, with its own commands: a key is stolen, the thief signs with it, the
//! keepers do what the page says, and clients go on.
#![cfg(feature = "client")]
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod by_hand;
mod offline;
mod online;
mod page;
mod scene;
#[path = "../hostile/site.rs"]
#[allow(dead_code, reason = "what misbehaves on the wire is for other tests")]
mod site;
#[path = "../serve/spawn.rs"]
#[allow(dead_code, reason = "what looks into a server is for other tests")]
mod spawn;
#[path = "../judges/stock.rs"]
mod stock;
mod thief;
