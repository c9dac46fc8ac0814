//! Steps to which disk or engine give out.

use std::path::Path;

use feedbuild_agent::{Outcome, TaskResult};
use feedbuild_suites::{REGISTRY_ID, Relay, Store, executable, only_error, variable};

use crate::trial::Trial;

const PLAIN: &str = "FROM feedbuild-test/base\nRUN head -c 4000000 /dev/urandom >/noise\n";

/// `text` with every path below the job's folder as `JOB`.
fn within_job(trial: &Trial, text: &str) -> String {
    let folder = trial.world.job.root_dir().display().to_string();
    let mut parts = text.split(&folder);
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, rest| text + "JOB" + &rest[rest.find([':', '`', ' ']).unwrap()..])
}

#[test]
fn a_disk_that_is_full_in_mid_build() {
    let mut trial = Trial::new(Store::Containerd);
    // The agent's temp folder on a small disk of the step's own, which the client finds full.
    let folder = trial.world.job.root_dir().join("small");
    let temp = trial.world.job.temp_dir();
    executable(
        &folder.join("node"),
        &format!(
            "#!/bin/bash\nexec unshare --mount /bin/bash -ec 'mount -t tmpfs -o size=1m none {}; exec {} \"$@\"' node \"$@\"\n",
            temp.display(),
            crate::dumps::node()
        ),
    );
    let client = Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    trial.world.set_path(&[&folder, &client]);
    trial.use_plugin(&format!("head -c 2m /dev/zero >{}/full 2>&-\nexec \"$BUILDX\" \"$@\"", temp.display()));
    let outcome = trial.world.build_step(PLAIN).input("containerRegistry", REGISTRY_ID).run().unwrap();
    // What it attaches is on that disk, where nobody else sees it.
    assert_eq!(outcome.result, TaskResult::Failed);
    assert_eq!(
        within_job(&trial, outcome.errors()[0]),
        "the docker client cannot write down what it built\n  caused by: write JOB: no space left on device\n\nhint: free \
         some disk space in the agent's temp folder (`Agent.TempDirectory`)"
    );
    trial.nothing_stays(&outcome);
}

#[test]
fn a_program_in_the_build_that_finds_the_disk_full() {
    let trial = Trial::new(Store::Containerd);
    let outcome = trial.world.build_step("FROM feedbuild-test/base\nRUN echo x >/dev/full\n").run().unwrap();
    assert_eq!(
        only_error(&outcome),
        "Dockerfile(2,): error : no disk space is left where the image is built\n  caused by: process \"/bin/sh -c echo x \
         >/dev/full\" did not complete successfully: exit code: 1\n\nhint: free some there: `docker buildx prune` removes \
         build caches, `docker system df` tells what takes the space"
    );
    trial.nothing_stays(&outcome);
}

/// A step that pushes, and whose engine is gone as soon as it answers a request with `until` in it.
fn run_until(trial: &Trial, until: &str) -> Outcome {
    let relay = Relay::on_port_until(&trial.world.engine, Some(until));
    trial.world.job.set_host_env("DOCKER_HOST", relay.address());
    let step = trial.world.build_step(PLAIN).input("command", "buildAndPush").input("noCache", "true");
    let step = step.input("containerRegistry", REGISTRY_ID).input("repository", "broken").input("tags", "1");
    step.run().unwrap()
}

const LOST: &str = "the connection to the Docker engine was lost";

const HINT: &str = "hint: see the engine's own log (`journalctl -u docker`), and whether its machine ran out of memory or \
                    disk; then run the job again";

/// The error without its last cause: a connection may break at any byte.
fn lost(error: &str) -> String {
    let (causes, hint) = error.split_once("\n\n").unwrap();
    let (causes, last) = causes.rsplit_once("\n  caused by: ").unwrap();
    assert!(["closed", "EOF", "end of file", "reset"].iter().any(|word| last.contains(word)), "{error}");
    format!("{causes}\n\n{hint}")
}

#[test]
fn an_engine_that_dies_during_the_check() {
    for store in [Store::Containerd, Store::Classic] {
        let trial = Trial::new(store);
        let outcome = run_until(&trial, "/get HTTP");
        assert_eq!(
            lost(&only_error(&outcome)),
            format!("the image cannot be checked\n  caused by: {LOST}\n\n{HINT}")
        );
        assert_eq!((trial.world.held("broken", "1"), outcome.output("imageReferences")), (None, None));
        trial.nothing_stays(&outcome);
    }
}

#[test]
fn an_engine_that_dies_during_the_push() {
    for store in [Store::Containerd, Store::Classic] {
        let trial = Trial::new(store);
        let outcome = run_until(&trial, "/push?");
        assert_eq!(
            lost(&only_error(&outcome)).replace(&trial.world.registry.host(), "REGISTRY"),
            format!(
                "cannot push `REGISTRY/broken:1` (nothing is pushed)\n  caused by: the push to registry `REGISTRY` failed\n  \
                 caused by: {LOST}\n\n{HINT}"
            )
        );
        trial.nothing_stays(&outcome);
    }
}
