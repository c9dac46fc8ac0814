//! What a build tells: the log line by line, the findings on their lines of the Dockerfile, and the summary.

use std::path::Path;
use std::process::Command;

use feedbuild_agent::{IssueKind, Outcome, Step, TaskResult};
use feedbuild_suites::{AGENTS, Client, Gate, Store, World, notices, succeeded, unique, variable};

/// Lines of the log that speak of steps of the build, with `N` for the number and `T` for each time.
fn progress(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.log.iter().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
    let times = |text: &str| {
        let is_time = |word: &str| {
            let word = word.strip_suffix('s').unwrap_or(word);
            word.contains('.') && word.parse::<f64>().is_ok()
        };
        text.split(' ').map(|word| if is_time(word) { "T" } else { word }).collect::<Vec<_>>().join(" ")
    };
    lines.filter(|(number, _)| number.parse::<u32>().is_ok()).map(|(_, text)| times(text)).collect()
}

/// The lines that a step of the build printed, in order, with the first words of its name to know it by.
fn printed(outcome: &Outcome, step: &str) -> Vec<String> {
    let mut names = outcome.log.iter().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
    let found = names.find(|(_, name)| name.contains(step));
    let (number, _) = found.unwrap_or_else(|| panic!("no step {step}:\n{}", outcome.log_text()));
    let start = format!("#{number} ");
    let lines = outcome.log.iter().filter_map(|line| line.strip_prefix(&start)?.split_once(' '));
    lines.filter(|(time, _)| time.parse::<f64>().is_ok()).map(|(_, text)| text.to_owned()).collect()
}

