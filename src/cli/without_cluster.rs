//! `tidegate cluster` in a build without the cluster's side: an error, whatever the arguments.

use std::ffi::OsString;
use std::process::ExitCode;

use super::failure::refuse;

/// Not in this build: the cluster's side
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<OsString>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let asked = args.rest.iter().map(|word| word.to_string_lossy());
    let asked: Vec<_> = std::iter::once("cluster".into()).chain(asked).collect();
    Err(refuse(
        format!("`tidegate {}`: this build does not have the cluster's side", asked.join(" ")),
        "use a build with the feature `client`, which cargo builds by default: only the server's image leaves it out",
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn whatever_is_asked_of_it_this_build_says_what_it_lacks() {
        for asked in
            [&["cluster"][..], &["cluster", "--help"], &["cluster", "run", "prod", "--once", "--x=1"]]
        {
            let cli = Cli::try_parse_from(std::iter::once(&"tidegate").chain(asked)).unwrap();
            let Command::Cluster(args) = &cli.command else { panic!("{asked:?}") };
            let told = super::run(args).unwrap_err().to_string();
            assert_eq!(
                told,
                format!("`tidegate {}`: this build does not have the cluster's side", asked.join(" "))
            );
        }
    }
}
