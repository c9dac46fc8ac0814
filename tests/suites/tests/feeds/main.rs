//! The feed service, and all that it and the way to it can do wrong: every error is compared whole.
//!
//! Rule: a fault stops the step before its build, says each thing once, and the token is nowhere in what is said.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod answers;
mod attempts;
mod boundary;
mod names;
mod proxies;
mod requests;
mod tls;

use std::collections::BTreeSet;

use feedbuild_agent::{Outcome, Step};
use feedbuild_sandbox::{Builder, Fault, Feed, Flavour, Proxy, Sandbox};
use feedbuild_suites::canary::Searcher;
use feedbuild_suites::{Store, TOKEN, World, only_error, succeeded, unique};

const FEED: &str = "my-private-pypi";

/// The password of the proxies.
const PROXY_PASSWORD: &str = "canary-proxy-9e2d70b35f";

/// A host that no name service knows (RFC 6761 section 6.4).
const NOWHERE: &str = "https://tfs.invalid/tfs/DefaultCollection/";

/// A port of loopback where nobody listens.
const NOBODY: &str = "127.0.0.1:9";

const LIST: &str = "GET …/packaging/feeds";
const AREA: &str = "GET …/resourceAreas";

const NO_GATEWAY: &str = "\n\nhint: if a gateway or proxy stands before Azure DevOps, let this agent connect to the \
                          service itself";

fn organization() -> Builder {
    Sandbox::builder().token(TOKEN).feed(Feed::org(FEED))
}

fn services() -> World {
    world(organization())
}

/// A Server asks for the feeds alone: a fault of the whole service is then one error.
fn server() -> World {
    world(organization().flavour(Flavour::Server))
}

fn world(builder: Builder) -> World {
    let world = World::with_sandbox(Store::Containerd, builder.start());
    if world.sandbox.collection_url().contains("DefaultCollection") {
        world.job.set_variable("System.ServerType", "OnPremises");
    }
    world
}

/// A Server at a URL of its own.
fn server_at(url: &str) -> World {
    let world = server();
    world.job.set_variable("System.TeamFoundationCollectionUri", url);
    world
}

/// Lets the agent trust the sandbox's authority.
fn trust(world: &World) {
    world.source("ca.pem", world.sandbox.ca_pem().unwrap());
    bundle(world, "ca.pem");
}

fn bundle(world: &World, path: &str) {
    world.job.set_variable("Agent.CAInfo", world.job.sources_dir().join(path).to_str().unwrap());
}

/// A step that builds, with these feeds, an image whose `RUN` says each index URL (without the login) and then does
/// `more` with `$url`.
fn step_and(world: &World, feeds: &str, more: &str) -> Step {
    let name = unique("build");
    let secret = "/run/secrets/PIP_EXTRA_INDEX_URL";
    world
        .build_step(&format!(
            "FROM feedbuild-test/base\n\
             RUN --mount=type=secret,id=PIP_EXTRA_INDEX_URL \
             : {name}; set -e; test -s {secret}; for url in $(cat {secret}); do \
             echo \"index $url\" | sed 's#//[^@/]*@#//#'; {more}; done\n"
        ))
        .input("artifactFeeds", feeds)
        .input("onlyAddExtraIndex", "true")
}

fn step(world: &World, feeds: &str) -> Step {
    step_and(world, feeds, ":")
}

/// The step, with less patience than an agent has where that would take long.
fn impatient(step: Step, fault: &Fault) -> Step {
    match fault {
        Fault::Delay(_) => step.env("VSTS_HTTP_TIMEOUT", "2"),
        _ => step,
    }
}

/// The index URLs that the build said.
fn indexes(outcome: &Outcome) -> Vec<&str> {
    outcome
        .log
        .iter()
        .filter_map(|line| line.split_once(" index "))
        .map(|(_, url)| url)
        .filter(|url| url.starts_with("http"))
        .collect()
}

fn nothing_leaks(outcome: &Outcome) {
    let searcher = Searcher::new([("token", TOKEN), ("proxy password", PROXY_PASSWORD)]);
    let said = outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]"));
    let summaries = outcome.summaries();
    for line in said.chain(&outcome.log).chain(&summaries) {
        assert_eq!(searcher.find(line.as_bytes()), BTreeSet::new(), "in the line: {line}");
    }
}

/// The error of a step that stops before its build; the sandbox's address is `SANDBOX`.
fn error(world: &World, step: &Step) -> String {
    let outcome = step.run().unwrap();
    nothing_leaks(&outcome);
    assert!(!outcome.log_text().contains("[section]Building"), "the log:\n{}", outcome.log_text());
    only_error(&outcome).replace(&world.sandbox.authority(), "SANDBOX")
}

fn built(step: &Step) -> Outcome {
    let outcome = succeeded(step.run().unwrap());
    nothing_leaks(&outcome);
    outcome
}

/// Checks all cases at once: they wait more than they work.
fn at_once<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    let check = &check;
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || check(case));
        }
    });
}

/// An organization of Services under its own names, which a proxy leads to the sandbox.
fn services_behind(proxy: &Proxy, builder: Builder, collection: &str) -> World {
    let world = world(builder.tls());
    trust(&world);
    world.job.set_variable("System.TeamFoundationCollectionUri", collection);
    for host in
        ["dev.azure.com", "feeds.dev.azure.com", "contoso.visualstudio.com", "contoso.feeds.visualstudio.com"]
    {
        proxy.lead(host, &world.sandbox.authority());
    }
    world
}
