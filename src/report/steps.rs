//! What a build spent its time on: instructions and cache by stage, and the slowest steps.

use std::fmt::Write as _;
use std::time::Duration;

use super::markdown::Markdown;
use crate::buildx::progress::{BuildLog, BuildStep, Instruction, StepEnd};

/// How many of the slowest steps are listed, and from what on a step is slow.
const SLOWEST: usize = 5;
const SLOW: Duration = Duration::from_secs(1);

/// How wide the bar of the slowest step is.
const BAR: usize = 24;

/// How much of an instruction is shown.
const SHOWN: usize = 80;

/// The stages of the Dockerfile, in the order in which the build came to them.
pub(super) fn stages(markdown: Markdown<'_>, log: &BuildLog) -> String {
    struct Stage {
        name: String,
        all: usize,
        cached: usize,
        duration: Duration,
    }
    let mut stages: Vec<Stage> = Vec::new();
    for step in &log.steps {
        // A base image may belong to several stages, and has layers of its own.
        let is_layer = |instruction: &&Instruction| !instruction.text.starts_with("FROM ");
        let Some(instruction) = step.instruction.as_ref().filter(is_layer) else { continue };
        let parts = [instruction.stage.as_deref(), instruction.platform.as_deref()];
        let name = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let index = stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
            stages.push(Stage { name, all: 0, cached: 0, duration: Duration::ZERO });
            stages.len() - 1
        });
        let stage = &mut stages[index];
        stage.all += 1;
        stage.cached += usize::from(step.end == StepEnd::Cached);
        stage.duration += step.duration;
    }
    if stages.is_empty() {
        return String::new();
    }
    let mut text = "| Stage | Layers | From the cache | Time |\n|---|--:|--:|--:|\n".to_owned();
    for stage in stages {
        let name = if stage.name.is_empty() { "the only one".to_owned() } else { markdown.code(&stage.name) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {} | {} | {} |", stage.all, stage.cached, seconds(stage.duration));
    }
    text
}

/// The slowest steps with a bar each; empty if none is slow.
pub(super) fn slowest(markdown: Markdown<'_>, log: &BuildLog) -> String {
    let mut steps: Vec<&BuildStep> = log.steps.iter().filter(|step| step.duration >= SLOW).collect();
    steps.sort_by_key(|step| std::cmp::Reverse(step.duration));
    let Some(longest) = steps.first().map(|step| step.duration) else { return String::new() };
    let mut text = "| Slowest steps | Time | |\n|---|--:|---|\n".to_owned();
    for step in steps.into_iter().take(SLOWEST) {
        let name = markdown.short_code(&step.name, SHOWN);
        let _ = writeln!(text, "| {name} | {} | {} |", seconds(step.duration), bar(step.duration, longest));
    }
    text
}

/// A duration for people.
pub(super) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

fn bar(duration: Duration, longest: Duration) -> String {
    let share = duration.as_millis() * BAR as u128 / longest.as_millis().max(1);
    "█".repeat(usize::try_from(share).unwrap_or(BAR).clamp(1, BAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(steps: &[(&str, StepEnd, u64)]) -> BuildLog {
        let step = |&(name, end, millis): &(&str, StepEnd, u64)| BuildStep {
            name: name.to_owned(),
            instruction: Instruction::parse(name),
            end,
            duration: Duration::from_millis(millis),
        };
        BuildLog { steps: steps.iter().map(step).collect(), ..BuildLog::default() }
    }

    #[test]
    fn stages_count_their_instructions() {
        let log = log(&[
            ("[internal] load .dockerignore", StepEnd::Done, 10),
            ("[a 1/3] FROM base", StepEnd::Cached, 0),
            ("[a 2/3] COPY . .", StepEnd::Cached, 0),
            ("[linux/arm64 b 1/1] RUN x", StepEnd::Done, 61_000),
            ("[a 3/3] RUN y", StepEnd::Done, 1_250),
        ]);
        assert_eq!(
            stages(Markdown::new(&str::to_owned), &log),
            "| Stage | Layers | From the cache | Time |\n|---|--:|--:|--:|\n\
             | `a` | 2 | 1 | 1.2 s |\n\
             | `b, linux/arm64` | 1 | 0 | 1 min 01 s |\n"
        );
    }

    #[test]
    fn the_slowest_come_first_and_quick_ones_not_at_all() {
        let log = log(&[
            ("[2/3] RUN quick", StepEnd::Done, 999),
            ("[3/3] RUN a | b", StepEnd::Done, 1_200),
            ("exporting to image", StepEnd::Done, 2_400),
        ]);
        assert_eq!(
            slowest(Markdown::new(&str::to_owned), &log),
            "| Slowest steps | Time | |\n|---|--:|---|\n\
             | `exporting to image` | 2.4 s | ████████████████████████ |\n\
             | `[3/3] RUN a \\| b` | 1.2 s | ████████████ |\n"
        );
        assert_eq!(slowest(Markdown::new(&str::to_owned), &BuildLog::default()), "");
    }
}