/// The one summary, in which the job's folder is `JOB` and each duration `T`.
fn summary(world: &World, outcome: &Outcome) -> String {
    let summaries = outcome.summaries();
    assert_eq!(summaries.len(), 1);
    let text = summaries[0].replace(&world.job.root_dir().display().to_string(), "JOB");
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        if word == "s" && words.last().is_some_and(|last| last.parse::<f64>().is_ok()) {
            words.pop();
            words.push("T");
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

/// A build without the cache: what it prints is compared.
fn step(world: &World, dockerfile: &str) -> Step {
    world.build_step(dockerfile).input("noCache", "true").input("tags", "1")
}

#[test]
fn each_step_is_told_with_its_number_and_its_end() {
    let world = World::new(Store::Containerd);
    let dockerfile =
        "FROM feedbuild-test/base\nRUN echo out; sleep 0.1; echo error >&2\nRUN printf 'no end of line'\n";
    let outcome = succeeded(step(&world, dockerfile).run().unwrap());
    let told = progress(&outcome);
    let expected = [
        "[1/3] FROM docker.io/feedbuild-test/base:latest",
        "[2/3] RUN echo out; sleep 0.1; echo error >&2",
        "T out",
        "T error",
        "DONE T",
        "[3/3] RUN printf 'no end of line'",
        "T no end of line",
        "DONE T",
        "exporting to image",
    ];
    let mut rest = told.iter();
    for line in expected {
        assert!(rest.any(|told| told.split('@').next() == Some(line)), "{line} in {told:#?}");
    }
    assert_eq!(told.last().map(String::as_str), Some("DONE T"));
    assert!(outcome.raw.iter().all(|line| !line.starts_with('{')), "JSON is for us, not for people");
}

#[test]
fn lines_of_parallel_stages_stay_whole() {
    let world = World::new(Store::Containerd);
    // Each stage writes its lines in halves, and both wait for each other in between.
    let stage = |name: &str, own: &str, other: &str| {
        format!(
            "FROM feedbuild-test/base AS {name}\n\
             RUN --mount=type=cache,id=ID,target=/meet for n in 1 2 3 4 5; do printf '{name} first '; \
             : >/meet/{own}$n; while [ ! -e /meet/{other}$n ]; do sleep 0.01; done; echo \"half $n\"; done\n"
        )
    };
    let dockerfile = format!(
        "{}{}FROM feedbuild-test/base\nCOPY --from=left /bin/busybox /left\nCOPY --from=right /bin/busybox /right\n",
        stage("left", "l", "r"),
        stage("right", "r", "l")
    );
    let dockerfile = dockerfile.replace("id=ID", &format!("id={}", unique("meet")));
    let outcome = succeeded(step(&world, &dockerfile).run().unwrap());
    for name in ["left", "right"] {
        let expected: Vec<String> = (1..=5).map(|number| format!("{name} first half {number}")).collect();
        assert_eq!(printed(&outcome, &format!("[{name} 2/2]")), expected);
    }
    let percents: Vec<u8> = outcome
        .commands
        .iter()
        .filter(|command| command.event == "setprogress")
        .map(|command| command.property("value").unwrap().parse().unwrap())
        .collect();
    assert!(percents.len() > 2 && percents.is_sorted(), "{percents:?}");
}

#[test]
fn carriage_returns_and_commands_are_no_way_out() {
    for client in [Client::Buildx, Client::Legacy] {
        let world = World::new(Store::Classic);
        world.use_client(client);
        let command = "##vso[task.setvariable variable=pwned]yes";
        let dockerfile = format!(
            "FROM feedbuild-test/base AS base\n\
             LABEL \"x\"=\"{command}\"\n\
             RUN printf '1%%\\r2%%\\r{command}\\r'; printf '##vs'; printf 'o[task.complete result=Failed]\\n' >&2; \
             sleep 0.1; printf 'o[task.complete result=Failed]\\n'\n"
        );
        let outcome = succeeded(step(&world, &dockerfile).run().unwrap());
        assert_eq!(world.job.variable("pwned"), None);
        assert_eq!(outcome.commands.iter().filter(|command| command.event == "complete").count(), 1);
        let text = summary(&world, &outcome);
        assert!(!text.to_lowercase().contains("##vso"), "{text}");
        if client == Client::Buildx {
            // Which of the two streams is read first is nobody's choice.
            let (stderr, stdout): (Vec<_>, Vec<_>) = printed(&outcome, "2/2] RUN")
                .into_iter()
                .partition(|line| *line == "o[task.complete result=Failed]");
            assert_eq!(stderr.len(), 1);
            assert_eq!(
                stdout,
                [
                    "1%",
                    "2%",
                    "**vso[task.setvariable variable=pwned]yes",
                    "**vso[task.complete result=Failed]"
                ]
            );
        }
    }
}

#[test]
fn a_secret_in_pieces_is_not_in_the_log() {
    let world = World::new(Store::Containerd);
    let secret = "canary-own-5ecret-in-pieces";
    let dockerfile = "FROM feedbuild-test/base\n\
        RUN --mount=type=secret,id=own head -c 9 /run/secrets/own; sleep 0.2; tail -c +10 /run/secrets/own; \
        sleep 0.2; echo ' end'; base64 -w 0 /run/secrets/own | head -c 20; sleep 0.2; base64 -w 0 /run/secrets/own | \
        tail -c +21; echo\n";
    let outcome =
        succeeded(step(&world, dockerfile).input("secrets", &format!("own={secret}")).run().unwrap());
    assert_eq!(printed(&outcome, "2/2] RUN"), ["*** end", "***"]);
    let said = outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]"));
    for line in said {
        assert!(!line.contains("canary-ow") && !line.contains("in-pieces"), "{line}");
    }
}

#[test]
fn a_failed_instruction_is_an_error_on_its_line() {
    for (store, client) in AGENTS {
        let world = World::new(store);
        world.use_client(client);
        let dockerfile =
            "FROM feedbuild-test/base\n\nRUN echo first\nRUN echo \"<b>cause</b>\" \\\n  && exit 3\n";
        let outcome = step(&world, dockerfile).run().unwrap();
        assert_eq!(outcome.result, TaskResult::Failed);
        let [error] = &outcome.issues[..] else { panic!("{:#?}", outcome.issues) };
        let path = world.job.sources_dir().join("Dockerfile").display().to_string();
        let properties = [("type", "error"), ("sourcepath", &path), ("linenumber", "4")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!((error.kind, &error.properties[..]), (IssueKind::Error, &properties[..]));
        let process = "process \"/bin/sh -c echo \\\"<b>cause</b>\\\"   && exit 3\" did not complete successfully: exit code: 3";
        let message = format!("the build failed (exit code 1)\n  caused by: {process}");
        assert_eq!(error.message, format!("Dockerfile(4,): error : {message}"));
        let name = "[3/3] RUN echo \"<b>cause</b>\"   && exit 3";
        let text = summary(&world, &outcome);
        let head = format!(
            "### Build failed\n\n```text\n{message}\n```\n\nFailed: `{name}` at `JOB/_work/1/s/Dockerfile:4`\n\n\
             ```text\n<b>cause</b>\n```\n\n"
        );
        assert!(text.starts_with(&head), "{text}");
        // Below the folded group, where it is seen.
        let end = outcome.log.iter().position(|line| line == "##[endgroup]").unwrap();
        assert!(
            outcome.log[end..]
                .windows(2)
                .any(|two| two == [format!(" > {name}:"), "   <b>cause</b>".to_owned()]),
            "{}",
            outcome.log_text()
        );
    }
}

#[test]
fn findings_of_checks_are_warnings_on_their_lines() {
    let world = World::new(Store::Containerd);
    let dockerfile = "FROM feedbuild-test/base as base\n\
        LABEL a b\n\
        RUN true\n";
    world.source("app/Dockerfile", dockerfile);
    let outcome = succeeded(world.step().input("command", "build").input("tags", "1").run().unwrap());
    let warnings: Vec<&str> = outcome.warnings();
    assert_eq!(
        warnings,
        [
            "app/Dockerfile(1,): warning FromAsCasing: 'as' and 'FROM' keywords' casing do not match \
             (https://docs.docker.com/go/dockerfile/rule/from-as-casing/)",
            "app/Dockerfile(2,): warning LegacyKeyValueFormat: \"LABEL key=value\" should be used instead of legacy \
             \"LABEL key value\" format (https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/)",
        ]
    );
    let text = summary(&world, &outcome);
    let list = "**Checks of the Dockerfile**\n\n\
        - `Dockerfile:1` FromAsCasing: 'as' and 'FROM' keywords' casing do not match\n\
        - `Dockerfile:2` LegacyKeyValueFormat: \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format\n";
    assert!(text.ends_with(list), "{text}");
}

#[test]
fn a_summary_tells_the_build_whole() {
    let world = World::new(Store::Classic);
    let dockerfile = "FROM feedbuild-test/base AS tool\n\
        RUN sleep 1; echo tool >/tool\n\
        FROM feedbuild-test/base\n\
        ARG VERSION\n\
        COPY --from=tool /tool /tool\n\
        LABEL a=b\n";
    let repository = unique("app");
    for client in [Client::Buildx, Client::Legacy] {
        world.use_client(client);
        let outcome = succeeded(
            step(&world, dockerfile)
                .input("repository", &repository)
                .input("buildArgs", "VERSION=<1|2>\nAPI_KEY=x\n")
                .run()
                .unwrap(),
        );
        let id = outcome.output("imageId").unwrap();
        let inspected = world.docker(&[
            "image",
            "inspect",
            "--format={{.Size}} {{len .RootFS.Layers}}",
            &format!("{repository}:1"),
        ]);
        let (size, layers) = inspected.split_once(' ').unwrap();
        let searched = outcome.log.iter().find(|line| line.starts_with("Searched ")).unwrap();
        let searched = searched.replace('(', "\\(").replace(')', "\\)");
        let size = format!("{:.2}MB", size.parse::<f64>().unwrap() / 1e6);
        assert_eq!(
            summary(&world, &outcome),
            format!(
                "### Image built\n\n\
                 | | |\n|---|---|\n\
                 | Image | `{repository}:1` |\n\
                 | Image id | `{id}` |\n\
                 | Digest | none before a push: the engine's store keeps no manifests |\n\
                 | Size | `linux/amd64` {size} in {layers} layers |\n\
                 | Sign in | T |\n\
                 | Build | T |\n\
                 | Check | T |\n\n\
                 | Stage | Layers | From the cache | Time |\n|---|--:|--:|--:|\n\
                 | `tool` | 1 | 0 | T |\n\
                 | `stage-1` | 1 | 0 | T |\n\n\
                 | Slowest steps | Time | |\n|---|--:|---|\n\
                 | `[tool 2/2] RUN sleep 1; echo tool >/tool` | T | ████████████████████████ |\n\n\
                 | Build argument | Value |\n|---|---|\n\
                 | `VERSION` | `<1\\|2>` |\n\
                 | `API_KEY` | not shown |\n\n\
                 **Check of the image**\n\n\
                 - {searched}\n"
            )
        );
    }
}

#[test]
fn a_client_that_does_not_know_json_is_asked_for_lines() {
    let world = World::new(Store::Containerd);
    // As buildx before 0.13 answers.
    world.use_plugin(
        "for word; do test \"$word\" != --progress=rawjson || { echo 'ERROR: invalid progress mode rawjson' >&2; exit 1; }; done\n\
         exec $BUILDX \"$@\"",
    );
    let outcome = succeeded(step(&world, "FROM feedbuild-test/base\nRUN echo said\n").run().unwrap());
    assert_eq!(printed(&outcome, "2/2] RUN"), ["said"]);
    assert!(summary(&world, &outcome).contains("| the only one | 1 | 0 | T |\n"));
    assert_eq!((outcome.error_count, outcome.warning_count), (0, 0));
}

#[test]
fn progress_of_another_shape_stops_no_build() {
    let world = World::new(Store::Containerd);
    world.use_plugin(
        "echo '{\"vertexes\":[{\"digest\":1}],\"logs\":\"none\",\"future\":{}}' >&2\n\
         echo '{\"logs\":[{\"vertex\":\"x\",\"data\":\"c2Vj' >&2\n\
         exec $BUILDX \"$@\"",
    );
    let outcome = succeeded(step(&world, "FROM feedbuild-test/base\nRUN echo said\n").run().unwrap());
    assert_eq!(printed(&outcome, "2/2] RUN"), ["said"]);
    assert_eq!(
        notices(&outcome),
        ["the docker client tells its progress in a shape that is not known; lines may be missing"]
    );
}

/// The ids of the builds of this world, as buildx has noted them.
fn builds(world: &World) -> Vec<String> {
    let notes = walkdir::WalkDir::new(world.docker_config().join("buildx/refs")).min_depth(3);
    let notes = notes.into_iter().map(|note| note.expect("the home can be read"));
    notes.map(|note| note.file_name().to_string_lossy().into_owned()).collect()
}

/// What the engine's record of a build says was printed, if there is one. Never by `history ls`: BuildKit up to 0.28
/// crashes if that meets a removal.
fn record(world: &World, id: &str) -> Option<String> {
    let output = Command::new(Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin/docker"))
        .args(["buildx", "history", "logs", "--progress=plain", id])
        .env("DOCKER_HOST", &world.engine)
        .env("DOCKER_CONFIG", world.docker_config())
        .output()
        .expect("docker starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_record_with_a_secret_in_it_is_removed() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        let secret = unique("canary-recorded-5ecret");
        for (end, result) in [("true", TaskResult::Succeeded), ("exit 3", TaskResult::Failed)] {
            let dockerfile = format!(
                "FROM feedbuild-test/base\nRUN --mount=type=secret,id=own cat /run/secrets/own; {end}\n"
            );
            let outcome = step(&world, &dockerfile).input("secrets", &format!("own={secret}")).run().unwrap();
            assert_eq!(outcome.result, result);
            let line =
                "A secret was in the output of the build; the engine's record of the build was removed.";
            assert!(outcome.log.iter().any(|shown| shown == line), "{}", outcome.log_text());
        }
        let removed = builds(&world);
        assert_eq!(removed.len(), 2);
        assert!(removed.iter().all(|id| record(&world, id).is_none()), "{removed:?}");
        // Another one stays.
        let outcome = step(&world, "FROM feedbuild-test/base\nRUN echo said; exit 3\n").run().unwrap();
        assert_eq!(outcome.result, TaskResult::Failed);
        let kept: Vec<String> = builds(&world).iter().filter_map(|id| record(&world, id)).collect();
        let [kept] = &kept[..] else { panic!("{kept:?}") };
        assert!(kept.contains(" said\n"), "{kept}");
    }
}

#[test]
fn the_record_of_an_image_with_a_secret_in_it_is_removed() {
    let world = World::new(Store::Containerd);
    let dockerfile = "FROM feedbuild-test/base\nRUN --mount=type=secret,id=own cp /run/secrets/own /leak\n";
    let secret = unique("canary-leaked-5ecret");
    let outcome = step(&world, dockerfile).input("secrets", &format!("own={secret}")).run().unwrap();
    assert_eq!(outcome.result, TaskResult::Failed);
    let line = "A secret is in the image; the engine's record of the build was removed.";
    assert!(outcome.log.iter().any(|shown| shown == line), "{}", outcome.log_text());
    let builds = builds(&world);
    assert_eq!(builds.len(), 1);
    assert_eq!(record(&world, &builds[0]), None);
}

#[test]
fn the_record_of_a_cancelled_build_is_removed_too() {
    let (world, gate) = (World::new(Store::Containerd), Gate::new());
    let dockerfile = format!(
        "FROM feedbuild-test/base\nRUN --mount=type=secret,id=own cat /run/secrets/own; echo; {}\n",
        gate.command()
    );
    let secret = unique("canary-cancelled-5ecret");
    let running = step(&world, &dockerfile).input("secrets", &format!("own={secret}")).start().unwrap();
    let waiting = gate.reached();
    let outcome = running.cancel().unwrap();
    waiting.killed();
    assert_eq!(outcome.result, TaskResult::Canceled);
    let line = "A secret was in the output of the build; the engine's record of the build was removed.";
    assert!(outcome.log.iter().any(|shown| shown == line), "{}", outcome.log_text());
    let builds = builds(&world);
    assert_eq!(builds.len(), 1);
    assert_eq!(record(&world, &builds[0]), None);
}

/// The files that the step uploaded into artifacts, with the artifacts' names.
fn artifacts(outcome: &Outcome) -> Vec<(String, std::path::PathBuf)> {
    let uploads =
        outcome.commands.iter().filter(|command| (&*command.area, &*command.event) == ("artifact", "upload"));
    uploads
        .map(|command| {
            (command.property("artifactname").unwrap_or_default().to_owned(), command.data.clone().into())
        })
        .collect()
}

#[test]
fn the_record_of_a_build_is_an_artifact() {
    let world = World::new(Store::Containerd);
    for (end, result) in [("true", TaskResult::Succeeded), ("exit 3", TaskResult::Failed)] {
        let dockerfile = format!("FROM feedbuild-test/base\nRUN echo recorded; {end}\n");
        let outcome = step(&world, &dockerfile).input("buildRecord", "true").run().unwrap();
        assert_eq!((outcome.result, outcome.warning_count), (result, 0), "{}", outcome.log_text());
        let uploaded = artifacts(&outcome);
        let [(artifact, path)] = &uploaded[..] else { panic!("{uploaded:?}") };
        assert_eq!(artifact, "build-records");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(summary(&world, &outcome).contains(&format!("| Build record | `{name}` |\n")));
        assert!(builds(&world).iter().any(|id| name == format!("{id}.dockerbuild")), "{name}");
        assert!(std::fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]), "it is a compressed archive");
    }
}

#[test]
fn a_record_that_cannot_be_had_is_a_warning() {
    let why = |world: &World, command: &str, secrets: &str| {
        let dockerfile = format!("FROM feedbuild-test/base\nRUN --mount=type=secret,id=own {command}\n");
        let step = step(world, &dockerfile).input("buildRecord", "true").input("secrets", secrets);
        let outcome = succeeded(step.run().unwrap());
        assert_eq!(artifacts(&outcome), []);
        let warnings = outcome.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        let head = "there is no record of the build to download\n  caused by: ";
        warnings[0].strip_prefix(head).unwrap_or_else(|| panic!("{warnings:#?}")).to_owned()
    };
    let world = World::new(Store::Classic);
    let secret = format!("own={}", unique("canary-recorded-5ecret"));
    assert_eq!(why(&world, "cat /run/secrets/own", &secret), "a secret was in the output of the build");
    world.job.set_variable("System.HostType", "release");
    assert_eq!(
        why(&world, "true", &secret),
        "only a pipeline's run has artifacts, a classic release has none"
    );
    world.job.set_variable("System.HostType", "build");
    world.use_client(Client::Legacy);
    assert_eq!(why(&world, "true", &secret), "the docker client does not say which record is the build's");
}

#[test]
fn a_record_with_a_secret_that_was_never_shown_is_not_uploaded() {
    let world = World::new(Store::Containerd);
    let secret = unique("canary-hidden-5ecret");
    // A client whose record holds more than it has shown.
    world.use_plugin(&format!(
        "case \"$1 $2\" in 'history export')\n\
         for word; do case $word in --output=*) printf {secret} | gzip >\"${{word#*=}}\";; esac; done; exit;; esac\n\
         exec $BUILDX \"$@\""
    ));
    let step = step(&world, "FROM feedbuild-test/base\nRUN --mount=type=secret,id=own true\n");
    let step = step.input("buildRecord", "true").input("secrets", &format!("own={secret}"));
    let outcome = succeeded(step.run().unwrap());
    assert_eq!(artifacts(&outcome), []);
    assert_eq!(
        outcome.warnings(),
        ["there is no record of the build to download\n  caused by: a secret of this step is in the record"]
    );
    let temp = world.job.root_dir().join("_work/_temp");
    let left = temp
        .read_dir()
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "dockerbuild"));
    assert_eq!(left.count(), 0);
}
