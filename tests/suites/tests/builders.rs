//! Builders of other drivers: a remote one that is the engine's own BuildKit, behind a gateway. What it exports is
//! checked, what it pushes is compared with that, and no tag is set before.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use feedbuild_agent::{Outcome, Step, TaskResult};
use feedbuild_sandbox::{Entry, Fault, Gateway};
use feedbuild_suites::{REGISTRY_ID, Store, World, notices, only_error, succeeded, unique};
use serde_json::Value;

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
fn what_is_checked_is_pushed_by_digest_and_then_gets_its_tags() {
    let (world, repository) = (remote(), unique("far"));
    let (world, gateway) = world;
    let outcome = succeeded(step(&world, &repository).input("tags", "1\n1.2").run().unwrap());
    assert_ne!(gateway.connections(), 0);
    assert_eq!(runs(&outcome, &repository), 1, "the push builds nothing");
    let (digest, config) = world.held(&repository, "1").unwrap();
    assert_eq!(world.held(&repository, "1.2").unwrap(), (digest.clone(), config.clone()));
    assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()));
    assert_eq!(outcome.output("imageId"), Some(config.as_str()));
    let references = ["1", "1.2"].map(|tag| format!("{}/{repository}:{tag}", world.registry.host()));
    assert_eq!(outcome.output("imageReferences"), Some(references.join(",").as_str()));
    assert!(
        outcome.log.contains(&format!("The registry holds {digest}, as checked")),
        "{}",
        outcome.log_text()
    );
    let of_manifests: Vec<String> = world
        .registry
        .requests_to(&format!("/v2/{repository}/manifests/"))
        .iter()
        .filter(|request| request.method != "HEAD" && request.status != Some(401))
        .map(|request| format!("{} {}", request.method, request.path().rsplit('/').next().unwrap()))
        .collect();
    let expected = [
        format!("PUT {digest}"),
        format!("GET {digest}"),
        "PUT 1".into(),
        "GET 1".into(),
        "PUT 1.2".into(),
        "GET 1.2".into(),
    ];
    assert!(of_manifests.starts_with(&expected), "{of_manifests:#?}");
    assert!(
        world
            .docker(&["image", "ls", "--all", "--quiet", "--filter", &format!("reference=*/{repository}")])
            .is_empty()
    );
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
fn a_builder_that_builds_again_instead_of_pushing_what_was_checked() {
    let (world, _gateway) = remote();
    let repository = unique("again");
    adding(&world, "push-by-digest", "--no-cache");
    let outcome = step(&world, &repository).run().unwrap();
    assert_eq!(runs(&outcome, &repository), 2);
    assert_eq!(
        error(&world, &outcome, &repository),
        "cannot verify `REGISTRY/app@DIGEST` (nothing is tagged)\n  caused by: the builder pushed something else than was \
         checked: the image with config DIGEST\n\nhint: it built again instead of taking the image from its cache: give \
         the builder more space for its cache, and let no other job prune it meanwhile"
    );
    assert_eq!(tags(&world, &repository), Vec::<String>::new());
    assert_eq!(outcome.output_variables, []);
}

#[test]
fn a_registry_that_holds_something_else_than_was_pushed() {
    let (world, _gateway) = remote();
    let other = r#"{"schemaVersion": 2, "config": {"digest": "sha256:0000"}, "layers": []}"#;
    let cases = [
        (
            "GET /v2/*/manifests/sha256:*",
            "cannot verify `REGISTRY/app@DIGEST` (nothing is tagged)\n  caused by: the registry sent DIGEST for \
             `REGISTRY/app@DIGEST`",
            0,
        ),
        (
            "GET /v2/*/manifests/1",
            "cannot verify `REGISTRY/app:1` (pushed: REGISTRY/app:1)\n  caused by: the registry does not hold what was \
             pushed: manifest DIGEST instead of DIGEST\n\nhint: somebody else may have pushed the same tag meanwhile; use \
             a tag of this run alone, such as `$(Build.BuildId)`",
            1,
        ),
    ];
    for (pattern, expected, tagged) in cases {
        let repository = unique("other");
        world.registry.fault(pattern, Fault::Json(other.to_owned()), usize::MAX);
        let outcome = step(&world, &repository).run().unwrap();
        assert_eq!(error(&world, &outcome, &repository), expected);
        assert_eq!(tags(&world, &repository).len(), tagged);
        world.registry.clear_faults();
    }
}

