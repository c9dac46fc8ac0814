//! The inputs, as users write them and get them wrong: every error is compared whole, and what reaches the build is
//! read back from it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use feedbuild_agent::{Outcome, Step};
use feedbuild_suites::{PASSWORD, REGISTRY_ID, Store, TOKEN, World, notices, only_error, succeeded, unique};

const BASE: &str = "FROM feedbuild-test/base:latest\n";

fn world() -> World {
    World::new(Store::Containerd)
}

fn with(step: Step, inputs: &[(&str, &str)]) -> Step {
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value))
}

/// Builds anew: a cached `RUN` prints nothing.
fn built(world: &World, dockerfile: &str, inputs: &[(&str, &str)]) -> Outcome {
    succeeded(with(world.build_step(dockerfile).input("noCache", "true"), inputs).run().unwrap())
}

/// The lines that `RUN`s printed with `said ` before them.
fn said(outcome: &Outcome) -> Vec<&str> {
    let said = |line: &'_ String| {
        let (step, text) = line.split_once(" said ")?;
        let time = step.split_once(' ')?.1;
        time.parse::<f64>().ok().map(|_| line.len() - text.len())
    };
    outcome.log.iter().filter_map(|line| said(line).map(|at| &line[at..])).collect()
}

/// The one error, with the sources folder as `SOURCES`.
fn error(world: &World, outcome: &Outcome) -> String {
    only_error(outcome).replace(world.job.sources_dir().to_str().unwrap(), "SOURCES")
}

/// Every error of the table, of a step that would build but for these inputs.
fn refused(table: &[(&[(&str, &str)], &str)]) {
    let world = world();
    for (inputs, expected) in table {
        let outcome = with(world.build_step(BASE), inputs).run().unwrap();
        assert_eq!(error(&world, &outcome), *expected, "{inputs:?}");
    }
    assert_eq!(world.sandbox.requests().len(), 0, "the steps stopped before they asked for a feed");
}

#[test]
fn a_macro_that_was_left_is_an_error_where_it_would_do_harm() {
    let world = world();
    for name in
        ["command", "containerRegistry", "repository", "tags", "Dockerfile", "buildContext", "secretIds"]
    {
        let outcome = world.build_step(BASE).input(name, "x$(noSuch.variable)").run().unwrap();
        assert_eq!(
            only_error(&outcome),
            format!(
                "input `{name}` holds `$(noSuch.variable)`, but no variable `noSuch.variable` exists\n\nhint: define the \
                 variable `noSuch.variable` in the pipeline, or link the variable group that holds it"
            )
        );
    }
    let outcome = world.build_step(BASE).input("artifactFeeds", "$(feed)").run().unwrap();
    assert_eq!(
        only_error(&outcome),
        "input `artifactFeeds` holds `$(feed)`, but no variable `feed` exists\n\nhint: define the variable `feed`, or \
         write the feed's name"
    );
    for name in ["secrets", "secretFiles", "secretEnvs"] {
        let outcome = world.build_step(BASE).input(name, "ok=x\nkey=$(apiKey)").run().unwrap();
        assert_eq!(
            only_error(&outcome),
            format!(
                "input `{name}`, line 2: secret `key` holds `$(apiKey)`, but no variable `apiKey` exists\n\nhint: define \
                 the variable `apiKey`, or link the variable group that holds it; for a value that really has \
                 `$(apiKey)` in it use `secretEnvs`"
            )
        );
    }
}

#[test]
fn a_macro_that_was_left_counts_as_unset_elsewhere() {
    let world = world();
    let outcome = built(
        &world,
        &format!("{BASE}ARG A=default\nARG B=default\nRUN echo \"said $A $B\"\n"),
        &[
            ("onlyAddExtraIndex", "$(nope)"),
            ("target", "$(nope)"),
            ("missingSecrets", "$(nope)"),
            ("allowInsecureBuilder", "$(nope)"),
            ("arguments", "$(nope)"),
            ("buildArgs", "A=$(nope)\nB=v$(nope)"),
        ],
    );
    let ignored = |name| format!("input `{name}` is ignored: no variable `nope` exists");
    assert_eq!(
        outcome.warnings(),
        [
            ignored("onlyAddExtraIndex"),
            ignored("arguments"),
            "build argument `A` is left out: no variable `nope` exists".to_owned(),
            ignored("target"),
            ignored("missingSecrets"),
            ignored("allowInsecureBuilder"),
        ]
    );
    assert_eq!(said(&outcome), ["default v$(nope)"]);
}

