//! Where a command's output goes: data to stdout, messages to stderr. Both are written [clean](Clean).

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::Output;
use super::clean::Clean;
use super::table::Table;
use super::{failure, flags};
use crate::words::with_flags;

/// Stdout and stderr, and the format of the data.
pub struct Terminal<'a> {
    output: Output,
    /// What a command that is shown needs beside its own words, to work on the same folders.
    flags: String,
    out: Clean<BufWriter<Pipe<'a>>>,
    err: Clean<&'a mut dyn Write>,
}

/// A wrapper for stdout that remembers whether the reader went away.
struct Pipe<'a> {
    to: &'a mut dyn Write,
    broken: bool,
}

impl<'a> Terminal<'a> {
    pub fn new(output: Output, flags: String, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        let out = BufWriter::new(Pipe { to: out, broken: false });
        Self { output, flags, out: Clean(out), err: Clean(err) }
    }

    /// Whether the user wants data as JSON.
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Shows data: the JSON of a body, or text for people.
    pub fn show(&mut self, body: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
        if self.is_json() {
            let json = serde_json::to_string_pretty(body)?;
            self.out.write_all(flags::in_json(&json, &self.flags).as_bytes())?;
            self.out.write_all(b"\n")?;
        } else {
            let words = flags::in_text(&words(), body, &self.flags)?;
            self.out.write_all(words.as_bytes())?;
            if !words.is_empty() && !words.ends_with('\n') {
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Shows data: the JSON of a body, or a table for people. Instead of an empty table, people see
    /// `none` on stderr.
    pub fn table(&mut self, body: &impl Serialize, table: &Table, none: &str) -> anyhow::Result<()> {
        self.show(body, || if table.is_empty() { String::new() } else { table.to_string() })?;
        if table.is_empty() && !self.is_json() {
            self.note(none);
        }
        Ok(())
    }

    /// Shows data that has the same form for people and for programs: a page, a script, a schema.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Flushes what was shown so far, so that people see it before they are asked about it.
    ///
    /// # Errors
    /// When stdout cannot be written: then nobody has seen it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes a message to stderr. Ignores errors: if stderr is gone, nobody can read the message.
    pub fn note(&mut self, words: impl fmt::Display) {
        let _ = self.out.flush();
        let words = with_flags(&words.to_string(), &self.flags);
        let _ = writeln!(self.err, "{words}");
    }

    /// Writes messages to stderr, if there are any.
    pub fn notes(&mut self, notes: impl IntoIterator<Item = String>) {
        notes.into_iter().for_each(|note| self.note(note));
    }

    /// Shows an error on stderr: for people, or as a line of JSON.
    pub fn fail(&mut self, error: &anyhow::Error) -> ExitCode {
        let _ = self.out.flush();
        failure::report(error, self.output, &self.flags, &mut self.err)
    }

    /// Whether the reader of stdout went away.
    pub fn is_broken(&self) -> bool {
        self.out.0.get_ref().broken
    }

    /// Flushes stdout and returns the exit code. It is no failure if the reader of stdout went away: the
    /// command has done its work.
    pub fn finish(&mut self, code: ExitCode) -> ExitCode {
        match self.out.flush() {
            Ok(()) => code,
            Err(_) if self.is_broken() => code,
            Err(error) => {
                let error = anyhow::Error::from(error).context("cannot write to stdout");
                failure::report(&error, self.output, &self.flags, &mut self.err)
            }
        }
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).inspect_err(|error| self.broken |= error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().inspect_err(|error| self.broken |= error.kind() == io::ErrorKind::BrokenPipe)
    }
}
