//! The real binary: exit code, stdout and stderr of each command, as people and CI see them.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod alone;
mod catalog;
mod channel;
mod clock;
mod desk;
mod doubtful;
mod environment;
mod explain;
mod hints;
mod history;
mod init;
mod keys;
mod line;
mod lost;
mod owners;
mod pages;
mod promote;
mod release;
mod remedies;
#[path = "../signing/repository.rs"]
#[expect(dead_code, reason = "what makes a repository go wrong is for other tests")]
mod repository;
mod roles;
#[path = "../serve/spawn.rs"]
#[expect(dead_code, reason = "most of what a server does is for other tests")]
mod spawn;
mod status;
mod surface;
mod verify;
mod way;
