//! Service connections for packages of other companies.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use feedbuild_agent::{Endpoint, Step};
use feedbuild_sandbox::{Feed, PackageServer, Protocol, Token};
use feedbuild_suites::reveal::texts;
use feedbuild_suites::{Store, TOKEN, World, succeeded, unique};

use crate::{FEED, at_once, built, endpoint, error, opened_by, organization, told};

const ID: &str = "21f7f8de-8051-5b89-8680-0195ef798b6a";
const OTHER: &str = "9c8b7a6d-1e2f-4a3b-8c4d-5e6f7a8b9c0d";

/// What a user name and a password may hold; in percent-encoding and in XML.
const USER: &str = "jo@example.com";
const PASSWORD: &str = "canary-p@:/%#\"'<>&\\é +";
const IN_URL: &str = "jo%40example.com:canary-p%40%3A%2F%25%23%22%27%3C%3E%26%5C%C3%A9%20%2B";
const IN_XML: &str = "canary-p@:/%#&quot;&apos;&lt;&gt;&amp;\\é +";

fn world() -> World {
    World::with_sandbox(Store::Containerd, organization().start())
}

/// A connection with a user name and a password.
fn login(id: &str, url: &str, user: &str, password: &str) -> Endpoint {
    endpoint(id, url, "UsernamePassword", &[("username", user), ("password", password)])
}

fn named(mut endpoint: Endpoint, name: &str) -> Endpoint {
    endpoint.data.insert("repositoryid".into(), name.into());
    endpoint
}

/// The step's secrets hold these texts, and nothing of them is said.
fn hold(world: &World, step: impl Fn(Step) -> Step, expected: &[(&str, String)]) {
    let ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    let outcome = built(world, &step(told(world, &ids)));
    let texts = texts(&outcome);
    for (id, text) in expected {
        assert_eq!(texts[*id], *text, "{id}");
    }
    let masked = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for line in &outcome.log {
        for form in [PASSWORD, IN_URL, &masked] {
            assert!(!line.contains(form), "{line}");
        }
    }
}

#[test]
fn pip_installs_with_a_user_name_and_a_password() {
    // pip writes what is no ASCII as Latin-1, which not every server reads.
    let password = PASSWORD.replace('é', "");
    let server = PackageServer::start(Feed::org("python"), Token::password(USER, &password));
    let world = world();
    world.job.add_endpoint(login(ID, &server.url(Protocol::PyPi), USER, &password));
    let secret = "/run/secrets/PIP_INDEX_URL";
    let step = world
        .build_step(&format!(
            "FROM python:3.12-slim\nENV BUILD={}\n\
             RUN --mount=type=secret,id=PIP_INDEX_URL pip install --index-url \"$(cat {secret})\" private-greeting\n",
            unique("build")
        ))
        .input("noCache", "true")
        .input("pythonDownloadServiceConnections", ID);
    let outcome = succeeded(step.run().unwrap());
    assert!(!outcome.log_text().contains("canary-p"), "the log:\n{}", outcome.log_text());
    opened_by(&outcome, "service connection");
    let summary = outcome.summaries().concat();
    assert!(summary.contains(&format!("| Feeds | `{}` |", server.url(Protocol::PyPi))), "{summary}");
    assert!(server.requests().iter().any(|request| request.status == Some(200)));
    // Nobody else is asked for anything, and the job's token goes nowhere.
    assert_eq!(world.sandbox.requests().len(), 0);
    assert!(server.requests().iter().all(|request| !format!("{:?}", request.headers).contains(TOKEN)));
}

#[test]
fn every_client_is_given_odd_characters_in_its_own_way() {
    let url = "https://packages.example/team";
    let basic = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let quoted = PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
    let cases = [
        (
            "pythonDownloadServiceConnections",
            "PIP_INDEX_URL",
            format!("https://{IN_URL}@packages.example/team/"),
        ),
        (
            "npmServiceConnections",
            "npmrc",
            format!(
                "registry=https://packages.example/team/\n//packages.example/team/:_auth={basic}\nalways-auth=true\n"
            ),
        ),
        (
            "nuGetServiceConnections",
            "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS",
            format!(
                "{{\"endpointCredentials\":[{{\"endpoint\":\"{url}\",\"username\":\"{USER}\",\
                 \"password\":\"{quoted}\"}}]}}"
            ),
        ),
        (
            "mavenServiceConnections",
            "settings.xml",
            format!(
                "<settings xmlns=\"http://maven.apache.org/SETTINGS/1.0.0\">\n  <servers>\n    <server>\n      \
                 <id>packages-example</id>\n      <username>{USER}</username>\n      <password>{IN_XML}</password>\n    \
                 </server>\n  </servers>\n</settings>\n"
            ),
        ),
        ("cargoServiceConnections", "CARGO_REGISTRIES_PACKAGES_EXAMPLE_TOKEN", format!("Basic {basic}")),
    ];
    at_once(cases, |(input, id, text)| {
        let world = world();
        world.job.add_endpoint(login(ID, url, USER, PASSWORD));
        hold(&world, |step| step.input(input, ID), &[(id, text)]);
    });
}

