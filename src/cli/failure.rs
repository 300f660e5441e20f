//! How errors are shown: what failed, why, and what to do about it.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use crate::domain::suggest::suggest;

/// An error with a hint.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Hinted {
    #[source]
    error: anyhow::Error,
    hint: String,
}

/// Adds hints to errors.
pub trait Hint<T, E> {
    /// Adds a hint that depends on the error.
    fn hint_with<H: Into<String>>(self, hint: impl FnOnce(&E) -> H) -> anyhow::Result<T>;

    /// Adds a hint.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>
    where
        Self: Sized,
    {
        self.hint_with(|_| hint)
    }
}

impl<T, E: Into<anyhow::Error>> Hint<T, E> for Result<T, E> {
    fn hint_with<H: Into<String>>(self, hint: impl FnOnce(&E) -> H) -> anyhow::Result<T> {
        self.map_err(|error| {
            let hint = hint(&error).into();
            Hinted { error: error.into(), hint }.into()
        })
    }
}

/// Creates an error from a message and a hint.
pub fn refuse(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Hinted { error: anyhow::Error::msg(message.into()), hint: hint.into() }.into()
}

/// Returns a hint that suggests known names similar to `wanted`. `all` says how to list them all.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>, all: &str) -> String {
    let names: Vec<String> = suggest(wanted, known).iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => all.to_owned(),
        Some((one, [])) => format!("did you mean {one}? {all}"),
        Some((last, others)) => format!("did you mean {} or {last}? {all}", others.join(", ")),
    }
}

/// Writes an error with all its causes and hints, and returns its exit code.
pub fn report(error: &anyhow::Error, to: &mut dyn Write) -> ExitCode {
    let mut text = String::new();
    let mut hints = Vec::new();
    let mut last = None;
    for cause in error.chain() {
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            hints.push(&hinted.hint);
        }
        let words = cause.to_string();
        // Some wrappers repeat the message of their source. Show it once.
        if last.as_ref() == Some(&words) {
            continue;
        }
        let lead = if last.is_none() { "error" } else { "  because" };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{lead}: {words}");
        last = Some(words);
    }
    for hint in hints {
        let _ = writeln!(text, "hint: {hint}");
    }
    // If stderr is gone, the exit code still shows the failure.
    let _ = to.write_all(text.as_bytes());
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_come_in_order_and_hints_last() {
        let inner: Result<(), _> = Err(std::io::Error::other("disk on fire"));
        let error =
            inner.context("nothing was written").hint("put it out").context("release `1` is not added");
        let mut told = Vec::new();
        assert_eq!(report(&error.unwrap_err(), &mut told), ExitCode::FAILURE);
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "error: release `1` is not added\n  because: nothing was written\n  because: disk on fire\n\
             hint: put it out\n"
        );
    }
}
