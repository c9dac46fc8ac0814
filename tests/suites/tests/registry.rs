//! Logins, pushes and what is read back, on both image stores, and registries that refuse, break or lie.

use feedbuild_agent::{Endpoint, Outcome, Step};
use feedbuild_sandbox::Fault;
use feedbuild_suites::{REGISTRY_ID, Store, World, only_error, succeeded, unique};

const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

/// A step that builds something of its own and pushes it.
fn step(world: &World, repository: &str) -> Step {
    world
        .build_step(&format!("FROM feedbuild-test/base\nRUN echo {repository} >/name\n"))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", "1")
}

/// The one error of the step, in which the registry is `REGISTRY`.
fn error(world: &World, outcome: &Outcome) -> String {
    only_error(outcome).replace(&world.registry.host(), "REGISTRY")
}

#[test]
fn every_tag_is_the_image_that_the_outputs_name() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("tags"));
        let outcome = succeeded(step(&world, &repository).input("tags", "1, 1.2\nlatest").run().unwrap());
        let reads = world.registry.requests();
        let (digest, id) = world.held(&repository, "1").unwrap();
        for tag in ["1", "1.2", "latest"] {
            assert_eq!(world.held(&repository, tag).unwrap(), (digest.clone(), id.clone()), "{tag}");
            // What is pushed is read back by its tag, with the login.
            let path = format!("/v2/{repository}/manifests/{tag}");
            let of_tag: Vec<_> = reads.iter().filter(|request| request.path() == path).collect();
            let last = of_tag.last().unwrap();
            assert_eq!((last.method.as_str(), last.status), ("GET", Some(200)), "{tag}: {of_tag:#?}");
            assert!(last.has_authorization());
            assert!(of_tag.iter().any(|request| request.method == "PUT"), "{of_tag:#?}");
        }
        assert_eq!(outcome.output("imageDigest"), Some(digest.as_str()));
        assert_eq!(outcome.output("imageId"), Some(id.as_str()));
        let references =
            ["1", "1.2", "latest"].map(|tag| format!("{}/{repository}:{tag}", world.registry.host()));
        assert_eq!(outcome.output("imageReferences"), Some(references.join(",").as_str()));
        let summary = outcome.summaries().concat();
        assert!(summary.starts_with("### Image built and pushed\n"), "{summary}");
        assert!(summary.contains(&format!("| Digest | `{digest}` |\n| Image id | `{id}` |\n")), "{summary}");
    }
}

#[test]
fn a_push_step_pushes_what_a_build_step_built() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("split"));
        let built = succeeded(step(&world, &repository).input("command", "build").run().unwrap());
        assert_eq!(world.registry.requests().len(), 0, "a build asks nothing of the registry");
        let push = world
            .step()
            .input("command", "push")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &repository)
            .input("tags", "1");
        let pushed = succeeded(push.run().unwrap());
        let (digest, id) = world.held(&repository, "1").unwrap();
        assert_eq!(pushed.output("imageDigest"), Some(digest.as_str()));
        assert_eq!(pushed.output("imageId"), Some(id.as_str()));
        assert_eq!(built.output("imageId"), Some(id.as_str()));
        // The classic store has no manifest before the push.
        let before = (store == Store::Containerd).then_some(digest.as_str());
        assert_eq!(built.output("imageDigest"), before);
        let summary = built.summaries().concat();
        let row = match before {
            Some(digest) => format!("| Digest | `{digest}` |"),
            None => "| Digest | none before a push: the engine's store keeps no manifests |".to_owned(),
        };
        assert!(summary.starts_with("### Image built\n") && summary.contains(&row), "{summary}");
    }
}

#[test]
fn a_push_of_what_was_never_built() {
    for store in STORES {
        let world = World::new(store);
        let push = world
            .step()
            .input("command", "push")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", "never-built")
            .input("tags", "1");
        assert_eq!(
            error(&world, &push.run().unwrap()),
            "the engine has no image `REGISTRY/never-built:1` to push\n\nhint: build it before on the same agent, by \
             `command: build` with the same `containerRegistry`, `repository` and `tags`, or use `command: buildAndPush`"
        );
    }
}

