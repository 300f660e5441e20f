//! Environment variables that commands read, and those that are set and empty.
//!
//! `${X:-}` in a compose file, or an input that a CI job was not given, sets a variable to nothing. Clap takes
//! that for the flag with an empty value, and then complains about a flag that nobody typed.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Variables that a service must not lose by accident: without them it could promote, trust or sign in a way
/// that whoever set them did not want.
const GUARDS: [&str; 5] = [
    "TIDEGATE_PROMOTE",
    "TIDEGATE_ADMIN_LISTEN",
    "TIDEGATE_WITNESS",
    "TIDEGATE_ONLINE_KEY",
    "TIDEGATE_ONLINE_SIGN_WITH",
];

/// The variable that says which log lines are written.
pub const LOG: &str = "TIDEGATE_LOG";

/// Variables without a flag, which every command reads.
const WITHOUT_FLAG: [&str; 1] = [LOG];

/// Returns the value of a variable that is set and not empty.
pub fn value(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the values of the variables that a command or one of its subcommands reads.
pub fn known(command: &Command) -> Vec<OsString> {
    let own = command.get_arguments().filter_map(|arg| value(arg.get_env()?));
    own.chain(command.get_subcommands().flat_map(known))
        .chain(WITHOUT_FLAG.iter().filter_map(value))
        .collect()
}

fn is_empty(name: &OsStr) -> bool {
    std::env::var_os(name).is_some_and(|value| value.is_empty())
}

/// Whether one of our variables is empty.
pub fn has_empty() -> bool {
    std::env::vars_os().any(|(name, value)| value.is_empty() && name.as_bytes().starts_with(b"TIDEGATE_"))
}

/// Makes a command and its subcommands ignore empty variables.
pub fn ignore_empty(command: Command) -> Command {
    let read = |arg: Arg| if arg.get_env().is_some_and(is_empty) { arg.env(Resettable::Reset) } else { arg };
    command.mut_args(read).mut_subcommands(ignore_empty)
}

/// Names the empty variables that a command reads and that no flag overrides, each once.
///
/// # Errors
/// If one of them must not count as not set.
pub fn check_empty(
    command: &mut Command,
    is_given: impl Fn(&Arg) -> bool,
) -> Result<Vec<String>, clap::Error> {
    let missing: Vec<&Arg> =
        command.get_arguments().filter(|arg| arg.get_env().is_some_and(is_empty) && !is_given(arg)).collect();
    let guard = missing.iter().find(|arg| GUARDS.iter().any(|name| arg.get_env() == Some(OsStr::new(name))));
    if let Some(arg) = guard {
        let (name, flag) = (shown(arg), arg.get_long().unwrap_or_default());
        let message = format!(
            "`{name}` is set and empty, so it is unclear whether `--{flag}` is wanted\n\n\
             hint: give `{name}` a value, or remove the variable to start without `--{flag}`"
        );
        return Err(command.error(ErrorKind::InvalidValue, message));
    }
    let others = WITHOUT_FLAG.iter().filter(|name| is_empty(OsStr::new(name))).map(|&name| name.to_owned());
    let names: BTreeSet<String> = missing.into_iter().map(shown).chain(others).collect();
    Ok(names
        .into_iter()
        .map(|name| format!("warning: {name} is set and empty, which counts as not set"))
        .collect())
}

fn shown(arg: &Arg) -> String {
    arg.get_env().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the subcommand that was matched, with its own matches.
pub fn matched(command: Command, matches: &ArgMatches) -> (Command, &ArgMatches) {
    match matches.subcommand().map(|(name, inner)| (command.find_subcommand(name).cloned(), inner)) {
        Some((Some(next), inner)) => matched(next, inner),
        _ => (command, matches),
    }
}

/// Whether the command line itself has an argument.
pub fn is_typed(matches: &ArgMatches, arg: &Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}
