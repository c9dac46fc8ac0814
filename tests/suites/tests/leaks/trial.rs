//! A step with canaries for secrets, watched while it runs, and the search of everything that it left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use feedbuild_agent::{Outcome, Step};
use feedbuild_suites::canary::{Leak, Searcher, canary};
use feedbuild_suites::watch::{Part, ProcessLeak, Seen, Watch, processes};
use feedbuild_suites::{Store, World, succeeded, unique, variable};

/// A world whose secrets are canaries.
pub(crate) struct Trial {
    pub(crate) world: World,
    searcher: Arc<Searcher>,
    pub(crate) token: String,
    password: String,
    pub(crate) own: String,
    /// The name of the variable that holds the user's own secret; no other process may have it either.
    variable: String,
    /// What was in the machine's temporary folders before the step.
    temporary: BTreeSet<PathBuf>,
    /// What the engine had built before.
    records: BTreeSet<String>,
}

/// What a step did while it was watched.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) seen: Seen,
    /// What held a canary and is no process of the task itself.
    pub(crate) strangers: Vec<ProcessLeak>,
}

impl Trial {
    pub(crate) fn new(store: Store) -> Self {
        let [token, password, own] = ["token", "password", "own"].map(canary);
        let variable = unique("API_KEY").replace('-', "_");
        let world = World::with_secrets(store, &token, &password);
        world.job.set_secret_variable("apiKey", &own);
        let secrets = [("token", &token), ("password", &password), ("own", &own), ("variable", &variable)];
        let searcher = Arc::new(Searcher::new(secrets.map(|(name, value)| (name, value.as_str()))));
        let (temporary, records) = (temporary_entries(), BTreeSet::new());
        let mut trial = Self { world, searcher, token, password, own, variable, temporary, records };
        trial.records = trial.records();
        trial
    }

    /// Gives a step the user's own secret `API_KEY`.
    pub(crate) fn with_own_secret(&self, step: Step) -> Step {
        step.input("secretEnvs", &format!("API_KEY={}", self.variable)).env(&self.variable, "$(apiKey)")
    }

    /// A step that builds this Dockerfile with every secret at hand.
    pub(crate) fn step(&self, dockerfile: &str) -> Step {
        let step = self.world.build_step(dockerfile).input("artifactFeeds", "my-private-pypi");
        self.with_own_secret(step)
    }

    /// Puts the test's base image into the registry, and nowhere else.
    pub(crate) fn push_base(&self, base: &str) {
        let config = tempfile::tempdir().unwrap();
        let folder = config.path().to_str().unwrap();
        let host = self.world.registry.host();
        let password = &self.password;
        self.docker(&["--config", folder, "login", "--username=ci", "--password", password, &host]);
        self.docker(&["tag", "feedbuild-test/base", base]);
        self.docker(&["--config", folder, "push", "--quiet", base]);
        self.docker(&["image", "rm", base]);
    }

    /// Runs a step to its success.
    pub(crate) fn run(&self, step: &Step) -> Run {
        let watch = Watch::start(Arc::clone(&self.searcher), self.world.job.root_dir(), &self.world.engine);
        let running = step.start().unwrap();
        let launcher = running.launcher_pid();
        let outcome = succeeded(running.wait().unwrap());
        let seen = watch.end();
        let strangers = seen.processes.iter().filter(|leak| !is_own(leak, launcher, step, &seen)).cloned();
        Run { outcome, strangers: strangers.collect(), seen }
    }

    /// Everything that a step left and that holds a canary.
    pub(crate) fn leaks(&self, outcome: &Outcome) -> BTreeSet<Leak> {
        let mut leaks = BTreeSet::new();
        for leak in processes(&self.searcher, &self.world.engine) {
            leaks.insert(Leak { place: format!("after the step: {leak:?}"), form: leak.form });
        }
        self.search_files(&mut leaks);
        self.search_output(outcome, &mut leaks);
        self.search_image(outcome.output("imageReferences").expect("it is set"), &mut leaks);
        self.search_record(&mut leaks);
        leaks
    }

    /// Work, temp, home and docker config folders, the registry's data, and what is new in the temporary folders.
    fn search_files(&self, leaks: &mut BTreeSet<Leak>) {
        self.searcher.tree(self.world.job.root_dir(), leaks);
        self.searcher.tree(self.world.registry.folder(), leaks);
        for new in temporary_entries().difference(&self.temporary) {
            for entry in walkdir::WalkDir::new(new).into_iter().filter_map(Result::ok) {
                // Other tests make and remove files here.
                let _ = self.searcher.file(entry.path(), leaks);
            }
        }
    }

