//! Plain progress, of clients that have no other: read for the report, since the lines are told as they are.
//!
//! Rule: what a build prints may look like progress here, so nothing but the report depends on it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::log::{BuildStep, StepEnd};
use super::name::Instruction;

/// How many lines of a step are kept for the case that it fails.
const TAIL: usize = 20;

/// The steps that were told so far, by number.
#[derive(Debug, Default)]
pub(super) struct Plain {
    steps: BTreeMap<usize, Step>,
    begun: Vec<usize>,
    failed: Option<usize>,
}

#[derive(Debug)]
struct Step {
    name: String,
    end: StepEnd,
    duration: Duration,
    tail: Vec<String>,
}

impl Plain {
    /// Takes a redacted line.
    pub(super) fn take(&mut self, line: &str) {
        let Some((number, text)) = line.strip_prefix('#').and_then(|rest| rest.split_once(' ')) else {
            return;
        };
        let Ok(number) = number.parse::<usize>() else { return };
        let Some(step) = self.steps.get_mut(&number) else {
            let step = Step {
                name: text.to_owned(),
                end: StepEnd::Stopped,
                duration: Duration::ZERO,
                tail: Vec::new(),
            };
            self.steps.insert(number, step);
            self.begun.push(number);
            return;
        };
        if let Some((_, said)) = text.split_once(' ').filter(|(time, _)| is_seconds(time)) {
            if step.tail.len() == TAIL {
                step.tail.remove(0);
            }
            step.tail.push(said.to_owned());
        } else if text == "CACHED" {
            step.end = StepEnd::Cached;
        } else if let Some(took) = text.strip_prefix("DONE") {
            let seconds =
                took.trim().strip_suffix('s').and_then(|text| text.parse().ok()).unwrap_or_default();
            step.duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            step.end = StepEnd::Done;
        } else if text.starts_with("ERROR: ") {
            step.end = StepEnd::Failed;
            self.failed.get_or_insert(number);
        }
    }

    /// The steps, in the order in which they were told.
    pub(super) fn steps(&self) -> Vec<BuildStep> {
        let steps = self.begun.iter().filter_map(|number| self.steps.get(number));
        // Number 0 is the builder's own.
        steps
            .filter(|step| !step.name.starts_with("building with "))
            .map(|step| BuildStep {
                name: step.name.clone(),
                instruction: Instruction::parse(&step.name),
                end: step.end,
                duration: step.duration,
            })
            .collect()
    }

    /// The name of the step that failed and what it printed last.
    pub(super) fn failed(&self) -> Option<(String, Vec<String>)> {
        let step = self.steps.get(&self.failed?)?;
        Some((step.name.clone(), step.tail.clone()))
    }
}

fn is_seconds(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
