//! What the suites share: a world of a feed service, a registry, an engine and a job of the agent, and the packaged
//! task to run in it.
//!
//! Rule: nothing of the crate `feedbuild` is called here; a suite sees what a user sees. `scripts/test` lays the
//! variables `FEEDBUILD_TEST_…`.

#![expect(clippy::missing_panics_doc, reason = "for tests: a panic is how everything here fails")]

pub mod canary;
mod gate;
mod held;
mod relay;
pub mod reveal;
mod trusted;
pub mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use feedbuild_agent::{Endpoint, Job, Outcome, Step, Task, TaskResult};
use feedbuild_sandbox::{Feed, Registry, Sandbox};

pub use gate::{Gate, Waiting};
pub use relay::Relay;
pub use trusted::Trusted;

/// The token that the job has; nothing else in the world contains these characters.
pub const TOKEN: &str = "canary-job-token-8c1f2ab7d4e95306";

/// The registry's password.
pub const PASSWORD: &str = "canary-Pa55word-4d7b61c0e2f8";

/// The id of the registry's service connection.
pub const REGISTRY_ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// The image store of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// The containerd image store.
    Containerd,
    /// The classic store (graph drivers).
    Classic,
}

/// Which docker client the agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A current one with buildx.
    Buildx,
    /// 20.10 without buildx.
    Legacy,
}

/// Each kind of agent: what its engine keeps images in, and its client.
pub const AGENTS: [(Store, Client); 3] =
    [(Store::Containerd, Client::Buildx), (Store::Classic, Client::Buildx), (Store::Classic, Client::Legacy)];

/// The folder of the unpacked task, as `cargo vsix --unpacked` writes it.
#[must_use]
pub fn task() -> Task {
    Task::from_dir(variable("FEEDBUILD_TEST_TASK")).expect("`FEEDBUILD_TEST_TASK` is a task folder")
}

/// A variable that `scripts/test` lays.
#[must_use]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("`{name}` is not set: run this suite by `scripts/test`"))
}

/// The `DOCKER_HOST` of an engine with this store.
#[must_use]
pub fn engine(store: Store) -> String {
    variable(match store {
        Store::Containerd => "FEEDBUILD_TEST_ENGINE_CONTAINERD",
        Store::Classic => "FEEDBUILD_TEST_ENGINE_CLASSIC",
    })
}

/// The repository's root.
#[must_use]
pub fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A service, a registry, an engine, and a job on an agent that reaches them.
pub struct World {
    /// The feed service.
    pub sandbox: Sandbox,
    /// The registry; its connection is [`REGISTRY_ID`].
    pub registry: Registry,
    /// The job.
    pub job: Job,
    /// The engine's `DOCKER_HOST`.
    pub engine: String,
}

