//! What shells need: `tidegate completions` and `man`, and quotes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::command;
use super::terminal::Terminal;
pub use crate::store::denied::quoted;
use crate::store::durable::{self, Batch, Mode};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate")]
pub struct CompletionsArgs {
    shell: clap_complete::Shell,
}

/// Print the manual page, or write all manual pages into a folder
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, which is created if needed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Pages<'a> {
    folder: &'a Path,
}

pub fn completions(args: &CompletionsArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "tidegate", &mut script);
    terminal.raw(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub fn man(args: &ManArgs, terminal: &mut Terminal<'_>) -> anyhow::Result<ExitCode> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command()).render(&mut page)?;
        terminal.raw(&page)?;
        return Ok(ExitCode::SUCCESS);
    };
    let failed = || format!("cannot write the pages into `{}`", folder.display());
    durable::create_folder(folder, Mode::Keep).with_context(failed)?;
    let mut commands = command().disable_help_subcommand(true);
    commands.build();
    let mut commands = vec![commands];
    let mut pages = Batch::default();
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|one| !one.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command);
        let path = folder.join(page.get_filename());
        pages.fill(&path, Mode::Keep, |file| page.render(file)).with_context(failed)?;
    }
    pages.finish(folder).with_context(failed)?;
    terminal.show(&Pages { folder }, String::new)?;
    terminal.note(format_args!("the pages are in `{}`", folder.display()));
    Ok(ExitCode::SUCCESS)
}