#[test]
fn a_token_is_presented_as_each_client_can() {
    let token = "canary-t0ken";
    let url = "https://packages.example/team";
    let cases = [
        (
            "pythonDownloadServiceConnections",
            "PIP_INDEX_URL",
            format!("https://build:{token}@packages.example/team/"),
        ),
        (
            "npmServiceConnections",
            "npmrc",
            format!(
                "registry=https://packages.example/team/\n//packages.example/team/:_authToken={token}\nalways-auth=true\n"
            ),
        ),
    ];
    at_once(cases, |(input, id, text)| {
        let world = world();
        world.job.add_endpoint(endpoint(ID, url, "Token", &[("apitoken", token)]));
        hold(&world, |step| step.input(input, ID), &[(id, text)]);
    });
}

#[test]
fn a_scheme_that_opens_nothing_is_named() {
    let cases = [
        ("nuGetServiceConnections", "nuget.config", "None", "nugetkey"),
        ("mavenServiceConnections", "settings.xml", "PrivateKey", "certificate"),
        ("cargoServiceConnections", "cargo_config", "Token", "apitoken"),
    ];
    at_once(cases, |(input, id, scheme, key)| {
        let world = world();
        world.job.add_endpoint(endpoint(ID, "https://packages.example/", scheme, &[(key, "canary-x")]));
        assert_eq!(
            error(&world, &told(&world, &[id]).input(input, ID)),
            format!(
                "input `{input}`: the service connection's scheme `{scheme}` opens nothing that a build reads\n\n\
                 hint: use a service connection with a user name and a password (an API key of NuGet can only publish)"
            )
        );
    });
}

#[test]
fn what_a_connection_lacks_is_named() {
    let input = "npmServiceConnections";
    let url = "https://packages.example/";
    let cases = [
        (
            endpoint(ID, url, "UsernamePassword", &[("username", "jo")]),
            "the service connection has no `password`",
        ),
        (
            endpoint(ID, url, "UsernamePassword", &[("password", "x7")]),
            "the service connection has no `username`",
        ),
        (endpoint(ID, url, "Token", &[]), "the service connection has no `apitoken`"),
        (login(ID, "", "jo", "x7"), "the service connection has no URL"),
        (
            login(ID, "packages", "jo", "x7"),
            "the service connection's URL is none: `packages`\n  caused by: relative URL without a base",
        ),
    ];
    at_once(cases, |(endpoint, wrong)| {
        let world = world();
        world.job.add_endpoint(endpoint);
        let error = error(&world, &told(&world, &["npmrc"]).input(input, ID));
        assert_eq!(error, format!("input `{input}`: {wrong}"));
    });
}

#[test]
fn a_connection_that_the_job_lacks_is_told() {
    let world = world();
    assert_eq!(
        error(&world, &told(&world, &["npmrc"]).input("npmServiceConnections", OTHER)),
        format!(
            "input `npmServiceConnections`: service connection `{OTHER}` is not known to this job\n\n\
             hint: use the name of a service connection that this pipeline is authorized to use (Project settings > \
             Service connections)"
        )
    );
}

#[test]
fn two_connections_for_one_host_keep_their_credentials() {
    let world = world();
    for (id, path, user, password) in
        [(ID, "one", "user-one", "canary-1"), (OTHER, "two", "user-two", "canary-2")]
    {
        world.job.add_endpoint(login(id, &format!("https://packages.example/{path}/"), user, password));
    }
    let python = |step: Step| step.input("pythonDownloadServiceConnections", &format!("{ID},{OTHER}"));
    let expected = [
        ("PIP_INDEX_URL", "https://user-one:canary-1@packages.example/one/".to_owned()),
        ("PIP_EXTRA_INDEX_URL", "https://user-two:canary-2@packages.example/two/".to_owned()),
    ];
    hold(&world, python, &expected);
    // A netrc knows hosts only.
    assert_eq!(
        error(&world, &python(told(&world, &["netrc"]))),
        "cannot provide secret `netrc`\n  caused by: a netrc knows hosts only, and `packages.example` is opened by \
         different credentials\n\n\
         hint: mount a file that knows URLs instead (see `docs/secrets.md`)"
    );
}

#[test]
fn connections_of_one_host_are_told_apart_by_their_repository() {
    let world = world();
    world.job.add_endpoint(named(login(ID, "https://packages.example/one", "user-one", "canary-1"), "first"));
    world
        .job
        .add_endpoint(named(login(OTHER, "https://packages.example/two", "user-two", "canary-2"), "second"));
    let servers: Vec<String> = [("first", "user-one", "canary-1"), ("second", "user-two", "canary-2")]
        .map(|(id, user, password)| {
            format!(
                "    <server>\n      <id>{id}</id>\n      <username>{user}</username>\n      \
                 <password>{password}</password>\n    </server>\n"
            )
        })
        .into();
    let text = format!(
        "<settings xmlns=\"http://maven.apache.org/SETTINGS/1.0.0\">\n  <servers>\n{}  </servers>\n</settings>\n",
        servers.concat()
    );
    let both = format!("{ID},{OTHER}");
    hold(&world, |step| step.input("mavenServiceConnections", &both), &[("settings.xml", text)]);
}

#[test]
fn feeds_come_before_connections() {
    let world = world();
    world.job.add_endpoint(login(ID, "https://packages.example/", "user-one", "canary-1"));
    let feed = world.sandbox.index_url(FEED).replacen("://", &format!("://build:{TOKEN}@"), 1);
    let expected = [
        ("PIP_INDEX_URL", feed),
        ("PIP_EXTRA_INDEX_URL", "https://user-one:canary-1@packages.example/".to_owned()),
    ];
    let step = |step: Step| step.input("artifactFeeds", FEED).input("pythonDownloadServiceConnections", ID);
    hold(&world, step, &expected);
}
