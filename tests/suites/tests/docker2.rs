//! What a pipeline that has used `Docker@2` finds again: labels, variables, files and records.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use feedbuild_agent::Step;
use feedbuild_sandbox::Fault;
use feedbuild_suites::{AGENTS, Client, REGISTRY_ID, Store, TOKEN, World, only_error, succeeded, unique};

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

/// An image of the engine's store that no other test has pushed; its name, and its digest if it has any.
fn own_base(world: &World) -> (String, Option<String>) {
    let name = unique("base");
    world.source("base/Dockerfile", &format!("FROM feedbuild-test/base\nLABEL name={name}\n"));
    let folder = world.job.sources_dir().join("base");
    world.docker(&["buildx", "build", "--provenance=false", "--tag", &name, folder.to_str().unwrap()]);
    let digests = world.docker(&["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", &name]);
    let digest = digests.split(' ').find_map(|it| it.strip_prefix(&format!("{name}@"))).map(str::to_owned);
    (name, digest)
}

#[test]
fn an_image_says_where_it_is_from() {
    for (store, client) in AGENTS {
        let world = World::new(store);
        let (base, digest) = own_base(&world);
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
            ("name", &base),
            ("image.base.ref.name", &base),
        ]);
        // In the classic store only an image that was pulled has a digest.
        assert_eq!(digest.is_some(), store == Store::Containerd);
        expected.extend(digest.map(|digest| ("image.base.digest".to_owned(), digest)));
        let dockerfile = BASE.replace("feedbuild-test/base", &base);
        assert_eq!(labels(&world, &world.build_step(&dockerfile)), expected, "{store:?}, {client:?}");
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

/// The platform of this machine, as images name it.
fn platform() -> String {
    let architecture = std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64");
    format!("linux/{architecture}")
}

/// The text of a file of the agent's temp folder, named `PREFIX…SUFFIX`.
fn kept(world: &World, path: &str, prefix: &str, suffix: &str) -> String {
    let name = path.strip_prefix(&format!("{}/{prefix}", world.job.temp_dir().display())).expect(path);
    assert!(name.ends_with(suffix) && !name.contains('/'), "{path}");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn later_steps_find_what_was_built_and_said() {
    for (store, client) in AGENTS {
        let (world, repository) = (World::new(store), unique("outputs"));
        world.use_client(client);
        let step = world
            .build_step(&format!(
                "{BASE}RUN --mount=type=secret,id=own echo \"{repository} $(cat /run/secrets/own) ##vso[task.complete]\"\n"
            ))
            .input("command", "buildAndPush")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &repository)
            .input("secrets", "own=canary-own-s3cret")
            .input("tags", "1\nlatest");
        let outcome = succeeded(step.run().unwrap());
        step.run_post_job().unwrap();

        let output = |name| outcome.output(name).unwrap();
        let (digest, id) = world.held(&repository, "1").unwrap();
        let names = ["1", "latest"].map(|tag| format!("{}/{repository}:{tag}", world.registry.host()));
        assert_eq!(output("imageDigest"), digest);
        assert_eq!(output("imageId"), id);
        assert_eq!(output("imageReferences"), names.join(","));
        assert_eq!(output("imageTags"), "1,latest");
        assert_eq!(output("imageDigests"), format!("{{\"{}\":\"{digest}\"}}", platform()));
        let build_ref = outcome.output("buildRef");
        assert_eq!(build_ref.is_some(), client == Client::Buildx, "{build_ref:?}");

        let metadata = kept(&world, output("metadataFile"), "DockerBuildWithFeeds-", ".json");
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        for (key, value) in [
            ("containerimage.digest", digest.as_str()),
            ("containerimage.config.digest", &id),
            ("image.name", &names.join(",")),
        ] {
            assert_eq!(metadata[key], value, "{metadata:#}");
        }
        assert_eq!(metadata["buildx.build.ref"].as_str(), build_ref);

        let (build, push) = output("DockerOutput").split_once('\n').unwrap();
        let said = kept(&world, build, "task_outputs/build_", ".txt");
        let line = format!(" {repository} *** **vso[task.complete]\n");
        assert!(said.contains(&line) && !said.contains("canary-own-s3cret"), "{said}");
        let said = kept(&world, push, "task_outputs/push_", ".txt");
        let compared = match store {
            Store::Containerd => String::new(),
            Store::Classic => format!(", with the config {id}"),
        };
        for name in &names {
            let line = format!("{name} is {digest}{compared}, as built\n");
            assert!(said.contains(&line) && !said.contains("[internal]"), "{said}");
        }
    }
}

