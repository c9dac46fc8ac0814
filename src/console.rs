//! The one writer to stdout. The agent reads our lines there and obeys logging commands in them.
//!
//! Rule: text is redacted and neutralised on its way out; only a [`LoggingCommand`] of ours is a command.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::agent::logging::{FileLine, LoggingCommand, neutralise};
use crate::agent::mask;
use crate::redact::Redactor;
use crate::report::transcript::Transcript;
use crate::secret::known::{Known, Owner, Register};

/// The log of the step. Shared by reference; each line is written whole and at once.
#[derive(Default)]
pub struct Console {
    redactor: Mutex<Redactor>,
    register: Mutex<Register>,
    transcript: Mutex<Option<Transcript>>,
}

impl Console {
    /// A line of text, ours or a child's.
    pub fn line(&self, text: &str) {
        let text = self.shown(text);
        if let Some(transcript) = &mut *self.transcript() {
            transcript.line(&text);
        }
        write_line(&text);
    }

    /// From now on lines of text also go there, if anywhere; returns where they went before.
    pub fn transcribe(&self, to: Option<Transcript>) -> Option<Transcript> {
        std::mem::replace(&mut *self.transcript(), to)
    }

    fn transcript(&self) -> MutexGuard<'_, Option<Transcript>> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that says what is done, in the colour that the run page gives to sections.
    pub fn section(&self, text: &str) {
        self.formatted("section", text);
    }

    /// Opens a foldable group of lines.
    pub fn group(&self, title: &str) {
        self.formatted("group", title);
    }

    /// Closes the group.
    pub fn end_group(&self) {
        self.formatted("endgroup", "");
    }

    /// How far the step is, in percent, shown beside it while it runs.
    pub fn progress(&self, percent: u8, doing: &str) {
        self.command(LoggingCommand::Progress(percent, &self.shown(doing)));
    }

    /// Something that the user may want to know and need not act on.
    pub fn notice(&self, text: &str) {
        self.line(&format!("notice: {text}"));
    }

    /// Something that is allowed and has its dangers: in the colour of warnings, in the log only.
    pub fn caution(&self, text: &str) {
        self.formatted("warning", text);
    }

    /// Something that the user should look at; shown on the run page.
    pub fn warning(&self, text: &str) {
        self.command(LoggingCommand::Warning(&self.shown(text)));
    }

    /// The error that ends the step; shown on the run page.
    pub fn error(&self, text: &str) {
        self.command(LoggingCommand::Error(&self.shown(text)));
    }

    /// Something to look at, on a line (from 1) of a file; shown on the run page with both.
    pub fn warning_at(&self, file: &Path, line: usize, text: &str) {
        let (path, text) = (self.redact(&file.display().to_string()), self.shown(text));
        self.command(LoggingCommand::WarningAt(FileLine { path: &path, line, code: None }, &text));
    }

    /// A finding of the check `code` on a line (from 1) of a file.
    pub fn check_at(&self, file: &Path, line: usize, code: &str, text: &str) {
        let (path, text) = (self.redact(&file.display().to_string()), self.shown(text));
        self.command(LoggingCommand::WarningAt(FileLine { path: &path, line, code: Some(code) }, &text));
    }

    /// An error on a line (from 1) of a file; shown on the run page with both.
    pub fn error_at(&self, file: &Path, line: usize, text: &str) {
        let (path, text) = (self.redact(&file.display().to_string()), self.shown(text));
        self.command(LoggingCommand::ErrorAt(FileLine { path: &path, line, code: None }, &text));
    }

    /// Says a logging command.
    pub fn command(&self, command: LoggingCommand<'_>) {
        write_line(&command.to_string());
    }

    /// Registers a secret of this step, here and with the agent, before anything can print it; `name` is for people,
    /// `users` are the names that stand before it in `user:secret` pairs.
    pub fn mask(&self, name: &str, secret: &SecretString, users: &[&str]) {
        self.register(name, secret.expose_secret().as_bytes(), Owner::Step);
        for form in mask::agent_forms(secret, users) {
            self.command(LoggingCommand::SetSecret(form.expose_secret()));
        }
    }

    /// Registers a secret that may be no text: the agent masks text only.
    pub fn mask_bytes(&self, name: &str, secret: &SecretSlice<u8>) {
        match std::str::from_utf8(secret.expose_secret()) {
            Ok(text) => self.mask(name, &text.into(), &[]),
            Err(_) => self.register(name, secret.expose_secret(), Owner::Step),
        }
    }

    /// Registers a secret that the agent masks by itself, and that this step does not use.
    pub fn know(&self, name: &str, secret: &SecretString) {
        self.register(name, secret.expose_secret().as_bytes(), Owner::Job);
    }

    /// Every secret that was registered so far.
    pub fn known(&self) -> Vec<Known> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).all().to_vec()
    }

    fn register(&self, name: &str, secret: &[u8], owner: Owner) {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = register.add(name, secret, owner) {
            self.redactor().add(secret, known.is_certain());
        }
    }

    /// `text` without our secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redactor().redact(text)
    }

    /// `text` as it may be shown: without our secrets and without commands. The agent takes no command out of the data of
    /// another one, but who reads the log later may.
    fn shown(&self, text: &str) -> String {
        neutralise(&self.redact(text)).into_owned()
    }

    /// The secrets known so far.
    pub fn redactor(&self) -> MutexGuard<'_, Redactor> {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn formatted(&self, kind: &str, text: &str) {
        write_line(&format!("##[{kind}]{}", self.shown(text)));
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}

/// A line of a command that is no step of a pipeline, e.g. the answer of the credential helper.
pub fn print(line: &str) {
    write_line(line);
}

/// A closed stdout means that the agent is gone; there is nobody left to tell.
fn write_line(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush());
}
