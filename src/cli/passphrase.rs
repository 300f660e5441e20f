//! Passphrases of keys: asked for on the terminal, or read from a file descriptor.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Take, Write};
use std::path::Path;

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::clean::Clean;
use super::failure::{Hint, refuse};

/// The most bytes that are read from a file descriptor, which may have no end.
const LARGEST: u64 = 64 * 1024;

/// A passphrase, wiped from memory when it is dropped.
pub type Passphrase = Zeroizing<String>;

/// The source of passphrases: the terminal, or a file descriptor.
#[derive(Debug, Clone, clap::Args)]
pub struct PassphraseSource {
    /// Read the passphrases of keys from this file descriptor instead of the terminal: one line for
    /// each key, in the order of the keys; the last line is used for all further keys
    #[arg(long, value_name = "N", env = "TIDEGATE_PASSPHRASE_FD", value_parser = descriptor)]
    passphrase_fd: Option<u32>,
}

/// A source of passphrases: the terminal, or the lines of a file descriptor in their order.
pub struct Passphrases {
    fd: Option<u32>,
    lines: Option<BufReader<Take<File>>>,
    last: Option<Passphrase>,
}

fn descriptor(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "write the number of a file descriptor, as in `--passphrase-fd 3 3< FILE`")
}

impl PassphraseSource {
    pub fn passphrases(&self) -> Passphrases {
        Passphrases { fd: self.passphrase_fd, lines: None, last: None }
    }
}

impl Passphrases {
    /// Returns the passphrase of an encrypted key.
    pub fn of(&mut self, file: &Path) -> anyhow::Result<Passphrase> {
        let file = file.display();
        match self.fd {
            Some(fd) => self.line(fd, &format!("the passphrase of `{file}`")),
            None => ask(&format!("passphrase of `{file}`: ")),
        }
    }

    /// Returns a new passphrase for a key. A person must type it twice.
    pub fn for_new(&mut self, file: &Path) -> anyhow::Result<Passphrase> {
        let file = file.display();
        let passphrase = if let Some(fd) = self.fd {
            self.line(fd, &format!("the new passphrase of `{file}`"))?
        } else {
            let first = ask(&format!("new passphrase of `{file}`: "))?;
            if *first != *ask("the new passphrase again: ")? {
                return Err(refuse("the two passphrases differ", "try again"));
            }
            first
        };
        if passphrase.is_empty() {
            return Err(refuse(
                format!("the passphrase of `{file}` is empty"),
                "type one, or give `--no-encrypt` if the key is protected in another way",
            ));
        }
        Ok(passphrase)
    }

    fn line(&mut self, fd: u32, what: &str) -> anyhow::Result<Passphrase> {
        let failed = || format!("cannot read {what} from file descriptor {fd}");
        if self.lines.is_none() {
            let file = File::open(format!("/dev/fd/{fd}"));
            let file = file
                .with_context(failed)
                .hint(format!("open it in the shell that runs this command: `{fd}< FILE`, `{fd}<<< TEXT`"))?;
            self.lines = Some(BufReader::new(file.take(LARGEST)));
        }
        let mut line = Zeroizing::new(String::new());
        if let Some(lines) = &mut self.lines {
            lines.read_line(&mut line).with_context(failed)?;
        }
        if line.is_empty() {
            return self.last.clone().ok_or_else(|| {
                refuse(format!("file descriptor {fd} has no line for {what}"), "write one line for each key")
            });
        }
        let line = Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned());
        self.last = Some(line.clone());
        Ok(line)
    }
}

/// Asks for a passphrase, without showing what is typed.
fn ask(prompt: &str) -> anyhow::Result<Passphrase> {
    let what = prompt.trim_end_matches(": ");
    let refused = format!("cannot ask for the {what}: there is no terminal");
    typed(prompt, true, &refused, "give it with `--passphrase-fd N`")
}

/// Asks a question. Only the whole `word` counts as agreement. `hint` is for people without a terminal.
pub fn confirmed(question: &str, word: &str, hint: &str) -> anyhow::Result<bool> {
    let refused = "cannot ask whether to sign: there is no terminal";
    let answer = typed(&format!("{question} [{word}/no] "), false, refused, hint)?;
    Ok(answer.trim().eq_ignore_ascii_case(word))
}

/// Prompts on the terminal, and returns the line that is typed. A secret is not shown.
fn typed(prompt: &str, secret: bool, no_terminal: &str, hint: &str) -> anyhow::Result<Passphrase> {
    let failed = "cannot ask on the terminal";
    let terminal = terminal().ok_or_else(|| refuse(no_terminal, hint))?;
    write!(Clean(&terminal), "{prompt}").context(failed)?;
    let quiet = secret.then(|| Quiet::on(&terminal)).transpose().context(failed)?;
    let mut typed = Zeroizing::new(String::new());
    BufReader::with_capacity(512, &terminal).read_line(&mut typed).context(failed)?;
    if quiet.is_some() {
        // The terminal did not show the final line break either.
        writeln!(&terminal).context(failed)?;
    }
    Ok(Zeroizing::new(typed.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Returns the terminal, if stdin or stderr is one.
fn terminal() -> Option<File> {
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return None;
    }
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

/// A guard: the terminal does not show what is typed until it is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn on(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // If this fails, the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
