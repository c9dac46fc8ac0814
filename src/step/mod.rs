//! The stages of the step, in order; each stands in a file of its own.

mod base_labels;
mod build;
mod build_record;
mod check;
mod export;
mod findings;
mod inspection;
mod preflight;
mod prepare;
mod publish;
mod record;
mod sign_in;
mod tagging;
mod tell;
mod transcribe;

use std::sync::Arc;

use crate::agent::env::Env;
use crate::agent::logging::{LoggingCommand, TaskResult};
use crate::agent::network::Network;
use crate::buildx::docker::Docker;
use crate::buildx::supply::Supply;
use crate::cancel::{Cancel, Cancelled};
use crate::console::Console;
use crate::error;
use crate::private::{self, PrivateFolder, Swept};
use crate::report::summary::Report;

/// Runs the main stage. Every way out of it says `task.complete`.
pub async fn main_stage(env: &Env, cancel: &Cancel) -> TaskResult {
    let console = Arc::new(Console::default());
    let mut report = Report::default();
    let result = match Box::pin(run(env, &console, cancel, &mut report)).await {
        Ok(()) => TaskResult::Succeeded,
        Err(error) if is_cancelled(&error) => {
            console.line("The run was cancelled; what was running was stopped.");
            TaskResult::Canceled
        }
        Err(error) => {
            let text = error::render(&error);
            match report.failed_line() {
                Some((dockerfile, line)) => console.error_at(&dockerfile, line, &text),
                None => console.error(&text),
            }
            report.error = Some(text);
            TaskResult::Failed
        }
    };
    if result != TaskResult::Canceled
        && let Err(error) = tell::upload_summary(env, &console, &report)
    {
        console.warning(&error::render(&error.context("there is no summary of this step")));
    }
    console.command(LoggingCommand::Complete(result));
    result
}

/// Stops runs of this job that go on, and removes what killed ones left. Does nothing if there is nothing, e.g. when the
/// main stage never ran.
pub fn post_job(env: &Env) {
    let console = Console::default();
    match private::sweep(env) {
        Ok(Swept { stopped, removed }) => {
            if stopped > 0 {
                console.line(&format!("Stopped {stopped} run(s) that went on after a cancel"));
            }
            if removed > 0 {
                console.line(&format!("Removed what {removed} interrupted run(s) left"));
            }
        }
        Err(error) => console.warning(&error::render(&error)),
    }
}

async fn run(env: &Env, console: &Arc<Console>, cancel: &Cancel, report: &mut Report) -> anyhow::Result<()> {
    let step = Step::open(env, console, cancel)?;
    let inputs = step.inputs()?;
    let docker = Docker::find(env, inputs.options.builder.as_deref())?;
    let plan = step.plan(inputs, &docker, report).await?;
    step.preflight(&plan, report)?;
    let acquirer = step.acquirer(&plan)?;
    let logins = step.logins(&plan, &docker);
    let signed_in = step.sign_in(&plan, &docker, acquirer.as_ref(), &logins, report);
    let (secrets, engine, labels) = step.grouped("Sign in", signed_in).await?;
    let supply = Supply { first: &secrets, source: acquirer.as_ref(), logins: &logins };
    let workshop = step.workshop(&plan, &docker, engine.as_ref(), &logins, &labels)?;
    let built =
        step.build(&plan, workshop.as_ref(), &docker.builder, engine.as_ref(), supply, report).await?;
    let Some(mut built) = built else { return Ok(()) };
    let details = publish::details(&built);
    let proceed = async {
        step.check(&plan, workshop.as_ref(), &mut built, report).await?;
        step.export(&plan, workshop.as_ref(), &built, &logins, report).await?;
        step.publish(&plan, &built, &logins, report).await
    };
    // An engine takes its time to describe an image, and nobody waits for that.
    let (proceeded, details) = tokio::join!(Box::pin(proceed), cancel.unless(details));
    proceeded?;
    report.details = details?;
    step.export_caches(workshop.as_ref(), &logins, report).await?;
    Step::describe(&built, report);
    step.record(&plan, &built, report).await?;
    step.keep_record(workshop.as_ref(), report).await;
    step.tell(report);
    Ok(())
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<Cancelled>)
}

/// What every stage needs.
struct Step<'a> {
    env: &'a Env,
    console: &'a Arc<Console>,
    cancel: &'a Cancel,
    network: Network,
    folder: PrivateFolder,
}
