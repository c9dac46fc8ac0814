//! The proof that nothing leaks: a step runs with canaries for secrets while every process of the machine and every
//! file of the job is searched for them, and afterwards everything that the step left is.
//!
//! Two things may hold a canary, and are told by who they are: the task's own processes, which get the secrets from
//! the agent in their environment, and what the Dockerfile itself does with them in the containers of the build.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod mounts;
mod trial;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use feedbuild_sandbox::Received;
use feedbuild_suites::canary::Leak;
use feedbuild_suites::watch::{Part, ProcessLeak, Seen};
use feedbuild_suites::{Client, REGISTRY_ID, Store, succeeded, unique};

use crate::trial::Trial;

fn assert_nothing(leaks: &BTreeSet<Leak>) {
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// Nobody can say that a watch found nothing because it did not look.
fn assert_watched(seen: &Seen, files: &[&str]) {
    for file in files {
        let is_private = |path: &PathBuf| {
            path.ends_with(file)
                && path
                    .parent()
                    .and_then(Path::file_name)
                    .is_some_and(|folder| folder.to_string_lossy().starts_with("feedbuild-"))
        };
        assert!(seen.paths.iter().any(is_private), "no private `{file}` in {:#?}", seen.paths);
    }
    let is_build = |command: &Vec<String>| command.get(1).is_some_and(|word| word == "build");
    assert!(seen.commands.iter().any(is_build), "no client in {:#?}", seen.commands);
}

/// An image with a wheel from the feed, built and pushed; returns what held a canary in the containers of the build.
fn nothing_leaks(store: Store, dockerfile: Option<&str>) -> Vec<ProcessLeak> {
    let trial = Trial::new(store);
    let step = trial.with_own_secret(trial.world.article_step());
    // No cache knows this file, so pip runs.
    trial.world.source("requirements.txt", &format!("private-greeting==1.0.0 # {}\n", unique("leaks")));
    if let Some(dockerfile) = dockerfile {
        trial.world.source("Dockerfile", dockerfile);
    }
    let run = trial.run(&step);
    assert_watched(&run.seen, &["config.json", "result"]);
    assert_nothing(&run.seen.files);
    assert_nothing(&trial.leaks(&run.outcome));

    let digest = run.outcome.output("imageDigest").unwrap().strip_prefix("sha256:").unwrap();
    let blobs = trial.world.registry.folder().join("data/docker/registry/v2/blobs/sha256");
    assert!(blobs.join(&digest[..2]).join(digest).join("data").is_file(), "the search saw no pushed blobs");
    let (inside, outside): (Vec<_>, Vec<_>) = run.strangers.into_iter().partition(|leak| leak.in_container);
    assert!(outside.is_empty(), "{outside:#?}");
    inside
}

/// The article's Dockerfile says `--extra-index-url $(cat …)`, so pip's arguments hold the token. Nothing else does.
fn nothing_leaks_but_into_pips_arguments(store: Store) {
    let inside = nothing_leaks(store, None);
    assert!(!inside.is_empty(), "nobody looked while pip ran");
    for leak in inside {
        let is_pip = leak.arguments.iter().any(|word| word.ends_with("/pip"))
            && leak.arguments.iter().any(|word| word == "--extra-index-url");
        let is_allowed = is_pip && leak.part == Part::Arguments && leak.form.starts_with("token");
        assert!(is_allowed, "{leak:#?}");
    }
}

/// `env=` puts the token into the environment of what the `RUN` starts. Nothing else has it, and no arguments do.
fn nothing_leaks_but_into_the_mounted_variable(store: Store) {
    let inside = nothing_leaks(
        store,
        Some(
            "FROM python:3.12-slim\n\
             COPY requirements.txt /tmp/\n\
             RUN --mount=type=secret,id=PIP_EXTRA_INDEX_URL,env=PIP_EXTRA_INDEX_URL \\\n    \
                 --mount=type=secret,id=API_KEY,required=true \\\n    \
                 pip install -r /tmp/requirements.txt\n",
        ),
    );
    assert!(!inside.is_empty(), "nobody looked while pip ran");
    for leak in inside {
        assert!(leak.part == Part::Environment && leak.form.starts_with("token"), "{leak:#?}");
    }
}

#[test]
fn nothing_leaks_from_the_article_with_the_containerd_store() {
    nothing_leaks_but_into_pips_arguments(Store::Containerd);
}

#[test]
fn nothing_leaks_from_the_article_with_the_classic_store() {
    nothing_leaks_but_into_pips_arguments(Store::Classic);
}

#[test]
fn nothing_leaks_from_a_mounted_variable_with_the_containerd_store() {
    nothing_leaks_but_into_the_mounted_variable(Store::Containerd);
}

#[test]
fn nothing_leaks_from_a_mounted_variable_with_the_classic_store() {
    nothing_leaks_but_into_the_mounted_variable(Store::Classic);
}

/// A base image that only the registry's password opens: here the client asks our credential helper.
fn nothing_leaks_of_the_password_of_a_base_image(store: Store, client: Client) {
    let trial = Trial::new(store);
    let base = format!("{}/{}", trial.world.registry.host(), unique("base"));
    trial.push_base(&base);
    trial.world.use_client(client);
    let step = trial
        .step(&format!(
            "FROM {base}\nENV RUN={}\nRUN --mount=type=secret,id=API_KEY,required=true true\n",
            unique("based")
        ))
        .input("containerRegistry", REGISTRY_ID);
    let before = trial.world.registry.requests().len();
    let run = trial.run(&step);
    assert_watched(&run.seen, &["config.json"]);
    assert_eq!(run.strangers, []);
    assert_nothing(&run.seen.files);
    assert_nothing(&trial.leaks(&run.outcome));
    let requests = trial.world.registry.requests().split_off(before);
    let is_pull = |request: &Received| request.matches("…/manifests/latest") && request.has_authorization();
    assert!(requests.iter().any(is_pull), "the base image was not pulled: {requests:#?}");
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_with_the_containerd_store() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Containerd, Client::Buildx);
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_with_the_classic_store() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Classic, Client::Buildx);
}

