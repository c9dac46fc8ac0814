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

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use feedbuild_agent::{Outcome, Step};
use feedbuild_sandbox::Received;
use feedbuild_suites::canary::{Leak, Searcher, canary};
use feedbuild_suites::watch::{Part, ProcessLeak, Seen, Watch, processes};
use feedbuild_suites::{Client, REGISTRY_ID, Store, World, succeeded, unique, variable};
use sha2::{Digest as _, Sha256};

/// A world whose secrets are canaries.
struct Trial {
    world: World,
    searcher: Arc<Searcher>,
    token: String,
    password: String,
    own: String,
    /// The name of the variable that holds the user's own secret; no other process may have it either.
    variable: String,
    /// What was in the machine's temporary folders before the step.
    temporary: BTreeSet<PathBuf>,
    /// What the engine had built before.
    records: BTreeSet<String>,
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
    fn with_own_secret(&self, step: Step) -> Step {
        step.input("secretEnvs", &format!("API_KEY={}", self.variable)).env(&self.variable, "$(apiKey)")
    }

    /// A step that builds this Dockerfile with every secret at hand.
    fn step(&self, dockerfile: &str) -> Step {
        let step = self.world.build_step(dockerfile).input("artifactFeeds", "my-private-pypi");
        self.with_own_secret(step)
    }

