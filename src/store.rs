//! Where everything is kept. [`port`] says what a store must do; the rest is a store in folders.

pub mod directory;
pub mod durable;
mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub mod payloads;
pub mod port;
pub mod secret;
mod stamp;
pub mod state;
#[cfg(test)]
mod suite;
