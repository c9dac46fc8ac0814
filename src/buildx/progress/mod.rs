//! What the client says while it builds: lines for the log, how far the build is, and a record for the report.
//!
//! Rule: what comes in may have any shape. It is decoded, assembled into lines, and redacted before it is told.

mod ending;
mod log;
mod name;
mod plain;
mod status;
mod trace;
mod transfer;
mod vertex;

use std::sync::Arc;

pub use log::{BuildLog, BuildStep, CheckWarning, Failure, Location, StepEnd};
pub use name::Instruction;
pub use transfer::size;

use self::ending::Ending;
use self::plain::Plain;
use self::status::Line;
use self::trace::Trace;
use super::client::Client;
use crate::console::Console;

/// How the client is asked to tell its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, of buildx 0.13 and later: whatever a step prints is told apart from what the client says.
    RawJson,
    /// Lines for people.
    Plain,
}

impl Format {
    /// What a client is asked for first; whether a buildx is old shows when it is asked.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        match client {
            Client::Buildx(_) => Self::RawJson,
            Client::Docker(_) => Self::Plain,
        }
    }

    /// The value of `--progress`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RawJson => "rawjson",
            Self::Plain => "plain",
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// A redacted line for the log.
    Line(&'a str),
    /// How many of the instructions are done.
    Percent {
        /// Of the instructions known so far; it never goes back.
        percent: u8,
        /// How many are done.
        done: usize,
        /// How many there are.
        all: usize,
    },
}

/// Who is told.
pub type Tell<'a> = &'a mut dyn FnMut(Told<'_>);

/// The progress of one call of the client.
pub struct Progress {
    trace: Trace,
    plain: Plain,
    ending: Ending,
    has_lost: bool,
}

impl Progress {
    /// Nothing was said yet. The console lends its redactor.
    #[must_use]
    pub fn new(console: Arc<Console>) -> Self {
        Self {
            trace: Trace::new(console),
            plain: Plain::default(),
            ending: Ending::default(),
            has_lost: false,
        }
    }

    /// Takes a whole line of the client, of whatever format.
    pub fn take(&mut self, line: &str, tell: Tell<'_>) {
        match status::parse(line) {
            Line::Status(status) => {
                self.trace.update(&status, tell);
                if status.is_partial {
                    self.lose(tell);
                }
            }
            Line::Unreadable => self.lose(tell),
            Line::Text(text) => {
                self.trace.settle_all(tell);
                let text = self.trace.redact(text);
                self.plain.take(&text);
                self.ending.take(&text);
                tell(Told::Line(&text));
            }
        }
    }

    /// Tells what is still open, and returns the record; `is_failed` says whether the client failed.
    #[must_use]
    pub fn end(self, is_failed: bool, tell: Tell<'_>) -> BuildLog {
        let mut log = self.trace.end(tell);
        let plain = self.plain.steps();
        if log.steps.is_empty() {
            log.steps = plain;
        }
        if !is_failed {
            log.failure = None;
            return log;
        }
        let failure = log.failure.get_or_insert_with(|| {
            let (step, last_lines) = self.plain.failed().unzip();
            Failure { step, last_lines: last_lines.unwrap_or_default(), ..Failure::default() }
        });
        failure.location = self.ending.location();
        failure.message = self.ending.message();
        log
    }

    /// Says once that something is missing.
    fn lose(&mut self, tell: Tell<'_>) {
        if !std::mem::replace(&mut self.has_lost, true) {
            tell(Told::Line(
                "notice: the docker client tells its progress in a shape that is not known; lines may be missing",
            ));
        }
    }
}

#[cfg(test)]
mod splits;
#[cfg(test)]
mod tests;
