//! Secrets that are in an attestation or an annotation alone: in nothing that runs, and yet with everybody who has the
//! image. Of the engine's stores only containerd's has them.

use feedbuild_agent::{Outcome, Step, TaskResult};
use feedbuild_suites::canary::canary;
use feedbuild_suites::{REGISTRY_ID, Relay, Store, World, only_error, succeeded, unique};

const REPOSITORY: &str = "attested";

/// A world whose job has a secret, and that secret.
fn world() -> (World, String) {
    let (world, key) = (World::new(Store::Containerd), canary("key"));
    world.job.set_secret_variable("apiKey", &key);
    (world, key)
}

/// A step that builds a Dockerfile anew and pushes.
fn step(world: &World, dockerfile: &str) -> Step {
    let step = world.build_step(dockerfile).input("command", "buildAndPush").input("noCache", "true");
    step.input("containerRegistry", REGISTRY_ID).input("repository", REPOSITORY).input("tags", "1")
}

/// A check that the image holds the secret in its provenance, and nowhere else: without that the step does well.
fn is_in_provenance_alone(dockerfile: &str, key: &str, world: &World, found: &[(&str, &str)]) {
    let provenance = |mode| step(world, dockerfile).input("provenance", mode).run().unwrap();
    succeeded(provenance("mode=min"));
    world.move_tag(REPOSITORY, "kept", "1");
    let (before, _) = world.manifest(REPOSITORY, "1").unwrap();
    let relay = Relay::on_port(&world.engine);
    let engines = [world.engine.clone(), relay.address().to_owned()];
    for engine in engines {
        // The files of the store are read, or its stream.
        world.job.set_host_env("DOCKER_HOST", &engine);
        let outcome = provenance("mode=max");
        assert_eq!(outcome.result, TaskResult::Failed, "{}", outcome.log_text());
        assert_eq!(leaks(&outcome), found);
        assert!(outcome.errors().last().unwrap().starts_with("the image holds a secret of this job; "));
        assert_eq!(world.manifest(REPOSITORY, "1").unwrap().0, before, "the tag was moved");
        let shown = outcome.raw.iter().filter(|line| !line.contains("task.setsecret"));
        assert_eq!(shown.filter(|line| line.contains(key)).count(), 0);
    }
}

/// The line of the Dockerfile and the place of each finding; each says what to do about it.
fn leaks(outcome: &Outcome) -> Vec<(&str, &str)> {
    let found = outcome.issues.iter().filter_map(|issue| {
        let (_, place) = issue.message.split_once("secret variable `apiKey` is in the image, ")?;
        let mend = ": provenance of `mode=max` holds the Dockerfile, comments too, and what all of its stages run; take the \
                    value out of it, or write `provenance: mode=min`";
        let line = issue.properties.iter().find(|(key, _)| key == "linenumber")?;
        Some((line.1.as_str(), place.strip_suffix(mend)?))
    });
    found.collect()
}

const SOURCE: &str = "in base64, in `predicate.metadata.https://mobyproject.org/buildkit@v1#metadata.source.infos[0].data` of \
                      the provenance attestation";

#[test]
fn a_comment_is_in_the_provenance_alone() {
    let (world, key) = world();
    let dockerfile =
        format!("FROM feedbuild-test/base\n# once it was {key}\nRUN echo {} >/made\n", unique("made"));
    is_in_provenance_alone(&dockerfile, &key, &world, &[("2", SOURCE)]);
}

#[test]
fn what_another_stage_runs_is_in_the_provenance_alone() {
    let (world, key) = world();
    let dockerfile = format!(
        "FROM feedbuild-test/base AS made\nRUN <<END\nexport KEY={key}\necho {} >/made\nEND\nFROM feedbuild-test/base\n\
         COPY --from=made /made /\n",
        unique("made")
    );
    let arguments = "as it is, in `predicate.buildConfig.llbDefinition[1].op.Op.exec.meta.args[2]` of the provenance \
                     attestation";
    is_in_provenance_alone(&dockerfile, &key, &world, &[("3", arguments), ("3", SOURCE)]);
}

/// Annotations come from inputs alone, and there a secret is refused; one that may be a word is let through, and found.
#[test]
fn a_secret_in_an_annotation() {
    let (world, key) = world();
    world.job.set_secret_variable("stage", "production-site");
    let places = ["manifest", "index", "manifest-descriptor"];
    let annotated = |value: &str| {
        let annotations: Vec<String> =
            places.iter().map(|place| format!("{place}:note.{place}={value}")).collect();
        let step = step(&world, "FROM feedbuild-test/base\nRUN true\n").input("provenance", "mode=min");
        step.input("annotations", &annotations.join("\n")).run().unwrap()
    };
    assert_eq!(
        only_error(&annotated(&key)),
        "annotation `manifest:note.manifest` holds a secret of this job; everybody who has the image, or an account on the \
         agent, could read it\n\nhint: mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by \
         `secrets` or `secretEnvs`"
    );
    let outcome = succeeded(annotated("the production-site"));
    let annotation =
        |warning: &&str| warning.split("the annotation `").nth(1)?.split('`').next().map(str::to_owned);
    let mut found: Vec<String> = outcome.warnings().iter().filter_map(annotation).collect();
    found.sort();
    assert_eq!(found, ["note.index", "note.manifest", "note.manifest-descriptor"]);
}