#[test]
fn a_login_that_is_refused_stops_the_step_before_the_build() {
    for store in STORES {
        let world = World::new(store);
        let wrong = "canary-wrong-Pa55word";
        world.job.add_endpoint(Endpoint {
            id: "wrong".into(),
            url: "https://hub.example/".into(),
            scheme: "UsernamePassword".into(),
            parameters: [
                ("registry", format!("http://{}", world.registry.host()).as_str()),
                ("username", "ci"),
                ("password", wrong),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            data: [("registrytype".to_owned(), "Others".to_owned())].into(),
        });
        let outcome = step(&world, "app").input("containerRegistry", "wrong").run().unwrap();
        // The agent masks the user name, and the registry's URL, as all parameters of a service connection.
        let refused = "registry `REGISTRY` refused the login\n  caused by: the Docker engine says: login attempt to \
                       ***/v2/ failed with status: STATUS (500)\n\nhint: check that user `***` of the service connection \
                       in `containerRegistry` has the right password and may push to `REGISTRY/app`";
        assert_eq!(error(&world, &outcome), refused.replace("STATUS", "401 Unauthorized"));
        assert!(!outcome.raw.iter().any(|line| line.contains("Building")));

        world.registry.refuse(403);
        let outcome = step(&world, "app").run().unwrap();
        assert_eq!(error(&world, &outcome), refused.replace("STATUS", "403 Forbidden"));
        assert!(!outcome.raw.iter().any(|line| line.contains("Building")));
    }
}

#[test]
fn a_registry_that_fails_at_the_second_of_three_tags() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("partly"));
        world.registry.fault("PUT /v2/*/manifests/two", Fault::Status(403), usize::MAX);
        let outcome = step(&world, &repository).input("tags", "one,two,three").run().unwrap();
        let cause = if store == Store::Classic { "denied" } else { "error from registry" };
        assert_eq!(
            error(&world, &outcome).replace(&repository, "app"),
            format!(
                "cannot push `REGISTRY/app:two` (pushed: REGISTRY/app:one)\n  caused by: registry `REGISTRY` refused the \
                 push\n  caused by: {cause}: Forbidden (by order)\n\nhint: check that user `***` of the service \
                 connection in `containerRegistry` has the right password and may push to `REGISTRY/app`"
            )
        );
        assert!(world.held(&repository, "one").is_some());
        assert!(world.held(&repository, "three").is_none());
    }
}

#[test]
fn a_registry_that_holds_something_else_than_was_pushed() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("other"));
        let other = r#"{"schemaVersion": 2, "config": {"digest": "sha256:0000"}, "layers": []}"#;
        world.registry.fault("GET /v2/*/manifests/1", Fault::Json(other.to_owned()), usize::MAX);
        let outcome = step(&world, &repository).run().unwrap();
        let error = error(&world, &outcome).replace(&repository, "app");
        let (before, built) = error.split_once(" instead of sha256:").unwrap();
        let found = match store {
            // The digest of the text above.
            Store::Containerd => {
                "manifest sha256:9781e4813753ad9b820e84769457832e9944fc8b111f645d34fe9e43aa440e3d"
            }
            Store::Classic => "config sha256:0000",
        };
        assert_eq!(
            before,
            format!(
                "cannot verify `REGISTRY/app:1` (pushed: REGISTRY/app:1)\n  caused by: the registry does not hold what \
                 was built: {found}"
            )
        );
        assert_eq!(
            &built[64..],
            "\n\nhint: somebody else may have pushed the same tag meanwhile; use a tag of this run alone, such as \
             `$(Build.BuildId)`"
        );
        assert_eq!(outcome.output_variables, []);
    }
}

#[test]
fn a_manifest_that_cannot_be_read_back() {
    let faults = [
        (Fault::Status(404), "the registry answered 404 for `REGISTRY/app:1`: Not Found (by order)"),
        (Fault::Html, "the registry's manifest is no JSON\n  caused by: expected value at line 1 column 1"),
    ];
    for (fault, cause) in faults {
        let (world, repository) = (World::new(Store::Containerd), unique("unread"));
        world.registry.fault("GET /v2/*/manifests/1", fault, usize::MAX);
        let outcome = step(&world, &repository).run().unwrap();
        assert_eq!(
            error(&world, &outcome).replace(&repository, "app"),
            format!("cannot verify `REGISTRY/app:1` (pushed: REGISTRY/app:1)\n  caused by: {cause}")
        );
    }
}

#[test]
fn what_is_no_place_to_push_to() {
    let world = World::new(Store::Containerd);
    let cases = [
        (
            "repository",
            "App:1",
            "`repository: App:1` holds a tag\n\nhint: write `repository: App` and `tags: 1`",
        ),
        (
            "repository",
            "-app",
            "`repository: -app` is no image repository\n\nhint: write it like `repository: team/app`: letters and \
             digits, with `.`, `_` or `-` only between them",
        ),
        (
            "repository",
            "",
            "input `repository` is empty, so there is nowhere to push to\n\nhint: set `repository`, e.g. `repository: \
             my-service`, or build without a push by `command: build`",
        ),
        (
            "tags",
            "feature/x",
            "`feature/x` in `tags` is no image tag\n\nhint: a tag has no `/`: write `repository: feature/x` if it is a \
             repository, `tags: feature-x` if it is a tag",
        ),
        ("tags", "app:1", "`app:1` in `tags` is no image tag\n\nhint: write `repository: app` and `tags: 1`"),
        (
            "containerRegistry",
            "",
            "no registry to push `app` to: `containerRegistry` is not set\n\nhint: set `containerRegistry` to a Docker \
             registry service connection, or name the registry in `repository` (`docker.io/` for Docker Hub), or build \
             without a push by `command: build`",
        ),
        (
            "containerRegistry",
            "no-such-connection",
            "input `containerRegistry`: service connection `no-such-connection` is not known to this job\n\nhint: use the \
             name of a service connection that this pipeline is authorized to use (Project settings > Service \
             connections)",
        ),
        (
            "command",
            "publish",
            "input `command` does not know `publish`\n\nhint: write `buildAndPush`, `build` or `push`; for `login`, \
             `logout`, `start`, `stop` and other docker commands use the task `Docker@2`",
        ),
    ];
    for (input, value, expected) in cases {
        let outcome = step(&world, "app").input(input, value).run().unwrap();
        assert_eq!(error(&world, &outcome), expected, "`{input}: {value}`");
    }
    assert_eq!(world.registry.requests().len(), 0);
}
