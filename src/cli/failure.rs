//! How errors are shown: what failed, why, and what to do about it.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::Output;
use super::clean::Clean;
use crate::domain::suggest::suggest;
use crate::store::denied::Denied;
use crate::words::with_flags;

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

/// Adds a hint to an error.
pub fn hinted(error: anyhow::Error, hint: impl Into<String>) -> anyhow::Error {
    Hinted { error, hint: hint.into() }.into()
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

/// An error with its causes and hints in one line, for the log.
#[cfg(feature = "client")]
pub fn summary(error: &anyhow::Error) -> String {
    let Body { error, causes, hints } = Body::of(error);
    let what = [&[error][..], &causes].concat().join(": ");
    [&[what][..], &hints].concat().join("; ")
}

/// Writes an error with all its causes and hints, and returns its exit code. As JSON, it is one line. The
/// commands in its hints get the given flags.
pub fn report(error: &anyhow::Error, output: Output, flags: &str, to: &mut dyn Write) -> ExitCode {
    let mut body = Body::of(error);
    for hint in &mut body.hints {
        *hint = with_flags(hint, flags);
    }
    body.write(output, to);
    ExitCode::FAILURE
}

/// Writes an error about the arguments as JSON. Returns `None` if it only asks for help.
pub fn report_usage(error: &clap::Error, to: &mut dyn Write) -> Option<ExitCode> {
    let text = error.to_string();
    let parts = text.strip_prefix("error: ")?.split("\n\n").map(str::trim);
    let mut parts = parts.map(|part| part.strip_prefix("hint: ").unwrap_or(part).to_owned());
    let body = Body { error: parts.next()?, causes: Vec::new(), hints: parts.collect() };
    body.write(Output::Json, to);
    u8::try_from(error.exit_code()).ok().map(ExitCode::from)
}

/// An error with its causes, the last of which is the first that happened, and its hints.
#[derive(Debug, Serialize)]
struct Body {
    error: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Body {
    fn of(error: &anyhow::Error) -> Self {
        let mut hints = Vec::new();
        let mut causes: Vec<String> = Vec::new();
        let mut denied: Option<&Denied> = None;
        let mut is_full = false;
        for cause in error.chain() {
            if let Some(hinted) = cause.downcast_ref::<Hinted>() {
                hints.extend(hinted.hint.split("\nhint: ").map(str::to_owned));
            }
            denied = denied.or_else(|| Denied::of(cause));
            is_full |= cause.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            });
            #[cfg(feature = "client")]
            if let Some(refusal) = cause.downcast_ref::<crate::cluster::refusal::Refusal>() {
                denied = denied.or_else(|| Denied::of(refusal.of_state()?));
            }
            causes.push(cause.to_string());
        }
        // Restoring what only cannot be read would lead back here.
        if let Some(denied) = denied {
            hints = vec![denied.hint()];
        }
        // What could not be written is not damaged.
        if is_full {
            hints = vec!["free some space on that disk, then try again".to_owned()];
        }
        // Some wrappers repeat the message of their source. Show it once.
        causes.dedup();
        Self { error: causes.remove(0), causes, hints }
    }

    /// Describes the error to people. A message of several lines cannot pretend to be another message,
    /// because its further lines are indented.
    fn words(&self) -> String {
        let causes = self.causes.iter().map(|cause| ("  because", cause));
        let hints = self.hints.iter().map(|hint| ("hint", hint));
        let all = [("error", &self.error)].into_iter().chain(causes).chain(hints);
        all.fold(String::new(), |text, (lead, words)| {
            text + lead + ": " + &words.replace('\n', "\n    ") + "\n"
        })
    }

    fn write(&self, output: Output, to: &mut dyn Write) {
        let text = match output {
            Output::Table => self.words(),
            Output::Json => format!("{}\n", serde_json::json!(self)),
        };
        // If stderr is gone, the exit code still shows the failure.
        let _ = Clean(to).write_all(text.as_bytes());
    }
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
        let error = error.unwrap_err();
        assert_eq!(
            told(&error, Output::Table),
            "error: release `1` is not added\n  because: nothing was written\n  because: disk on fire\n\
             hint: put it out\n"
        );
        assert_eq!(
            told(&error, Output::Json),
            "{\"causes\":[\"nothing was written\",\"disk on fire\"],\
             \"error\":\"release `1` is not added\",\"hints\":[\"put it out\"]}\n"
        );
    }

    fn told(error: &anyhow::Error, output: Output) -> String {
        let mut told = Vec::new();
        assert_eq!(report(error, output, "", &mut told), ExitCode::FAILURE);
        String::from_utf8(told).unwrap()
    }

    #[test]
    fn a_full_disk_is_the_only_cause_that_is_given() {
        let full: Result<(), _> = Err(io::Error::from(ErrorKind::StorageFull));
        let error = full.context("it was not imported").hint("the export is damaged").unwrap_err();
        assert_eq!(
            told(&error, Output::Table),
            "error: it was not imported\n  because: no storage space\n\
             hint: free some space on that disk, then try again\n"
        );
    }

    #[test]
    fn a_message_with_line_breaks_cannot_pretend_to_be_another_one() {
        let error = anyhow::anyhow!("unknown field `a\nhint: all is well\u{1b}[8m`");
        assert_eq!(
            told(&error, Output::Table),
            "error: unknown field `a\n    hint: all is well\\u001b[8m`\n"
        );
    }
}
