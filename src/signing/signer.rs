//! Signers: a key in memory, or a command that asks a KMS, an HSM or a token.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64ct::{Base64, Encoding as _};

use super::key::{PrivateKey, PublicKey};
use crate::formats::tuf::KeyId;

/// How long a command may take to sign: long enough for somebody to touch a token and type its PIN.
const DEADLINE: Duration = Duration::from_secs(120);

/// How many bytes of a command's output are read. The longest form of a signature is 128 hexadecimal digits
/// and a line break.
const MAX_OUTPUT: u64 = 1024;

/// Something that signs with one key.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half of the key.
    fn public(&self) -> PublicKey;

    /// Signs a document's bytes. If the document is a delegated role, `role` is its name: its bytes do not
    /// contain the name, and its type is the same as that of the top targets role.
    ///
    /// # Errors
    /// When the key cannot sign.
    fn sign_as(&self, role: Option<&str>, message: &[u8]) -> Result<[u8; 64], SignerError>;

    /// The key's id.
    fn id(&self) -> KeyId {
        self.public().id()
    }
}

impl Signer for PrivateKey {
    fn public(&self) -> PublicKey {
        Self::public(self)
    }

    fn sign_as(&self, _role: Option<&str>, message: &[u8]) -> Result<[u8; 64], SignerError> {
        Ok(self.sign(message))
    }

    fn id(&self) -> KeyId {
        Self::id(self)
    }
}

/// Why a command did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("cannot run `{0}`")]
    Start(String, #[source] std::io::Error),
    #[error("`{0}` failed ({1}); see its message on stderr")]
    Failed(String, ExitStatus),
    #[error("`{0}` did not sign within {seconds} s", seconds = DEADLINE.as_secs())]
    Deadline(String),
    #[error("`{0}` wrote no signature to stdout: expected 64 bytes, raw, in hexadecimal or in base64")]
    NoSignature(String),
    #[error("`{0}` wrote a signature that does not match the key `{1}` and this document")]
    Wrong(String, KeyId),
}

/// A key whose private half only a command can use.
///
/// `sh -c COMMAND` reads the bytes from stdin and writes the signature to stdout; its stderr is passed
/// through. `TIDEGATE_KEYID` names the key, and `TIDEGATE_DOCUMENT` the document: `root 2`, `releases-1.8
/// 5`, `release 1.8.4`, `channel 1.8-production`.
#[derive(Debug, Clone)]
pub struct CommandSigner {
    public: PublicKey,
    command: String,
    deadline: Duration,
}

impl CommandSigner {
    /// A command that signs with the private half of this key.
    pub const fn new(public: PublicKey, command: String) -> Self {
        Self { public, command, deadline: DEADLINE }
    }

    fn start(&self, document: &str) -> Result<Child, SignerError> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env("TIDEGATE_KEYID", self.public.id().to_string());
        command.env("TIDEGATE_DOCUMENT", document);
        if !has_terminal() {
            command.process_group(0);
        }
        command.spawn().map_err(|source| SignerError::Start(self.command.clone(), source))
    }
}

impl Signer for CommandSigner {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign_as(&self, role: Option<&str>, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let command = || self.command.clone();
        let mut child = self.start(&name_of(role, message))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, receiver) = mpsc::channel();
        let bytes = message.to_vec();
        // A command that hangs, or a child of it that keeps stdout open, blocks these threads but not the
        // caller.
        thread::spawn(move || {
            // Ignore errors, since a command may sign without reading all of its stdin.
            let _ = stdin.map(|mut stdin| stdin.write_all(&bytes));
        });
        thread::spawn(move || {
            let mut written = Vec::new();
            let read = stdout.map(|stdout| stdout.take(MAX_OUTPUT).read_to_end(&mut written));
            let _ = sender.send(read.and_then(Result::ok).map(|_| written));
        });
        let written = receiver.recv_timeout(self.deadline).ok();
        let ended = written.as_ref().and_then(|_| wait(&mut child, self.deadline).transpose());
        let Some(status) = ended else {
            kill(&mut child);
            return Err(SignerError::Deadline(command()));
        };
        let status = status.map_err(|source| SignerError::Start(command(), source))?;
        if !status.success() {
            return Err(SignerError::Failed(command(), status));
        }
        let signature = written.flatten().as_deref().and_then(signature);
        let signature = signature.ok_or_else(|| SignerError::NoSignature(command()))?;
        if self.public.verifies(message, &signature) {
            Ok(signature)
        } else {
            Err(SignerError::Wrong(command(), self.public.id()))
        }
    }
}

/// Whether there is a terminal on which a command can ask for a PIN. If so, the command stays in this
/// process group, since a terminal suspends processes of other groups that read from it.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Waits for a command that has closed its stdout but may still be running.
fn wait(child: &mut Child, deadline: Duration) -> std::io::Result<Option<ExitStatus>> {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if waited >= deadline {
            return Ok(None);
        }
        thread::sleep(STEP);
        waited += STEP;
    }
}