#[test]
fn what_is_wrong_in_an_input_is_told_with_the_way_out() {
    const LINE: &str = "\n\nhint: write each secret as `id=value` on a line of its own; a value of several lines goes \
                        into a file or variable that `secretFiles` (`id=path`) or `secretEnvs` (`id=VARIABLE`) names";
    const TWICE: &str = "\n\nhint: remove one of them: buildx would take the last and say nothing";
    const FLAG: &str =
        "\n\nhint: write `--secret id=ID`, `--secret id=ID,src=PATH` or `--secret id=ID,env=VARIABLE`";
    let table: &[(&[(&str, &str)], &str)] = &[
        (
            &[("command", "login")],
            "input `command` does not know `login`\n\nhint: write `buildAndPush`, `build` or `push`; for `login`, \
             `logout`, `start`, `stop` and other docker commands use the task `Docker@2`",
        ),
        (&[("noCache", "yes")], "input `noCache` does not know `yes`\n\nhint: write `true` or `false`"),
        (
            &[("missingSecrets", "ignore")],
            "input `missingSecrets` does not know `ignore`\n\nhint: write `error` or `warn`",
        ),
        (
            &[("tags", "1\nteam/app:2")],
            "`team/app:2` in `tags` is no image tag\n\nhint: write `repository: team/app` and `tags: 2`",
        ),
        (
            &[("tags", "feature/x")],
            "`feature/x` in `tags` is no image tag\n\nhint: a tag has no `/`: write `repository: feature/x` if it is a \
             repository, `tags: feature-x` if it is a tag",
        ),
        (&[("tags", " , ")], "input `tags` is empty\n\nhint: set `tags`, e.g. `tags: $(Build.BuildId)`"),
        (
            &[("target", "prod")],
            "`target: prod` is no stage of the Dockerfile\n\nhint: give the stage a name in the Dockerfile: `FROM … AS \
             prod`",
        ),
        (
            &[("secrets", "key=-----BEGIN\nMII/Canary+x==\n-----END")],
            &["input `secrets`, line 2: no `id=` at its start", LINE].concat(),
        ),
        (&[("secrets", "just a value")], &["input `secrets`, line 1: no `id=` at its start", LINE].concat()),
        (
            &[("secrets", "key=")],
            "input `secrets`, line 1: secret `key` is empty\n\nhint: give it a value, or remove the line",
        ),
        (
            &[("secrets", "key=1\nother=2\nkey=3")],
            &["secret `key` is given twice: in `secrets`", TWICE].concat(),
        ),
        (
            &[("secrets", "key=1"), ("secretEnvs", "key=KEY")],
            &["secret `key` is given twice: in `secrets` and in `secretEnvs`", TWICE].concat(),
        ),
        (
            &[("secretFiles", "key=x"), ("arguments", "--secret id=key")],
            &["secret `key` is given twice: in `secretFiles` and in `arguments`", TWICE].concat(),
        ),
        (
            &[("secretEnvs", "key=NO_SUCH")],
            "input `secretEnvs`: variable `NO_SUCH` of secret `key` is not set or empty\n\nhint: map it into the step by \
             `env: { NO_SUCH: $(NO_SUCH) }`, where `$(NO_SUCH)` is a variable of the pipeline; `secretEnvs` takes the \
             variable's name, not its value",
        ),
        (
            &[("secretFiles", "key=no/such.pem")],
            "input `secretFiles`: the file of secret `key` does not exist or is empty: `SOURCES/no/such.pem`\n\nhint: \
             give the path from the sources folder, or an absolute one such as `$(mySecureFile.secureFilePath)`",
        ),
        (
            &[("secretFiles", "key=.")],
            "input `secretFiles`: cannot read the file of secret `key`, `SOURCES/.`\n  caused by: Is a directory (os error \
             21)",
        ),
        (
            &[("arguments", "--secret id=key")],
            "input `arguments`: `--secret id=key` has no value: its variable or file is not there or empty\n\nhint: map \
             the variable into the step by `env:`, or use `secretEnvs: key=VARIABLE`",
        ),
        (
            &[("arguments", "--secret src=x")],
            &["input `arguments`: `--secret src=x` has no id", FLAG].concat(),
        ),
        (
            &[("arguments", "--secret id=key,mode=0400")],
            &["input `arguments`: `--secret id=key,mode=0400` has an unknown key `mode`", FLAG].concat(),
        ),
        (
            &[("secretIds", "my_url")],
            "input `secretIds`: `my_url` is not `id=CATALOGUE_ID`\n\nhint: write e.g. `my_pip_url=PIP_EXTRA_INDEX_URL`",
        ),
        (
            &[("secretIds", "my_url=PIP_URL")],
            "input `secretIds`: `PIP_URL` is not in the catalogue\n\nhint: use an id of \
             `docs/secrets.md`, e.g. `PIP_INDEX_URL`; for a value of your own use `secrets`",
        ),
        (
            &[("secretIds", "a=netrc\na=FEED_TOKEN")],
            "input `secretIds` names `a` twice\n\nhint: remove one of the lines: an id holds one secret",
        ),
    ];
    refused(table);
}

