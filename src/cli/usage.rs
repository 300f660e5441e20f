//! What is said about arguments that are refused.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

use super::{command, environment};
use crate::remote::without_user;

/// Names the variable that a refused value is from, keeps secrets in values to itself, and shows the command's
/// own usage.
pub fn explained(mut error: Error, arguments: &[OsString]) -> Error {
    hide_secret(&mut error);
    let mut command = named(arguments);
    if let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg)
        && error.get(ContextKind::InvalidValue).is_some()
        && let Some(argument) = command.get_arguments().find(|argument| argument.to_string() == *shown)
        && let Some(name) = argument.get_env().filter(|_| is_from_environment(argument, arguments))
    {
        let name = ContextValue::String(name.to_string_lossy().into_owned());
        error.insert(ContextKind::InvalidArg, name);
    }
    // Clap's usage lists each flag that is set by an environment variable as if the flag were required.
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = usage.to_string();
        let lists_a_variable = command.get_arguments().any(|argument| {
            let is_listed = argument.get_long().is_some_and(|long| usage.contains(&format!("--{long}")));
            is_listed && is_from_environment(argument, arguments)
        });
        if lists_a_variable {
            error.insert(ContextKind::Usage, ContextValue::StyledStr(command.render_usage()));
        }
    }
    error
}

/// Hides a passphrase that is given in place of a file descriptor, and the password of an address.
fn hide_secret(error: &mut Error) {
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else { return };
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    let shown = if argument.starts_with("--passphrase-fd") {
        "…".to_owned()
    } else if value.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        without_user(value)
    } else {
        return;
    };
    error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
}

fn is_from_environment(argument: &Arg, arguments: &[OsString]) -> bool {
    let is_set = argument.get_env().is_some_and(|name| environment::value(name).is_some());
    is_set && !is_mentioned(arguments, argument)
}

/// Whether a flag seems to be among arguments that could not be parsed.
pub fn is_mentioned(arguments: &[OsString], argument: &Arg) -> bool {
    let is_flag =
        |long: &str| arguments.iter().any(|word| word.to_string_lossy().starts_with(&format!("--{long}")));
    argument.get_long().is_some_and(is_flag)
}

/// The command that the arguments name.
pub fn named(arguments: &[OsString]) -> Command {
    let mut command = command();
    command.build();
    let mut words = arguments.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let is_flag = |arg: &Arg| arg.get_long().is_some() && text.strip_prefix("--") == arg.get_long();
        if command.get_arguments().any(|arg| is_flag(arg) && arg.get_action().takes_values()) {
            // Its value may be called like a command.
            words.next();
        } else if let Some(next) = command.find_subcommand(word).cloned() {
            command = next;
        }
    }
    command
}
