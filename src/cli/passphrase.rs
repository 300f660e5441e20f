//! Passphrases of keys: asked for on the terminal, or read from a file descriptor.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::{Hint, refuse};

/// A passphrase, wiped from memory when it is dropped.
pub type Passphrase = Zeroizing<String>;

/// Where passphrases come from.
#[derive(Debug, Clone, clap::Args)]
pub struct PassphraseSource {
    /// Read the passphrases of keys from this file descriptor instead of the terminal: one line for
    /// each key, in the order in which they are named; the last line serves for all that follow
    #[arg(long, value_name = "N", env = "TIDEGATE_PASSPHRASE_FD", hide_env_values = true)]
    passphrase_fd: Option<u32>,
}

/// Passphrases in the order in which they are asked for.
pub struct Passphrases {
    fd: Option<u32>,
    lines: Option<BufReader<File>>,
    last: Option<Passphrase>,
}

impl PassphraseSource {
    pub fn passphrases(&self) -> Passphrases {
        Passphrases { fd: self.passphrase_fd, lines: None, last: None }
    }
}

impl Passphrases {
    /// The passphrase of a key that has one.
    pub fn of(&mut self, file: &Path) -> anyhow::Result<Passphrase> {
        let file = file.display();
        match self.fd {
            Some(fd) => self.line(fd, &format!("the passphrase of `{file}`")),
            None => ask(&format!("passphrase of `{file}`: ")),
        }
    }

    /// A passphrase for a key that gets one now: typed twice.
    pub fn for_new(&mut self, file: &Path) -> anyhow::Result<Passphrase> {
        let file = file.display();
        let passphrase = if let Some(fd) = self.fd {
            self.line(fd, &format!("the new passphrase of `{file}`"))?
        } else {
            let first = ask(&format!("new passphrase of `{file}`: "))?;
            if *first != *ask("the same again: ")? {
                return Err(refuse("the two passphrases are not the same", "try again"));
            }
            first
        };
        if passphrase.is_empty() {
            return Err(refuse(
                format!("the passphrase of `{file}` is empty"),
                "give one, or `--no-encrypt` for a key that is protected in another way",
            ));
        }
        Ok(passphrase)
    }

    fn line(&mut self, fd: u32, what: &str) -> anyhow::Result<Passphrase> {
        let failed = || format!("{what} cannot be read from file descriptor {fd}");
        if self.lines.is_none() {
            let file = File::open(format!("/dev/fd/{fd}"));
            let file = file
                .with_context(failed)
                .hint(format!("open it for this command, as the shell does: `{fd}< FILE`, `{fd}<<< TEXT`"))?;
            self.lines = Some(BufReader::new(file));
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

/// Asks on the terminal, which does not show what is typed.
fn ask(prompt: &str) -> anyhow::Result<Passphrase> {
    let mut terminal = terminal().ok_or_else(|| {
        refuse(
            format!("there is no terminal to ask on for the {}", prompt.trim_end_matches(": ")),
            "give it with `--passphrase-fd N`",
        )
    })?;
    let failed = "the terminal cannot be used to ask for a passphrase";
    write!(terminal, "{prompt}").context(failed)?;
    let typed = {
        let _quiet = Quiet::on(&terminal).context(failed)?;
        let mut typed = Zeroizing::new(String::new());
        BufReader::with_capacity(512, &terminal).read_line(&mut typed).context(failed)?;
        typed
    };
    writeln!(terminal).context(failed)?;
    Ok(Zeroizing::new(typed.trim_end_matches(['\n', '\r']).to_owned()))
}

/// The terminal, where a person sits before it.
fn terminal() -> Option<File> {
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return None;
    }
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

/// Asks a question of a person, who says `yes` to it in full.
pub fn confirmed(question: &str) -> anyhow::Result<bool> {
    let mut terminal = terminal().ok_or_else(|| {
        refuse("there is no terminal to ask on whether that is right", "look at it, then say so: `--yes`")
    })?;
    let failed = "the terminal cannot be used to ask";
    write!(terminal, "{question} [yes/no] ").context(failed)?;
    let mut typed = String::new();
    BufReader::new(&terminal).read_line(&mut typed).context(failed)?;
    Ok(typed.trim().eq_ignore_ascii_case("yes"))
}

/// A terminal that shows nothing of what is typed, for as long as this lives.
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
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
