//! The cluster's side: against a repository in memory, and the real program against a served demo.
#![cfg(feature = "client")]
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod agent;
mod answers;
mod apply;
mod command;
mod desk;
mod encrypted;
mod memory;
mod operator;
mod page;
#[path = "../signing/repository.rs"]
#[allow(dead_code, reason = "what makes a repository go wrong in other ways is for other tests")]
mod repository;
#[path = "../hostile/site.rs"]
#[allow(dead_code, reason = "most of its misbehaviour is for the hostile suite")]
mod site;
#[path = "../serve/spawn.rs"]
#[allow(dead_code, reason = "what looks into a server is for other tests")]
mod spawn;
mod transfer;
mod verify;
mod visitor;