    /// Puts the test's base image into the registry, and nowhere else.
    fn push_base(&self, base: &str) {
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

fn assert_nothing(leaks: &BTreeSet<Leak>) {
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// Nobody can say that a watch found nothing because it did not look.
fn assert_watched(seen: &Seen, files: &[&str]) {
    for file in files {
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
    assert_watched(&run.seen, &["config.json", "result"]);
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

/// A base image that only the registry's password opens: here the client asks our credential helper.
fn nothing_leaks_of_the_password_of_a_base_image(store: Store, client: Client) {
    let trial = Trial::new(store);
    let base = format!("{}/{}", trial.world.registry.host(), unique("base"));
    trial.push_base(&base);
    trial.world.use_client(client);
    let step = trial
        .step(&format!(
            "FROM {base}\nENV RUN={}\nRUN --mount=type=secret,id=API_KEY,required=true true\n",
            unique("based")
        ))
        .input("containerRegistry", REGISTRY_ID);
    let before = trial.world.registry.requests().len();
    let run = trial.run(&step);
    assert_watched(&run.seen, &["config.json"]);
    assert_eq!(run.strangers, []);
    assert_nothing(&run.seen.files);
    assert_nothing(&trial.leaks(&run.outcome));
    let requests = trial.world.registry.requests().split_off(before);
    let is_pull = |request: &Received| request.matches("…/manifests/latest") && request.has_authorization();
    assert!(requests.iter().any(is_pull), "the base image was not pulled: {requests:#?}");
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_with_the_containerd_store() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Containerd, Client::Buildx);
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_with_the_classic_store() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Classic, Client::Buildx);
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_without_buildx() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Classic, Client::Legacy);
}

/// The search can fail: it names the layer's file and the variable of an image that leaks.
fn an_image_that_leaks_is_found(store: Store) {
    let trial = Trial::new(store);
    let outcome = trial
        .step(&format!(
            "FROM feedbuild-test/base\nENV RUN={} LEAK={}\n\
             RUN --mount=type=secret,id=FEED_TOKEN,required=true cp /run/secrets/FEED_TOKEN /kept\n",
            unique("leaking"),
            BASE64_STANDARD.encode(format!("ci:{}", trial.own)),
        ))
        .run()
        .unwrap();
    let mut leaks = BTreeSet::new();
    trial.search_image(succeeded(outcome).output("imageReferences").unwrap(), &mut leaks);
    let (in_layer, elsewhere): (Vec<_>, Vec<_>) =
        leaks.iter().partition(|leak| leak.place.ends_with("!kept"));
    let forms = |leaks: &[&Leak]| leaks.iter().map(|leak| leak.form.clone()).collect::<BTreeSet<_>>();
    assert_eq!(forms(&in_layer), ["token".to_owned()].into(), "{leaks:#?}");
    assert_eq!(forms(&elsewhere), ["own, base64 at alignment 0".to_owned()].into(), "{leaks:#?}");
    for place in ["image inspect", "history", "image!"] {
        assert!(elsewhere.iter().any(|leak| leak.place.starts_with(place)), "not in {place}: {leaks:#?}");
    }
}

#[test]
fn an_image_that_leaks_is_found_in_the_containerd_store() {
    an_image_that_leaks_is_found(Store::Containerd);
}

#[test]
fn an_image_that_leaks_is_found_in_the_classic_store() {
    an_image_that_leaks_is_found(Store::Classic);
}

/// Whatever a `RUN` does to a secret before it prints it, the log shows `***`, also before the agent's own masks.
#[test]
fn an_echoed_secret_is_masked_in_every_form() {
    let trial = Trial::new(Store::Containerd);
    trial.world.source(
        "script",
        "t=$(cat /run/secrets/FEED_TOKEN) u=$(cat /run/secrets/PIP_EXTRA_URL)\n\
         echo \"raw <$t><$(cat /run/secrets/API_KEY)>\"\n\
         echo \"stderr <$t>\" >&2\n\
         echo \"url <$u>\"\n\
         echo \"base64 <$(printf %s \"$t\" | base64 -w 0)>\"\n\
         echo \"base64 <$(printf b:%s \"$t\" | base64 -w 0)>\"\n\
         echo \"base64 <$(printf build:%s. \"$t\" | base64 -w 0)>\"\n\
         echo \"base64url <$(printf x%s \"$t\" | base64 -w 0 | tr +/ -_)>\"\n\
         echo \"url in base64 <$(printf %s \"${u%%@*}\" | base64 -w 0)>\"\n\
         printf 'bar 10%%\\r<%s>\\r<%s>\\rdone <>\\n' \"$t\" \"$t\"\n",
    );
    let outcome = trial
        .step(&format!(
            "FROM feedbuild-test/base\nENV RUN={}\nCOPY script /\n\
             RUN --mount=type=secret,id=API_KEY --mount=type=secret,id=FEED_TOKEN \\\n    \
             --mount=type=secret,id=PIP_EXTRA_URL sh /script\n",
            unique("echo")
        ))
        .run()
        .unwrap();
    let outcome = succeeded(outcome);
    let mut leaks = BTreeSet::new();
    trial.search_output(&outcome, &mut leaks);
    assert_nothing(&leaks);
    // The neighbours of a secret in base64 stay, with the characters that belong to both.
    let shown = [
        "raw <***><***>",
        "url <http://build:***@HOST/pkgs/contoso/_packaging/my-private-pypi/pypi/simple/>",
        "base64 <***g==>",
        "base64 <Yjp***>",
        "base64 <YnVpbGQ6***i4=>",
        "base64url <eG***4=>",
        "url in base64 <aHR0cDovL2J1aWxkOm***g==>",
        "<***>",
        "<***>",
        "done <>",
        "stderr <***>",
    ];
    let script = outcome.raw.iter().filter(|line| line.ends_with('>'));
    // The builder puts the step's number and the time before a line.
    let text = |line: &str| match line.strip_prefix('#') {
        Some(line) => line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    let mut printed: Vec<String> =
        script.map(|line| text(line).replace(&trial.world.sandbox.authority(), "HOST")).collect();
    // The two streams come in any order.
    printed.sort_by_key(|line| line.starts_with("stderr"));
    assert_eq!(printed, shown);
}

/// The first secret is the client's standard input and the others are descriptors; each is asked for by several `RUN`s
/// of two stages, which wait for each other and so run at the same time, and arrives whole in each.
fn every_mount_gets_the_whole(store: Store, client: Client, feeds: &str) {
    let trial = Trial::new(store);
    trial.world.use_client(client);
    let large = trial.world.job.temp_dir().join("large");
    let text = "a line of a secret that is as large as they come\n".repeat(500 * 1024 / 49);
    std::fs::write(&large, &text).unwrap();
    let mut secrets = vec![("LARGE", &text), ("API_KEY", &trial.own)];
    if !feeds.is_empty() {
        secrets.push(("FEED_TOKEN", &trial.token));
    }
    let sum = |(id, text): &(&str, &String)| format!("{:x}  {id}\n", Sha256::digest(text.as_bytes()));
    trial.world.source("sums", &secrets.iter().map(sum).collect::<Vec<_>>().concat());
    trial.world.source(
        "check",
        "set -e\n\
         touch \"/meeting/$1\"\n\
         timeout 60 sh -c 'until [ -e /meeting/a ] && [ -e /meeting/b ]; do sleep 0.1; done'\n\
         cd /run/secrets\n\
         sha256sum -c /sums\n",
    );
    let mount = |(id, _): &(&str, &String)| format!("--mount=type=secret,id={id}");
    let mounts = secrets.iter().map(mount).collect::<Vec<_>>().join(" ");
    let meeting = unique("meeting");
    let run = |name| format!("RUN --mount=type=cache,id={meeting},target=/meeting {mounts} sh /check {name}");
    let stage = |name| {
        let run = run(name);
        format!(
            "FROM feedbuild-test/base AS {name}\nCOPY sums check /\nENV RUN={meeting}\n{run}\n{run} again\n"
        )
    };
    let step = trial
        .world
        .build_step(&format!(
            "{}{}FROM a\nCOPY --from=b /sums /sums-of-b\n{} once more\n",
            stage("a"),
            stage("b"),
            run("a")
        ))
        .input("artifactFeeds", feeds)
        .input("secretFiles", &format!("LARGE={}", large.display()));
    succeeded(trial.with_own_secret(step).run().unwrap());
}

#[test]
fn every_mount_gets_the_whole_with_buildx() {
    every_mount_gets_the_whole(Store::Containerd, Client::Buildx, "my-private-pypi");
    every_mount_gets_the_whole(Store::Containerd, Client::Buildx, "");
}

#[test]
fn every_mount_gets_the_whole_without_buildx() {
    every_mount_gets_the_whole(Store::Classic, Client::Legacy, "my-private-pypi");
    every_mount_gets_the_whole(Store::Classic, Client::Legacy, "");
}
