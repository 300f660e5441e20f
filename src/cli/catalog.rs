//! Stub.
use super::terminal::Terminal;
use super::workspace::Workspace;
use std::process::ExitCode;
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check,
}
pub fn run(_: &Command, _: &Workspace, _: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
