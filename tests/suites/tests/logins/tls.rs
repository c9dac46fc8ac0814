//! A registry with TLS by a private authority, which docker trusts by `/etc/docker/certs.d`.

use feedbuild_sandbox::Registry;

use super::*;

const CONNECTION: &str = "2b9d61f4-7c05-4e3a-8f1d-d4a06b5c9e72";

/// A world with such a registry, and its connection.
fn world(store: Store) -> (World, Registry) {
    let world = World::new(store);
    let binary = variable("FEEDBUILD_TEST_REGISTRY_BIN");
    let registry = Registry::start_tls(Path::new(&binary), "somebody", PASSWORD);
    let parameters = [
        ("registry", format!("https://{}", registry.host())),
        ("username", "somebody".to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    world.job.add_endpoint(Endpoint {
        id: CONNECTION.into(),
        url: "https://hub.example/".into(),
        scheme: "UsernamePassword".into(),
        parameters: parameters.map(|(key, value)| (key.to_owned(), value)).into(),
        data: [("registrytype".to_owned(), "Others".to_owned())].into(),
    });
    (world, registry)
}

#[test]
fn an_image_is_pushed_and_pulled() {
    at_once(STORES, |store| {
        let (world, registry) = world(store);
        let _trusted = Trusted::new(&registry.host(), registry.ca_pem().unwrap());
        let name = unique("tls");
        let step = |base: &str, name: &str| build(&world, base, name).input("containerRegistry", CONNECTION);
        let outcome = succeeded(step("feedbuild-test/base", &name).run().unwrap());
        world.docker(&["image", "rm", "--force", outcome.output("imageReferences").unwrap()]);
        let base = format!("{}/{name}@{}", registry.host(), outcome.output("imageDigest").unwrap());
        succeeded(step(&base, &unique("tls")).run().unwrap());
        // What was pushed was read back by the step itself.
        let reads = registry.requests_to(&format!("GET /v2/{name}/manifests/1"));
        assert!(reads.iter().any(|request| request.status == Some(200)), "{reads:#?}");
    });
}

#[test]
fn a_registry_that_nobody_trusts_stops_the_step_before_the_build() {
    at_once(STORES, |store| {
        let (world, registry) = world(store);
        let step = build(&world, "feedbuild-test/base", "app").input("containerRegistry", CONNECTION);
        let outcome = step.run().unwrap();
        assert!(!outcome.log_text().contains("[section]Building"), "the log:\n{}", outcome.log_text());
        assert_eq!(
            told(&outcome).replace(&registry.host(), "REGISTRY"),
            "the login to registry `REGISTRY` failed\n  caused by: the Docker engine says: Get \"https://REGISTRY/v2/\": tls: \
             failed to verify certificate: x509: certificate signed by unknown authority (500)\n\nhint: put the certificate \
             of the CA as `/etc/docker/certs.d/REGISTRY/ca.crt` on the machine of the Docker engine"
        );
        assert_eq!(registry.requests().len(), 0);
    });
}
