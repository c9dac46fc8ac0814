//! Builders of other drivers: a remote one that is the engine's own BuildKit, behind a gateway.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod exports;
mod push;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use feedbuild_agent::{Outcome, Step, TaskResult};
use feedbuild_sandbox::{Entry, Gateway};
use feedbuild_suites::{REGISTRY_ID, Store, World, only_error, succeeded, unique};

/// How long a builder may take to get somewhere.
const LIMIT: Duration = Duration::from_mins(1);

/// A world with the builder `far`, and an agent without any engine.
fn remote() -> (World, Gateway) {
    let world = World::new(Store::Containerd);
    let gateway = Gateway::start(&world.engine, Entry::BuildKit);
    create(&world, &gateway.address("127.0.0.1"), &[]);
    without_engine(&world);
    (world, gateway)
}

fn create(world: &World, address: &str, options: &[&str]) {
    let create = ["buildx", "create", "--name", "far", "--driver", "remote"];
    world.docker(&[&create, options, &[address]].concat());
}

fn without_engine(world: &World) {
    let nowhere = world.job.root_dir().join("no-engine.sock");
    world.job.set_host_env("DOCKER_HOST", &format!("unix://{}", nowhere.display()));
}

/// A step that builds this Dockerfile with the builder `far`, and pushes it.
fn step_of(world: &World, dockerfile: &str, repository: &str) -> Step {
    world
        .build_step(dockerfile)
        .input("command", "buildAndPush")
        .input("builder", "far")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", "1")
        .input("addBaseImageData", "false")
}

/// A command whose output, an image of its own each time that it runs, tells that it ran.
fn once(name: &str) -> String {
    format!("cat /proc/sys/kernel/random/uuid >/{name}; echo ran {name} | tr a-z A-Z")
}

fn step(world: &World, repository: &str) -> Step {
    step_of(world, &format!("FROM feedbuild-test/base\nRUN {}\n", once(repository)), repository)
}

/// How often the command of [`once`] ran.
fn runs(outcome: &Outcome, name: &str) -> usize {
    let said = format!("RAN {}", name.to_uppercase());
    outcome.log.iter().filter(|line| line.ends_with(&said)).count()
}

