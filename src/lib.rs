//! Tidegate, an update channel server.
pub mod domain;

pub mod formats;
pub mod signing;
pub mod store;

pub mod clock;
pub mod promoter;
pub mod publish;

pub mod http;

pub mod cli;
