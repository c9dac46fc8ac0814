//! What is kept of a build for the report. Every text in it is redacted.

use std::time::Duration;

use super::name::Instruction;

/// A build in its steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildLog {
    /// The steps, in the order in which they began.
    pub steps: Vec<BuildStep>,
    /// Findings of the Dockerfile checks.
    pub warnings: Vec<CheckWarning>,
    /// Why the build failed, if it did.
    pub failure: Option<Failure>,
    /// Whether the client said one of our secrets, so that the engine's own record of the build has it too.
    pub has_secret: bool,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// BuildKit's name of it.
    pub name: String,
    /// The instruction that it is; `None` for steps of BuildKit's own.
    pub instruction: Option<Instruction>,
    /// How it ended.
    pub end: StepEnd,
    /// How long it ran.
    pub duration: Duration,
}

/// How a step of a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// It ran to its end.
    Done,
    /// Its result was in the build cache.
    Cached,
    /// It failed.
    Failed,
    /// It was stopped, since another one failed, or the client went away.
    Stopped,
}

/// A finding of a Dockerfile check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckWarning {
    /// The check's name, e.g. `FromAsCasing`.
    pub rule: Option<String>,
    /// What it found.
    pub message: String,
    /// What the check is about.
    pub detail: Vec<String>,
    /// Where it is described.
    pub url: Option<String>,
    /// Where it is in the Dockerfile.
    pub location: Option<Location>,
}

/// Lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file's name, as BuildKit knows it.
    pub file: String,
    /// The first line, from 1 on.
    pub first: u32,
    /// The last line.
    pub last: u32,
}

/// Why a build failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The name of the step that failed, if one did.
    pub step: Option<String>,
    /// What it printed last.
    pub last_lines: Vec<String>,
    /// Where in the Dockerfile it is.
    pub location: Option<Location>,
    /// What the client said.
    pub message: Option<String>,
}
