//! What a build prints and how it fails: the log, the one issue, and Dockerfiles that are not there.

use feedbuild_agent::Outcome;
use feedbuild_suites::{Store, World, only_error, succeeded};

/// The one error of the step, in which the job's folder is `JOB`.
fn error(world: &World, outcome: &Outcome) -> String {
    only_error(outcome).replace(&world.job.root_dir().display().to_string(), "JOB")
}

#[test]
fn a_dockerfile_that_is_not_there() {
    let world = World::new(Store::Containerd);
    let step = |pattern: &str| {
        world.step().input("command", "build").input("repository", "app").input("Dockerfile", pattern)
    };
    for (pattern, expected) in [
        (
            "app/Dockerfile",
            "`Dockerfile: app/Dockerfile` is no file: `JOB/_work/1/s/app/Dockerfile`\n\nhint: set `Dockerfile` to the file's path \
             from `JOB/_work/1/s`",
        ),
        (
            "**/Dockerfile",
            "`Dockerfile: **/Dockerfile` matches no file below `JOB/_work/1/s`\n\nhint: set `Dockerfile` to the file's path in the \
             sources; with `checkout: none` there are none",
        ),
    ] {
        let outcome = step(pattern).run().unwrap();
        assert_eq!(error(&world, &outcome), expected);
    }
    world.source("b/Dockerfile", "FROM scratch\n");
    world.source("a/Dockerfile", "FROM scratch\n");
    let outcome = step("**/Dockerfile").run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "`Dockerfile: **/Dockerfile` matches 2 files: `a/Dockerfile`, `b/Dockerfile`\n\nhint: name one of them, as in \
         `Dockerfile: a/Dockerfile`"
    );
    assert!(outcome.summaries().concat().starts_with("### Build failed\n"));
}

#[test]
fn a_command_that_fails_is_one_concise_issue() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        let dockerfile = "FROM feedbuild-test/base AS tests\n\
            RUN for i in $(seq 500); do echo \"ERROR: line $i\" >&2; done; exit 3\n\
            FROM feedbuild-test/base\n\
            COPY --from=tests /none /none\n";
        let outcome = world.build_step(dockerfile).run().unwrap();
        assert_eq!(
            error(&world, &outcome),
            "Dockerfile(2,): error : the build failed (exit code 1)\n  caused by: process \"/bin/sh -c for i in $(seq 500); do echo \\\"ERROR: line $i\\\" \
             >&2; done; exit 3\" did not complete successfully: exit code: 3"
        );
        assert!(outcome.log.iter().any(|line| line.ends_with("ERROR: line 500")), "{}", outcome.log_text());
        assert_eq!(outcome.warning_count, 0);
        assert_eq!(outcome.output_variables, []);
    }
}

#[test]
fn a_dockerfile_that_cannot_be_parsed_says_where() {
    let world = World::new(Store::Containerd);
    let outcome = world.build_step("FROM feedbuild-test/base\nRUM true\n").run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "Dockerfile(2,): error : the build failed (exit code 1)\n  caused by: dockerfile parse error on line 2: unknown instruction: RUM (did you mean \
         RUN?)"
    );
}

/// Prints logging commands in every way that a program of a base image has.
const COMMANDS: &str = "#!/bin/sh
command='##vso[task.setvariable variable=pwned;isOutput=true]yes'
echo \"$command\"
echo \"  $command\" >&2
printf 'progress\\r%s\\rmore\\n' \"$command\"
printf '%s\\r' \"$command\" >&2
echo '##[error]not from us'
echo '##VSO[task.complete result=Succeeded;]'
";

#[test]
fn a_base_image_cannot_give_the_agent_commands() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        world.source("print", COMMANDS);
        let dockerfile = "FROM feedbuild-test/base AS base\n\
            COPY print /print\n\
            FROM base\n\
            RUN sh /print\n\
            RUN echo '##vso[task.setvariable variable=pwned]from the Dockerfile'\n";
        let outcome = succeeded(world.build_step(dockerfile).input("noCache", "true").run().unwrap());
        assert_eq!((world.job.variable("pwned"), world.job.variable("image.pwned")), (None, None));
        let mut shown: Vec<&str> = outcome
            .log
            .iter()
            .filter(|line| line.contains("vso[") || line.contains("VSO["))
            .map(|line| line.split_once("**").map_or(line.as_str(), |(_, command)| command))
            .collect();
        shown.sort_unstable();
        let dockerfile = "vso[task.setvariable variable=pwned]from the Dockerfile";
        let program = "vso[task.setvariable variable=pwned;isOutput=true]yes";
        let echoed = format!("{dockerfile}'");
        assert_eq!(
            shown,
            ["VSO[task.complete result=Succeeded;]", program, program, program, program, dockerfile, &echoed]
        );
        let set = outcome.commands.iter().filter(|command| command.event == "setvariable");
        let names: Vec<_> = set.filter_map(|command| command.property("variable")).collect();
        let ours =
            ["imageId", "imageReferences", "imageTags", "buildRef", "metadataFile", "DockerOutput"].to_vec();
        // The classic store has no digest before a push.
        let digests = ["imageDigest", "imageDigests"].into_iter().filter(|_| store == Store::Containerd);
        assert_eq!(names, digests.chain(ours).collect::<Vec<_>>());
        assert_eq!((outcome.error_count, outcome.warning_count), (0, 0));
    }
}

#[test]
fn large_variables_of_the_job_reach_the_build_whole() {
    let world = World::new(Store::Containerd);
    let large = "0123456789".repeat(10_000);
    for number in 0..5 {
        world.job.set_variable(&format!("LARGE_{number}"), &large);
    }
    let outcome = world
        .build_step("FROM feedbuild-test/base\nRUN --mount=type=secret,id=large echo $(wc -c </run/secrets/large) bytes\n")
        .input("secretEnvs", "large=LARGE_0")
        .input("noCache", "true")
        .run()
        .unwrap();
    let outcome = succeeded(outcome);
    assert!(outcome.log.iter().any(|line| line.ends_with(" 100000 bytes")), "{}", outcome.log_text());
}
