//! Runs a task as the Azure Pipelines agent does, for tests of the packaged task.
//!
//! A [`Job`] owns the work folder, the variables and the masks; [`Job::step`] installs a [`Task`] in it;
//! [`Step::start`] lays the environment, starts `node` and reads its output as the agent would; the
//! [`Outcome`] is what the service would then show. The rule: the behaviour is that of
//! microsoft/azure-pipelines-agent on a Linux host, never what would be convenient for the task.
//! Not covered: container jobs, secure files, proxies and certificates of the agent's own.

mod command;
mod effect;
mod endpoint;
mod environment;
mod job;
mod lines;
mod mask;
mod outcome;
mod predefined;
mod record;
mod running;
mod step;
mod task;
mod variable;

pub use command::LoggingCommand;
pub use endpoint::Endpoint;
pub use job::Job;
pub use outcome::{Attachment, Cancellation, Issue, IssueKind, Outcome, TaskResult};
pub use running::Running;
pub use step::Step;
pub use task::Task;
pub use variable::Variable;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The data behind `mutex`, also after a test's thread panicked with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
