//! What the agent makes of a step's output, line by line: the log, issues, variables, files and the result.
//!
//! Follows `WorkerCommandManager.cs` and `TaskCommandExtension.cs`: a command that fails, or whose event is
//! unknown, fails the step; one that may not be used here draws a warning.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{LoggingCommand, escape, unescape};
use crate::job::JobInner;
use crate::task::Definition;
use crate::variable::Variables;
use crate::{Attachment, Issue, IssueKind, Outcome, TaskResult, Variable, lock};

/// So many issues of a kind are kept.
const MAX_ISSUES: usize = 10;

/// Areas and events that a build knows besides `task.*`; what they would do concerns other pages of the service.
const OTHER_EVENTS: [(&str, &[&str]); 5] = [
    ("artifact", &["upload", "associate"]),
    ("build", &["addbuildtag", "updatebuildnumber", "uploadlog", "uploadsummary"]),
    ("codecoverage", &["publish"]),
    ("results", &["publish", "publishtoevidencestore"]),
    ("telemetry", &["publish"]),
];

/// Events of `task` that `restrictions.commands.mode: restricted` forbids.
const FORBIDDEN_IF_RESTRICTED: [&str; 4] = ["addattachment", "uploadsummary", "uploadfile", "setendpoint"];

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

    fn execute(&self, record: &mut Record, command: &LoggingCommand) -> Result<()> {
        let LoggingCommand { area, event, data, .. } = command;
        let restricted = self.definition.restrictions.restricted();
        if area != "task" {
            if area == "release" {
                bail!("release commands are not supported in a build");
            }
            let Some((_, events)) = OTHER_EVENTS.iter().find(|(known, _)| known == area) else {
                self.warn(record, &format!("cannot find an extension for the command area '{area}'"));
                return Ok(());
            };
            ensure!(events.contains(&event.as_str()), "unknown command {area}.{event}");
            if restricted && area != "telemetry" {
                self.warn(record, &format!("{area}.{event} is not allowed in this step"));
            }
            return Ok(());
        }
        if restricted && FORBIDDEN_IF_RESTRICTED.contains(&event.as_str()) {
            self.warn(record, &format!("{area}.{event} is not allowed in this step"));
            return Ok(());
        }
        match event.as_str() {
            "logissue" | "issue" => self.log_issue(record, command)?,
            "complete" => {
                let result =
                    command.property("result").and_then(TaskResult::parse).context("invalid result")?;
                record.result = Some(record.result.map_or(result, |current| current.merge(result)));
            }
            "setsecret" => lock(&self.job.state).masker.add(data),
            "setvariable" => self.set_variable(record, command)?,
            "settaskvariable" => self.set_task_variable(record, command)?,
            "prependpath" => self.prepend_path(record, data)?,
            "addattachment" => {
                let kind = command.property("type").context("an attachment needs a type")?;
                let name = command.property("name").context("an attachment needs a name")?;
                ensure!(
                    !kind.contains('/') && !name.contains('/'),
                    "type or name contains invalid characters"
                );
                record.attachments.push(attachment(kind, name, data)?);
            }
            "uploadsummary" => record.attachments.push(attachment(Outcome::SUMMARY, file_name(data), data)?),
            "uploadfile" => {
                record.attachments.push(attachment(
                    "DistributedTask.Core.FileAttachment",
                    file_name(data),
                    data,
                )?);
            }
            "debug" if self.debug => self.log(record, &format!("##[debug]{data}")),
            "debug" | "setprogress" | "logdetail" | "setendpoint" => {}
            _ => bail!("unknown command {area}.{event}"),
        }
        Ok(())
    }

    fn log_issue(&self, record: &mut Record, command: &LoggingCommand) -> Result<()> {
        let Some(kind) = command.property("type") else {
            self.warn(record, "Can't create TaskIssue from logging event.");
            return Ok(());
        };
        let issue = match kind.to_lowercase().as_str() {
            "error" => IssueKind::Error,
            "warning" => IssueKind::Warning,
            _ => bail!("issue type {kind} is not an expected issue type."),
        };
        let message = match command.property("sourcepath") {
            Some(path) => {
                let sources = self.job.path("_work/1/s");
                let path = Path::new(path).strip_prefix(&sources).unwrap_or(Path::new(path)).display();
                let [line, column, code] = ["linenumber", "columnnumber", "code"]
                    .map(|name| command.property(name).unwrap_or_default());
                format!("{path}({line},{column}): {kind} {code}: {}", command.data)
            }
            None => command.data.clone(),
        };
        self.add_issue(record, issue, &message, command.properties.clone());
        Ok(())
    }

    fn set_variable(&self, record: &mut Record, command: &LoggingCommand) -> Result<()> {
        let name = command.property("variable").context("a variable needs a name")?;
        let mut state = lock(&self.job.state);
        let strict = state
            .variables
            .get("agent.readOnlyVariables")
            .is_some_and(|on| on.value.eq_ignore_ascii_case("true"));
        let read_only = state.variables.get(name).is_some_and(|variable| variable.read_only);
        let variable = variable(name, command)?;
        ensure!(!(read_only && strict), "overwriting readonly variable '{name}' is not permitted");
        if variable.secret {
            state.masker.add(&escape(&command.data));
        }
        let allowed = self.definition.restrictions.may_set(name);
        if allowed {
            if variable.secret {
                state.masker.add(&command.data);
            }
            if command.flag("isoutput") || self.definition.has_output(name) {
                record.output_variables.set(variable.clone());
                let read_only = variable.read_only || command.flag("isoutput");
                state.variables.set(Variable {
                    name: format!("{}.{name}", self.step_name),
                    read_only,
                    ..variable
                });
            } else {
                record.variables.set(variable.clone());
                state.variables.set(variable);
            }
        }
        drop(state);
        if read_only {
            self.warn(record, &format!("overwriting readonly variable '{name}'; this will be forbidden"));
        }
        if !allowed {
            self.warn(record, &format!("setting variable '{name}' is not allowed in this step"));
        }
        Ok(())
    }

    fn set_task_variable(&self, record: &mut Record, command: &LoggingCommand) -> Result<()> {
        let name = command.property("variable").context("a task variable needs a name")?;
        let variable = variable(name, command)?;
        let mut variables = lock(&self.task_variables);
        if variables.get(name).is_some_and(|known| known.read_only) {
            self.warn(record, &format!("overwriting readonly task variable '{name}'"));
        }
        variables.set(variable);
        if variables.get(name).is_some_and(|variable| variable.secret) {
            lock(&self.job.state).masker.add(&command.data);
        }
        Ok(())
    }

    fn prepend_path(&self, record: &mut Record, folder: &str) -> Result<()> {
        if !self.definition.restrictions.may_set("PATH") {
            self.warn(record, "setting variable 'PATH' is not allowed in this step");
            return Ok(());
        }
        ensure!(!folder.is_empty(), "prependpath needs a path");
        let prepended = &mut lock(&self.job.state).prepended;
        prepended.retain(|known| known != folder);
        prepended.push(folder.to_owned());
        Ok(())
    }

    fn warn(&self, record: &mut Record, message: &str) {
        self.add_issue(record, IssueKind::Warning, message, Vec::new());
    }

    fn add_issue(
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

    fn log(&self, record: &mut Record, text: &str) {
        let masked = lock(&self.job.state).masker.mask(text);
        for line in masked.split('\n') {
            if let Some(echo) = &self.echo {
                echo(line);
            }
            record.log.push(line.to_owned());
        }
    }
}

/// The variable that a `set…variable` command describes.
fn variable(name: &str, command: &LoggingCommand) -> Result<Variable> {
    let secret = command.flag("issecret");
    ensure!(!(secret && command.data.contains('\n')), "secrets cannot contain multiple lines");
    Ok(Variable {
        name: name.to_owned(),
        value: command.data.clone(),
        secret,
        read_only: command.flag("isreadonly"),
        preserve_case: command.flag("preservecase"),
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn attachment(kind: &str, name: &str, path: &str) -> Result<Attachment> {
    let content = std::fs::read(path).with_context(|| format!("cannot attach file `{path}`"))?;
    Ok(Attachment { kind: kind.into(), name: name.into(), path: path.into(), content })
}
