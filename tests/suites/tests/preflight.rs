//! What is looked at before a build: credentials in what is copied, declared and given in plain sight.

use feedbuild_agent::Outcome;
use feedbuild_suites::{Store, World, only_error, succeeded};

const COPY_ALL: &str = "FROM feedbuild-test/base\n\nCOPY . /app\n";

/// As the task `NpmAuthenticate` leaves it.
const NPMRC: &str = "registry=https://pkgs.example/_packaging/shared/npm/registry/\n\
                     //pkgs.example/_packaging/shared/npm/registry/:_authToken=npm-auth-t0ken\n";

const NPMRC_TOLD: &str = "Dockerfile(3,): warning : `COPY .` copies `.npmrc` from the build context into stage `stage-0`, and there is a \
     credential in it: `//pkgs.example/_packaging/shared/npm/registry/:_authToken`; list the file in `.dockerignore` and mount \
     the secret `npmrc` in the `RUN` that needs it (the task `NpmAuthenticate` writes it there)";

/// The warnings. The agent puts the file and the line before those that have one.
fn told(world: &World, outcome: &Outcome) -> Vec<String> {
    let dockerfile = world.job.sources_dir().join("Dockerfile").display().to_string();
    for issue in outcome.issues.iter().filter(|issue| issue.message.starts_with("Dockerfile(")) {
        assert!(issue.properties.contains(&("sourcepath".to_owned(), dockerfile.clone())), "{issue:?}");
    }
    outcome.warnings().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_credential_that_would_be_copied_is_told() {
    let world = World::new(Store::Containerd);
    world.source(".npmrc", NPMRC);
    world.source("web/.git/config", "[http]\n\textraheader = AUTHORIZATION: bearer g1t-t0ken\n");
    let outcome = succeeded(world.build_step(COPY_ALL).run().unwrap());
    assert_eq!(
        told(&world, &outcome),
        [
            NPMRC_TOLD,
            "Dockerfile(3,): warning : `COPY .` copies `web/.git/config` from the build context into stage `stage-0`, and there is a \
             credential in it: `extraheader`; list the file in `.dockerignore`, or leave `persistCredentials: true` out of \
             the step `checkout`",
        ]
    );
    assert!(!outcome.log_text().contains("t0ken"), "a value is in the log");
}

#[test]
fn what_is_ignored_or_not_copied_is_not_told() {
    let cases = [
        ("ignored", ".dockerignore", "**/.npmrc\n", COPY_ALL, false),
        ("ignored for this Dockerfile", "Dockerfile.dockerignore", ".npmrc\n", COPY_ALL, false),
        ("brought back", ".dockerignore", "*\n!.npmrc\n", COPY_ALL, true),
        ("copied by a wildcard", "x", "", "FROM feedbuild-test/base\n\nCOPY .npm* /app\n", true),
        ("not copied", "x", "", "FROM feedbuild-test/base\nCOPY x /app\n", false),
        (
            "in a stage that is not built",
            "x",
            "",
            "FROM feedbuild-test/base AS other\nCOPY . .\nFROM feedbuild-test/base\n",
            false,
        ),
        (
            "mounted",
            "x",
            "",
            "FROM feedbuild-test/base\nRUN --mount=type=bind,target=/s test -f /s/.npmrc\n",
            false,
        ),
    ];
    for (name, file, text, dockerfile, is_told) in cases {
        let world = World::new(Store::Containerd);
        world.source(".npmrc", NPMRC);
        world.source(file, text);
        let outcome = succeeded(world.build_step(dockerfile).run().unwrap());
        let warnings = told(&world, &outcome);
        if is_told {
            let expected = NPMRC_TOLD.replace(
                "COPY .`",
                &format!("{}`", dockerfile.lines().nth(2).unwrap().rsplit_once(' ').unwrap().0),
            );
            assert_eq!(warnings, [expected], "{name}");
        } else {
            assert_eq!(warnings, [""; 0], "{name}");
        }
    }
}

#[test]
fn a_declaration_of_a_secret_is_told() {
    let world = World::new(Store::Containerd);
    let outcome = world
        .build_step(
            "FROM feedbuild-test/base\nARG LICENSE\nARG VERSION\nRUN --mount=type=secret,id=LICENSE,env=LICENSE test $LICENSE\n",
        )
        .input("secretEnvs", "LICENSE=MY_LICENSE")
        .env("MY_LICENSE", "l1cense-of-the-step")
        .run()
        .unwrap();
    assert_eq!(
        told(&world, &succeeded(outcome)),
        [
            "Dockerfile(2,): warning : `ARG LICENSE` has the name of a secret that this step feeds, and what it holds can be read in \
             the image; mount it in the `RUN` that needs it: `--mount=type=secret,id=LICENSE,env=LICENSE`"
        ]
    );
}

#[test]
fn a_check_that_the_dockerfile_skips_tells_nothing() {
    let dockerfile = "FROM feedbuild-test/base\nARG API_KEY\nENV DB_PASSWORD=x\n";
    let told_of = |directive: &str, build_args: &str| {
        let world = World::new(Store::Containerd);
        let step = world.build_step(&format!("{directive}{dockerfile}")).input("buildArgs", build_args);
        told(&world, &succeeded(step.run().unwrap())).len()
    };
    assert_eq!(told_of("", ""), 2);
    assert_eq!(told_of("# check=skip=SecretsUsedInArgOrEnv\n", ""), 0);
    assert_eq!(told_of("# check=skip=StageNameCasing\n", ""), 2);
    assert_eq!(told_of("", "BUILDKIT_DOCKERFILE_CHECK=skip=all"), 0);
}

#[test]
fn a_secret_in_plain_sight_is_refused() {
    let encoded = "Y2FuYXJ5LWtleS03YjFmMGMzZTU5ZDI=";
    let cases = [
        ("buildArgs", "TOKEN=$(my.key)".to_owned(), "build argument `TOKEN`"),
        ("buildArgs", format!("AUTH=Basic {encoded}"), "build argument `AUTH`"),
        ("buildArgs", "FROM_ENV".to_owned(), "build argument `FROM_ENV`"),
        ("labels", "a=b\nnote=key is $(my.key)!".to_owned(), "label `note`"),
        ("annotations", "note=$(my.key)".to_owned(), "annotation `note`"),
        ("buildContexts", "lib=https://u:$(my.key)@host.invalid/x.git".to_owned(), "build context `lib`"),
        ("arguments", "--label note=$(my.key)".to_owned(), "label `note`"),
    ];
    for (input, value, what) in cases {
        let world = World::new(Store::Containerd);
        world.job.set_secret_variable("my.key", "canary-key-7b1f0c3e59d2");
        let step = world.build_step("FROM feedbuild-test/base\n").env("FROM_ENV", "canary-key-7b1f0c3e59d2");
        assert_eq!(
            only_error(&step.input(input, &value).run().unwrap()),
            format!(
                "{what} holds a secret of this job; everybody who has the image, or an account on the agent, could read \
                 it\n\nhint: mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`"
            ),
            "{input}: {value}"
        );
    }
}

#[test]
fn a_secret_that_may_be_a_word_is_told() {
    let world = World::new(Store::Containerd);
    world.job.set_secret_variable("stage", "production");
    let step = world.build_step("FROM feedbuild-test/base\nARG MODE\n").input("buildArgs", "MODE=production");
    // The check of the image tells it, too.
    let step = step.input("leakCheck", "off");
    assert_eq!(
        told(&world, &succeeded(step.run().unwrap())),
        [
            "build argument `MODE` has the value of secret variable `stage`; if that is meant, everybody who has the image can \
             read it: mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`"
                .replace("production", "***")
        ]
    );
}

#[test]
fn a_password_of_a_proxy_is_not_published() {
    let hint = "and provenance of mode `max` would publish it\n\nhint: write `provenance: mode=min`, or give the proxy no password";
    let proxy = "http://me:canary-proxy-pa55word@proxy.invalid:3128";
    for provenance in ["mode=max", "true"] {
        let world = World::new(Store::Containerd);
        let config = format!(r#"{{"proxies": {{"default": {{"ftpProxy": "{proxy}"}}}}}}"#);
        std::fs::write(world.docker_config().join("config.json"), config).unwrap();
        let step = world.build_step("FROM feedbuild-test/base\n").input("provenance", provenance);
        assert_eq!(
            only_error(&step.run().unwrap()).replace(&world.docker_config().display().to_string(), "CONFIG"),
            format!(
                "the docker config in `CONFIG` has a proxy with a password: docker gives it to every build as a build argument, \
                 {hint}"
            )
        );
    }
    let world = World::new(Store::Containerd);
    let step = world
        .build_step("FROM feedbuild-test/base\n")
        .input("buildArgs", "ftp_proxy=http://me:secret@proxy.invalid:3128")
        .input("provenance", "mode=max");
    assert_eq!(
        only_error(&step.run().unwrap()),
        format!("build argument `ftp_proxy` is a proxy with a password, {hint}")
    );
}
