//! Logins of an earlier step: `Docker@2` with `command: login` writes them into a docker config in the agent's temp
//! folder and leaves `DOCKER_CONFIG` to all later steps.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;

/// What `Docker@2` leaves after a login to the world's registry.
fn log_in(world: &World) -> PathBuf {
    let folder = world.job.temp_dir().join("DockerConfig_1763970000000");
    std::fs::create_dir_all(folder.join("trust/private")).unwrap();
    let auth = BASE64_STANDARD.encode(format!("ci:{PASSWORD}"));
    let config = json!({
        "auths": { format!("http://{}", world.registry.host()): { "auth": auth, "email": "undefined" } },
        "HttpHeaders": { "X-Meta-Source-Client": "VSTS" },
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    world.job.set_variable("DOCKER_CONFIG", folder.to_str().unwrap());
    folder
}

#[test]
fn an_earlier_login_serves_the_push_and_stays_as_it_is() {
    at_once(STORES, |store| {
        let world = World::new(store);
        let config = log_in(&world);
        // A docker config of its own hides the plugins of the user's home.
        let plugins = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("cli-plugins");
        std::os::unix::fs::symlink(plugins, config.join("cli-plugins")).unwrap();
        let before = std::fs::read(config.join("config.json")).unwrap();
        let reference = format!("{}/{}", world.registry.host(), unique("earlier"));
        let outcome = succeeded(build(&world, "feedbuild-test/base", &reference).run().unwrap());
        assert_eq!(outcome.output("imageReferences"), Some(format!("{reference}:1").as_str()));

        // And the pull of a base image.
        world.docker(&["image", "rm", "--force", &format!("{reference}:1")]);
        succeeded(build(&world, &format!("{reference}:1"), &format!("{reference}-based")).run().unwrap());

        // A later step finds its login untouched, and no other.
        assert_eq!(std::fs::read(config.join("config.json")).unwrap(), before);
        assert_eq!(world.job.variable("DOCKER_CONFIG").unwrap().value, config.to_str().unwrap());
        let found = world.docker_with(&config, &["pull", &format!("{reference}:1")]);
        assert!(found.contains(&reference), "{found}");
    });
}

#[test]
fn an_earlier_login_that_is_refused_is_told_by_whose_it_is() {
    let world = World::new(Store::Containerd);
    log_in(&world);
    world.registry.refuse(401);
    let reference = format!("{}/app", world.registry.host());
    let outcome = build(&world, "feedbuild-test/base", &reference).run().unwrap();
    assert_eq!(
        told(&outcome).replace(&world.registry.host(), "REGISTRY"),
        "registry `REGISTRY` refused the login\n  caused by: the Docker engine says: login attempt to http://REGISTRY/v2/ \
         failed with status: 401 Unauthorized (500)\n\nhint: the login of an earlier step is used: check that its user may \
         push to `REGISTRY/app`, or set `containerRegistry` to a service connection for this registry"
    );
}

#[test]
fn a_step_before_docker_2_leaves_it_a_machine_without_logins() {
    let world = World::new(Store::Containerd);
    let name = unique("before");
    let step = build(&world, "feedbuild-test/base", &name).input("containerRegistry", REGISTRY_ID);
    let outcome = succeeded(step.run().unwrap());
    let inherited: Vec<&str> = outcome.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(inherited, ["RESOURCE_URIS"], "a later step inherits no login");
    let entries = world.docker_config().read_dir().unwrap().flatten().map(|entry| entry.file_name());
    let mut entries: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    entries.sort();
    assert_eq!(entries, ["buildx", "cli-plugins"]);
    // The same registry, logged in to and pushed to by docker itself.
    let config = log_in(&world);
    let reference = outcome.output("imageReferences").unwrap();
    world.docker_with(&config, &["push", "--quiet", reference]);
}
