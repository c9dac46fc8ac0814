//! Runs one step of a task from the command line, as the Azure Pipelines agent would.
//!
//! The masked log goes to standard output as it is written. Exit code 0 means `Succeeded`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use feedbuild_agent::{Endpoint, Job, Outcome, Task, TaskResult, Variable};
use serde_json::{Value, json};

/// Run one step as the Azure Pipelines agent does.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the task.
    #[arg(long, value_name = "DIR", required_unless_present = "vsix", conflicts_with = "vsix")]
    task: Option<PathBuf>,
    /// Extension that holds the task.
    #[arg(long, value_name = "FILE")]
    vsix: Option<PathBuf>,
    /// Folder that is copied to where a checkout puts the repository.
    #[arg(long, value_name = "DIR")]
    sources: PathBuf,
    /// URL of the collection, with a slash at its end.
    #[arg(long, value_name = "URL")]
    collection: String,
    /// File with the job access token.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Input of the step.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    input: Vec<(String, String)>,
    /// Variable of the pipeline.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    variable: Vec<(String, String)>,
    /// Environment variable of the step.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Environment variable of the agent itself, such as `DOCKER_HOST`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    host_env: Vec<(String, String)>,
    /// File with a service connection: JSON with `id`, `url`, `scheme`, `parameters` and `data`.
    #[arg(long, value_name = "FILE")]
    endpoint_file: Vec<PathBuf>,
    /// Where to write what the step left, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let outcome = run(&Arguments::parse())?;
    Ok(if outcome == TaskResult::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the main and the post-job stage; the worse result counts.
fn run(arguments: &Arguments) -> Result<TaskResult> {
    let task = match (&arguments.task, &arguments.vsix) {
        (Some(directory), _) => Task::from_dir(directory)?,
        (None, Some(vsix)) => Task::from_vsix(vsix)?,
        (None, None) => anyhow::bail!("neither `--task` nor `--vsix`"),
    };
    let job = Job::new(&arguments.collection, read(&arguments.token_file)?.trim())?;
    job.checkout(&arguments.sources)?;
    for (name, value) in &arguments.variable {
        job.set_variable(name, value);
    }
    for (name, value) in &arguments.host_env {
        job.set_host_env(name, value);
    }
    for file in &arguments.endpoint_file {
        let endpoint: Endpoint = serde_json::from_str(&read(file)?)
            .with_context(|| format!("`{}` is no service connection", file.display()))?;
        job.add_endpoint(endpoint);
    }
    let mut step = job.step(&task)?.echo(print);
    for (name, value) in &arguments.input {
        step = step.input(name, value);
    }
    for (name, value) in &arguments.env {
        step = step.env(name, value);
    }
    let outcome = step.run()?;
    if let Some(file) = &arguments.report {
        let text = format!("{:#}\n", report(&outcome));
        fs::write(file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    let post_job = step.run_post_job()?;
    Ok(outcome.result.max(post_job.result))
}

/// What the service would keep of the step. Values of secret variables are left out.
fn report(outcome: &Outcome) -> Value {
    let values = |variables: &[Variable]| -> Value {
        let shown = |variable: &Variable| {
            (
                variable.name.clone(),
                Value::from(if variable.secret { "***" } else { variable.value.as_str() }),
            )
        };
        variables.iter().map(shown).collect::<serde_json::Map<_, _>>().into()
    };
    let issues: Vec<Value> = outcome
        .issues
        .iter()
        .map(|issue| json!({ "type": format!("{:?}", issue.kind).to_lowercase(), "message": issue.message }))
        .collect();
    json!({
        "result": format!("{:?}", outcome.result),
        "seconds": outcome.elapsed.as_secs_f64(),
        "outputVariables": values(&outcome.output_variables),
        "variables": values(&outcome.variables),
        "issues": issues,
        "summaries": outcome.summaries(),
    })
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

#[expect(clippy::print_stdout, reason = "the log is what this program is for")]
fn print(line: &str) {
    println!("{line}");
}