#[test]
fn arguments_have_inputs_or_reasons_of_their_own() {
    let used = "cannot be used here\n\nhint: ";
    let tags = "use the inputs `repository` and `tags`";
    let result = "use the output variables `imageDigest` and `imageId`, e.g. `$(stepName.imageDigest)`";
    let table = [
        ("-t app", "-t", tags),
        ("--tag=app", "--tag", tags),
        ("-f Dockerfile", "-f", "use the input `Dockerfile`"),
        ("--file Dockerfile", "--file", "use the input `Dockerfile`"),
        ("--metadata-file x", "--metadata-file", result),
        ("--iidfile=x", "--iidfile", result),
    ];
    let world = world();
    let error =
        |arguments: &str| only_error(&world.build_step(BASE).input("arguments", arguments).run().unwrap());
    for (arguments, flag, way) in table {
        assert_eq!(error(arguments), format!("input `arguments`: `{flag}` {used}{way}"));
    }
    assert_eq!(
        error("--pull --lable a=b"),
        "input `arguments`: `--lable` is no flag of `docker buildx build` that this version knows\n\nhint: check its \
         spelling, or leave it out"
    );
    assert_eq!(
        error("--label a=two words"),
        "input `arguments`: `words` is no flag\n\nhint: give the build context in `buildContext`; put a value that holds \
         blanks into double quotes"
    );
    assert_eq!(
        error("--label \"a=b"),
        "input `arguments` has a double quote that is not closed\n\nhint: close it; a quote within a quoted value is \
         written `\\\"`"
    );

    let outcome = built(
        &world,
        &format!("{BASE}ARG A\nRUN echo \"said $A\"\n"),
        &[(
            "arguments",
            "--label \"a=two words\" --label=\"b=say \\\"hi\\\"\"\n--build-arg A=x -q --progress=tty --load",
        )],
    );
    let image = outcome.output("imageReferences").unwrap();
    assert_eq!(
        world.docker(&["image", "inspect", "--format", "{{.Config.Labels.a}}, {{.Config.Labels.b}}", image]),
        r#"two words, say "hi""#
    );
    assert_eq!(said(&outcome), ["x"]);
    let left_out = |flag| format!("`{flag}` in `arguments` is left out: the step shows the progress itself");
    assert_eq!(notices(&outcome), ["-q", "--progress"].map(left_out));
}

#[test]
fn build_arguments_arrive_as_they_are() {
    let world = world();
    let step = world
        .build_step(&format!(
            "{BASE}ARG PLAIN\nARG ODD\nARG OF_ENV\nARG OF_JOB_NAME\nARG UNSET=default\nARG SOURCE_DATE_EPOCH=none
RUN echo \"said $PLAIN|$ODD|$OF_ENV|$OF_JOB_NAME|$UNSET|$SOURCE_DATE_EPOCH\"\n"
        ))
        .input("noCache", "true")
        .input("buildArgs", "PLAIN=1\n\n  ODD=a \"b\" 'c', d=e % $HOME\nOF_ENV\nOF_JOB_NAME\nUNSET")
        .env("OF_ENV", "of the step's env")
        .env("SOURCE_DATE_EPOCH", "0");
    world.job.set_variable("of.job name", "of the job");
    let outcome = succeeded(step.run().unwrap());
    assert_eq!(said(&outcome), ["1|a \"b\" 'c', d=e % $HOME|of the step's env|of the job|default|none"]);
    let image = outcome.output("imageReferences").unwrap();
    let created = world.docker(&["image", "inspect", "--format", "{{.Created}}", image]);
    assert!(!created.starts_with("1970"), "{created}");
}