#[test]
fn nothing_leaks_of_the_password_of_a_base_image_without_buildx() {
    nothing_leaks_of_the_password_of_a_base_image(Store::Classic, Client::Legacy);
}

/// The search can fail: it names the layer's file and the variable of an image that leaks.
fn an_image_that_leaks_is_found(store: Store) {
    let trial = Trial::new(store);
    let outcome = trial
        .step(&format!(
            "FROM feedbuild-test/base\nENV RUN={} LEAK={}\n\
             RUN --mount=type=secret,id=FEED_TOKEN,required=true cp /run/secrets/FEED_TOKEN /kept\n",
            unique("leaking"),
            BASE64_STANDARD.encode(format!("ci:{}", trial.own)),
        ))
        .input("leakCheck", "off")
        .run()
        .unwrap();
    let mut leaks = BTreeSet::new();
    trial.search_image(succeeded(outcome).output("imageReferences").unwrap(), &mut leaks);
    let (in_layer, elsewhere): (Vec<_>, Vec<_>) =
        leaks.iter().partition(|leak| leak.place.ends_with("!kept"));
    let forms = |leaks: &[&Leak]| leaks.iter().map(|leak| leak.form.clone()).collect::<BTreeSet<_>>();
    assert_eq!(forms(&in_layer), ["token".to_owned()].into(), "{leaks:#?}");
    assert_eq!(forms(&elsewhere), ["own, base64 at alignment 0".to_owned()].into(), "{leaks:#?}");
    for place in ["image inspect", "history", "image!"] {
        assert!(elsewhere.iter().any(|leak| leak.place.starts_with(place)), "not in {place}: {leaks:#?}");
    }
}

#[test]
fn an_image_that_leaks_is_found_in_the_containerd_store() {
    an_image_that_leaks_is_found(Store::Containerd);
}

#[test]
fn an_image_that_leaks_is_found_in_the_classic_store() {
    an_image_that_leaks_is_found(Store::Classic);
}

/// Whatever a `RUN` does to a secret before it prints it, the log shows `***`, also before the agent's own masks.
#[test]
fn an_echoed_secret_is_masked_in_every_form() {
    let trial = Trial::new(Store::Containerd);
    trial.world.source(
        "script",
        "t=$(cat /run/secrets/FEED_TOKEN) u=$(cat /run/secrets/PIP_EXTRA_URL)\n\
         echo \"raw <$t><$(cat /run/secrets/API_KEY)>\"\n\
         echo \"stderr <$t>\" >&2\n\
         echo \"url <$u>\"\n\
         echo \"base64 <$(printf %s \"$t\" | base64 -w 0)>\"\n\
         echo \"base64 <$(printf b:%s \"$t\" | base64 -w 0)>\"\n\
         echo \"base64 <$(printf build:%s. \"$t\" | base64 -w 0)>\"\n\
         echo \"base64url <$(printf x%s \"$t\" | base64 -w 0 | tr +/ -_)>\"\n\
         echo \"url in base64 <$(printf %s \"${u%%@*}\" | base64 -w 0)>\"\n\
         printf 'bar 10%%\\r<%s>\\r<%s>\\rdone <>\\n' \"$t\" \"$t\"\n",
    );
    let outcome = trial
        .step(&format!(
            "FROM feedbuild-test/base\nENV RUN={}\nCOPY script /\n\
             RUN --mount=type=secret,id=API_KEY --mount=type=secret,id=FEED_TOKEN \\\n    \
             --mount=type=secret,id=PIP_EXTRA_URL sh /script\n",
            unique("echo")
        ))
        .run()
        .unwrap();
    let outcome = succeeded(outcome);
    let mut leaks = BTreeSet::new();
    trial.search_output(&outcome, &mut leaks);
    assert_nothing(&leaks);
    // The neighbours of a secret in base64 stay, with the characters that belong to both.
    let shown = [
        "raw <***><***>",
        "url <http://build:***@HOST/pkgs/contoso/_packaging/my-private-pypi/pypi/simple/>",
        "base64 <***g==>",
        "base64 <Yjp***>",
        "base64 <YnVpbGQ6***i4=>",
        "base64url <eG***4=>",
        "url in base64 <aHR0cDovL2J1aWxkOm***g==>",
        "<***>",
        "<***>",
        "done <>",
        "stderr <***>",
    ];
    let script = outcome.raw.iter().filter(|line| line.ends_with('>'));
    // The builder puts the step's number and the time before a line.
    let text = |line: &str| match line.strip_prefix('#') {
        Some(line) => line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned(),
        None => line.to_owned(),
    };
    let mut printed: Vec<String> =
        script.map(|line| text(line).replace(&trial.world.sandbox.authority(), "HOST")).collect();
    // The two streams come in any order.
    printed.sort_by_key(|line| line.starts_with("stderr"));
    assert_eq!(printed, shown);
}
