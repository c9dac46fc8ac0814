//! Logging commands: the lines by which a task tells the agent something.
//!
//! Grammar and escapes as the agent parses them (`Agent Command.cs`): `##vso[area.event key=value;…]data`,
//! percent first, then CR and LF, and in properties also `]` and `;`.

use std::fmt::{self, Display, Formatter};

/// How the step ended. Worse results win when the agent merges them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskResult {
    /// All stages ran.
    Succeeded,
    /// Something failed; an issue says what.
    Failed,
    /// The run was cancelled.
    Canceled,
}

/// A line of a file in the sources, which the run page names.
#[derive(Debug, Clone, Copy)]
pub struct FileLine<'a> {
    /// The file's path on the agent.
    pub path: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// What kind of issue it is, e.g. the name of a check.
    pub code: Option<&'a str>,
}

impl Display for FileLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "sourcepath={};linenumber={};", property(self.path), self.line)?;
        self.code.map_or(Ok(()), |code| write!(f, "code={};", property(code)))
    }
}

/// A logging command with its data.
#[derive(Debug, Clone, Copy)]
pub enum LoggingCommand<'a> {
    /// Registers a value with the agent's masker. The agent masks this very line too.
    SetSecret(&'a str),
    /// An output variable of the step, read as `$(step.name)`.
    SetOutput(&'a str, &'a str),
    /// A variable of the job, for later steps.
    SetVariable(&'a str, &'a str),
    /// How far the step is, in percent, and what it is doing. The agent never goes back.
    Progress(u8, &'a str),
    /// An error on the run page.
    Error(&'a str),
    /// A warning on the run page.
    Warning(&'a str),
    /// An error about a line of a file.
    ErrorAt(FileLine<'a>, &'a str),
    /// A warning about a line of a file.
    WarningAt(FileLine<'a>, &'a str),
    /// A Markdown file shown on the run page; it has to stay on disk.
    UploadSummary(&'a str),
    /// A file for the artifact of this name, which a classic release has none of; it has to stay on disk.
    UploadArtifact(&'a str, &'a str),
    /// The result, said once at the end.
    Complete(TaskResult),
}

impl Display for LoggingCommand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetSecret(value) => write!(f, "##vso[task.setsecret]{}", data(value)),
            Self::SetOutput(name, value) => {
                write!(f, "##vso[task.setvariable variable={};isOutput=true;]{}", property(name), data(value))
            }
            Self::SetVariable(name, value) => {
                write!(f, "##vso[task.setvariable variable={};]{}", property(name), data(value))
            }
            Self::Progress(percent, text) => {
                write!(f, "##vso[task.setprogress value={percent};]{}", data(text))
            }
            Self::Error(text) => write!(f, "##vso[task.logissue type=error;]{}", data(text)),
            Self::Warning(text) => write!(f, "##vso[task.logissue type=warning;]{}", data(text)),
            Self::ErrorAt(at, text) => write!(f, "##vso[task.logissue type=error;{at}]{}", data(text)),
            Self::WarningAt(at, text) => write!(f, "##vso[task.logissue type=warning;{at}]{}", data(text)),
            Self::UploadArtifact(name, path) => {
                write!(f, "##vso[artifact.upload artifactname={};]{}", property(name), data(path))
            }
            Self::UploadSummary(path) => write!(f, "##vso[task.uploadsummary]{}", data(path)),
            Self::Complete(result) => write!(f, "##vso[task.complete result={result:?};]"),
        }
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(']', "%5D").replace(';', "%3B")
}

/// Text with every `##vso[` (any case, any number of `#`) made harmless, as the agent's own neutraliser does:
/// the agent obeys a command anywhere in a line that a task prints.
#[must_use]
pub fn neutralise(text: &str) -> std::borrow::Cow<'_, str> {
    use std::borrow::Cow;
    if !text.as_bytes().windows(5).any(|five| five.eq_ignore_ascii_case(b"##vso")) {
        return Cow::Borrowed(text);
    }
    let mut out = text.to_owned();
    let lower = text.to_ascii_lowercase();
    for (at, _) in lower.match_indices("##vso") {
        out.replace_range(at..at + 2, "**");
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped_as_the_agent_unescapes() {
        let table = [
            (LoggingCommand::SetSecret("50%;\n]"), "##vso[task.setsecret]50%AZP25;%0A]"),
            (
                LoggingCommand::SetOutput("a;b]", "x\r\n"),
                "##vso[task.setvariable variable=a%3Bb%5D;isOutput=true;]x%0D%0A",
            ),
            (
                LoggingCommand::WarningAt(
                    FileLine { path: "/s/a;b/Dockerfile", line: 7, code: Some("StageNameCasing") },
                    "x",
                ),
                "##vso[task.logissue type=warning;sourcepath=/s/a%3Bb/Dockerfile;linenumber=7;code=StageNameCasing;]x",
            ),
            (LoggingCommand::Progress(42, "1 of 2\n"), "##vso[task.setprogress value=42;]1 of 2%0A"),
            (LoggingCommand::SetVariable("A_B", "x;y"), "##vso[task.setvariable variable=A_B;]x;y"),
            (LoggingCommand::Error("%3B"), "##vso[task.logissue type=error;]%AZP253B"),
            (
                LoggingCommand::UploadArtifact("a;b", "/t/x%"),
                "##vso[artifact.upload artifactname=a%3Bb;]/t/x%AZP25",
            ),
            (LoggingCommand::Complete(TaskResult::Canceled), "##vso[task.complete result=Canceled;]"),
        ];
        for (command, line) in table {
            assert_eq!(command.to_string(), line);
        }
    }

    #[test]
    fn commands_in_foreign_text_are_neutralised() {
        assert_eq!(
            neutralise("#5 0.1 ##vso[task.setvariable variable=x]y"),
            "#5 0.1 **vso[task.setvariable variable=x]y"
        );
        assert_eq!(neutralise("####VsO[x]"), "##**VsO[x]");
        assert_eq!(neutralise("é##vso[ü ##VSO["), "é**vso[ü **VSO[");
        assert!(matches!(neutralise("# vso ##[group]"), std::borrow::Cow::Borrowed(_)));
    }
}