#[test]
fn each_platform_has_a_digest() {
    let (world, repository) = (World::new(Store::Containerd), unique("platforms"));
    let step = || {
        world
            .build_step("FROM scratch\nCOPY Dockerfile /\n")
            .input("platforms", "linux/amd64,linux/arm/v7")
            .input("repository", &repository)
            .input("containerRegistry", REGISTRY_ID)
            .input("tags", "1")
    };
    let built = succeeded(step().run().unwrap());
    let digests: BTreeMap<String, String> =
        serde_json::from_str(built.output("imageDigests").unwrap()).unwrap();
    assert_eq!(digests.keys().collect::<Vec<_>>(), ["linux/amd64", "linux/arm/v7"]);
    assert_eq!(built.output("imageId"), None);
    let pushed = succeeded(step().input("command", "push").run().unwrap());
    for digest in digests.values() {
        assert!(world.held(&repository, digest).is_some(), "{digest}");
    }
    for name in ["imageDigest", "imageDigests", "imageReferences", "imageTags"] {
        assert_eq!(built.output(name), pushed.output(name), "{name}");
    }
}

#[test]
fn the_metadata_file_may_be_of_another_shape() {
    let cases = [
        (
            "rm $file",
            Err(
                "the docker client did not say which image it built\n  caused by: No such file or directory (os error 2)",
            ),
        ),
        (
            ": >$file",
            Err("buildx's metadata file is empty\n  caused by: EOF while parsing a value at line 1 column 0"),
        ),
        (
            "echo '[]' >$file",
            Err(
                "buildx's metadata file is no JSON object\n  caused by: invalid type: sequence, expected a map at line 1 column 0",
            ),
        ),
        (
            "echo '{\"buildx.build.ref\": \"a/b/c\"}' >$file",
            Err("buildx's metadata file does not say which image was built"),
        ),
        // As of a buildx to come: the image by its descriptor alone, and keys that nobody knows.
        (
            "sed -i 's/\"containerimage.digest\": \"[^\"]*\"/\"containerimage.digest\": {\"new\": [null]}, \"new\": {}/' $file",
            Ok(()),
        ),
    ];
    for (change, expected) in cases {
        let world = World::new(Store::Containerd);
        world.use_plugin(&format!(
            "$BUILDX \"$@\" || exit\nfor argument; do case $argument in --metadata-file=*) file=${{argument#*=}};; esac; done\n\
             [ -z \"$file\" ] || {change}"
        ));
        let outcome = world.build_step(BASE).run().unwrap();
        match expected {
            Ok(()) => {
                let outcome = succeeded(outcome);
                let image = outcome.output("imageReferences").unwrap();
                let id = world.docker(&["image", "inspect", "--format", "{{.Id}}", image]);
                assert_eq!(outcome.output("imageDigest"), Some(id.as_str()));
            }
            Err(error) => assert_eq!(only_error(&outcome), error, "{change}"),
        }
    }
}

/// A step that builds something of its own and pushes it under two tags.
fn push_step(world: &World, repository: &str) -> Step {
    world
        .build_step(&format!("{BASE}COPY Dockerfile /\nRUN echo {repository} >/name\n"))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", "1,latest")
}