#[test]
fn a_registry_that_refuses() {
    let (world, _gateway) = remote();
    let repository = unique("refused");
    world.registry.fault("PUT /v2/*/manifests/two", Fault::Status(403), usize::MAX);
    let outcome = step(&world, &repository).input("tags", "one,two,three").run().unwrap();
    let refused = "registry `REGISTRY` refused the push\n  caused by: CAUSE\n\nhint: check that user `***` of the service \
                   connection in `containerRegistry` has the right password and may push to `REGISTRY/app`";
    assert_eq!(
        error(&world, &outcome, &repository),
        format!("cannot push `REGISTRY/app:two` (pushed: REGISTRY/app:one)\n  caused by: {refused}")
            .replace("CAUSE", "the registry answered 403 for `REGISTRY/app:two`: Forbidden (by order)")
    );
    assert_eq!(tags(&world, &repository), ["one"]);

    let repository = unique("refused");
    world.registry.fault("POST /v2/*/blobs/uploads/", Fault::Status(403), usize::MAX);
    let outcome = step(&world, &repository).run().unwrap();
    let error = error(&world, &outcome, &repository);
    assert!(
        error.starts_with("registry `REGISTRY` refused the push\n  caused by: the push failed (exit code 1)"),
        "{error}"
    );
    assert_eq!(tags(&world, &repository), Vec::<String>::new());
}

#[test]
fn a_fault_that_passes_by_itself() {
    let (world, _gateway) = remote();
    let repository = unique("passing");
    world.registry.fault_nth(&format!("PUT /v2/{repository}/manifests/1"), 1, Fault::Status(503));
    let outcome = succeeded(step(&world, &repository).run().unwrap());
    assert_eq!((runs(&outcome, &repository), tags(&world, &repository)), (1, vec!["1".to_owned()]));
}

#[test]
fn attestations_are_searched_before_there_is_a_tag() {
    let (world, _gateway) = remote();
    let repository = unique("attested");
    let outcome = succeeded(step(&world, &repository).input("provenance", "mode=max").run().unwrap());
    let (digest, index) = world.manifest(&repository, "1").unwrap();
    let kinds: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["annotations"]["vnd.docker.reference.type"].as_str())
        .collect();
    assert_eq!(kinds, [None, Some("attestation-manifest")]);
    assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()));
    let image = index["manifests"][0]["digest"].as_str().unwrap();
    let config = world.held(&repository, image).unwrap().1;
    for line in [
        format!("linux/amd64: config {config} and 2 layers are as checked; the manifest is too"),
        format!("the attestation of {image}: searched, holds no secret"),
    ] {
        assert!(outcome.log.contains(&line), "{line} is not in the log:\n{}", outcome.log_text());
    }
}

#[test]
fn every_platform_is_compared() {
    let (world, _gateway) = remote();
    let repository = unique("platforms");
    world.source("hello", "hello\n");
    // Nothing runs, so that no emulation is needed.
    let dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY hello /hello-$TARGETARCH\n";
    let outcome =
        step_of(&world, dockerfile, &repository).input("platforms", "linux/amd64,linux/arm64").run().unwrap();
    let outcome = succeeded(outcome);
    let (digest, index) = world.manifest(&repository, "1").unwrap();
    let platforms: Vec<_> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["platform"]["architecture"].as_str().unwrap())
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    assert_eq!((outcome.output("imageDigest"), outcome.output("imageId")), (Some(digest.as_str()), None));
}

#[test]
fn a_build_alone_is_checked_and_stays_in_the_builder() {
    let (world, _gateway) = remote();
    let repository = unique("alone");
    let outcome = succeeded(step(&world, &repository).input("command", "build").run().unwrap());
    assert_eq!(
        notices(&outcome),
        [
            "the image is in the cache of builder `far` alone: `load: true` puts it into the engine's store, `outputs` into \
             files"
        ]
    );
    assert_eq!(world.registry.requests().len(), 0);
    assert!(outcome.output("imageDigest").is_some() && outcome.output("imageReferences").is_none());
}

#[test]
fn a_push_step_finds_nothing_of_such_a_builder() {
    let (world, _gateway) = remote();
    world.job.set_host_env("DOCKER_HOST", &world.engine);
    let push = world
        .step()
        .input("command", "push")
        .input("builder", "far")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", "app")
        .input("tags", "1");
    assert_eq!(
        error(&world, &push.run().unwrap(), "app"),
        "the engine has no image `REGISTRY/app:1` to push, and builder `far` keeps none (driver `remote`)\n\nhint: what such \
         a builder builds is in no store: use `command: buildAndPush`, or `load: true` in the step that builds"
    );
}

