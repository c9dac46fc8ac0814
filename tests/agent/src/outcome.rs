//! What a step leaves: the service's view of it, and what tests want to know besides.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::{LoggingCommand, Variable};

/// The result of a step. The order is the agent's: a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the agent's own words")]
pub enum TaskResult {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl TaskResult {
    /// The result that the agent's exact spelling names.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Succeeded" => Self::Succeeded,
            "SucceededWithIssues" => Self::SucceededWithIssues,
            "Failed" => Self::Failed,
            "Canceled" => Self::Canceled,
            "Skipped" => Self::Skipped,
            "Abandoned" => Self::Abandoned,
            _ => return None,
        })
    }

    /// The worse of two results; one that is worse than a failure is never replaced.
    pub(crate) fn merge(self, coming: Self) -> Self {
        if self > Self::Failed { self } else { self.max(coming) }
    }
}

/// Whether an issue is an error or a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it")]
pub enum IssueKind {
    Error,
    Warning,
}

/// An issue as the run page lists it; at most ten of a kind are kept for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Error or warning.
    pub kind: IssueKind,
    /// The text, masked.
    pub message: String,
    /// The command's properties, `type` included; none for an issue of the agent itself.
    pub properties: Vec<(String, String)>,
}

/// A file that the step attached to the run, with the content it had when the command was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The attachment type; `DistributedTask.Core.Summary` for a summary.
    pub kind: String,
    /// The name, a file name.
    pub name: String,
    /// Where the file is.
    pub path: PathBuf,
    /// What it holds; not masked, as the agent does not mask it either.
    pub content: Vec<u8>,
}

/// How a cancelled step came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// The last signal that was needed: INT, TERM or KILL.
    pub signal: Signal,
    /// From the first signal to the end of `node`.
    pub took: Duration,
}

/// Everything that is known of a step after its end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The result that the agent reports.
    pub result: TaskResult,
    /// The log, masked.
    pub log: Vec<String>,
    /// The lines that the process printed, unmasked, commands included; the two streams as they came.
    pub raw: Vec<String>,
    /// Issues, masked.
    pub issues: Vec<Issue>,
    /// How many errors there were, those included that were not kept.
    pub error_count: usize,
    /// How many warnings there were, those included that were not kept.
    pub warning_count: usize,
    /// Output variables of the step, unmasked.
    pub output_variables: Vec<Variable>,
    /// Job variables that the step set, unmasked; output variables are not among them.
    pub variables: Vec<Variable>,
    /// Task variables of the step, its earlier stages' included, unmasked.
    pub task_variables: Vec<Variable>,
    /// Attached files, summaries included.
    pub attachments: Vec<Attachment>,
    /// Every logging command in the order of its line, refused ones included.
    pub commands: Vec<LoggingCommand>,
    /// Every value that the job masked at the end of the step.
    pub masks: Vec<String>,
    /// How `node` ended.
    pub exit: ExitStatus,
    /// From the start of `node` to the end of its output.
    pub elapsed: Duration,
    /// Only for a cancelled step.
    pub cancellation: Option<Cancellation>,
    /// Whether some process still held the step's output 5 s after `node` had ended.
    pub output_left_open: bool,
}

impl Outcome {
    /// The attachment type of a summary.
    pub const SUMMARY: &str = "DistributedTask.Core.Summary";

    /// The value of an output variable.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&str> {
        self.output_variables
            .iter()
            .find(|variable| variable.name.eq_ignore_ascii_case(name))
            .map(|variable| variable.value.as_str())
    }

    /// The messages of the errors that were kept.
    #[must_use]
    pub fn errors(&self) -> Vec<&str> {
        self.messages(IssueKind::Error)
    }

    /// The messages of the warnings that were kept.
    #[must_use]
    pub fn warnings(&self) -> Vec<&str> {
        self.messages(IssueKind::Warning)
    }

    /// The Markdown of each uploaded summary.
    #[must_use]
    pub fn summaries(&self) -> Vec<String> {
        self.attachments
            .iter()
            .filter(|attachment| attachment.kind == Self::SUMMARY)
            .map(|attachment| String::from_utf8_lossy(&attachment.content).into_owned())
            .collect()
    }

    /// The masked log as one text.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.log.join("\n")
    }

    fn messages(&self, kind: IssueKind) -> Vec<&str> {
        self.issues.iter().filter(|issue| issue.kind == kind).map(|issue| issue.message.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::TaskResult::{Canceled, Failed, Skipped, Succeeded, SucceededWithIssues};

    #[test]
    fn the_worst_result_wins_and_none_replaces_a_cancellation() {
        assert_eq!(Failed.merge(Succeeded), Failed);
        assert_eq!(Succeeded.merge(SucceededWithIssues), SucceededWithIssues);
        assert_eq!(Failed.merge(Canceled), Canceled);
        assert_eq!(Canceled.merge(Skipped), Canceled);
    }
}
