//! Tests of the agent against small tasks, and of the task's launcher as the agent runs it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cancellation;
mod environment;
mod launcher;
mod output;
mod program;
mod support;