#[test]
fn an_image_is_loaded_into_either_store() {
    for store in [Store::Containerd, Store::Classic] {
        let (world, gateway) = remote();
        world.job.set_host_env("DOCKER_HOST", &feedbuild_suites::engine(store));
        let repository = unique("loaded");
        let load = || step(&world, &repository).input("command", "build").input("load", "true");
        let outcome = succeeded(load().run().unwrap());
        assert_eq!(runs(&outcome, &repository), 1);
        assert_ne!(gateway.connections(), 0);
        let reference = format!("{}/{repository}:1", world.registry.host());
        assert_eq!(outcome.output("imageReferences"), Some(reference.as_str()));
        let id = match store {
            Store::Containerd => outcome.output("imageDigest"),
            Store::Classic => outcome.output("imageId"),
        };
        let loaded = format!("Loaded {}, as checked", id.unwrap());
        assert!(outcome.log.contains(&loaded), "{loaded} is not in the log:\n{}", outcome.log_text());
        // What it was given is what a push step finds.
        let push = world
            .step()
            .input("command", "push")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &repository)
            .input("tags", "1");
        let pushed = succeeded(push.run().unwrap());
        assert_eq!(pushed.output("imageId"), outcome.output("imageId"));

        adding(&world, "type=docker", "--no-cache");
        let outcome = load().input("noCache", "true").run().unwrap();
        assert_eq!(
            error(&world, &outcome, &repository),
            "builder `far` exported something else than was checked: the engine got DIGEST\n\nhint: it built again instead \
             of taking the image from its cache: give the builder more space for its cache, and let no other job prune it \
             meanwhile"
        );
    }
}

#[test]
fn files_hold_what_was_checked() {
    for builder in ["far", ""] {
        let (world, _gateway) = remote();
        if builder.is_empty() {
            world.job.set_host_env("DOCKER_HOST", &world.engine);
        }
        let repository = unique("files");
        let files = || {
            step(&world, &repository)
                .input("builder", builder)
                .input("command", "build")
                .input("outputs", "type=local,dest=out\ntype=oci,dest=image.tar")
        };
        let outcome = succeeded(files().run().unwrap());
        assert_eq!(runs(&outcome, &repository), 1);
        let written = fs::read_to_string(world.job.sources_dir().join("out").join(&repository)).unwrap();
        let archived = archived(&world.job.sources_dir().join("image.tar"));
        assert_eq!(Some(archived.as_str()), outcome.output("imageId"));
        assert_eq!(written.len(), 37, "{written}");

        adding(&world, "type=local", "--no-cache");
        let outcome = files().run().unwrap();
        let builder = if builder.is_empty() { "default" } else { builder };
        assert_eq!(
            error(&world, &outcome, &repository),
            format!(
                "builder `{builder}` exported something else than was checked: `JOB/_work/1/s/out` comes from another run of \
                 `RUN {}`\n\nhint: it built again instead of taking the image from its cache: give the builder more space \
                 for its cache, and let no other job prune it meanwhile",
                once("app")
            )
        );
    }
}

/// The digest of the config of the image in an archive.
fn archived(path: &Path) -> String {
    let read = |wanted: &str| -> Value {
        let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let mut entry = entries.find(|entry| entry.path().unwrap() == Path::new(wanted)).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
    let manifest = digest(&read("index.json")["manifests"][0]).replace(':', "/");
    digest(&read(&format!("blobs/{manifest}"))["config"])
}

#[test]
fn caches_are_written_after_the_image_is_there() {
    for builder in ["far", ""] {
        let (world, _gateway) = remote();
        if builder.is_empty() {
            world.job.set_host_env("DOCKER_HOST", &world.engine);
        }
        let repository = unique("cached");
        let cache = format!("{}/{repository}:cache", world.registry.host());
        let cached =
            |caches: &str| step(&world, &repository).input("builder", builder).input("cacheTo", caches);
        let outcome = succeeded(cached(&format!("type=local,dest=cache\n{cache}")).run().unwrap());
        assert_eq!(runs(&outcome, &repository), 1);
        assert!(world.job.sources_dir().join("cache/index.json").exists());
        assert_eq!(tags(&world, &repository), ["1", "cache"]);
        let requests = world.registry.requests_to("PUT");
        let put = |tag: &str| {
            let path = format!("/v2/{repository}/manifests/{tag}");
            requests.iter().position(|request| request.path() == path).unwrap()
        };
        assert!(put("1") < put("cache"));

        // A cache is no image.
        let cache = format!("{}/{repository}:refused", world.registry.host());
        world.registry.fault("PUT /v2/*/manifests/refused", Fault::Status(403), usize::MAX);
        let outcome = cached(&cache).run().unwrap();
        let outcome = succeeded(outcome);
        let [warning] = &outcome.warnings()[..] else { panic!("{:?}", outcome.warnings()) };
        let failed =
            format!("writing the cache `type=registry,ref={cache}` failed (exit code 1)\n  caused by: ");
        assert!(warning.starts_with(&failed), "{warning}");
        let outcome = cached(&format!("type=registry,ref={cache},ignore-error=false")).run().unwrap();
        assert!(only_error(&outcome).starts_with("writing the cache `"), "{}", only_error(&outcome));
    }
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
    entries.filter(|path| path.is_dir()).collect()
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
