//! The proof that nothing leaks: a step runs with canaries for secrets while every process of the machine and every
//! file of the job is searched for them, and afterwards everything that the step left is.
//!
//! Two things may hold a canary, and are told by who they are: the task's own processes, which get the secrets from
//! the agent in their environment, and what the Dockerfile itself does with them in the containers of the build.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use feedbuild_agent::{Outcome, Step};
use feedbuild_suites::canary::{Leak, Searcher, canary};
use feedbuild_suites::watch::{Part, ProcessLeak, Seen, Watch, processes};
use feedbuild_suites::{Client, Store, World, succeeded, unique, variable};
use sha2::{Digest as _, Sha256};

/// A world whose secrets are canaries.
struct Trial {
    world: World,
    searcher: Arc<Searcher>,
    token: String,
    own: String,
    /// The name of the variable that holds the user's own secret; no other process may have it either.
    variable: String,
    /// What was in the machine's temporary folders before the step.
    temporary: BTreeSet<PathBuf>,
}

/// What a step did while it was watched.
struct Run {
    outcome: Outcome,
    seen: Seen,
    /// What held a canary and is no process of the task itself.
    strangers: Vec<ProcessLeak>,
}

impl Trial {
    fn new(store: Store) -> Self {
        let [token, password, own] = ["token", "password", "own"].map(canary);
        let variable =
            format!("API_KEY_{}", own.rsplit('%').next().expect("a canary ends with digits").to_uppercase());
        let world = World::with_secrets(store, &token, &password);
        world.job.set_secret_variable("apiKey", &own);
        let secrets = [("token", &token), ("password", &password), ("own", &own), ("variable", &variable)];
        let searcher = Arc::new(Searcher::new(secrets.map(|(name, value)| (name, value.as_str()))));
        Self { world, searcher, token, own, variable, temporary: temporary_entries() }
    }

    /// Gives a step the user's own secret `API_KEY`.
    fn with_own_secret(&self, step: Step) -> Step {
        step.input("secretEnvs", &format!("API_KEY={}", self.variable)).env(&self.variable, "$(apiKey)")
    }

    /// Runs a step to its success.
    fn run(&self, step: &Step) -> Run {
        let watch = Watch::start(Arc::clone(&self.searcher), self.world.job.root_dir(), &self.world.engine);
        let running = step.start().unwrap();
        let launcher = running.launcher_pid();
        let outcome = succeeded(running.wait().unwrap());
        let seen = watch.end();
        let strangers = seen.processes.iter().filter(|leak| !is_own(leak, launcher, step, &seen)).cloned();
        Run { outcome, strangers: strangers.collect(), seen }
    }

