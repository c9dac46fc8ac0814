//! Text from outside that tries to be a command to the agent: inputs, names of files, instructions, and what servers say.

use feedbuild_agent::{Outcome, Step, TaskResult};
use feedbuild_sandbox::Fault;
use feedbuild_suites::{REGISTRY_ID, Store, World, unique};

/// What would set a variable, and two ways to hide it.
const COMMAND: &str = "##vso[task.setvariable variable=pwned]yes";
const SHOUTED: &str = "###VSO[task.setvariable variable=pwned]yes";

/// No line but ours is a command, none holds two, and the text is there, made harmless, `count` times at least.
fn assert_harmless(world: &World, outcome: &Outcome, result: TaskResult, count: usize) {
    assert_eq!(outcome.result, result, "{}", outcome.log_text());
    assert_eq!(world.job.variable("pwned"), None);
    for line in &outcome.raw {
        let commands = line.to_ascii_lowercase().matches("##vso").count();
        assert_eq!(commands, usize::from(line.starts_with("##vso[")), "{line}");
    }
    let summary = outcome.summaries().concat();
    assert!(!summary.to_ascii_lowercase().contains("##vso"), "{summary}");
    let shown = outcome.raw.iter().filter(|line| line.contains("**vso[") || line.contains("**VSO["));
    let shown = shown.count();
    assert!(shown >= count, "{shown} lines in {:#?}", outcome.raw);
}

fn push_step(world: &World) -> Step {
    world
        .build_step(&format!("FROM feedbuild-test/base\nRUN echo {} >/name\n", unique("foreign")))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", &unique("foreign"))
        .input("tags", "1")
}

#[test]
fn inputs_that_are_refused() {
    for (input, value) in [
        ("tags", COMMAND),
        ("repository", COMMAND),
        ("containerRegistry", SHOUTED),
        ("command", COMMAND),
        ("leakCheck", COMMAND),
        ("leakCheckAllow", COMMAND),
        ("Dockerfile", SHOUTED),
        ("platforms", COMMAND),
    ] {
        let world = World::new(Store::Containerd);
        let outcome = push_step(&world).input(input, &format!("x{value}")).run().unwrap();
        assert_harmless(&world, &outcome, TaskResult::Failed, 1);
    }
}

#[test]
fn labels_arguments_and_instructions() {
    let world = World::new(Store::Containerd);
    let dockerfile =
        format!("FROM feedbuild-test/base\nARG A\nLABEL \"b\"=\"{COMMAND}\"\nRUN echo \"$A {SHOUTED}\"\n");
    let step = world
        .build_step(&dockerfile)
        .input("labels", &format!("a={COMMAND}"))
        .input("annotations", &format!("a={COMMAND}"))
        .input("buildArgs", &format!("A={COMMAND}"))
        .input("noCache", "true");
    assert_harmless(&world, &step.run().unwrap(), TaskResult::Succeeded, 2);
    let outcome = world.build_step(&format!("FROM feedbuild-test/base\n{COMMAND}\nRUM {COMMAND}\n")).run();
    assert_harmless(&world, &outcome.unwrap(), TaskResult::Failed, 1);
    let outcome =
        world.build_step(&format!("FROM feedbuild-test/base\nRUN echo '{COMMAND}'; exit 1\n")).run();
    assert_harmless(&world, &outcome.unwrap(), TaskResult::Failed, 1);
}

#[test]
fn names_of_files_in_the_context_and_in_the_image() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        let secret = "canary-0f-a-file-5ecret";
        world.job.set_secret_variable("own", secret);
        // Two lines in a name.
        world.source(&format!("data/x\n{COMMAND}"), &format!("key = {secret}\n"));
        world.source(&format!("data/y\n{COMMAND}.xz"), "\u{fffd}");
        std::fs::write(world.job.sources_dir().join(format!("data/{SHOUTED}.xz")), b"\xfd7zXZ\0\0\x04")
            .unwrap();
        let outcome = world.build_step("FROM feedbuild-test/base\nCOPY data /data\n").run().unwrap();
        assert_harmless(&world, &outcome, TaskResult::Failed, 2);
        let finding = outcome.errors().into_iter().find(|error| error.contains("is in the image")).unwrap();
        assert!(finding.contains(r"`data/x\n**vso[task.setvariable variable=pwned]yes`"), "{finding}");
    }
}

#[test]
fn what_servers_say() {
    for store in [Store::Containerd, Store::Classic] {
        let message = format!("no {COMMAND}\n{COMMAND}\r{SHOUTED}");
        let world = World::new(store);
        world.registry.fault("PUT /v2/*/manifests/1", Fault::Says(409, message.clone()), usize::MAX);
        let outcome = push_step(&world).run().unwrap();
        assert_harmless(&world, &outcome, TaskResult::Failed, 1);

        let world = World::new(store);
        world.sandbox.fault("packaging/feeds", Fault::Says(403, message.clone()), usize::MAX);
        let outcome = push_step(&world).input("artifactFeeds", "my-private-pypi");
        world.source(
            "Dockerfile",
            "FROM feedbuild-test/base\nRUN --mount=type=secret,id=PIP_INDEX_URL true\n",
        );
        assert_harmless(&world, &outcome.run().unwrap(), TaskResult::Failed, 1);
    }
}