    /// Log, issues, attachments and variables, and what the step printed before the agent's masks.
    pub(crate) fn search_output(&self, outcome: &Outcome, leaks: &mut BTreeSet<Leak>) {
        let mut search = |place: &str, text: &str| self.searcher.bytes(place, text.as_bytes(), leaks);
        search("log", &outcome.log_text());
        for line in outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]")) {
            search("standard output", line);
        }
        search("issues", &format!("{:?}", outcome.issues));
        for attachment in &outcome.attachments {
            search(&attachment.name, &String::from_utf8_lossy(&attachment.content));
        }
        for variable in
            outcome.variables.iter().chain(&outcome.output_variables).chain(&outcome.task_variables)
        {
            search(&format!("variable {}", variable.name), &variable.value);
        }
    }

    /// Config, history and layers.
    pub(crate) fn search_image(&self, image: &str, leaks: &mut BTreeSet<Leak>) {
        for arguments in [&["image", "inspect", image][..], &["history", "--no-trunc", image]] {
            self.searcher.bytes(&arguments.join(" "), &self.docker(arguments), leaks);
        }
        let mut save = self.client("bin/docker", &["save", image]).stdout(Stdio::piped()).spawn().unwrap();
        self.searcher.read("image", &mut save.stdout.take().unwrap(), leaks).unwrap();
        assert!(save.wait().unwrap().success());
    }

    /// What the engine keeps of the build: its log, what it shows of it, and all of it. Records of other tests' builds
    /// may be among those that are searched.
    fn search_record(&self, leaks: &mut BTreeSet<Leak>) {
        let records: Vec<String> = self.records().difference(&self.records).cloned().collect();
        let known_to_buildx = self.world.docker_config().join("buildx/refs/default/default");
        match known_to_buildx.read_dir() {
            Ok(entries) => assert!(
                entries
                    .map(|entry| entry.unwrap().file_name())
                    .all(|reference| { records.iter().any(|record| reference == record.as_str()) })
            ),
            Err(_) => assert!(!records.is_empty()),
        }
        for record in &records {
            let export = self.world.job.root_dir().join(record);
            self.buildx(&["history", "export", "--output", export.to_str().unwrap(), record]);
            self.searcher.file(&export, leaks).unwrap();
            for what in ["logs", "inspect"] {
                let said = self.buildx(&["history", what, record]);
                self.searcher.bytes(&format!("{what} of the build record"), &said, leaks);
            }
        }
    }

    /// The engine's records of builds that are over.
    fn records(&self) -> BTreeSet<String> {
        let listed = self.buildx(&["history", "ls", "--format", "json"]);
        let records = serde_json::Deserializer::from_slice(&listed).into_iter::<serde_json::Value>();
        records
            .map(|record| record.expect("a record is JSON"))
            .filter(|record| record["status"] == "Completed")
            .map(|record| record["ref"].as_str().expect("a text").rsplit('/').next().unwrap().to_owned())
            .collect()
    }

    /// A client of the engine: a program of the test's own docker.
    fn client(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join(program));
        command
            .args(arguments)
            .env("DOCKER_HOST", &self.world.engine)
            .env("DOCKER_CONFIG", self.world.docker_config());
        command
    }

    /// All that the docker client prints.
    fn docker(&self, arguments: &[&str]) -> Vec<u8> {
        everything(self.client("bin/docker", arguments))
    }

    /// All that buildx prints.
    fn buildx(&self, arguments: &[&str]) -> Vec<u8> {
        everything(self.client("cli-plugins/docker-buildx", arguments))
    }
}

/// Both streams of a command that does well.
fn everything(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    said
}

/// The task's own processes: `node`, the native binary, and a copy of one that was forked and has not become another
/// program yet. They may hold the secrets in their environment only, where the agent puts them.
fn is_own(leak: &ProcessLeak, launcher: u32, step: &Step, seen: &Seen) -> bool {
    let script = step.task_dir().join("launcher.js").display().to_string();
    let binary = step.task_dir().join("bin/linux-x64/feedbuild").display().to_string();
    let is_launcher =
        |leak: &ProcessLeak| leak.arguments.get(1) == Some(&script) && leak.arguments.len() == 2;
    let is_native = |leak: &ProcessLeak| leak.arguments == [binary.as_str(), "run"];
    let is_child_of_native = || {
        let parent = seen.processes.iter().find(|other| other.pid == leak.parent);
        parent.is_some_and(|parent| is_native(parent) && parent.parent == launcher)
    };
    leak.part == Part::Environment
        && (is_launcher(leak) && (leak.pid == launcher || leak.parent == launcher)
            || is_native(leak) && (leak.parent == launcher || is_child_of_native()))
}

/// What is in the folders where any program of the machine may leave files.
fn temporary_entries() -> BTreeSet<PathBuf> {
    let folders = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}
