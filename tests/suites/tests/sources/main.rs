//! Sources beyond the job's own feeds: service connections, feeds by URL that a workload identity opens, and the tokens
//! with which feeds are opened.
//!
//! Rule: what a credential may not open never sees it, and no credential is in what the step says.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod connections;
mod doctor;
mod federation;
mod renewal;
mod tokens;

use std::collections::BTreeSet;
use std::time::Duration;

use feedbuild_agent::{Endpoint, Outcome, Step};
use feedbuild_sandbox::{Application, Builder, Feed, Proxy, Sandbox};
use feedbuild_suites::canary::Searcher;
use feedbuild_suites::reveal::reveal;
use feedbuild_suites::{Store, TOKEN, World, only_error, succeeded, unique};

const FEED: &str = "shared";

/// The service connection with a workload identity, and its application.
const IDENTITY: &str = "7f0e1d5c-2b4a-4c6e-8d90-a1b2c3d4e5f6";
const APPLICATION: &str = "5d2f6c1a-93b7-4e08-b1c4-0f9e8d7c6b5a";

fn endpoint(id: &str, url: &str, scheme: &str, parameters: &[(&str, &str)]) -> Endpoint {
    let parameters = parameters.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    Endpoint { id: id.into(), url: url.into(), scheme: scheme.into(), parameters, ..Endpoint::default() }
}

/// An organization with one feed, and an application that is a member of it.
fn organization() -> Builder {
    with(Application::new(APPLICATION, IDENTITY))
}

fn with(application: Application) -> Builder {
    Sandbox::builder().token(TOKEN).feed(Feed::org(FEED)).application(application)
}

/// A job of an organization, and the proxy that leads to its Entra.
struct Federation {
    world: World,
    proxy: Proxy,
}

impl Federation {
    /// A connection that names this tenant.
    fn of_tenant(builder: Builder, tenant: &str) -> Self {
        let (world, proxy) = (World::with_sandbox(Store::Containerd, builder.tls().start()), Proxy::start());
        world.source("ca.pem", world.sandbox.ca_pem().unwrap());
        world.job.set_variable("Agent.CAInfo", world.job.sources_dir().join("ca.pem").to_str().unwrap());
        world.job.set_variable("Agent.ProxyUrl", &proxy.url());
        proxy.lead_service(&world.sandbox);
        let parameters = [("serviceprincipalid", APPLICATION), ("tenantid", tenant)];
        world.job.add_endpoint(endpoint(
            IDENTITY,
            "https://dev.azure.com/fabrikam",
            "WorkloadIdentityFederation",
            &parameters,
        ));
        Self { world, proxy }
    }

    fn of(builder: Builder) -> Self {
        Self::of_tenant(builder, "00000000-1111-2222-3333-444444444444")
    }

    /// A step that opens the feed by its URL with the connection, and tells the token.
    fn step(&self) -> Step {
        let step = told(&self.world, &["FEED_TOKEN"]);
        let url = self.world.sandbox.index_url(FEED);
        step.input("feedUrl", &url).input("workloadIdentityServiceConnection", IDENTITY)
    }

    fn error(&self, step: &Step) -> String {
        error(&self.world, step)
    }
}

/// A step that tells what these ids hold; a cached `RUN` would tell nothing.
fn told(world: &World, ids: &[&str]) -> Step {
    // BuildKit does once what two builds ask for at the same time.
    let dockerfile =
        format!("FROM feedbuild-test/base:latest\nENV BUILD={}\n{}", unique("build"), reveal(ids));
    world.build_step(&dockerfile).input("noCache", "true")
}

/// The outcome of a step that did well and said no token.
fn built(world: &World, step: &Step) -> Outcome {
    let outcome = succeeded(step.run().unwrap());
    nothing_leaks(world, &outcome);
    outcome
}

/// The error of a step that stops before its build; the sandbox's address is `SANDBOX`.
fn error(world: &World, step: &Step) -> String {
    let outcome = step.run().unwrap();
    nothing_leaks(world, &outcome);
    assert!(!outcome.log_text().contains("[section]Building"), "the log:\n{}", outcome.log_text());
    only_error(&outcome).replace(&world.sandbox.authority(), "SANDBOX")
}

fn nothing_leaks(world: &World, outcome: &Outcome) {
    let issued = world.sandbox.issued_tokens();
    let tokens = issued.iter().map(|token| ("an issued token", token.as_str()));
    let searcher = Searcher::new(tokens.chain([("the job's token", TOKEN)]));
    let said = outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]"));
    let summaries = outcome.summaries();
    for line in said.chain(&outcome.log).chain(&summaries) {
        assert_eq!(searcher.find(line.as_bytes()), BTreeSet::new(), "in the line: {line}");
    }
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

/// Whether log and summary say that the feeds were opened by this.
fn opened_by(outcome: &Outcome, tokens: &str) {
    let line = format!("Feeds are opened by: {tokens}");
    assert!(outcome.log.contains(&line), "the log:\n{}", outcome.log_text());
    let summaries = outcome.summaries().concat();
    assert!(
        summaries.contains(&format!("| Opened by | `{}` |", tokens.replace(", ", "`<br>`"))),
        "{summaries}"
    );
}

const MINUTE: Duration = Duration::from_mins(1);
