//! Secrets arrive whole, however often and wherever they are mounted.

use feedbuild_suites::{Client, Store, succeeded, unique};
use sha2::{Digest as _, Sha256};

use crate::trial::Trial;

/// The first secret is the client's standard input and the others are descriptors; each is asked for by several `RUN`s
/// of two stages, which wait for each other and so run at the same time, and arrives whole in each.
fn every_mount_gets_the_whole(store: Store, client: Client, feeds: &str) {
    let trial = Trial::new(store);
    trial.world.use_client(client);
    let large = trial.world.job.temp_dir().join("large");
    let text = "a line of a secret that is as large as they come\n".repeat(500 * 1024 / 49);
    std::fs::write(&large, &text).unwrap();
    let mut secrets = vec![("LARGE", &text), ("API_KEY", &trial.own)];
    if !feeds.is_empty() {
        secrets.push(("FEED_TOKEN", &trial.token));
    }
    let sum = |(id, text): &(&str, &String)| format!("{:x}  {id}\n", Sha256::digest(text.as_bytes()));
    trial.world.source("sums", &secrets.iter().map(sum).collect::<Vec<_>>().concat());
    trial.world.source(
        "check",
        "set -e\n\
         touch \"/meeting/$1\"\n\
         timeout 60 sh -c 'until [ -e /meeting/a ] && [ -e /meeting/b ]; do sleep 0.1; done'\n\
         cd /run/secrets\n\
         sha256sum -c /sums\n",
    );
    let mount = |(id, _): &(&str, &String)| format!("--mount=type=secret,id={id}");
    let mounts = secrets.iter().map(mount).collect::<Vec<_>>().join(" ");
    let meeting = unique("meeting");
    let run = |name| format!("RUN --mount=type=cache,id={meeting},target=/meeting {mounts} sh /check {name}");
    let stage = |name| {
        let run = run(name);
        format!(
            "FROM feedbuild-test/base AS {name}\nCOPY sums check /\nENV RUN={meeting}\n{run}\n{run} again\n"
        )
    };
    let step = trial
        .world
        .build_step(&format!(
            "{}{}FROM a\nCOPY --from=b /sums /sums-of-b\n{} once more\n",
            stage("a"),
            stage("b"),
            run("a")
        ))
        .input("artifactFeeds", feeds)
        .input("secretFiles", &format!("LARGE={}", large.display()));
    succeeded(trial.with_own_secret(step).run().unwrap());
}

#[test]
fn every_mount_gets_the_whole_with_buildx() {
    every_mount_gets_the_whole(Store::Containerd, Client::Buildx, "my-private-pypi");
    every_mount_gets_the_whole(Store::Containerd, Client::Buildx, "");
}

#[test]
fn every_mount_gets_the_whole_without_buildx() {
    every_mount_gets_the_whole(Store::Classic, Client::Legacy, "my-private-pypi");
    every_mount_gets_the_whole(Store::Classic, Client::Legacy, "");
}
