//! Logins of registries by service connections of every kind, from the connection to the pushed image.
//!
//! Rule: whatever becomes of a step, none of its tokens is in what it says.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod earlier;
mod faults;
mod kinds;
mod leaks;
mod renewal;
mod several;
mod tls;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use feedbuild_agent::{Endpoint, LoggingCommand, Outcome, Step};
use feedbuild_sandbox::{Acr, AcrBuilder, Application, ManagedIdentity, Proxy, Role, Sandbox};
use feedbuild_suites::canary::Searcher;
use feedbuild_suites::{
    Client, PASSWORD, REGISTRY_ID, Store, TOKEN, Trusted, World, only_error, succeeded, unique, variable,
};

const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

/// The service connection to Azure Container Registry.
const AZURE: &str = "4c1f0b6e-8d27-4a59-b3c0-6e9d2f7a1b58";

/// The application or managed identity that it stands for.
const IDENTITY: &str = "9e3a7c52-1f08-4b6d-a4e1-c05d8b2f6a37";

/// The key of a service principal.
const KEY: &str = "canary-key-6f1e0b93d7a2";

const MINUTE: Duration = Duration::from_mins(1);

/// A job, Azure Container Registry, and the ways to Entra.
struct Azure {
    world: World,
    acr: Acr,
    proxy: Proxy,
    identity: ManagedIdentity,
}

impl Azure {
    /// With a registry in which the identity may push.
    fn new(store: Store) -> Self {
        Self::with(store, |acr| acr.member(IDENTITY, Role::Push))
    }

    fn with(store: Store, rules: impl FnOnce(AcrBuilder) -> AcrBuilder) -> Self {
        let sandbox =
            Sandbox::builder().token(TOKEN).application(Application::new(IDENTITY, AZURE)).tls().start();
        let acr =
            rules(Acr::builder(sandbox.tenant())).start(Path::new(&variable("FEEDBUILD_TEST_REGISTRY_BIN")));
        let (proxy, identity) = (Proxy::start(), ManagedIdentity::start(sandbox.tenant(), IDENTITY));
        proxy.lead_service(&sandbox);
        let world = World::with_sandbox(store, sandbox);
        world.source("ca.pem", &[world.sandbox.ca_pem().unwrap(), acr.ca_pem()].concat());
        world.job.set_variable("Agent.CAInfo", world.job.sources_dir().join("ca.pem").to_str().unwrap());
        world.job.set_variable("Agent.ProxyUrl", &proxy.url());
        for (name, value) in identity.metadata_service() {
            world.job.set_host_env(name, &value);
        }
        Self { world, acr, proxy, identity }
    }

    /// Gives the job the connection by this scheme.
    fn connect(&self, scheme: &str) {
        self.connect_with(scheme, &[], &[]);
    }

    /// Gives the job the connection with these parameters and data besides, or in the place of, the usual ones.
    fn connect_with(&self, scheme: &str, parameters: &[(&str, &str)], data: &[(&str, &str)]) {
        self.connect_as(AZURE, scheme, parameters, data);
    }

    fn connect_as(&self, id: &str, scheme: &str, parameters: &[(&str, &str)], data: &[(&str, &str)]) {
        let host = self.acr.host();
        let usual = match scheme {
            "ServicePrincipal" => vec![("serviceprincipalid", IDENTITY), ("serviceprincipalkey", KEY)],
            "WorkloadIdentityFederation" => vec![("serviceprincipalid", IDENTITY)],
            _ => vec![],
        };
        let tenant = self.world.sandbox.tenant();
        let parameters =
            [&[("loginServer", host.as_str()), ("tenantId", tenant)], &usual[..], parameters].concat();
        let data = [&[("registrytype", "ACR"), ("subscriptionId", "0")], data].concat();
        let owned = |pairs: Vec<(&str, &str)>| {
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        self.world.job.add_endpoint(Endpoint {
            id: id.into(),
            url: format!("https://{host}"),
            scheme: scheme.into(),
            parameters: owned(parameters),
            data: owned(data),
        });
    }

    /// A step that builds something of its own and pushes it as `repository`.
    fn step(&self, repository: &str) -> Step {
        build(&self.world, "feedbuild-test/base", repository).input("containerRegistry", AZURE)
    }

    /// The outcome of a step that did well.
    fn pushed(&self, step: &Step) -> Outcome {
        let outcome = succeeded(step.run().unwrap());
        self.nothing_leaks(&outcome);
        outcome
    }

    /// The error of a step that stops before its build, in which the registry is `REGISTRY`.
    fn error(&self, step: &Step) -> String {
        let outcome = step.run().unwrap();
        self.nothing_leaks(&outcome);
        assert!(!outcome.log_text().contains("[section]Building"), "the log:\n{}", outcome.log_text());
        self.told(&outcome)
    }

    /// The one error of a step, in which the registry is `REGISTRY`.
    fn told(&self, outcome: &Outcome) -> String {
        let text = told(outcome).replace(self.world.sandbox.tenant(), "TENANT");
        text.replace(&self.acr.host(), "REGISTRY").replace(&self.acr.strict_host(), "REGISTRY")
    }

    fn nothing_leaks(&self, outcome: &Outcome) {
        let issued =
            [self.world.sandbox.issued_tokens(), self.acr.issued_tokens(), self.identity.issued_tokens()];
        let issued = issued.concat();
        let tokens = issued.iter().map(|token| ("an issued token", token.as_str()));
        let searcher = Searcher::new(tokens.chain([("the job's token", TOKEN), ("the key", KEY)]));
        let said = outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]"));
        let summaries = outcome.summaries();
        for line in said.chain(&outcome.log).chain(&summaries) {
            assert_eq!(searcher.find(line.as_bytes()), BTreeSet::new(), "in the line: {line}");
        }
    }
}

/// A step that builds something of its own from `base` and pushes it.
fn build(world: &World, base: &str, repository: &str) -> Step {
    world
        .build_step(&format!("FROM {base}\nRUN echo {repository} >/name\n"))
        .input("command", "buildAndPush")
        .input("repository", repository)
        .input("tags", "1")
}

/// The one error of a step, as the step says it: the agent masks most parameters of a connection.
fn told(outcome: &Outcome) -> String {
    let _ = only_error(outcome);
    let is_error = |command: &&LoggingCommand| command.property("type") == Some("error");
    outcome.commands.iter().find(is_error).unwrap().data.clone()
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