    /// Everything that a step left and that holds a canary.
    fn leaks(&self, outcome: &Outcome) -> BTreeSet<Leak> {
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
    fn search_output(&self, outcome: &Outcome, leaks: &mut BTreeSet<Leak>) {
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
    fn search_image(&self, image: &str, leaks: &mut BTreeSet<Leak>) {
        for arguments in [&["image", "inspect", image][..], &["history", "--no-trunc", image]] {
            self.searcher.bytes(&arguments.join(" "), &self.docker(arguments), leaks);
        }
        let mut save = self.client(&["save", image]).stdout(Stdio::piped()).spawn().unwrap();
        self.searcher.read("image", &mut save.stdout.take().unwrap(), leaks).unwrap();
        assert!(save.wait().unwrap().success());
    }

    /// What the engine keeps of the build.
    fn search_record(&self, leaks: &mut BTreeSet<Leak>) {
        let references = self.world.docker_config().join("buildx/refs/default/default");
        let references: Vec<String> = std::fs::read_dir(references)
            .expect("buildx keeps a reference of the build")
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(references.len(), 1, "{references:?}");
        let export = self.world.job.root_dir().join("record");
        let reference = references[0].as_str();
        for arguments in [["logs", reference], ["inspect", reference]] {
            let arguments = [&["buildx", "history"], &arguments[..]].concat();
            self.searcher.bytes(&arguments.join(" "), &self.docker(&arguments), leaks);
        }
        self.docker(&["buildx", "history", "export", "--output", export.to_str().unwrap(), reference]);
        self.searcher.file(&export, leaks).unwrap();
    }

    /// A client of the engine.
    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin/docker"));
        command
            .args(arguments)
            .env("DOCKER_HOST", &self.world.engine)
            .env("DOCKER_CONFIG", self.world.docker_config());
        command
    }

    /// Everything that a client prints.
    fn docker(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.client(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&said));
        assert!(!said.is_empty() || arguments.contains(&"export"), "docker {arguments:?} says nothing");
        said
    }
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

fn assert_nothing(leaks: &BTreeSet<Leak>) {
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// Nobody can say that a watch found nothing because it did not look.
fn assert_watched(seen: &Seen) {
    for file in ["config.json", "result"] {
        let is_private = |path: &PathBuf| {
            path.ends_with(file)
                && path
                    .parent()
                    .and_then(Path::file_name)
                    .is_some_and(|folder| folder.to_string_lossy().starts_with("feedbuild-"))
        };
        assert!(seen.paths.iter().any(is_private), "no private `{file}` in {:#?}", seen.paths);
    }
    let is_build = |command: &Vec<String>| command.get(1).is_some_and(|word| word == "build");
    assert!(seen.commands.iter().any(is_build), "no client in {:#?}", seen.commands);
}

/// An image with a wheel from the feed, built and pushed; returns what held a canary in the containers of the build.
fn nothing_leaks(store: Store, dockerfile: Option<&str>) -> Vec<ProcessLeak> {
    let trial = Trial::new(store);
    let step = trial.with_own_secret(trial.world.article_step());
    // No cache knows this file, so pip runs.
    trial.world.source("requirements.txt", &format!("private-greeting==1.0.0 # {}\n", unique("leaks")));
    if let Some(dockerfile) = dockerfile {
        trial.world.source("Dockerfile", dockerfile);
    }
    let run = trial.run(&step);
    assert_watched(&run.seen);
    assert_nothing(&run.seen.files);
    assert_nothing(&trial.leaks(&run.outcome));

    let digest = run.outcome.output("imageDigest").unwrap().strip_prefix("sha256:").unwrap();
    let blobs = trial.world.registry.folder().join("data/docker/registry/v2/blobs/sha256");
    assert!(blobs.join(&digest[..2]).join(digest).join("data").is_file(), "the search saw no pushed blobs");
    let (inside, outside): (Vec<_>, Vec<_>) = run.strangers.into_iter().partition(|leak| leak.in_container);
    assert!(outside.is_empty(), "{outside:#?}");
    inside
}

/// The article's Dockerfile says `--extra-index-url $(cat …)`, so pip's arguments hold the token. Nothing else does.
fn nothing_leaks_but_into_pips_arguments(store: Store) {
    let inside = nothing_leaks(store, None);
    assert!(!inside.is_empty(), "nobody looked while pip ran");
    for leak in inside {
        let is_pip = leak.arguments.iter().any(|word| word.ends_with("/pip"))
            && leak.arguments.iter().any(|word| word == "--extra-index-url");
        let is_allowed = is_pip && leak.part == Part::Arguments && leak.form.starts_with("token");
        assert!(is_allowed, "{leak:#?}");
    }
}

/// `env=` puts the token into the environment of what the `RUN` starts. Nothing else has it, and no arguments do.
fn nothing_leaks_but_into_the_mounted_variable(store: Store) {
    let inside = nothing_leaks(
        store,
        Some(
            "FROM python:3.12-slim\n\
             COPY requirements.txt /tmp/\n\
             RUN --mount=type=secret,id=PIP_EXTRA_INDEX_URL,env=PIP_EXTRA_INDEX_URL \\\n    \
                 --mount=type=secret,id=API_KEY,required=true \\\n    \
                 pip install -r /tmp/requirements.txt\n",
        ),
    );
    assert!(!inside.is_empty(), "nobody looked while pip ran");
    for leak in inside {
        assert!(leak.part == Part::Environment && leak.form.starts_with("token"), "{leak:#?}");
    }
}

#[test]
fn nothing_leaks_from_the_article_with_the_containerd_store() {
    nothing_leaks_but_into_pips_arguments(Store::Containerd);
}

#[test]
fn nothing_leaks_from_the_article_with_the_classic_store() {
    nothing_leaks_but_into_pips_arguments(Store::Classic);
}

#[test]
fn nothing_leaks_from_a_mounted_variable_with_the_containerd_store() {
    nothing_leaks_but_into_the_mounted_variable(Store::Containerd);
}

#[test]
fn nothing_leaks_from_a_mounted_variable_with_the_classic_store() {
    nothing_leaks_but_into_the_mounted_variable(Store::Classic);
}

/// The sweep can fail: an image that keeps the token in a file and in its configuration is found by layer and config.
#[test]
fn the_sweep_finds_an_image_that_leaks() {
    let trial = Trial::new(Store::Containerd);
    trial.world.source(
        "Dockerfile",
        &format!(
            "FROM feedbuild-test/base\nENV RUN={}\nRUN --mount=type=secret,id=FEED_TOKEN cp /run/secrets/FEED_TOKEN /leak\n",
            unique("leaks")
        ),
    );
    let step = trial
        .world
        .step()
        .input("command", "build")
        .input("artifactFeeds", "my-private-pypi")
        .input("repository", &unique("leaking"));
    let outcome = succeeded(step.run().unwrap());
    let mut leaks = BTreeSet::new();
    trial.search_image(outcome.output("imageReferences").unwrap(), &mut leaks);
    assert!(
        leaks.iter().any(|leak| leak.form.starts_with("token") && leak.place.contains("leak")),
        "{leaks:#?}"
    );
}

/// Whatever a `RUN` does to a secret before it prints it, the log shows none of it; nor does the engine's record lose a
/// line of the rest.
#[test]
fn a_log_shows_no_form_of_a_secret() {
    let trial = Trial::new(Store::Containerd);
    let script = "\
        s=$(cat /run/secrets/API_KEY); t=$(cat /run/secrets/FEED_TOKEN)\n\
        echo raw $s $t end; echo $s >&2\n\
        printf %s \"$t\" | base64 -w 0; echo\n\
        printf x%s \"$t\" | base64 -w 0; echo\n\
        printf xy%s \"$t\" | base64 -w 0; echo\n\
        printf 'build:%s' \"$t\" | base64; echo\n\
        printf 'before\\r%s\\rafter\\n' \"$t\"\n";
    let dockerfile = format!(
        "FROM feedbuild-test/base\nENV RUN={}\n\
         RUN --mount=type=secret,id=API_KEY --mount=type=secret,id=FEED_TOKEN sh /script\n",
        unique("echo")
    );
    trial.world.source("script", script);
    trial.world.source("Dockerfile", &dockerfile.replace("RUN --mount", "COPY script /script\nRUN --mount"));
    let step = trial
        .with_own_secret(trial.world.step())
        .input("command", "build")
        .input("artifactFeeds", "my-private-pypi")
        .input("repository", &unique("echo"));
    let outcome = succeeded(step.run().unwrap());
    let mut leaks = BTreeSet::new();
    trial.search_output(&outcome, &mut leaks);
    assert_nothing(&leaks);
    let log = outcome.log_text();
    assert!(log.contains("raw *** *** end"), "{log}");
    for line in ["before", "after"] {
        assert!(outcome.log.iter().any(|shown| shown.ends_with(line)), "no line `{line}` in {log}");
    }
}

/// The first secret is the client's standard input and the second a descriptor; both are asked for by several `RUN`s, in
/// stages that are built at the same time, and arrive whole in each.
fn several_mounts_get_the_whole(store: Store, client: Client) {
    let trial = Trial::new(store);
    trial.world.use_client(client);
    let sum = |text: &str| hex(&Sha256::digest(text.as_bytes()));
    let check = format!(
        "sha256sum /run/secrets/API_KEY | grep {} && sha256sum /run/secrets/FEED_TOKEN | grep {}",
        sum(&trial.own),
        sum(&trial.token)
    );
    let mounts = "--mount=type=secret,id=API_KEY --mount=type=secret,id=FEED_TOKEN";
    let stage = |name: &str| {
        format!(
            "FROM feedbuild-test/base AS {name}\nENV RUN={}\nRUN {mounts} {check}\nRUN {mounts} {check}; touch /{name}\n",
            unique(name)
        )
    };
    let dockerfile = format!(
        "{}{}{}FROM feedbuild-test/base\nCOPY --from=a /a /\nCOPY --from=b /b /\nCOPY --from=c /c /\nRUN {mounts} {check}\n",
        stage("a"),
        stage("b"),
        stage("c")
    );
    trial.world.source("Dockerfile", &dockerfile);
    let step = trial
        .with_own_secret(trial.world.step())
        .input("command", "build")
        .input("artifactFeeds", "my-private-pypi")
        .input("repository", &unique("several"));
    let _ = succeeded(step.run().unwrap());
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn several_mounts_get_the_whole_with_buildx() {
    several_mounts_get_the_whole(Store::Containerd, Client::Buildx);
}

#[test]
fn several_mounts_get_the_whole_without_buildx() {
    several_mounts_get_the_whole(Store::Classic, Client::Legacy);
}
