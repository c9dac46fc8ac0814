//! Whom a TLS connection trusts.

use feedbuild_sandbox::{Flavour, Proxy};

use crate::{FEED, NOWHERE, built, bundle, error, indexes, organization, server, step, trust, world};

#[test]
fn a_certificate_of_an_unknown_authority_stops_the_first_attempt() {
    let world = world(organization().flavour(Flavour::Server).tls());
    assert_eq!(
        error(&world, &step(&world, FEED)),
        "cannot get the list of feeds\n  caused by: the certificate of `SANDBOX` is not trusted\n  caused by: \
         invalid peer certificate: UnknownIssuer\n\n\
         hint: add your CA to the system's store, or configure the agent with `--sslcacert`, which sets \
         `AGENT_CAINFO`"
    );
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[test]
fn the_agent_s_authority_is_trusted() {
    for flavour in [Flavour::Services, Flavour::Server] {
        let world = world(organization().flavour(flavour).tls());
        trust(&world);
        let outcome = built(&step(&world, FEED));
        assert_eq!(indexes(&outcome), [world.sandbox.index_url(FEED)]);
    }
}

#[test]
fn a_bundle_that_is_no_use_is_told() {
    let world = world(organization().tls());
    let sources = world.job.sources_dir().display().to_string();
    let path = |error: String| error.replace(&sources, "SOURCES");
    bundle(&world, "nowhere.pem");
    assert_eq!(
        path(error(&world, &step(&world, FEED))),
        "cannot read the agent's CA bundle `SOURCES/nowhere.pem` (`AGENT_CAINFO`)\n  caused by: No such file or \
         directory (os error 2)\n\n\
         hint: configure the agent again with `--sslcacert`, or make the file readable for the agent's user"
    );
    world.source("empty.pem", "# none\n");
    bundle(&world, "empty.pem");
    assert_eq!(
        path(error(&world, &step(&world, FEED))),
        "the agent's CA bundle `SOURCES/empty.pem` (`AGENT_CAINFO`) holds no certificate\n\n\
         hint: configure the agent again with `--sslcacert` and a file in PEM form"
    );
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[test]
fn a_port_without_tls_is_told() {
    let world = server();
    let url = world.sandbox.collection_url().replace("http:", "https:");
    world.job.set_variable("System.TeamFoundationCollectionUri", &url);
    assert_eq!(
        error(&world, &step(&world, FEED)),
        "cannot get the list of feeds\n  caused by: `SANDBOX` does not speak TLS as it should\n  caused by: received \
         corrupt message of type InvalidContentType"
    );
}

#[test]
fn a_certificate_for_another_host_is_told() {
    let proxy = Proxy::start();
    let world = world(organization().flavour(Flavour::Server).tls());
    trust(&world);
    proxy.lead("tfs.invalid", &world.sandbox.authority());
    world.job.set_variable("System.TeamFoundationCollectionUri", NOWHERE);
    world.job.set_variable("Agent.ProxyUrl", &proxy.url());
    let error = error(&world, &step(&world, FEED));
    let expected = "cannot get the list of feeds\n  caused by: the certificate of `tfs.invalid` is not valid\n  caused \
                    by: invalid peer certificate: certificate not valid for name \"tfs.invalid\"; certificate is only \
                    valid for ";
    assert!(error.starts_with(expected), "{error}");
    assert!(!error.contains("hint"), "{error}");
    assert_eq!(proxy.requests().len(), 1);
}
