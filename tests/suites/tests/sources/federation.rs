//! Feeds by URL that a workload identity opens: from the job's id token to the feed, and all that stands in between.

use feedbuild_sandbox::{Application, Builder, Fault, Feed, Sandbox};
use feedbuild_suites::reveal::texts;
use feedbuild_suites::{Store, TOKEN, World};

use crate::{APPLICATION, FEED, Federation, IDENTITY, at_once, built, error, organization, told, with};

const OIDC: &str = "POST …/oidctoken";
const ENTRA: &str = "POST …/oauth2/v2.0/token";
const SESSION: &str = "POST …/Token/SessionTokens";
const NOWHERE: &str = "00000000-1111-2222-3333-444444444444";

const REFUSED: &str = "Entra (`login.microsoftonline.com`) refused the token exchange";

const NO_ID_TOKEN: &str = "Azure DevOps gave no id token for the service connection in \
                           `workloadIdentityServiceConnection` (STATUS)\n\n\
                           hint: authorize this pipeline to use the service connection (its page > Security > Pipeline \
                           permissions)";

#[test]
fn an_entra_token_opens_the_feed() {
    let federation = Federation::of(organization());
    let sandbox = &federation.world.sandbox;
    let step = federation.step().input("feedToken", "job");
    let outcome = built(&federation.world, &step);
    let issued = sandbox.issued_tokens();
    let [_, entra] = &issued[..] else { panic!("an id token and an access token: {issued:?}") };
    assert_eq!(texts(&outcome)["FEED_TOKEN"], *entra);
    crate::opened_by(&outcome, "Entra token");

    // Entra is asked for the feed's tenant, not the connection's, and without the job's token.
    let entra = sandbox.requests_to(ENTRA);
    assert_eq!(entra.len(), 1);
    assert_eq!(entra[0].path(), format!("/{}/oauth2/v2.0/token", sandbox.tenant()));
    assert!(!entra[0].has_authorization());
    assert_eq!(
        federation.proxy.requests().iter().map(|request| request.target.as_str()).collect::<Vec<_>>(),
        ["login.microsoftonline.com:443"]
    );
    // The job's token goes to its own organization only: the feed is asked for its tenant without any.
    let feed = sandbox.requests_to("_packaging");
    assert!(feed.iter().all(|request| !request.has_authorization()), "{feed:#?}");
}

#[test]
fn the_tenant_is_found_by_either_method() {
    at_once([("HEAD", 1), ("GET", 2)], |(method, requests)| {
        let federation = Federation::of(organization().tenant_only_on(method));
        built(&federation.world, &federation.step().input("feedToken", "job"));
        assert_eq!(federation.world.sandbox.requests_to("_packaging").len(), requests, "{method}");
    });
}

#[test]
fn the_connection_s_tenant_serves_where_the_feed_names_none() {
    let none = "00000000-0000-0000-0000-000000000000";
    // The organization says that it has no tenant, so Entra is asked about the connection's.
    let federation = Federation::of(organization().tenant(none));
    let error = federation.error(&federation.step());
    assert!(error.contains(&format!("AADSTS90002: Tenant '{NOWHERE}' not found.")), "{error}");
    assert_eq!(
        federation.world.sandbox.requests_to(ENTRA)[0].path(),
        format!("/{NOWHERE}/oauth2/v2.0/token")
    );
}

#[test]
fn a_pipeline_without_an_id_token_is_told() {
    at_once([401, 404], |status| {
        let federation = Federation::of(organization());
        federation.world.sandbox.fault(OIDC, Fault::Status(status), usize::MAX);
        assert_eq!(federation.error(&federation.step()), NO_ID_TOKEN.replace("STATUS", &status.to_string()));
        assert_eq!(federation.world.sandbox.requests_to(ENTRA).len(), 0);
    });
}

#[test]
fn a_connection_that_the_pipeline_may_not_use_is_told() {
    let sandbox = Sandbox::builder().token(TOKEN).feed(Feed::org(FEED));
    let federation = Federation::of(sandbox);
    assert_eq!(federation.error(&federation.step()), NO_ID_TOKEN.replace("STATUS", "404"));
}