/// Kills a command. If it has its own process group, everything that it started is killed too.
fn kill(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    // Nobody has waited for the process yet, so its id cannot have been reused.
    if let Some(pid) = pid.filter(|pid| rustix::process::getpgid(Some(*pid)) == Ok(*pid)) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads a signature: raw, in hexadecimal or in base64.
fn signature(written: &[u8]) -> Option<[u8; 64]> {
    if let Ok(raw) = written.try_into() {
        return Some(raw);
    }
    let text = std::str::from_utf8(written).ok()?;
    // `base64` and `xxd -p` wrap their output.
    let text: String = text.split_ascii_whitespace().collect();
    let decoded = hex::decode(&text).ok().or_else(|| Base64::decode_vec(&text).ok())?;
    decoded.try_into().ok()
}

/// The name of a document: its role or type, followed by its channel or version.
fn name_of(role: Option<&str>, message: &[u8]) -> String {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(message) else { return String::new() };
    let text = |field: &str| match document.get(field)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let kind = role.map(str::to_owned).or_else(|| text("_type")).unwrap_or_default();
    let which = text("channel").or_else(|| text("version")).unwrap_or_default();
    format!("{kind} {which}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[1; 32])
    }

    fn run(command: &str, message: &[u8]) -> Result<[u8; 64], SignerError> {
        CommandSigner::new(key().public(), command.to_owned()).sign_as(None, message)
    }

    #[test]
    fn a_signature_is_taken_raw_in_hexadecimal_and_in_base64() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, key().to_pem().unwrap().as_bytes()).unwrap();
        let sign = format!(
            "cat > {dir}/m; openssl pkeyutl -sign -inkey {key} -rawin -in {dir}/m",
            dir = folder.path().display(),
            key = file.display()
        );
        for form in ["cat", "xxd -p", "base64", "base64 -w 0"] {
            let signature = run(&format!("({sign}) | {form}"), b"{}").unwrap();
            assert_eq!(signature, key().sign(b"{}"), "{form}");
        }
    }

    #[test]
    fn a_command_is_told_which_key_and_which_document() {
        let told = tempfile::NamedTempFile::new().unwrap();
        let command = format!("echo \"$TIDEGATE_KEYID $TIDEGATE_DOCUMENT\" > {}", told.path().display());
        for (message, name) in [
            (r#"{"_type":"root","version":2}"#, "root 2"),
            (r#"{"_type":"targets","version":3}"#, "targets 3"),
            (r#"{"_type":"release","version":"1.8.4"}"#, "release 1.8.4"),
            (r#"{"_type":"channel","channel":"1.8-production","version":7}"#, "channel 1.8-production"),
        ] {
            assert!(matches!(run(&command, message.as_bytes()), Err(SignerError::NoSignature { .. })));
            let text = std::fs::read_to_string(told.path()).unwrap();
            assert_eq!(text, format!("{} {name}\n", key().id()));
        }
        // Roles of lines do not say in their bytes which they are.
        let signer = CommandSigner::new(key().public(), command);
        for role in ["releases-1.8", "channels"] {
            assert!(signer.sign_as(Some(role), br#"{"_type":"targets","version":5}"#).is_err());
            let text = std::fs::read_to_string(told.path()).unwrap();
            assert_eq!(text, format!("{} {role} 5\n", key().id()));
        }
    }

    #[test]
    fn what_is_no_signature_of_the_key_is_refused() {
        let other = hex::encode(PrivateKey::from_seed(&[2; 32]).sign(b"{}"));
        assert!(matches!(run(&format!("echo {other}"), b"{}"), Err(SignerError::Wrong { .. })));
        let mine = hex::encode(key().sign(b"{}"));
        assert!(matches!(run(&format!("echo {mine}"), b"{ }"), Err(SignerError::Wrong { .. })));
        assert!(matches!(run("echo ab", b"{}"), Err(SignerError::NoSignature { .. })));
        assert!(matches!(
            run("yes", b"{}"),
            Err(SignerError::NoSignature { .. } | SignerError::Failed { .. })
        ));
        assert!(matches!(run(&format!("echo {mine}; exit 3"), b"{}"), Err(SignerError::Failed { .. })));
    }

    #[test]
    fn a_command_that_hangs_is_given_up() {
        let mine = hex::encode(key().sign(b"{}"));
        let closed = format!("echo {mine}; exec sleep 60 >&-");
        for command in ["exec sleep 60", "sleep 60; true", closed.as_str()] {
            let mut signer = CommandSigner::new(key().public(), command.to_owned());
            signer.deadline = Duration::from_millis(50);
            assert!(matches!(signer.sign_as(None, b"{}"), Err(SignerError::Deadline { .. })), "{command}");
        }
    }
}
