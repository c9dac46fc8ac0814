//! Proxies between the agent and the service.

use std::collections::BTreeSet;

use feedbuild_sandbox::Proxy;
use feedbuild_suites::World;

use crate::{
    FEED, NOBODY, NOWHERE, PROXY_PASSWORD, at_once, built, error, indexes, organization, server_at, services,
    services_behind, step, trust, world,
};

/// Where the proxy was asked to connect to.
fn tunnels(proxy: &Proxy) -> BTreeSet<String> {
    proxy.requests().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
}

#[test]
fn both_families_of_hosts_are_reached_through_the_agent_s_proxy() {
    let codex = "https://pkgs.dev.azure.com/contoso/";
    let vsts = "https://contoso.pkgs.visualstudio.com/";
    let cases = [
        (
            "https://dev.azure.com/contoso/",
            codex,
            ["CONNECT dev.azure.com:443", "CONNECT feeds.dev.azure.com:443"],
        ),
        // The organization's setting decides on the family of the packages, whatever that of the collection.
        (
            "https://dev.azure.com/contoso/",
            vsts,
            ["CONNECT dev.azure.com:443", "CONNECT feeds.dev.azure.com:443"],
        ),
        (
            "https://contoso.visualstudio.com/",
            vsts,
            ["CONNECT contoso.feeds.visualstudio.com:443", "CONNECT contoso.visualstudio.com:443"],
        ),
    ];
    at_once(cases, |(collection, base, hosts)| {
        let proxy = Proxy::with_credential("agent", PROXY_PASSWORD);
        let world = services_behind(&proxy, organization().location_url(base), collection);
        world.job.set_variable("Agent.ProxyUrl", &proxy.url());
        world.job.set_variable("Agent.ProxyUsername", "agent");
        world.job.set_secret_variable("Agent.ProxyPassword", PROXY_PASSWORD);
        let outcome = built(&step(&world, FEED));
        assert_eq!(indexes(&outcome), [format!("{base}_packaging/{FEED}/pypi/simple/")]);
        assert_eq!(tunnels(&proxy), hosts.map(str::to_owned).into());
        assert_eq!(world.sandbox.requests().len(), 2);
    });
}

#[test]
fn the_machine_s_proxy_serves_where_the_agent_has_none() {
    let proxy = Proxy::with_credential("me", PROXY_PASSWORD);
    let world = services_behind(&proxy, organization(), "https://dev.azure.com/contoso/");
    let address = proxy.url().replace("http://", "");
    world.job.set_host_env("https_proxy", &format!("http://me:{PROXY_PASSWORD}@{address}"));
    built(&step(&world, FEED));
    assert_eq!(world.sandbox.requests().len(), 2);
    assert_eq!(tunnels(&proxy).len(), 2);
}

#[test]
fn hosts_on_the_bypass_list_are_reached_directly() {
    let list = |world: &World, proxy: &Proxy| {
        world.job.set_variable("Agent.ProxyUrl", &proxy.url());
        world.job.set_variable("Agent.ProxyBypassList", r#"["other\\.example", "TFS\\.invalid"]"#);
    };
    let hosts = |world: &World, proxy: &Proxy| {
        world.job.set_host_env("https_proxy", &proxy.url());
        world.job.set_host_env("no_proxy", "other.example,tfs.invalid");
    };
    let cases: [fn(&World, &Proxy); 2] = [list, hosts];
    at_once(cases, |set| {
        let proxy = Proxy::start();
        let world = server_at(NOWHERE);
        proxy.lead("tfs.invalid", &world.sandbox.authority());
        set(&world, &proxy);
        let error = error(&world, &step(&world, FEED));
        assert!(error.contains("`tfs.invalid` is unknown to the name service"), "{error}");
        assert_eq!(proxy.requests().len(), 0);
    });
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    let dead = format!("http://{NOBODY}");
    let world = world(organization().tls());
    trust(&world);
    world.job.set_variable("Agent.ProxyUrl", &dead);
    built(&step(&world, FEED));

    let world = services();
    for name in ["http_proxy", "https_proxy"] {
        world.job.set_host_env(name, &dead);
    }
    built(&step(&world, FEED));
}

#[test]
fn what_a_proxy_does_wrong_is_laid_to_the_proxy() {
    struct Case {
        set: fn(&World, &Proxy),
        wrong: &'static str,
        attempts: usize,
    }
    let agent = |world: &World, proxy: &Proxy| world.job.set_variable("Agent.ProxyUrl", &proxy.url());
    let cases = [
        Case {
            set: agent,
            wrong: "the proxy `PROXY` (`AGENT_PROXYURL`) does not let this agent in (407)\n  caused by: tunnel error: \
                    proxy authorization required\n\n\
                    hint: configure the agent again with the right `--proxyusername` and `--proxypassword`",
            attempts: 1,
        },
        Case {
            set: |world, proxy| {
                let address = proxy.url().replace("http://", "");
                world.job.set_host_env("HTTPS_PROXY", &format!("me:x{PROXY_PASSWORD}@{address}"));
            },
            wrong: "the proxy `PROXY` (`HTTPS_PROXY`) does not let this agent in (407)\n  caused by: tunnel error: \
                    proxy authorization required\n\n\
                    hint: write the right user name and password into the URL in `HTTPS_PROXY`",
            attempts: 1,
        },
        Case {
            set: |world, proxy| {
                world.job.set_variable("Agent.ProxyUrl", &proxy.url());
                world.job.set_variable("Agent.ProxyUsername", "me");
                world.job.set_secret_variable("Agent.ProxyPassword", PROXY_PASSWORD);
            },
            wrong: "the proxy `PROXY` (`AGENT_PROXYURL`) does not connect to `tfs.invalid` (4 attempts)\n  caused by: \
                    tunnel error: unsuccessful\n\n\
                    hint: let the proxy pass `tfs.invalid`, or add the host to the agent's `.proxybypass` if it is \
                    reached without",
            attempts: 4,
        },
        Case {
            set: |world, _| world.job.set_variable("Agent.ProxyUrl", &format!("http://{NOBODY}")),
            wrong: "the proxy `http://127.0.0.1:9` (`AGENT_PROXYURL`) cannot be reached (4 attempts)\n  caused by: \
                    Connection refused (os error 111)",
            attempts: 0,
        },
    ];
    at_once(cases, |Case { set, wrong, attempts }| {
        let proxy = Proxy::with_credential("me", PROXY_PASSWORD);
        let world = server_at(NOWHERE);
        set(&world, &proxy);
        let error = error(&world, &step(&world, FEED)).replace(&proxy.url(), "PROXY");
        assert_eq!(error, format!("cannot get the list of feeds\n  caused by: {wrong}"));
        assert_eq!(proxy.requests().len(), attempts);
    });
}
