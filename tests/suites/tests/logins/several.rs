//! Several connections in `containerRegistry`: the first is pushed to, all are pulled from.

use super::*;

/// Puts the test's base image into the world's own registry, and nowhere else; returns its reference.
fn private_base(world: &World) -> String {
    let (host, config) = (world.registry.host(), tempfile::tempdir().unwrap());
    let base = format!("{host}/{}:1", unique("base"));
    let docker = |arguments: &[&str]| world.docker_with(config.path(), arguments);
    docker(&["login", "--username=ci", "--password", PASSWORD, &host]);
    docker(&["tag", "feedbuild-test/base", &base]);
    docker(&["push", "--quiet", &base]);
    docker(&["image", "rm", &base]);
    base
}

#[test]
fn a_base_image_comes_from_the_second_registry() {
    at_once(STORES, |store| {
        let azure = Azure::new(store);
        azure.connect("WorkloadIdentityFederation");
        let (base, name) = (private_base(&azure.world), unique("several"));
        let before = azure.world.registry.requests().len();
        let step = build(&azure.world, &base, &name);
        // The agent gives ids between commas; people write blanks behind these.
        let outcome = azure.pushed(&step.input("containerRegistry", &format!("{AZURE}, {REGISTRY_ID}")));
        let reference = format!("{}/{name}:1", azure.acr.host());
        assert_eq!(outcome.output("imageReferences"), Some(reference.as_str()));
        let asked = azure.world.registry.requests().split_off(before);
        assert!(asked.iter().any(|request| request.has_authorization() && request.status == Some(200)));
        assert!(
            asked.iter().all(|request| request.method != "PUT" && request.method != "POST"),
            "{asked:#?}"
        );
    });
}

#[test]
fn the_first_connection_is_the_one_that_is_pushed_to() {
    let azure = Azure::new(Store::Containerd);
    azure.connect("ManagedServiceIdentity");
    let name = unique("several");
    let step = build(&azure.world, "feedbuild-test/base", &name);
    let outcome = azure.pushed(&step.input("containerRegistry", &format!("{REGISTRY_ID},{AZURE}")));
    let reference = format!("{}/{name}:1", azure.world.registry.host());
    assert_eq!(outcome.output("imageReferences"), Some(reference.as_str()));
    assert_eq!(azure.acr.requests_to("PUT /v2/").len(), 0);
}

#[test]
fn a_second_connection_that_gives_no_login_stops_the_step_too() {
    let azure = Azure::with(Store::Containerd, |acr| acr);
    azure.connect("ManagedServiceIdentity");
    let step = build(&azure.world, "feedbuild-test/base", "app");
    let error = azure.error(&step.input("containerRegistry", &format!("{REGISTRY_ID},{AZURE}")));
    assert!(error.starts_with("registry `REGISTRY` gave no login to the service connection"), "{error}");
}

#[test]
fn two_connections_to_one_registry_are_one_too_many() {
    let azure = Azure::new(Store::Containerd);
    azure.connect("ManagedServiceIdentity");
    let second = "6d3e9a01-58c7-4f2b-9e60-17b4c8d5f2a3";
    azure.connect_as(second, "ServicePrincipal", &[], &[]);
    let name = unique("several");
    let step = build(&azure.world, "feedbuild-test/base", &name);
    let outcome = azure.pushed(&step.input("containerRegistry", &format!("{AZURE},{second},{AZURE}")));
    let warnings: Vec<_> = outcome.warnings().iter().map(|text| text.replace("***", "REGISTRY")).collect();
    assert_eq!(
        warnings,
        [
            "`containerRegistry` names two service connections for `REGISTRY`; the first is used, since docker knows one login \
          of a registry"
        ]
    );
    assert_eq!(azure.acr.requests_to("/oauth2/exchange").len(), 1);
}