#[test]
fn a_slow_service_is_given_up() {
    at_once(
        [(OIDC, "cannot ask for the job's id token"), (ENTRA, "cannot reach Entra")],
        |(slow, message)| {
            let federation = Federation::of(organization());
            federation.world.sandbox.fault(slow, Fault::Delay(crate::MINUTE), usize::MAX);
            let error = federation.error(&federation.step().env("VSTS_HTTP_TIMEOUT", "1"));
            let host = if slow == OIDC { "SANDBOX" } else { "login.microsoftonline.com" };
            assert_eq!(
                error,
                format!(
                    "{message}\n  caused by: `{host}` did not answer within 1 s (4 attempts)\n  caused by: operation timed out"
                ),
            );
        },
    );
}

#[test]
fn what_entra_refuses_is_quoted_and_explained() {
    let tenant = Federation::of(organization()).world.sandbox.tenant().to_owned();
    // The agent masks the application's id, as all but a few parameters of a connection.
    let not_known = format!(
        "AADSTS700016: Application with identifier '***' was not found in the directory '{tenant}'. This can \
         happen if the application has not been installed by the administrator of the tenant or consented to by any user \
         in the tenant. You may have sent your authentication request to the wrong tenant."
    );
    let cases: [(Builder, &str, &str); 3] = [
        (
            with(Application::new("another-application", IDENTITY)),
            &not_known,
            "the application is not known in the feed's tenant: check the service connection's application id, and that \
             it is of the tenant to which the feed's organization is connected",
        ),
        (
            organization().tenant_only_on("POST"),
            "AADSTS90002: Tenant '00000000-1111-2222-3333-444444444444' not found. Check to make sure you have the \
             correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this \
             may happen if there are no active subscriptions for the tenant.",
            "the tenant does not exist: check the tenant id of the service connection",
        ),
        (
            with(Application::new(APPLICATION, "another-connection")).service_connection(IDENTITY),
            "AADSTS70021: No matching federated identity record found for presented assertion. Assertion Issuer: \
             'ISSUER'. Assertion Subject: 'sc://contoso/project/7f0e1d5c-2b4a-4c6e-8d90-a1b2c3d4e5f6'. Assertion \
             Audience: 'api://AzureADTokenExchange'. \
             https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation",
            "the application has no federated credential for this service connection: compare issuer and subject in \
             Entra > App registrations > Certificates & secrets > Federated credentials with those on the service \
             connection's page",
        ),
    ];
    at_once(cases, |(builder, said, hint)| {
        let federation = Federation::of(builder);
        let error = federation.error(&federation.step());
        let issuer = error.split("Assertion Issuer: '").nth(1).and_then(|rest| rest.split('\'').next());
        let said = said.replace("ISSUER", issuer.unwrap_or_default());
        assert_eq!(error, format!("{REFUSED} (400)\n  caused by: {said}\n\nhint: {hint}"));
        assert_eq!(federation.world.sandbox.requests_to(ENTRA).len(), 1, "it is asked once");
    });
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let federation = Federation::of(organization());
    federation.world.sandbox.fault(ENTRA, Fault::Entra(700_024), usize::MAX);
    let error = federation.error(&federation.step());
    let start = format!(
        "{REFUSED} (401)\n  caused by: AADSTS700024: Client assertion is not within its valid time range. Current time: "
    );
    let end = "Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials \
               .\n\nhint: the id token was out of its ten minutes when Entra saw it: check the clock of this agent's \
               machine";
    assert!(error.starts_with(&start) && error.ends_with(end), "{error}");
}

#[test]
fn a_url_that_is_no_feed_is_told_before_any_request() {
    const HINT: &str = "\n\nhint: copy it from Artifacts > Connect to feed, e.g. \
                `https://pkgs.dev.azure.com/ORG/PROJECT/_packaging/FEED/pypi/simple/`";
    let no_feed = |url: &str| format!("input `feedUrl`: `{url}` is no URL of an Azure Artifacts feed{HINT}");
    let cases = [
        ("https://dev.azure.com/fabrikam/_artifacts/feed/shared", None),
        ("https://packages.example/fabrikam/_packaging/shared/pypi/simple/", None),
        ("http://pkgs.dev.azure.com/fabrikam/_packaging/shared/pypi/simple/", None),
        ("shared", Some(format!("input `feedUrl` holds a line that is no URL{HINT}"))),
        (
            "https://me:canary-s3cret@pkgs.dev.azure.com/fabrikam/_packaging/shared/pypi/simple/",
            Some("input `feedUrl` holds credentials; leave them out, the step has its own".to_owned()),
        ),
    ];
    at_once(cases, |(url, expected)| {
        let world = World::with_sandbox(Store::Containerd, organization().start());
        let error = error(&world, &told(&world, &["FEED_TOKEN"]).input("feedUrl", url));
        assert_eq!(error, expected.unwrap_or_else(|| no_feed(url)));
        assert_eq!(world.sandbox.requests().len(), 0);
    });
}

