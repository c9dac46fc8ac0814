//! Tags that rules make of the commit, on images that are pushed.

use feedbuild_agent::Step;
use feedbuild_suites::{REGISTRY_ID, Store, World, notices, only_error, succeeded, unique};

const RULES: &str = "type=ref,event=branch\ntype=ref,event=pr\ntype=semver,pattern={{version}}\n\
                     type=semver,pattern={{major}}.{{minor}}\ntype=sha\n";

/// A step that pushes an image with these tags, in a run of this ref.
fn step(world: &World, reference: &str, repository: &str, tags: &str) -> Step {
    world.job.set_variable("Build.SourceBranch", reference);
    world
        .build_step("FROM feedbuild-test/base\n")
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", tags)
}

#[test]
fn a_git_tag_gives_its_version_and_latest() {
    let world = World::new(Store::Containerd);
    let repository = unique("tagged");
    let step = step(&world, "refs/tags/v1.2.3", &repository, &format!("{RULES}$(Build.BuildId), stable"));
    let outcome = succeeded(step.input("flavor", "suffix=-x,onlatest=true").run().unwrap());
    let tags = ["1.2.3-x", "1.2-x", "20240-x", "stable-x", "sha-6dcb09b-x", "latest-x"];
    let references = tags.map(|tag| format!("{}/{repository}:{tag}", world.registry.host()));
    assert_eq!(outcome.output("imageReferences"), Some(references.join(",").as_str()));
    for tag in tags {
        let (digest, _) = world.held(&repository, tag).expect(tag);
        assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()), "{tag}");
    }
    assert_eq!(outcome.warnings(), [""; 0]);
}

#[test]
fn a_pull_request_gives_its_number() {
    let world = World::new(Store::Classic);
    let repository = unique("tagged");
    let outcome = succeeded(step(&world, "refs/pull/17/merge", &repository, RULES).run().unwrap());
    let host = world.registry.host();
    assert_eq!(
        outcome.output("imageReferences"),
        Some(format!("{host}/{repository}:pr-17,{host}/{repository}:sha-6dcb09b").as_str())
    );
}

#[test]
fn rules_that_give_nothing_stop_a_push_and_leave_a_build_without_a_name() {
    let world = World::new(Store::Containerd);
    let rules = "type=semver,pattern={{version}}\ntype=ref,event=tag";
    let pushed = step(&world, "refs/heads/main", &unique("tagged"), rules).run().unwrap();
    assert_eq!(
        only_error(&pushed),
        "no rule in `tags` gives a tag for this run\n\nhint: add one that always does, e.g. the line `type=sha`"
    );
    let built = step(&world, "refs/heads/main", &unique("tagged"), rules).input("command", "build");
    let built = succeeded(built.run().unwrap());
    assert_eq!(notices(&built), ["no rule in `tags` gives a tag for this run: the image gets no name"]);
    assert_eq!(built.output("imageReferences"), None);
}

#[test]
fn a_rule_that_cannot_be_used_stops_the_step_before_the_build() {
    let world = World::new(Store::Containerd);
    let outcome = step(&world, "refs/heads/main", &unique("tagged"), "type=edge").run().unwrap();
    assert_eq!(
        only_error(&outcome),
        "rule `type=edge` in `tags` gives no image tag\n  caused by: the default branch is not known: Azure Pipelines \
         tells it to no task\n\nhint: name it by the input `defaultBranch`, e.g. `defaultBranch: main`"
    );
    let named =
        step(&world, "refs/heads/main", &unique("tagged"), "type=edge").input("defaultBranch", "main");
    let references = succeeded(named.run().unwrap()).output("imageReferences").unwrap().to_owned();
    assert!(references.ends_with(":edge"), "{references}");
}

#[test]
fn an_image_says_what_it_is_unless_the_user_does() {
    let world = World::new(Store::Containerd);
    let repository = unique("tagged");
    let outcome = succeeded(
        step(&world, "refs/tags/v1.2.3", &repository, "type=ref,event=tag")
            .input("ociLabels", "true")
            .input("ociAnnotations", "true")
            .input(
                "labels",
                "org.opencontainers.image.title=My service\norg.opencontainers.image.licenses=MIT",
            )
            .input("addBaseImageData", "false")
            .input("addPipelineData", "false")
            .input("sourceDateEpoch", "1700000000")
            .run()
            .unwrap(),
    );
    let page = format!("{}fabrikam/_git/fabrikam-fiber", world.sandbox.collection_url());
    let pairs = |title: &str| {
        serde_json::json!({
            "org.opencontainers.image.created": "2023-11-14T22:13:20.000Z",
            "org.opencontainers.image.revision": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
            "org.opencontainers.image.source": page,
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.url": page,
            "org.opencontainers.image.version": "v1.2.3",
        })
    };
    let (_, manifest) = world.manifest(&repository, "v1.2.3").unwrap();
    assert_eq!(manifest["annotations"], pairs("fabrikam-fiber"));
    let reference = outcome.output("imageReferences").unwrap().split(',').next().unwrap();
    let labels = world.docker(&["image", "inspect", "--format", "{{json .Config.Labels}}", reference]);
    let mut labels: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&labels).unwrap();
    labels.retain(|key, _| key.starts_with("org.opencontainers."));
    let mut expected = pairs("My service");
    expected["org.opencontainers.image.licenses"] = "MIT".into();
    assert_eq!(serde_json::Value::from(labels), expected);
}
