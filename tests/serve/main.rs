//! The server as a whole, from outside: the real program, on a free port, with a catalog on disk.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod clock;
mod console;
mod demo;
mod descriptors;
mod life;
mod log;
mod lost;
mod mirror;
mod never;
mod openapi;
mod place;
mod recover;
mod sign_with;
#[expect(dead_code, reason = "what traces a server is for other tests")]
mod spawn;
#[cfg(target_os = "linux")]
mod stalled;
mod start;
mod status;
mod supervised;
mod verify;
mod waiting;
