//! Stub.
use super::terminal::Terminal;
use super::workspace::Workspace;
use std::process::ExitCode;
#[derive(Debug, clap::Args)]
pub struct Args {}
pub fn run(_: &Args, _: &Workspace, _: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
