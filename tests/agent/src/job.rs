//! A job: the work folder on disk and what its steps share.
//!
//! The folder is wiped when the job, its steps and whatever runs of them are dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::mask::Masker;
use crate::task::copy_tree;
use crate::variable::Variables;
use crate::{Endpoint, Step, Task, Variable, lock, predefined};

/// A job on an agent of its own. Steps may run one after another or at once.
pub struct Job(Arc<JobInner>);

pub(crate) struct JobInner {
    root: TempDir,
    pub(crate) collection: String,
    pub(crate) token: String,
    pub(crate) state: Mutex<JobState>,
}

#[derive(Default)]
pub(crate) struct JobState {
    pub(crate) variables: Variables,
    pub(crate) masker: Masker,
    pub(crate) endpoints: Vec<Endpoint>,
    /// The environment of the agent itself.
    pub(crate) host: BTreeMap<String, String>,
    /// Folders of `task.prependpath`, the latest last.
    pub(crate) prepended: Vec<String>,
    steps: usize,
}

impl Job {
    /// A job of the collection at `collection` (the URL ends with `/`) whose access token is `token`.
    ///
    /// As with an agent that runs as a service, the host environment is small: `PATH` and `LANG` of the
    /// test, and a `HOME` of the job's own.
    pub fn new(collection: &str, token: &str) -> Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("feedbuild-job-")
            .tempdir()
            .context("cannot make a work folder")?;
        for folder in
            ["home", "_work/_tasks", "_work/_temp", "_work/_tool", "_work/1/s", "_work/1/a", "_work/1/b"]
        {
            std::fs::create_dir_all(root.path().join(folder))
                .with_context(|| format!("cannot make `{folder}`"))?;
        }
        let mut state = JobState::default();
        for variable in predefined::variables(root.path(), collection) {
            state.variables.set(variable);
        }
        // YAML pipelines get the token as a secret variable besides the system connection.
        state.variables.set(Variable { read_only: true, ..Variable::secret("System.AccessToken", token) });
        state.masker.add_job_secret(token);
        for name in ["PATH", "LANG"] {
            if let Ok(value) = std::env::var(name) {
                state.host.insert(name.into(), value);
            }
        }
        state.host.insert("HOME".into(), root.path().join("home").to_string_lossy().into_owned());
        let (collection, token) = (collection.to_owned(), token.to_owned());
        Ok(Self(Arc::new(JobInner { root, collection, token, state: Mutex::new(state) })))
    }

    /// Copies `sources` to where a checkout puts the repository.
    pub fn checkout(&self, sources: impl AsRef<Path>) -> Result<()> {
        copy_tree(sources.as_ref(), &self.sources_dir(), None)
    }

    /// Sets a variable of the pipeline; predefined ones can be overridden.
    pub fn set_variable(&self, name: &str, value: &str) {
        lock(&self.0.state).variables.set(Variable::public(name, value));
    }

    /// Sets a secret variable of the pipeline and masks it as at the start of a job.
    pub fn set_secret_variable(&self, name: &str, value: &str) {
        let mut state = lock(&self.0.state);
        state.variables.set(Variable::secret(name, value));
        state.masker.add_job_secret(value);
    }

    /// Authorizes a service connection for the job and masks its parameters.
    pub fn add_endpoint(&self, endpoint: Endpoint) {
        let mut state = lock(&self.0.state);
        endpoint.secrets().for_each(|secret| state.masker.add(secret));
        state.endpoints.push(endpoint);
    }

    /// Sets a variable of the agent's own environment, such as `PATH`, `HOME` or `DOCKER_HOST`.
    pub fn set_host_env(&self, name: &str, value: &str) {
        lock(&self.0.state).host.insert(name.into(), value.into());
    }

    /// Makes a step of `task`, which is installed if no task of its name, id and version is there yet.
    pub fn step(&self, task: &Task) -> Result<Step> {
        let mut state = lock(&self.0.state);
        let directory = self.work_dir().join("_tasks").join(task.install_name());
        if !directory.exists() {
            task.install(&directory)?;
        }
        state.steps += 1;
        Ok(Step::new(Arc::clone(&self.0), Arc::clone(&task.definition), directory, state.steps))
    }

    /// The current value of a variable, unmasked; `<step name>.<variable>` for an output variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Variable> {
        lock(&self.0.state).variables.get(name).cloned()
    }

    /// `text` as the log would show it now.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        lock(&self.0.state).masker.mask(text)
    }

    /// The folder that holds everything of this job: `_work` and `home`.
    #[must_use]
    pub fn root_dir(&self) -> &Path {
        self.0.root.path()
    }

    /// The agent's work folder.
    #[must_use]
    pub fn work_dir(&self) -> PathBuf {
        self.0.path("_work")
    }

    /// `Agent.TempDirectory`.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        self.0.path("_work/_temp")
    }

    /// `Build.SourcesDirectory`.
    #[must_use]
    pub fn sources_dir(&self) -> PathBuf {
        self.0.path("_work/1/s")
    }

    /// The default `HOME` of the agent.
    #[must_use]
    pub fn home_dir(&self) -> PathBuf {
        self.0.path("home")
    }
}

impl JobState {
    /// Sets a variable as a task does, and masks its value if it is a secret or was one before.
    pub(crate) fn set(&mut self, variable: Variable) {
        let Variable { name, value, .. } = variable.clone();
        self.variables.set(variable);
        if self.variables.get(&name).is_some_and(|variable| variable.secret) {
            self.masker.add(&value);
        }
    }
}

impl JobInner {
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }
}