#[test]
fn a_secret_in_an_argument_stops_the_step() {
    const WAY: &str = "holds a secret of this job; everybody who has the image, or an account on the agent, could read \
                       it\n\nhint: mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` \
                       or `secretEnvs`";
    let world = world();
    let url = format!("PIP_EXTRA_INDEX_URL=https://build:{TOKEN}@host.invalid/simple/");
    let label = format!("--label token={TOKEN}");
    let password = format!("PASSWORD={PASSWORD}");
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("buildArgs", &url)], "build argument `PIP_EXTRA_INDEX_URL`"),
        (&[("buildArgs", "OF_ENV")], "build argument `OF_ENV`"),
        (&[("containerRegistry", REGISTRY_ID), ("buildArgs", &password)], "build argument `PASSWORD`"),
        (&[("secrets", "key=my-own-s3cret"), ("buildArgs", "KEY=my-own-s3cret")], "build argument `KEY`"),
        (&[("arguments", &label)], "label `token`"),
    ];
    for (inputs, what) in cases {
        let outcome = with(world.build_step(BASE), inputs).env("OF_ENV", TOKEN).run().unwrap();
        assert_eq!(only_error(&outcome), format!("{what} {WAY}"));
        assert!(
            outcome.raw.iter().all(|line| !line.starts_with('#') || line.starts_with("##")),
            "nothing was built"
        );
    }
}

#[test]
fn the_network_is_that_of_the_input() {
    let world = world();
    let probe = unique("probe");
    let dockerfile = format!(
        "{BASE}RUN wget -q -O - http://{}/{probe} >/dev/null 2>&1 || echo said no answer\n",
        world.sandbox.authority()
    );
    for (inputs, arrives) in [
        (&[("network", "none")][..], false),
        (&[("network", "host")], true),
        (&[("network", ""), ("arguments", "--network=none")], false),
    ] {
        let before = world.sandbox.requests_to(&format!("GET …/{probe}")).len();
        let outcome = built(&world, &dockerfile, inputs);
        let after = world.sandbox.requests_to(&format!("GET …/{probe}")).len();
        assert_eq!((after > before, said(&outcome)), (arrives, vec!["no answer"]), "{inputs:?}");
    }
}

#[test]
fn the_cache_is_used_unless_it_is_not_wanted() {
    let world = world();
    let dockerfile = format!("{BASE}RUN echo said {}\n", unique("something"));
    let runs = |inputs: &[(&str, &str)]| {
        let outcome = succeeded(with(world.build_step(&dockerfile), inputs).run().unwrap());
        said(&outcome).len()
    };
    assert_eq!(runs(&[]), 1);
    assert_eq!(runs(&[("noCache", "false")]), 0);
    assert_eq!(runs(&[("noCache", "TRUE")]), 1);
    assert_eq!(runs(&[("arguments", "--no-cache")]), 1);
    assert_eq!(runs(&[]), 0);
}

#[test]
fn the_context_is_the_dockerfiles_folder_unless_another_is_named() {
    let world = world();
    world.source("service/Dockerfile", &format!("{BASE}COPY marker /\nRUN echo \"said $(cat /marker)\"\n"));
    world.source("marker", "of the sources");
    world.source("service/marker", "of the service");
    world.source("other folder/marker", "of another folder");
    let absolute = world.job.sources_dir().join("other folder");
    let absolute = absolute.to_str().unwrap();
    let table = [
        (&[][..], "of the service"),
        (&[("buildContext", "**")], "of the service"),
        (&[("buildContext", "$(Build.SourcesDirectory)/**")], "of the service"),
        (&[("buildContext", "./**")], "of the service"),
        (&[("Dockerfile", "service/Dockerfile")], "of the service"),
        (&[("Dockerfile", "$(Build.SourcesDirectory)/service/Dockerfile")], "of the service"),
        (&[("Dockerfile", "$(Build.SourcesDirectory)/**/Dockerfile")], "of the service"),
        (&[("buildContext", ".")], "of the sources"),
        (&[("buildContext", "$(Build.SourcesDirectory)")], "of the sources"),
        (&[("buildContext", "other folder")], "of another folder"),
        (&[("buildContext", absolute)], "of another folder"),
    ];
    for (inputs, marker) in table {
        let step = world.step().input("command", "build").input("noCache", "true");
        let outcome = succeeded(with(step, inputs).run().unwrap());
        assert_eq!(said(&outcome), [marker], "{inputs:?}");
    }
    let outcome = world.step().input("command", "build").input("buildContext", "no/such").run().unwrap();
    assert_eq!(
        error(&world, &outcome),
        "`buildContext: no/such` is no folder: `SOURCES/no/such`\n\nhint: set `buildContext` to a folder's path from \
         `SOURCES`"
    );
}
