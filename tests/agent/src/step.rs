//! A step of a job: the inputs of one use of a task, and how its stages are started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::environment::{StepSettings, environment};
use crate::job::{JobInner, JobState};
use crate::record::{Echo, Record, Recorder};
use crate::task::{Definition, Stage};
use crate::variable::Variables;
use crate::{Endpoint, Outcome, Running, Variable, lock};

/// A step; its stages may be run any number of times, as `retryCountOnTaskFailure` does.
pub struct Step {
    job: Arc<JobInner>,
    definition: Arc<Definition>,
    directory: PathBuf,
    name: String,
    instance_id: String,
    inputs: Vec<(String, String)>,
    env: Vec<(String, String)>,
    without: Vec<String>,
    echo: Option<Arc<Echo>>,
    task_variables: Arc<Mutex<Variables>>,
}

impl Step {
    pub(crate) fn new(
        job: Arc<JobInner>,
        definition: Arc<Definition>,
        directory: PathBuf,
        number: usize,
    ) -> Self {
        let name = format!("{}{number}", definition.name);
        let instance_id = format!("0f7a2c6e-5b1d-4e3a-9c8f-{number:012x}");
        let (inputs, env, without, task_variables) = Default::default();
        Self {
            job,
            definition,
            directory,
            name,
            instance_id,
            inputs,
            env,
            without,
            echo: None,
            task_variables,
        }
    }

    /// Names the step, as YAML's `name:` does; output variables become `<name>.<variable>`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Gives an input, as YAML's `inputs:` does.
    #[must_use]
    pub fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.push((name.into(), value.into()));
        self
    }

    /// Gives an environment variable, as YAML's `env:` does.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Takes a variable out of the finished environment, for agents that do not set it.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.into());
        self
    }

    /// Calls `echo` with each masked line of the log as it is written.
    #[must_use]
    pub fn echo(mut self, echo: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.echo = Some(Arc::new(echo));
        self
    }

    /// The folder that the task is installed in.
    #[must_use]
    pub fn task_dir(&self) -> &Path {
        &self.directory
    }

    /// Starts the main stage.
    pub fn start(&self) -> Result<Running> {
        self.start_stage(Stage::Main)
    }

    /// Starts the post-job stage, which runs whatever became of the main stage.
    pub fn start_post_job(&self) -> Result<Running> {
        self.start_stage(Stage::PostJob)
    }

    /// Runs the main stage to its end.
    pub fn run(&self) -> Result<Outcome> {
        self.start()?.wait()
    }

    /// Runs the post-job stage to its end.
    pub fn run_post_job(&self) -> Result<Outcome> {
        self.start_post_job()?.wait()
    }

    fn start_stage(&self, stage: Stage) -> Result<Running> {
        let handler = self.definition.handler(stage)?;
        let target = self.directory.join(&handler.target);
        target.metadata().with_context(|| format!("handler `{}` is missing", target.display()))?;
        let sources = self.job.path("_work/1/s");

        let task_variables = lock(&self.task_variables).clone();
        let mut job = lock(&self.job.state);
        let variables = self.runtime_variables(&mut job);
        let debug =
            variables.get("System.Debug").is_some_and(|debug| debug.value.eq_ignore_ascii_case("true"));
        let settings = StepSettings {
            definition: &self.definition,
            variables,
            task_variables,
            inputs: &self.inputs,
            env: &self.env,
            without: &self.without,
            sources: &sources,
            system: Endpoint::system(&self.job.collection, &self.job.token),
        };
        let environment = environment(&job, settings)?;
        let node = find_node(job.host.get("PATH").map_or("", String::as_str))?;
        drop(job);

        let recorder = Arc::new(Recorder {
            job: Arc::clone(&self.job),
            definition: Arc::clone(&self.definition),
            step_name: self.name.clone(),
            task_variables: Arc::clone(&self.task_variables),
            debug,
            echo: self.echo.clone(),
            record: Mutex::new(Record { open: 2, ..Record::default() }),
            changed: Condvar::new(),
        });
        let largest = environment.iter().max_by_key(|(name, value)| name.len() + value.len());
        let mut command = Command::new(node);
        command
            .arg(target)
            .env_clear()
            .envs(&environment)
            .current_dir(handler.working_directory.as_ref().map_or(sources, PathBuf::from))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = Instant::now();
        let child = command.spawn().with_context(|| match largest {
            Some((name, value)) => {
                format!("cannot start node (largest variable: `{name}`, {} bytes)", value.len())
            }
            None => "cannot start node".to_owned(),
        })?;
        Running::new(child, recorder, started)
    }

    /// The job's variables as this step sees them, with macros expanded; secrets that come of that are masked.
    fn runtime_variables(&self, job: &mut JobState) -> Variables {
        let mut variables = job.variables.expanded();
        variables
            .iter()
            .filter(|variable| variable.secret)
            .for_each(|variable| job.masker.add(&variable.value));
        variables.set(Variable::public("Task.DisplayName", &self.definition.friendly_name));
        variables.set(Variable::public("System.TaskDisplayName", &self.definition.friendly_name));
        variables.set(Variable::public("System.TaskInstanceId", &self.instance_id));
        variables.set(Variable::public("System.TaskInstanceName", &self.name));
        variables
    }
}

/// The `node` of the agent's own `PATH`; variables and `env:` of the step have no say in it.
fn find_node(path: &str) -> Result<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
        .context("no `node` in the PATH of the agent")
}
