//! What a pipeline that has used `Docker@2` finds again: labels, variables, files and records.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use feedbuild_agent::Step;
use feedbuild_sandbox::Fault;
use feedbuild_suites::{Client, REGISTRY_ID, Store, World, succeeded, unique};

const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

const BASE: &str = "FROM feedbuild-test/base AS base\nFROM --platform=$BUILDPLATFORM base\n";

/// The labels of the image that the step builds; the sandbox's address is `SANDBOX`.
fn labels(world: &World, step: &Step) -> BTreeMap<String, String> {
    let outcome = succeeded(step.run().unwrap());
    let image = outcome.output("imageReferences").unwrap();
    let labels = world.docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", image]);
    let labels: BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
    labels
        .into_iter()
        .map(|(key, value)| (key, value.replace(&world.sandbox.authority(), "SANDBOX")))
        .collect()
}

fn of<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The digest of the base image in the engine's store, if it has any.
fn base_digest(world: &World) -> Option<String> {
    let digests = world.docker(&[
        "image",
        "inspect",
        "--format",
        "{{join .RepoDigests \"\\n\"}}",
        "feedbuild-test/base:latest",
    ]);
    digests.lines().find_map(|name| name.strip_prefix("feedbuild-test/base@")).map(str::to_owned)
}

#[test]
fn an_image_says_where_it_is_from() {
    for (store, client) in [
        (Store::Containerd, Client::Buildx),
        (Store::Classic, Client::Buildx),
        (Store::Classic, Client::Legacy),
    ] {
        let world = World::new(store);
        world.use_client(client);
        let mut expected = of([
            ("1.0.0.127.image.system.teamfoundationcollectionuri", "http://SANDBOX/contoso/"),
            ("1.0.0.127.image.system.teamproject", "fabrikam"),
            ("1.0.0.127.image.build.repository.name", "fabrikam-fiber"),
            ("1.0.0.127.image.build.repository.uri", "http://SANDBOX/contoso/fabrikam/_git/fabrikam-fiber"),
            ("1.0.0.127.image.build.sourceversion", "6dcb09b5b57875f334f61aebed695e2e4193db5e"),
            ("1.0.0.127.image.build.sourcebranchname", "main"),
            ("1.0.0.127.image.build.definitionname", "fabrikam-fiber"),
            ("1.0.0.127.image.build.buildnumber", "20260105.3"),
            ("1.0.0.127.image.build.builduri", "vstfs:///Build/Build/20240"),
            ("image.base.ref.name", "feedbuild-test/base"),
        ]);
        // In the classic store only an image that was pulled has a digest.
        let digest = base_digest(&world);
        assert_eq!(digest.is_some(), store == Store::Containerd);
        expected.extend(digest.map(|digest| ("image.base.digest".to_owned(), digest)));
        assert_eq!(labels(&world, &world.build_step(BASE)), expected, "{store:?}, {client:?}");
    }
}

#[test]
fn a_label_of_the_user_wins() {
    let world = World::new(Store::Containerd);
    let of_dockerfile = format!("{BASE}LABEL image.base.ref.name=dockerfile own=dockerfile\n");
    let step = world.build_step(&of_dockerfile).input("addPipelineData", "false").input(
        "arguments",
        "--label image.base.digest=mine --label \"1.0.0.127.image.build.sourceversion=v 1\"",
    );
    assert_eq!(
        labels(&world, &step),
        of([
            ("1.0.0.127.image.system.teamfoundationcollectionuri", "http://SANDBOX/contoso/"),
            ("1.0.0.127.image.build.sourceversion", "v 1"),
            ("image.base.ref.name", "feedbuild-test/base"),
            ("image.base.digest", "mine"),
            ("own", "dockerfile"),
        ])
    );
    let bare = step.input("addBaseImageData", "false").input("arguments", "");
    assert_eq!(
        labels(&world, &bare),
        of([
            ("1.0.0.127.image.system.teamfoundationcollectionuri", "http://SANDBOX/contoso/"),
            ("1.0.0.127.image.build.sourceversion", "6dcb09b5b57875f334f61aebed695e2e4193db5e"),
            ("image.base.ref.name", "dockerfile"),
            ("own", "dockerfile"),
        ])
    );
}

/// Pushes an image of its own and returns its digest.
fn pushed(world: &World, repository: &str, content: &str) -> String {
    let step = world
        .build_step(&format!("FROM feedbuild-test/base\nRUN echo {content} >/content\n"))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", "1");
    succeeded(step.run().unwrap()).output("imageDigest").unwrap().to_owned()
}

#[test]
fn the_digest_of_a_base_image_is_asked_of_its_registry() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("base"));
        let digest = pushed(&world, &repository, &repository);
        let name = format!("{}/{repository}:1", world.registry.host());
        world.docker(&["image", "rm", "--force", &name]);
        let step = || {
            world
                .build_step(&format!("ARG NAME={name}\nFROM $NAME\n"))
                .input("containerRegistry", REGISTRY_ID)
                .input("addPipelineData", "false")
        };
        let digest_of = |step: &Step| labels(&world, step).remove("image.base.digest");
        assert_eq!(digest_of(&step()), Some(digest.clone()), "{store:?}");

        // A question that is not answered costs the label alone.
        world.registry.fault(&format!("HEAD /v2/{repository}/manifests/1"), Fault::Status(404), 1);
        let outcome = succeeded(step().run().unwrap());
        let said: Vec<_> = outcome
            .log
            .iter()
            .skip_while(|line| !line.starts_with("the image has no label"))
            .take(2)
            .collect();
        assert_eq!(
            said,
            [
                &format!("the image has no label `image.base.digest` of `{name}`"),
                &format!("  caused by: the registry answered 404 for `{name}`"),
            ]
        );
    }
}
