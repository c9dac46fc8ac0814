//! Where the token does not go.

use feedbuild_sandbox::{Fault, Proxy, Trap};

use crate::{
    AREA, FEED, LIST, NO_GATEWAY, at_once, error, organization, server_at, services, services_behind, step,
    world,
};

#[test]
fn plain_http_to_another_machine_is_refused_before_any_request() {
    let proxy = Proxy::start();
    let world = server_at("http://tfs.invalid/tfs/DefaultCollection");
    world.job.set_variable("Agent.ProxyUrl", &proxy.url());
    assert_eq!(
        error(&world, &step(&world, FEED)),
        "`http://tfs.invalid/tfs/DefaultCollection/` is plain http, and the job access token is not sent over a \
         network in clear\n\n\
         hint: serve Azure DevOps over https, and make that address its public URL"
    );
    assert_eq!(proxy.requests().len(), 0);
}

#[test]
fn the_token_does_not_follow_a_redirect() {
    at_once([(LIST, "the list of feeds"), (AREA, "the location of Azure Artifacts")], |(pattern, what)| {
        let trap = Trap::on([127, 0, 0, 2]);
        let world = services();
        world.sandbox.fault(pattern, Fault::Redirect(format!("{}x?y", trap.url())), usize::MAX);
        let host = trap.authority();
        assert_eq!(
            error(&world, &step(&world, FEED)),
            format!(
                "`SANDBOX` sent the request for {what} on to `{host}` (302); the token was not sent \
                 there{NO_GATEWAY}"
            )
        );
        assert_eq!(trap.caught(), Vec::<Vec<u8>>::new());
    });
}

#[test]
fn the_token_goes_to_no_host_that_the_service_makes_up() {
    let trap = Trap::on([127, 0, 0, 2]);
    let foreign = |url: &str| {
        format!(
            "the service says that packages are at `{url}`, on a host that is not this organization's; the token is \
             not sent there{NO_GATEWAY}"
        )
    };
    let cases = [
        (trap.url(), foreign(&trap.url())),
        (format!("http://SANDBOX@{}", trap.authority()), foreign(&format!("http://SANDBOX@{}/", trap.authority()))),
        ("https://pkgs.dev.azure.com/fabrikam".into(), foreign("https://pkgs.dev.azure.com/fabrikam/")),
        (
            "pkgs".into(),
            "the service says that packages are at `pkgs`, which is no URL\n  caused by: relative URL without a base"
                .into(),
        ),
    ];
    at_once(cases, |(location, expected)| {
        let world = world(organization().location_url(&location));
        assert_eq!(error(&world, &step(&world, FEED)), expected);
    });
    assert_eq!(trap.caught(), Vec::<Vec<u8>>::new());
}

#[test]
fn another_organization_on_the_same_host_gets_no_token() {
    let proxy = Proxy::start();
    let builder = organization().location_url("https://pkgs.dev.azure.com/fabrikam/");
    let world = services_behind(&proxy, builder, "https://dev.azure.com/contoso/");
    world.job.set_variable("Agent.ProxyUrl", &proxy.url());
    assert_eq!(
        error(&world, &step(&world, FEED)),
        format!(
            "the service says that packages are at `https://pkgs.dev.azure.com/fabrikam/`, on a host that is not \
             this organization's; the token is not sent there{NO_GATEWAY}"
        )
    );
}
