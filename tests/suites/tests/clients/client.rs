//! Builds in which every example of a client's section is a stage of its own.

use std::fmt::Write as _;

use feedbuild_sandbox::{Artifact, Feed, Received, Sandbox};
use feedbuild_suites::{Store, TOKEN, World, succeeded};

use crate::example::{Example, examples};

/// Where the docs say that packages and repositories are.
const PACKAGES: &str = "//pkgs.dev.azure.com/contoso/";
const COLLECTION: &str = "https://dev.azure.com/contoso/";

/// A client, and the project that its examples are run in.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    /// The heading of its section in the docs.
    pub heading: &'static str,
    /// The project's files. URLs are those of the docs.
    pub project: &'static [(&'static str, &'static str)],
    /// Lines of the Dockerfile before each example, in which `{n}` is its number.
    pub before: &'static str,
    /// Lines for builds without mounts: the feed's URL, where it comes with the credentials.
    pub unmounted: &'static str,
    /// How its `User-Agent` begins.
    pub agent: &'static str,
    /// The last request that each example makes, if all is well.
    pub request: &'static str,
    /// Its status then; the example itself fails unless it is 200.
    pub status: u16,
}

/// Runs the examples of each of these clients: all at once with their mounts, then without, where each must fail. The
/// feed's record tells whether they got what they were to get.
pub(crate) fn run(clients: &[Client]) {
    let sandbox = Sandbox::builder().token(TOKEN).feed(feed()).project("web").start();
    let world = World::with_sandbox(Store::Containerd, sandbox);
    let stages = |mounted| stages(&world, clients, mounted);
    build(&world, &stages(true));
    for client in clients {
        let kin = clients.iter().filter(|kin| kin.agent == client.agent);
        let wanted: usize = kin.map(|kin| examples(kin.heading).len()).sum();
        let served = served(&world.sandbox.requests(), client);
        assert!(served >= wanted, "{}: only {served} of {wanted} got it", client.heading);
    }
    let before = world.sandbox.requests().len();
    build(&world, &stages(false));
    let requests = &world.sandbox.requests()[before..];
    for client in clients {
        assert!(requests.iter().any(|request| by(request, client)), "{}: did not ask", client.heading);
        assert_eq!(served(requests, client), 0, "{}: got it without mounts", client.heading);
    }
}

/// The feed, which also has what Maven adds to every extension of a build.
fn feed() -> Feed {
    Feed::org("shared").with(Artifact::new("org.codehaus.plexus", "plexus-utils", "1.1"))
}

/// How many of the requests are the client's last, with credentials and the right answer.
fn served(requests: &[Received], client: &Client) -> usize {
    let good = |request: &&Received| {
        by(request, client)
            && request.has_authorization()
            && request.matches(client.request)
            && request.status == Some(client.status)
    };
    requests.iter().filter(good).count()
}

fn by(request: &Received, client: &Client) -> bool {
    request.header("user-agent").is_some_and(|agent| agent.starts_with(client.agent))
}

fn build(world: &World, dockerfile: &str) {
    let outcome =
        world.build_step(dockerfile).input("artifactFeeds", "shared").input("noCache", "true").run().unwrap();
    let outcome = succeeded(outcome);
    assert!(!outcome.log_text().contains(TOKEN), "the log has the token:\n{}", outcome.log_text());
}

/// A Dockerfile with a stage for each example, and a last one that needs them all.
fn stages(world: &World, clients: &[Client], mounted: bool) -> String {
    let here = |text: &str| {
        let (packages, collection) = (world.sandbox.packaging_url(), world.sandbox.collection_url());
        text.replace(&format!("https:{PACKAGES}"), &packages)
            .replace(PACKAGES, packages.strip_prefix("http:").expect("it speaks http"))
            .replace(COLLECTION, &collection)
    };
    let mut text = String::from(
        "FROM feedbuild-test/clients AS base\nCOPY --chown=1000:1000 projects /work\nRUN sh /work/elsewhere\n",
    );
    let mut last = String::from("FROM scratch\n");
    world.source("projects/elsewhere", ELSEWHERE);
    for client in clients {
        let folder = client.heading.replace(' ', "-");
        for (path, content) in client.project {
            world.source(&format!("projects/{folder}/{path}"), &here(content));
        }
        for (n, example) in examples(client.heading).iter().enumerate() {
            let Example { user, mounts, command } = example;
            let stage = format!("{}-{n}", folder.to_lowercase());
            let user = user.as_deref().unwrap_or("root");
            let _ = writeln!(text, "FROM base AS {stage}\nWORKDIR /work/{folder}\nUSER {user}");
            let _ = writeln!(text, "{}", client.before.replace("{n}", &n.to_string()));
            let mounts = if mounted {
                mounts.join(" ")
            } else {
                let _ = writeln!(text, "{}", here(client.unmounted));
                String::new()
            };
            let command = here(command);
            let _ = if mounted && client.status == 200 {
                writeln!(text, "RUN {mounts} {command}")
            } else {
                writeln!(text, "RUN {mounts} if {command}; then exit 1; fi")
            };
            let _ = writeln!(last, "COPY --from={stage} /etc/debian_version /{stage}");
        }
    }
    text + &last
}

/// Sends the clients' default registries to a port where nobody listens: an example reaches only what it is given.
const ELSEWHERE: &str = r#"set -e
printf '[global]\nindex-url = http://127.0.0.1:9/\nretries = 0\n' >/etc/pip.conf
mkdir -p /etc/uv /opt/node/node_modules/node/etc
printf '[[index]]\nurl = "http://127.0.0.1:9/"\ndefault = true\n' >/etc/uv/uv.toml
printf 'registry=http://127.0.0.1:9/\n' >/opt/node/node_modules/node/etc/npmrc
"#;
