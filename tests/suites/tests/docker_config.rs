//! The user's docker config: what is in it serves the build, and the step changes nothing of it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use feedbuild_agent::Step;
use feedbuild_sandbox::Registry;
use feedbuild_suites::{
    AGENTS, PASSWORD, REGISTRY_ID, Store, World, executable, only_error, succeeded, unique, variable,
};
use serde_json::{Value, json};

/// The password of a second registry, which only the user's config knows.
const OWN_PASSWORD: &str = "canary-0wn-pa55word";

fn write_config(world: &World, config: &Value) {
    std::fs::write(world.docker_config().join("config.json"), config.to_string()).unwrap();
}

/// Every file and link of the user's docker config, less what buildx itself keeps of every build.
fn snapshot(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = world.docker_config();
    let (mut folders, mut found) = (vec![root.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() && path != root.join("buildx") {
                folders.push(path);
            } else if kind.is_symlink() {
                found.insert(path.clone(), path.read_link().unwrap().into_os_string().into_encoded_bytes());
            } else if kind.is_file() {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// A registry with an image of its own, and the image's reference.
fn registry_with_image(world: &World) -> (Registry, String) {
    let registry = Registry::start(Path::new(&variable("FEEDBUILD_TEST_REGISTRY_BIN")), "me", OWN_PASSWORD);
    let reference = format!("{}/base:1", registry.host());
    let config = tempfile::tempdir().unwrap();
    let docker = |arguments: &[&str]| world.docker_with(config.path(), arguments);
    docker(&["login", "--username", "me", "--password", OWN_PASSWORD, &registry.host()]);
    docker(&["tag", "feedbuild-test/base", &reference]);
    docker(&["push", &reference]);
    docker(&["image", "rm", &reference]);
    (registry, reference)
}

fn auths(registry: &Registry, password: &str) -> Value {
    json!({ registry.host(): { "auth": STANDARD.encode(format!("me:{password}")) } })
}

fn step_from(world: &World, image: &str) -> Step {
    let marker = unique("marker");
    world
        .build_step(&format!("FROM {image}\nRUN echo {marker} >/marker\n"))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", &unique("app"))
}

#[test]
fn a_private_base_image_is_pulled_with_the_login_of_the_service_connection() {
    for (store, client) in AGENTS {
        let world = World::new(store);
        world.use_client(client);
        let base = succeeded(step_from(&world, "feedbuild-test/base").run().unwrap());
        let base = base.output("imageReferences").unwrap();
        world.docker(&["image", "rm", "--force", base]);
        let before = world.registry.requests().len();
        succeeded(step_from(&world, base).run().unwrap());
        let (_, path) = base.split_once('/').unwrap();
        let pulled = format!(" /v2/{}/manifests/", path.split_once(':').unwrap().0);
        let pulls = &world.registry.requests()[before..];
        assert!(
            pulls.iter().any(|request| request.matches(&pulled)
                && request.has_authorization()
                && request.status == Some(200)),
            "{pulls:#?}"
        );
    }
}

#[test]
fn logins_of_the_user_serve_beside_ours() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        let (registry, image) = registry_with_image(&world);

        // Without a login the image cannot be had.
        let error = only_error(&step_from(&world, &image).run().unwrap());
        assert_eq!(
            error.replace(&image, "IMAGE").replace(&registry.host(), "REGISTRY"),
            "a base image cannot be pulled (exit code 1)\n  caused by: IMAGE: failed to resolve source metadata for IMAGE: \
             unexpected status from HEAD request to http://REGISTRY/v2/base/manifests/1: 401 Unauthorized\n\n\
             hint: add a service connection for its registry to `containerRegistry`, behind the one that is pushed to, or \
             log in to it before this step by `Docker@2` with `command: login`"
        );

        write_config(&world, &json!({ "auths": auths(&registry, OWN_PASSWORD) }));
        succeeded(step_from(&world, &image).run().unwrap());
        world.docker(&["image", "rm", "--force", &image]);

        // `DOCKER_AUTH_CONFIG` wins over the config, as for docker.
        write_config(&world, &json!({ "auths": auths(&registry, "wrong") }));
        let auth_config = json!({ "auths": auths(&registry, OWN_PASSWORD) }).to_string();
        succeeded(step_from(&world, &image).env("DOCKER_AUTH_CONFIG", &auth_config).run().unwrap());
    }
}

#[test]
fn our_login_wins_over_stores_and_helpers_that_know_none() {
    let world = World::new(Store::Containerd);
    let base = succeeded(step_from(&world, "feedbuild-test/base").run().unwrap());
    let base = base.output("imageReferences").unwrap();
    world.docker(&["image", "rm", "--force", base]);

    let bin = world.job.root_dir().join("bin");
    executable(&bin.join("docker-credential-own"), "#!/bin/sh\necho 'own helper is broken'; exit 1\n");
    let client = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    world.set_path(&[&bin, &client]);
    let host = world.registry.host();
    write_config(
        &world,
        &json!({ "credsStore": "own", "credHelpers": { &host: "own" }, "auths": { &host: {} } }),
    );
    let before = snapshot(&world);
    let wrong = json!({ "auths": auths(&world.registry, "wrong") }).to_string();
    succeeded(step_from(&world, base).env("DOCKER_AUTH_CONFIG", &wrong).run().unwrap());
    assert_eq!(snapshot(&world), before);
}

#[test]
fn helpers_of_the_user_serve_other_registries() {
    let world = World::new(Store::Containerd);
    let (registry, image) = registry_with_image(&world);
    let bin = world.job.root_dir().join("bin");
    let answer = json!({ "ServerURL": registry.host(), "Username": "me", "Secret": OWN_PASSWORD });
    executable(&bin.join("docker-credential-own"), &format!("#!/bin/sh\necho '{answer}'\n"));
    let client = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    world.set_path(&[&bin, &client]);
    for config in [json!({ "credsStore": "own" }), json!({ "credHelpers": { registry.host(): "own" } })] {
        write_config(&world, &config);
        let before = snapshot(&world);
        succeeded(step_from(&world, &image).run().unwrap());
        assert_eq!(snapshot(&world), before);
        world.docker(&["image", "rm", "--force", &image]);
    }
}

#[test]
fn the_current_context_names_the_engine() {
    let world = World::new(Store::Containerd);
    let host = format!("host={}", world.engine);
    world.docker(&["context", "create", "mine", "--docker", &host]);
    world.docker(&["context", "use", "mine"]);
    let before = snapshot(&world);
    succeeded(step_from(&world, "feedbuild-test/base").without("DOCKER_HOST").run().unwrap());
    assert_eq!(snapshot(&world), before);

    world.docker(&["context", "create", "unreachable", "--docker", "host=unix:///nowhere/docker.sock"]);
    let outcome = step_from(&world, "feedbuild-test/base")
        .without("DOCKER_HOST")
        .env("DOCKER_CONTEXT", "unreachable")
        .run()
        .unwrap();
    assert!(only_error(&outcome).starts_with("no Docker engine answers at `unix:///nowhere/docker.sock`\n"));
    let outcome = step_from(&world, "feedbuild-test/base")
        .without("DOCKER_HOST")
        .env("DOCKER_CONTEXT", "unknown")
        .run()
        .unwrap();
    let config = world.docker_config().display().to_string();
    assert_eq!(
        only_error(&outcome).replace(&config, "CONFIG"),
        "docker context `unknown` is chosen but not known (`CONFIG/contexts/meta/b23a6a8439c0dde5515893e7c90c1e3233b8616e634470\
         f20dc4928bcf3609bc/meta.json`)\n  caused by: No such file or directory (os error 2)\n\nhint: create it by \
         `docker context create`, or unset `DOCKER_CONTEXT` for the step"
    );
}

#[test]
fn a_plugin_in_an_extra_folder_is_found() {
    let world = World::new(Store::Containerd);
    let folder = world.job.root_dir().join("plugins");
    world.use_plugin("echo the plugin of the config >&2; exec \"$BUILDX\" \"$@\"");
    std::fs::rename(world.docker_config().join("cli-plugins"), &folder).unwrap();
    write_config(&world, &json!({ "cliPluginsExtraDirs": [folder] }));
    let outcome = succeeded(step_from(&world, "feedbuild-test/base").run().unwrap());
    assert!(outcome.log.iter().any(|line| line == "the plugin of the config"), "{}", outcome.log_text());
}

#[test]
fn a_proxy_with_a_password_is_warned_of() {
    let world = World::new(Store::Containerd);
    let proxy = "http://me:canary-proxy-pa55word@proxy.invalid:3128";
    write_config(&world, &json!({ "proxies": { "default": { "ftpProxy": proxy } } }));
    let outcome = succeeded(step_from(&world, "feedbuild-test/base").run().unwrap());
    let config = world.docker_config().display().to_string();
    let warnings: Vec<String> =
        outcome.warnings().iter().map(|text| text.replace(&config, "CONFIG")).collect();
    assert_eq!(
        warnings,
        [
            "the docker config in `CONFIG` has a proxy with a password: docker gives it to every build as a build argument, and \
          BuildKit records it"
        ]
    );
}

#[test]
fn a_config_that_is_no_json() {
    let world = World::new(Store::Containerd);
    let text = format!("{{\n  \"auths\": {{ \"registry.example\": {{ \"auth\": {PASSWORD} }} }}\n}}\n");
    std::fs::write(world.docker_config().join("config.json"), text).unwrap();
    let outcome = step_from(&world, "feedbuild-test/base").run().unwrap();
    let config = world.docker_config().display().to_string();
    assert_eq!(
        only_error(&outcome).replace(&config, "CONFIG"),
        "the docker config `CONFIG/config.json` is no JSON object\n  caused by: line 2, column 44\n\nhint: mend or remove that \
         file; docker itself cannot read it either"
    );
    assert_eq!(world.registry.requests().len(), 0);
}
