//! Where an image goes besides a registry: the engine's store, files, caches; of any builder.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use feedbuild_sandbox::Fault;
use feedbuild_suites::{REGISTRY_ID, Store, notices, only_error, succeeded, unique};
use serde_json::Value;

use crate::{adding, error, once, remote, runs, step, tags};

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
        let failed = format!("writing the cache `{cache}` failed (exit code 1)\n  caused by: ");
        assert!(warning.starts_with(&failed), "{warning}");
        let outcome = cached(&format!("type=registry,ref={cache},ignore-error=false")).run().unwrap();
        assert!(only_error(&outcome).starts_with("writing the cache `"), "{}", only_error(&outcome));
    }
}