#[test]
fn another_organization_never_sees_the_job_s_token() {
    let world = World::with_sandbox(Store::Containerd, organization().start());
    let other = Sandbox::builder().org("fabrikam").token(TOKEN).feed(Feed::org(FEED)).start();
    let url = other.index_url(FEED);
    let step = told(&world, &["FEED_TOKEN"]).input("feedUrl", &url).input("feedToken", "job");
    assert_eq!(
        error(&world, &step),
        format!(
            "input `feedUrl`: `{url}` is of another organization, where the job access token is not sent\n\n\
             hint: set `workloadIdentityServiceConnection` to a service connection whose application is a user of that \
             organization"
        )
    );
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn the_job_s_token_opens_a_feed_of_its_own_organization_by_url() {
    let world = World::with_sandbox(Store::Containerd, organization().start());
    let step =
        told(&world, &["FEED_TOKEN", "PIP_INDEX_URL"]).input("feedUrl", &world.sandbox.index_url(FEED));
    let outcome = built(&world, &step);
    assert_eq!(texts(&outcome)["FEED_TOKEN"], TOKEN);
    let url = world.sandbox.index_url(FEED).replacen("://", &format!("://build:{TOKEN}@"), 1);
    assert_eq!(texts(&outcome)["PIP_INDEX_URL"], url);
    crate::opened_by(&outcome, "job access token");
    assert_eq!(world.sandbox.requests().len(), 0);
}

#[test]
fn a_connection_of_another_kind_is_told() {
    let federation = Federation::of(organization());
    let world = &federation.world;
    let id = "11111111-aaaa-4bbb-8ccc-222222222222";
    world.job.add_endpoint(crate::endpoint(
        id,
        "https://dev.azure.com/x",
        "Token",
        &[("apitoken", "canary")],
    ));
    let step = told(world, &["FEED_TOKEN"])
        .input("feedUrl", &world.sandbox.index_url(FEED))
        .input("workloadIdentityServiceConnection", id);
    assert_eq!(
        error(world, &step),
        "input `workloadIdentityServiceConnection`: the service connection's scheme is `Token`\n\n\
         hint: use a service connection of type `Azure DevOps` with workload identity federation"
    );
}

/// What passes by itself is tried again, at each of the three services that make a token.
#[test]
fn a_fault_that_passes_is_survived_at_every_token_endpoint() {
    let faults = || {
        [
            Fault::RetryAfter(429, 0),
            Fault::Status(500),
            Fault::Status(503),
            Fault::Truncated,
            Fault::Close,
            Fault::Reset,
        ]
    };
    for endpoint in [OIDC, ENTRA, SESSION] {
        at_once(faults(), |fault| {
            let shown = format!("{fault:?} at {endpoint}");
            let application = Application::new(APPLICATION, IDENTITY);
            let federation = Federation::of(with(application));
            federation.world.sandbox.fault(endpoint, fault, 1);
            let outcome = built(&federation.world, &federation.step().input("feedToken", "session"));
            crate::opened_by(&outcome, "session token");
            assert_eq!(federation.world.sandbox.requests_to(endpoint).len(), 2, "{shown}");
        });
    }
}

/// An answer that is no answer stops the step, and is not taken for a token.
#[test]
fn an_html_page_is_no_token() {
    let cases = [
        (OIDC, NO_ID_TOKEN.replace("STATUS", "200")),
        (ENTRA, "Entra's answer cannot be read".to_owned()),
        (
            SESSION,
            "input `feedToken`: there is no session token\n  caused by: the session token cannot be read"
                .to_owned(),
        ),
    ];
    at_once(cases, |(endpoint, expected)| {
        let federation = Federation::of(organization());
        federation.world.sandbox.fault(endpoint, Fault::Html, usize::MAX);
        let error = federation.error(&federation.step().input("feedToken", "session"));
        assert!(error.starts_with(&expected), "{endpoint}: {error}");
    });
}