/// The record that the service has got for the project, with what differs from run to run as words.
fn record(world: &World, repository: &str) -> serde_json::Value {
    let requests = world.sandbox.requests_to("imagedetails");
    let [request] = &requests[..] else { panic!("not one record: {requests:#?}") };
    assert_eq!(
        request.target,
        "/contoso/my%20project/_apis/deployment/imagedetails?api-version=5.0-preview.1"
    );
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    let text = text
        .replace(&world.sandbox.authority(), "SANDBOX")
        .replace(&world.registry.host(), "REGISTRY")
        .replace(&world.job.sources_dir().display().to_string(), "SOURCES")
        .replace(repository, "APP");
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    for layer in record["layerInfo"].as_array_mut().unwrap() {
        let created = layer["createdOn"].take();
        assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
        let size = layer["size"].take();
        size.as_str().unwrap().strip_suffix('B').unwrap().parse::<u64>().unwrap();
    }
    record
}

#[test]
fn a_push_is_recorded_with_the_service() {
    for (store, client) in AGENTS {
        let (world, repository) = (World::new(store), unique("record"));
        world.use_client(client);
        world.job.set_variable("System.TeamProject", "my project");
        let outcome = succeeded(push_step(&world, &repository).run().unwrap());
        assert_eq!((outcome.warnings(), world.job.variable("image.RESOURCE_URIS")), (vec![], None));
        let digest = outcome.output("imageDigest").unwrap();
        let uri = world.job.variable("RESOURCE_URIS").unwrap().value;
        assert_eq!(uri, format!("https://{}/{repository}@{digest}", world.registry.host()));

        let mut record = record(&world, &repository);
        let hash = digest.strip_prefix("sha256:").unwrap();
        let uri = format!("https://REGISTRY/APP@{digest}");
        let print = record["imageFingerPrint"].take();
        let blobs: Vec<&str> =
            print["v2Blobs"].as_array().unwrap().iter().map(|blob| blob.as_str().unwrap()).collect();
        assert_eq!(blobs.len(), 3, "{print}");
        assert_eq!(print["v2Name"].as_str().unwrap(), hex(&blobs.join(" ")));
        // The id of the store: that of the manifest or of the config.
        let id = outcome.output(if store == Store::Containerd { "imageDigest" } else { "imageId" });
        assert_eq!(print["v1Name"].as_str(), id.unwrap().strip_prefix("sha256:"));
        let size = record["imageSize"].take();
        assert!(
            size.as_str().unwrap().strip_suffix('B').unwrap().parse::<u64>().unwrap() > 1_000_000,
            "{size}"
        );
        let layer = |directive: &str, arguments: &str| serde_json::json!({"directive": directive, "arguments": arguments, "createdOn": null, "size": null});
        let labels = [
            "system.teamfoundationcollectionuri=http://SANDBOX/contoso/",
            "system.teamproject=my project",
            "build.repository.name=fabrikam-fiber",
            "build.sourceversion=6dcb09b5b57875f334f61aebed695e2e4193db5e",
            "build.repository.uri=http://SANDBOX/contoso/fabrikam/_git/fabrikam-fiber",
            "build.sourcebranchname=main",
            "build.definitionname=fabrikam-fiber",
            "build.buildnumber=20260105.3",
            "build.builduri=vstfs:///Build/Build/20240",
        ];
        assert_eq!(
            record,
            serde_json::json!({
                "imageName": uri,
                "imageUri": uri,
                "hash": hash,
                "baseImageName": "feedbuild-test/base",
                "distance": 3,
                "imageType": "",
                "mediaType": "",
                "tags": ["1", "latest"],
                "layerInfo": [
                    layer("RUN", ""),
                    layer("COPY", "Dockerfile /"),
                    layer("RUN", "/bin/sh -c echo APP >/name"),
                ],
                "runId": 20240,
                "pipelineVersion": "20260105.3",
                "pipelineName": "fabrikam-fiber",
                "pipelineId": "12",
                "jobName": "Job",
                "imageSize": null,
                "creator": "jo@fabrikam.example",
                "logsUri": "http://SANDBOX/contoso/my%20project/_build/results?buildId=20240",
                "artifactStorageSourceUri": "http://SANDBOX/contoso/my%20project/_build?definitionId=12",
                "contextUrl": "http://SANDBOX/contoso/fabrikam/_git/fabrikam-fiber",
                "revisionId": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
                "buildOptions": {
                    "dockerFilePath": "SOURCES/Dockerfile",
                    "labels": labels.map(|label| format!("1.0.0.127.image.{label}")).join(", "),
                    "tags": "1, latest",
                    "context": "SOURCES",
                },
                "repositoryTypeName": "TfsGit",
                "repositoryId": "5febef5a-833d-4e14-b9c0-14cb638f91e6",
                "repositoryName": "fabrikam-fiber",
                "branch": "main",
                "imageFingerPrint": null,
            }),
            "{store:?}, {client:?}"
        );
    }
}

