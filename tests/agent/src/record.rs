//! What the agent keeps of a step's output, line by line: the log, masked, the issues, and what commands leave.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::unescape;
use crate::job::JobInner;
use crate::task::Definition;
use crate::variable::Variables;
use crate::{Attachment, Issue, IssueKind, LoggingCommand, TaskResult, lock};

/// So many issues of a kind are kept.
const MAX_ISSUES: usize = 10;

/// Receives each masked line of the log as it is written.
pub(crate) type Echo = dyn Fn(&str) + Send + Sync;

/// Records one stage of a step.
pub(crate) struct Recorder {
    pub(crate) job: Arc<JobInner>,
    pub(crate) definition: Arc<Definition>,
    pub(crate) step_name: String,
    pub(crate) task_variables: Arc<Mutex<Variables>>,
    pub(crate) debug: bool,
    pub(crate) echo: Option<Arc<Echo>>,
    pub(crate) record: Mutex<Record>,
    pub(crate) changed: Condvar,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) log: Vec<String>,
    pub(crate) raw: Vec<String>,
    pub(crate) issues: Vec<Issue>,
    pub(crate) counts: [usize; 2],
    pub(crate) output_variables: Variables,
    pub(crate) variables: Variables,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) commands: Vec<LoggingCommand>,
    /// What `task.complete` said.
    pub(crate) result: Option<TaskResult>,
    /// Whether a command failed.
    pub(crate) command_failed: bool,
    /// Streams that are still open.
    pub(crate) open: usize,
}

impl Recorder {
    /// Takes in a line of the process's output.
    pub(crate) fn line(&self, line: String) {
        let mut record = lock(&self.record);
        if let Some(command) = LoggingCommand::parse(&line) {
            self.command(&mut record, &command, &line);
        } else {
            if line.contains("##vso") {
                self.warn(
                    &mut record,
                    &format!("'{line}' contains the logging command keyword but is no command"),
                );
            }
            self.log(&mut record, &line);
        }
        record.raw.push(line);
        self.changed.notify_all();
    }

    /// Notes that a stream has ended.
    pub(crate) fn stream_ended(&self) {
        lock(&self.record).open -= 1;
        self.changed.notify_all();
    }

    /// Waits until all streams have ended; false if that takes longer than `limit`.
    pub(crate) fn wait_for_end(&self, limit: Duration) -> bool {
        let record = lock(&self.record);
        let (record, _) = self
            .changed
            .wait_timeout_while(record, limit, |record| record.open > 0)
            .unwrap_or_else(PoisonError::into_inner);
        record.open == 0
    }

    /// Waits for a line of the process's output that contains `text`.
    pub(crate) fn wait_for_line(&self, text: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let mut record = lock(&self.record);
        loop {
            if let Some(line) = record.raw.iter().find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if record.open == 0 || left.is_zero() {
                let why = if record.open == 0 { "before the step ended" } else { "in time" };
                bail!("no line with `{text}` came {why}; the step printed:\n{}", record.raw.join("\n"));
            }
            (record, _) = self.changed.wait_timeout(record, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Adds an error of the agent itself.
    pub(crate) fn error(&self, message: &str) {
        self.add_issue(&mut lock(&self.record), IssueKind::Error, message, Vec::new());
    }

    fn command(&self, record: &mut Record, command: &LoggingCommand, line: &str) {
        record.commands.push(command.clone());
        if let Err(error) = self.execute(record, command) {
            self.add_issue(
                record,
                IssueKind::Error,
                &format!("Unable to process command '{line}' successfully."),
                Vec::new(),
            );
            self.add_issue(record, IssueKind::Error, &format!("{error:#}"), Vec::new());
            record.command_failed = true;
        }
        if self.debug && (command.area.as_str(), command.event.as_str()) != ("task", "debug") {
            self.log(record, &format!("##[debug]Processed: {}", unescape(line)));
        }
    }

    pub(crate) fn warn(&self, record: &mut Record, message: &str) {
        self.add_issue(record, IssueKind::Warning, message, Vec::new());
    }

    pub(crate) fn add_issue(
        &self,
        record: &mut Record,
        kind: IssueKind,
        message: &str,
        properties: Vec<(String, String)>,
    ) {
        let message = lock(&self.job.state).masker.mask(message);
        let tag = match kind {
            IssueKind::Error => "##[error]",
            IssueKind::Warning => "##[warning]",
        };
        if !message.is_empty() {
            self.log(record, &format!("{tag}{message}"));
        }
        let count = &mut record.counts[kind as usize];
        if *count < MAX_ISSUES {
            record.issues.push(Issue { kind, message, properties });
        }
        *count += 1;
    }

    pub(crate) fn log(&self, record: &mut Record, text: &str) {
        let masked = lock(&self.job.state).masker.mask(text);
        for line in masked.split('\n') {
            if let Some(echo) = &self.echo {
                echo(line);
            }
            record.log.push(line.to_owned());
        }
    }
}
