//! What each logging command does to the job and to the record of the step.
//!
//! Follows `WorkerCommandManager.cs` and `TaskCommandExtension.cs`: a command that fails, or whose event is
//! unknown, fails the step; one that the task's restrictions forbid draws a warning and does nothing.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{LoggingCommand, escape};
use crate::record::{Record, Recorder};
use crate::{Attachment, IssueKind, Outcome, TaskResult, Variable, lock};

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

impl Recorder {
    pub(crate) fn execute(&self, record: &mut Record, command: &LoggingCommand) -> Result<()> {
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
        if allowed && (command.flag("isoutput") || self.definition.has_output(name)) {
            record.output_variables.set(variable.clone());
            let read_only = variable.read_only || command.flag("isoutput");
            state.set(Variable { name: format!("{}.{name}", self.step_name), read_only, ..variable });
        } else if allowed {
            record.variables.set(variable.clone());
            state.set(variable);
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
