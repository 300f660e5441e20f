//! A hostile server, and what its lies come to: each is refused with a kind of its own and leaves the
//! cluster's trusted state byte for byte as it was, or it is one that withholds, and no more.
#![cfg(feature = "client")]
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod attacks;
mod ceremony;
mod docs;
mod forge;
mod index;
mod judged;
mod kept;
#[path = "../cluster/memory.rs"]
#[allow(dead_code, reason = "its world of one key for each role is for other tests")]
mod memory;
mod mirror;
mod narrowing;
mod payload;
#[path = "../serve/place.rs"]
#[allow(dead_code, reason = "what changes a catalog is for other tests")]
mod place;
#[path = "../judges/python.rs"]
mod python;
mod recovery;
#[path = "../signing/repository.rs"]
#[allow(dead_code, reason = "it is sealed here with other keys")]
mod repository;
mod scene;
mod site;
#[path = "../serve/spawn.rs"]
#[allow(dead_code, reason = "what looks into a server is for other tests")]
mod spawn;
#[path = "../judges/stock.rs"]
mod stock;
mod wire;