impl World {
    /// A world with the organization's feed `my-private-pypi`, of which `private-greeting` is a package.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_feeds(store, [Feed::org("my-private-pypi")])
    }

    /// A world with these feeds.
    #[must_use]
    pub fn with_feeds(store: Store, feeds: impl IntoIterator<Item = Feed>) -> Self {
        let builder =
            feeds.into_iter().fold(Sandbox::builder().token(TOKEN), feedbuild_sandbox::Builder::feed);
        Self::with_sandbox(store, builder.start())
    }

    /// A world around a service.
    #[must_use]
    pub fn with_sandbox(store: Store, sandbox: Sandbox) -> Self {
        Self::around(store, sandbox, TOKEN, PASSWORD)
    }

    /// A world like [`World::new`] with a token and a registry's password that no other world has.
    #[must_use]
    pub fn with_secrets(store: Store, token: &str, password: &str) -> Self {
        let sandbox = Sandbox::builder().token(token).feed(Feed::org("my-private-pypi")).start();
        Self::around(store, sandbox, token, password)
    }

    /// A world around a service, with this token for the job and this password for the registry.
    #[must_use]
    pub fn around(store: Store, sandbox: Sandbox, token: &str, password: &str) -> Self {
        let binary = variable("FEEDBUILD_TEST_REGISTRY_BIN");
        let registry = Registry::start(Path::new(&binary), "ci", password);
        let job = Job::new(&sandbox.collection_url(), token).expect("a job");
        job.add_endpoint(Endpoint {
            id: REGISTRY_ID.into(),
            url: "https://hub.example/".into(),
            scheme: "UsernamePassword".into(),
            parameters: [
                ("registry", format!("http://{}", registry.host()).as_str()),
                ("username", "ci"),
                ("password", password),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            data: [("registrytype".to_owned(), "Others".to_owned())].into(),
        });
        let engine = engine(store);
        job.set_host_env("DOCKER_HOST", &engine);
        let world = Self { sandbox, registry, job, engine };
        world.use_client(Client::Buildx);
        world
    }

    /// Gives the agent this client, and no other docker.
    pub fn use_client(&self, client: Client) {
        let folder = PathBuf::from(variable(match client {
            Client::Buildx => "FEEDBUILD_TEST_CLIENT",
            Client::Legacy => "FEEDBUILD_TEST_CLIENT_LEGACY",
        }));
        self.set_path(&[&folder.join("bin")]);
        let plugins = self.docker_config().join("cli-plugins");
        let _ = std::fs::remove_file(&plugins);
        if client == Client::Buildx {
            std::fs::create_dir_all(self.docker_config()).expect("the home is writable");
            std::os::unix::fs::symlink(folder.join("cli-plugins"), plugins).expect("the home is writable");
        }
    }

    /// Gives the agent a `PATH` of these folders, then those of the test without any docker.
    pub fn set_path(&self, first: &[&Path]) {
        let path = std::env::var("PATH").expect("a PATH");
        let machine = std::env::split_paths(&path).map(|folder| self.without_docker(folder));
        let folders = first.iter().map(|folder| (*folder).to_owned()).chain(machine);
        let path = std::env::join_paths(folders).expect("no colon in it");
        self.job.set_host_env("PATH", path.to_str().expect("Unicode"));
    }

    /// The folder itself, or if it holds a docker client, one with links to everything else in it.
    fn without_docker(&self, folder: PathBuf) -> PathBuf {
        if !folder.join("docker").exists() {
            return folder;
        }
        let links = self.job.root_dir().join("path").join(folder.strip_prefix("/").unwrap_or(&folder));
        if !links.exists() {
            std::fs::create_dir_all(&links).expect("the job's folder is writable");
            for entry in folder.read_dir().expect("a folder of the PATH").flatten() {
                if entry.file_name() != "docker" {
                    std::os::unix::fs::symlink(entry.path(), links.join(entry.file_name()))
                        .expect("writable");
                }
            }
        }
        links
    }

    /// Gives the user this shell script for the buildx plugin; `$BUILDX` in it is the real one.
    pub fn use_plugin(&self, script: &str) {
        let plugins = self.docker_config().join("cli-plugins");
        let _ = std::fs::remove_file(&plugins);
        let real = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("cli-plugins/docker-buildx");
        let script = format!("#!/bin/sh\nBUILDX={}\n{script}\n", real.display());
        executable(&plugins.join("docker-buildx"), &script);
    }

    /// The user's docker config folder.
    #[must_use]
    pub fn docker_config(&self) -> PathBuf {
        self.job.home_dir().join(".docker")
    }

    /// Puts a file into the sources.
    pub fn source(&self, path: &str, content: &str) {
        let path = self.job.sources_dir().join(path);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the sources are writable");
        std::fs::write(path, content).expect("the sources are writable");
    }

    /// Checks out the article's example.
    pub fn article(&self) {
        self.job.checkout(repository_root().join("examples/article")).expect("the example is there");
    }

    /// A step of the packaged task without inputs. Builds share the host's network: the engines have no bridge.
    #[must_use]
    pub fn step(&self) -> Step {
        self.job.step(&task()).expect("the task is installed").name("image").input("network", "host")
    }

    /// The step that the article's pipeline has, in a repository of its own.
    #[must_use]
    pub fn article_step(&self) -> Step {
        self.article();
        self.step()
            .input("artifactFeeds", "my-private-pypi")
            .input("onlyAddExtraIndex", "true")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &unique("my-service"))
            .input("tags", "$(Build.BuildId)\n")
    }

    /// A step that builds the sources' Dockerfile and pushes nothing.
    #[must_use]
    pub fn build_step(&self, dockerfile: &str) -> Step {
        self.source("Dockerfile", dockerfile);
        self.step().input("command", "build").input("repository", &unique("built"))
    }

    /// Runs the docker client with the user's config against the world's engine and returns what it printed.
    #[expect(clippy::must_use_candidate, reason = "many a command is run for its effect")]
    pub fn docker(&self, arguments: &[&str]) -> String {
        self.docker_with(&self.docker_config(), arguments)
    }

    /// Runs the docker client with another config folder.
    #[expect(clippy::must_use_candidate, reason = "many a command is run for its effect")]
    pub fn docker_with(&self, config: &Path, arguments: &[&str]) -> String {
        let output = Command::new(Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin/docker"))
            .args(arguments)
            .env("DOCKER_HOST", &self.engine)
            .env("DOCKER_CONFIG", config)
            .output()
            .expect("docker starts");
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

/// Writes a file that can be run.
pub fn executable(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the folder is writable");
    std::fs::write(path, content).expect("the folder is writable");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("it is ours");
}

/// A name that no other test uses: the engines and their caches are shared.
#[must_use]
pub fn unique(name: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The outcome, after a check that the step did well.
#[expect(clippy::must_use_candidate, reason = "the check may be all")]
pub fn succeeded(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.result, TaskResult::Succeeded, "the log:\n{}", outcome.log_text());
    outcome
}

/// The one error of a step that failed, after a check that it is the only one.
#[must_use]
pub fn only_error(outcome: &Outcome) -> String {
    assert_eq!(outcome.result, TaskResult::Failed, "the log:\n{}", outcome.log_text());
    let errors = outcome.errors();
    assert_eq!(errors.len(), 1, "errors: {errors:#?}");
    errors[0].to_owned()
}

/// The notices in the log of a step.
#[must_use]
pub fn notices(outcome: &Outcome) -> Vec<&str> {
    outcome.log.iter().filter_map(|line| line.strip_prefix("notice: ")).collect()
}
