//! `tidegate serve`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::ValueEnum;

use super::Globals;

/// Serve, renew, and promote
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(
        long,
        value_name = "ADDR",
        env = "TIDEGATE_LISTEN",
        hide_env_values = true,
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,
    /// Where to listen for `/metrics`, `/healthz` and `/readyz` alone
    #[arg(long, value_name = "ADDR", env = "TIDEGATE_ADMIN_LISTEN", hide_env_values = true)]
    pub admin_listen: Option<SocketAddr>,
    /// Whether this server promotes what is due; must be said where the catalog lies in a git work tree
    #[arg(long, value_name = "WHETHER", env = "TIDEGATE_PROMOTE", hide_env_values = true)]
    pub promote: Option<Promote>,
    /// Serve a scratch copy of the catalog, signed by throw-away keys
    #[arg(long)]
    pub demo: bool,
}

/// Whether the server promotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Promote {
    On,
    Off,
}

/// Serves until it is told to stop.
pub fn run(_args: &Args, _globals: &Globals) -> anyhow::Result<ExitCode> {
    anyhow::bail!("`tidegate serve` is not there yet")
}
