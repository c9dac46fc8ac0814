//! Tells what a build said of the Dockerfile: findings of checks, and the instruction that failed.

use super::Step;
use crate::buildx::progress::{BuildLog, Failure, Instruction, Location};
use crate::dockerfile;
use crate::plan::BuildPlan;
use crate::preflight::names;
use crate::report::{failure, issues};

impl Step<'_> {
    /// Tells it, and returns the record with the place of the failure in it.
    pub(super) fn tell_findings(&self, mut log: BuildLog, build: &BuildPlan) -> BuildLog {
        let dockerfile = build.dockerfile.as_path();
        for issue in issues::checks(&log.warnings, dockerfile) {
            match issue.line {
                // The preflight has told it, by the same words in the name.
                Some(_) if issue.code == Some(names::CHECK) => {}
                Some(line) => {
                    self.console.check_at(dockerfile, line, issue.code.unwrap_or_default(), &issue.text);
                }
                None => self.console.warning(&issue.text),
            }
        }
        if let Some(failure) = &mut log.failure {
            if failure.location.is_none() {
                failure.location = locate(failure, &build.text);
            }
            for line in failure::lines(failure) {
                self.console.line(&line);
            }
        }
        log
    }
}

/// Looks up the instruction that failed, for a client that does not say where it is.
fn locate(failure: &Failure, text: &str) -> Option<Location> {
    let instruction = Instruction::parse(failure.step.as_deref()?)?;
    let line = u32::try_from(dockerfile::find_line(text, &instruction.text)?).ok()?;
    Some(Location { file: String::new(), first: line, last: line })
}
