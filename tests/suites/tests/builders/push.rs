//! What a builder pushes: nothing but what was checked, and no tag before that is known.

use feedbuild_sandbox::Fault;
use feedbuild_suites::{succeeded, unique};

use crate::{adding, error, remote, runs, step, step_of, tags};

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
