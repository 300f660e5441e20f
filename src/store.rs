//! Where state lives: the catalog's folder, payload files and their copies, and the state folder.

pub mod directory;
pub mod durable;
mod entry;
pub mod lock;
pub mod payloads;
pub mod secret;
pub mod stamp;
pub mod watch;