/// The one error of the step, without what is by chance in it.
fn error(world: &World, outcome: &Outcome, repository: &str) -> String {
    let text = only_error(outcome)
        .replace(&world.job.root_dir().display().to_string(), "JOB")
        .replace(&world.registry.host(), "REGISTRY")
        .replace(repository, "app");
    let mut words = text.split("sha256:");
    let first = words.next().unwrap().to_owned();
    words.fold(first, |text, word| text + "DIGEST" + word.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

/// The tags of a repository in the registry's own storage.
fn tags(world: &World, repository: &str) -> Vec<String> {
    let folder = world.registry.folder().join("data/docker/registry/v2/repositories").join(repository);
    let tags = fs::read_dir(folder.join("_manifests/tags")).into_iter().flatten().flatten();
    let mut tags: Vec<String> = tags.map(|tag| tag.file_name().into_string().unwrap()).collect();
    tags.sort();
    tags
}

/// Lets the client pass everything on to buildx, calls with `pattern` in their arguments with more of them.
fn adding(world: &World, pattern: &str, more: &str) {
    world.use_plugin(&format!("case \"$*\" in *{pattern}*) shift; exec \"$BUILDX\" build {more} \"$@\";; esac\nexec \"$BUILDX\" \"$@\""));
}

#[test]
fn secrets_reach_the_command_and_no_later_call() {
    let (world, _gateway) = remote();
    let repository = unique("secret");
    let calls = world.job.root_dir().join("calls");
    world.use_plugin(&format!("echo \"$*\" >>{}\nexec \"$BUILDX\" \"$@\"", calls.display()));
    let dockerfile = "FROM feedbuild-test/base\n\
        RUN --mount=type=secret,id=PIP_EXTRA_URL --mount=type=secret,id=FEED_TOKEN \
        test -s /run/secrets/PIP_EXTRA_URL -a -s /run/secrets/FEED_TOKEN && echo both are there | tr a-z A-Z\n";
    let outcome = step_of(&world, dockerfile, &repository)
        .input("artifactFeeds", "my-private-pypi")
        .input("onlyAddExtraIndex", "true")
        .input("noCache", "true")
        .run()
        .unwrap();
    assert!(succeeded(outcome).log_text().contains("BOTH ARE THERE"));
    let calls = fs::read_to_string(calls).unwrap();
    let calls: Vec<_> = calls
        .lines()
        .map(|call| {
            ["--secret=", "--no-cache", "type=oci,dest=-", "push-by-digest"].map(|word| call.contains(word))
        })
        .collect();
    assert_eq!(calls, [[true, true, true, false], [false, false, false, true]]);
}

#[test]
fn a_builder_behind_mutual_tls() {
    let world = World::new(Store::Containerd);
    let gateway = Gateway::with_tls(&world.engine, Entry::BuildKit);
    let files = gateway.certificates().display();
    let options = format!("cacert={files}/ca.pem,cert={files}/cert.pem,key={files}/key.pem");
    // No address of loopback, so it is TLS that lets the login go there.
    create(&world, &gateway.address("0.0.0.0"), &["--driver-opt", &options]);
    without_engine(&world);
    let repository = unique("tls");
    succeeded(step(&world, &repository).run().unwrap());
    assert_eq!(tags(&world, &repository), ["1"]);
}

#[test]
fn a_builder_that_is_reached_in_clear() {
    let world = World::new(Store::Containerd);
    let gateway = Gateway::start(&world.engine, Entry::BuildKit);
    create(&world, &gateway.address("0.0.0.0"), &[]);
    without_engine(&world);
    let before = gateway.connections();
    let repository = unique("clear");
    let outcome = step(&world, &repository).run().unwrap();
    assert_eq!(
        error(&world, &outcome, &repository)
            .replace(&gateway.address("0.0.0.0").replace("tcp", "http"), "BUILDER"),
        "node `far0` of builder `far` at `BUILDER/` is reached in clear, so secrets would be readable on the network\n\n\
         hint: make the builder with TLS (`docker buildx create --driver remote --driver-opt cacert=…,cert=…,key=…`); if \
         you trust the network, set `allowInsecureBuilder: true`"
    );
    assert_eq!((gateway.connections(), world.registry.requests().len()), (before, 0));
    succeeded(step(&world, &repository).input("allowInsecureBuilder", "true").run().unwrap());
}

#[test]
fn a_builder_that_is_not_there() {
    let (world, gateway) = remote();
    gateway.cut();
    let outcome = step(&world, "app").run().unwrap();
    assert_eq!(
        error(&world, &outcome, "app")
            .replace(&gateway.address("127.0.0.1").replace("tcp", "http"), "BUILDER"),
        "builder `far` does not answer\n  caused by: node `far0` at `BUILDER/`\n  caused by: Connection refused (os error \
         111)\n\nhint: start it, and let this agent reach it (`docker buildx inspect far`)"
    );
    assert!(!outcome.log_text().contains("Building"));
}

/// A step whose export is larger than the gateway passes on, and the moment when it stands still.
fn exporting(world: &World, gateway: &Gateway) -> (Step, impl FnOnce(Duration) + use<>) {
    let name = unique("large");
    let large = format!("FROM feedbuild-test/base\nRUN head -c 16000000 /dev/urandom >/{name}\n");
    (step_of(world, &large, &name).input("command", "build"), gateway.hold_after(8 << 20))
}

/// The private folders of runs of this job.
fn private_folders(world: &World) -> Vec<PathBuf> {
    let entries = world.job.temp_dir().read_dir().unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir() && path.file_name().unwrap() != "task_outputs").collect()
}

#[test]
fn a_cancel_in_the_middle_of_an_export() {
    let (world, gateway) = remote();
    let (step, held) = exporting(&world, &gateway);
    let running = step.start().unwrap();
    held(LIMIT);
    let outcome = running.cancel().unwrap();
    assert_eq!(outcome.result, TaskResult::Canceled, "{}", outcome.log_text());
    assert_eq!(outcome.errors(), ["The operation was canceled."]);
    assert!(!outcome.output_left_open, "a process still holds the step's output");
    assert_eq!(private_folders(&world), Vec::<PathBuf>::new());
}

#[test]
fn a_builder_that_dies_in_the_middle_of_an_export() {
    let (world, gateway) = remote();
    let (step, held) = exporting(&world, &gateway);
    let running = step.start().unwrap();
    held(LIMIT);
    gateway.cut();
    let outcome = running.wait().unwrap();
    let error = error(&world, &outcome, "app");
    let (first, rest) = error.split_once("\n  caused by: ").unwrap();
    assert_eq!(first, "builder `far` went away during the build (exit code 1)", "{error}");
    let hint = "\n\nhint: see its own log, or `docker buildx inspect far`, and whether its machine ran out of memory or disk; \
                then run the job again";
    assert!(rest.ends_with(hint), "{error}");
}