fn hex(text: &str) -> String {
    use sha2::Digest as _;
    format!("{:x}", sha2::Sha256::digest(text))
}

#[test]
fn a_build_records_nothing_and_a_push_alone_does() {
    let (world, repository) = (World::new(Store::Containerd), unique("split"));
    world.job.set_variable("System.TeamProject", "my project");
    succeeded(push_step(&world, &repository).input("command", "build").run().unwrap());
    assert_eq!((world.sandbox.requests().len(), world.job.variable("RESOURCE_URIS")), (0, None));
    succeeded(push_step(&world, &repository).input("command", "push").run().unwrap());
    let record = record(&world, &repository);
    assert_eq!((&record["baseImageName"], &record["distance"]), (&"NA".into(), &3.into()));
    assert_eq!(record["buildOptions"]["dockerFilePath"], "");
}

#[test]
fn a_record_that_fails_is_a_warning() {
    let took = "the pushed image is not recorded for environments and traceability\n  caused by: ";
    let slow = std::time::Duration::from_mins(1);
    let cases = [
        (
            Fault::Status(401),
            usize::MAX,
            "`SANDBOX` did not take the record of an image (401): Unauthorized (by order)",
        ),
        (
            Fault::Status(403),
            usize::MAX,
            "`SANDBOX` did not take the record of an image (403): Forbidden (by order)",
        ),
        (
            Fault::Status(404),
            usize::MAX,
            "`SANDBOX` did not take the record of an image (404): Not Found (by order)",
        ),
        (
            Fault::Status(500),
            usize::MAX,
            "`SANDBOX` did not take the record of an image (500): Internal Server Error (by order)",
        ),
        (Fault::Status(500), 1, ""),
        (
            Fault::SignIn(203),
            1,
            "`SANDBOX` answered the request for the record of an image with its sign-in page (203)",
        ),
        (
            Fault::Redirect("http://127.0.0.2:1/".to_owned()),
            1,
            "`SANDBOX` did not take the record of an image (302)",
        ),
        (Fault::Html, 1, "`SANDBOX` did not take the record of an image (200)"),
        (Fault::Delay(slow), 1, "no answer within 20 s\n  caused by: deadline has elapsed"),
    ];
    std::thread::scope(|scope| {
        for (fault, count, cause) in cases {
            scope.spawn(move || {
                let (world, repository) = (World::new(Store::Containerd), unique("unrecorded"));
                world.sandbox.fault("imagedetails", fault.clone(), count);
                let outcome = push_step(&world, &repository).run().unwrap();
                let warnings: Vec<String> = outcome
                    .warnings()
                    .iter()
                    .map(|text| text.replace(&world.sandbox.authority(), "SANDBOX"))
                    .collect();
                let expected = if cause.is_empty() { vec![] } else { vec![format!("{took}{cause}")] };
                assert_eq!(warnings, expected, "{fault:?}");
                let outcome = succeeded(outcome);
                assert!(world.held(&repository, "latest").is_some());
                assert!(world.job.variable("RESOURCE_URIS").unwrap().value.contains(&repository));
                assert_eq!(outcome.output("imageTags"), Some("1,latest"));
            });
        }
    });
}
