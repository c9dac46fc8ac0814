//! The article's example, unchanged, through the packaged task.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use feedbuild_suites::{Client, Store, World, succeeded};

fn the_image_is_pushed_and_runs(world: &World) {
    let outcome = succeeded(world.article_step().run().unwrap());
    let references = outcome.output("imageReferences").expect("it is set");
    let digest = outcome.output("imageDigest").expect("it is set");
    assert!(references.starts_with(&format!("{}/my-service-", world.registry.host())), "{references}");
    assert!(references.ends_with(":20240"), "{references}");

    let repository = references.strip_suffix(":20240").unwrap();
    let by_digest = format!("{repository}@{digest}");
    world.docker(&[
        "login",
        "--username",
        "ci",
        "--password",
        feedbuild_suites::PASSWORD,
        &world.registry.host(),
    ]);
    world.docker(&["image", "rm", "--force", references]);
    world.docker(&["pull", "--quiet", &by_digest]);
    assert_eq!(
        world.docker(&["run", "--rm", "--network=host", &by_digest]),
        "Hello from private-greeting 1.0.0!"
    );
}

#[test]
fn it_runs_with_the_containerd_store() {
    the_image_is_pushed_and_runs(&World::new(Store::Containerd));
}

#[test]
fn it_runs_with_the_classic_store() {
    the_image_is_pushed_and_runs(&World::new(Store::Classic));
}

#[test]
fn it_runs_with_a_client_without_buildx() {
    let world = World::new(Store::Classic);
    world.use_client(Client::Legacy);
    the_image_is_pushed_and_runs(&world);
}
