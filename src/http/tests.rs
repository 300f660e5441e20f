//! The real server on a port of its own, asked over real sockets.

mod bodies;
mod client;
mod fixture;

mod documents;
mod errors;
mod operation;
mod pages;
mod payloads;
mod pipelined;
mod room;
mod slow;
mod stop;

use client::Client;
use fixture::{Spawned, spawn, spawn_with};
