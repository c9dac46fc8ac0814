//! Logins that are refused, late or no logins at all: each stops the step before its build, with the scheme, the
//! endpoint, the status and the service's own message.

use feedbuild_sandbox::Fault;

use super::*;

/// Parameters or data of a connection.
type Pairs<'a> = &'a [(&'a str, &'a str)];

const EXCHANGE: &str = "POST /oauth2/exchange";
const OIDC: &str = "POST …/oidctoken";
const ENTRA: &str = "POST …/oauth2/v2.0/token";

/// The first line of every error of a login that is fetched.
fn no_login(scheme: &str) -> String {
    format!(
        "registry `REGISTRY` gave no login to the service connection in `containerRegistry` (scheme `{scheme}`)\n  \
         caused by: "
    )
}

const NO_REGISTRY: &str =
    "check the login server of the service connection: what answers there is no Azure Container Registry";

/// What the registry answers to whom it does not know or trust.
const UNAUTHORIZED: &str = "`https://REGISTRY/oauth2/exchange` answered 401: authentication required, visit \
     https://aka.ms/acr/authorization for more information.\n\nhint: check that the registry is of the service \
     connection's tenant, and that its identity has a role there (`AcrPush` to push, `AcrPull` to pull)";

#[test]
fn what_the_registry_answers_is_told() {
    let firewall = "let this agent through the registry's firewall (in the Azure portal: its page > Networking), or run \
                    the job on an agent within its network";
    let later = "run the job again later; the registry limits how often it is asked";
    let cases = [
        (Fault::Status(403), "403: Forbidden (by order)", Some(firewall), 1),
        (Fault::Status(404), "404: Not Found (by order)", Some(NO_REGISTRY), 1),
        (Fault::Redirect("https://localhost:1/".to_owned()), "302", Some(NO_REGISTRY), 1),
        (Fault::RetryAfter(429, 0), "429, 4 attempts: Too Many Requests (by order)", Some(later), 4),
        (Fault::RetryAfter(500, 0), "500, 4 attempts: Internal Server Error (by order)", None, 4),
        (Fault::RetryAfter(503, 0), "503, 4 attempts: Service Unavailable (by order)", None, 4),
        (Fault::Status(400), "400: Bad Request (by order)", None, 1),
    ];
    at_once(["ManagedServiceIdentity", "WorkloadIdentityFederation"], |scheme| {
        let azure = Azure::new(Store::Containerd);
        azure.connect(scheme);
        let mut before = 0;
        for (fault, answer, hint, requests) in &cases {
            azure.acr.clear_faults();
            azure.acr.fault(EXCHANGE, fault.clone(), usize::MAX);
            let hint = hint.map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
            let expected =
                format!("{}`https://REGISTRY/oauth2/exchange` answered {answer}{hint}", no_login(scheme));
            assert_eq!(azure.error(&azure.step("app")), expected);
            let all = azure.acr.requests_to(EXCHANGE).len();
            assert_eq!(all - before, *requests, "{answer}");
            before = all;
        }
    });
}

#[test]
fn what_is_no_login_is_told() {
    let no_login_there =
        format!("what `https://REGISTRY/oauth2/exchange` answered is no login\n\nhint: {NO_REGISTRY}");
    let late = "`REGISTRY` did not answer within 1 s (4 attempts)\n  caused by: operation timed out";
    let cases = [
        (Fault::Html, no_login_there.as_str(), 1),
        (Fault::Json(r#"{"access_token": "x"}"#.to_owned()), &no_login_there, 1),
        (Fault::Delay(MINUTE), late, 4),
    ];
    at_once(cases, |(fault, cause, requests)| {
        let azure = Azure::new(Store::Containerd);
        azure.connect("ManagedServiceIdentity");
        azure.acr.fault(EXCHANGE, fault, usize::MAX);
        let error = azure.error(&azure.step("app").env("VSTS_HTTP_TIMEOUT", "1"));
        assert_eq!(error, format!("{}{cause}", no_login("ManagedServiceIdentity")));
        assert_eq!(azure.acr.requests_to(EXCHANGE).len(), requests);
    });
}

#[test]
fn a_registry_of_another_tenant() {
    let tenant = "00000000-1111-2222-3333-444444444444";
    let azure = Azure::new(Store::Containerd);
    azure.connect_with("ManagedServiceIdentity", &[("tenantId", tenant)], &[]);
    assert_eq!(azure.error(&azure.step("app")), no_login("ManagedServiceIdentity") + UNAUTHORIZED);
    assert_eq!(azure.acr.requests_to(EXCHANGE).len(), 2, "by both kinds of token");

    azure.connect_with("WorkloadIdentityFederation", &[("tenantId", tenant)], &[]);
    assert_eq!(
        azure.error(&azure.step("app")),
        no_login("WorkloadIdentityFederation")
            + "Entra (`login.microsoftonline.com`) refused the token exchange (400)\n  caused by: AADSTS90002: Tenant \
               '00000000-1111-2222-3333-444444444444' not found. Check to make sure you have the correct tenant ID and are \
               signing into the correct cloud. Check with your subscription administrator, this may happen if there are no \
               active subscriptions for the tenant.\n\nhint: the tenant does not exist: check the tenant id of the \
               service connection"
    );
    assert_eq!(azure.acr.requests_to(EXCHANGE).len(), 2);
}

#[test]
fn an_identity_without_a_role() {
    at_once(["ManagedServiceIdentity", "WorkloadIdentityFederation"], |scheme| {
        let azure = Azure::with(Store::Containerd, |acr| acr);
        azure.connect(scheme);
        assert_eq!(azure.error(&azure.step("app")), no_login(scheme) + UNAUTHORIZED);
    });
}

#[test]
fn an_identity_that_may_only_pull() {
    at_once(STORES, |store| {
        let azure = Azure::with(store, |acr| acr.member(IDENTITY, Role::Pull));
        azure.connect("WorkloadIdentityFederation");
        let name = unique("reader");
        let outcome = azure.step(&name).run().unwrap();
        azure.nothing_leaks(&outcome);
        let said = match store {
            Store::Containerd => {
                "push access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed"
            }
            Store::Classic => "denied: requested access to the resource is denied",
        };
        assert_eq!(
            azure.told(&outcome).replace(&name, "app"),
            format!(
                "cannot push `REGISTRY/app:1` (nothing is pushed)\n  caused by: registry `REGISTRY` refused the push\n  \
                 caused by: {said}\n\nhint: give the identity of the service connection in `containerRegistry` the role \
                 `AcrPush` on the registry (in the Azure portal: its page > Access control)"
            )
        );
    });
}

#[test]
fn what_entra_and_azure_devops_refuse() {
    let scheme = "WorkloadIdentityFederation";
    let azure = Azure::new(Store::Containerd);
    azure.connect_with(scheme, &[("serviceprincipalid", "another-app")], &[]);
    assert_eq!(
        azure.error(&azure.step("app")),
        no_login(scheme)
            + "Entra (`login.microsoftonline.com`) refused the token exchange (400)\n  caused by: AADSTS700016: Application \
               with identifier 'another-app' was not found in the directory 'TENANT'. This can happen if the application \
               has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may \
               have sent your authentication request to the wrong tenant.\n\nhint: the application is not known in the \
               tenant: check application id and tenant id of the service connection"
    );
    at_once([401, 404], |status| {
        let azure = Azure::new(Store::Containerd);
        azure.connect(scheme);
        azure.world.sandbox.fault(OIDC, Fault::Status(status), usize::MAX);
        let expected = format!(
            "{}Azure DevOps gave no id token for the service connection in `containerRegistry` ({status})\n\nhint: \
             authorize this pipeline to use the service connection (its page > Security > Pipeline permissions)",
            no_login(scheme)
        );
        assert_eq!(azure.error(&azure.step("app")), expected);
        assert_eq!(azure.world.sandbox.requests_to(ENTRA).len(), 0);
    });
}

#[test]
fn a_machine_that_gives_no_token() {
    let azure = Azure::new(Store::Containerd);
    azure.connect("ManagedServiceIdentity");
    let machine = ManagedIdentity::none();
    let (authority, [(name, value)]) = (machine.authority(), machine.metadata_service());
    let error = |value: &str| azure.error(&azure.step("app").env(name, value)).replace(&authority, "MACHINE");
    let expected = |cause: &str| no_login("ManagedServiceIdentity") + cause;
    assert_eq!(
        error(&value),
        expected(
            "`MACHINE` gave no token of the managed identity (400): Identity not found\n\nhint: give the agent's machine a \
             managed identity (in the Azure portal: its page > Identity), and that identity the role `AcrPush` on the registry"
        )
    );
    let several =
        r#"{"error": "invalid_request", "error_description": "Multiple user assigned identities exist"}"#;
    machine.fault("GET /metadata", Fault::Text(400, several.to_owned()), 1);
    assert_eq!(
        error(&value),
        expected(
            "`MACHINE` gave no token of the managed identity (400): Multiple user assigned identities exist\n\nhint: switch \
             on the system-assigned identity of the agent's machine, which is then taken, or leave it one user-assigned \
             identity"
        )
    );
    machine.fault("GET /metadata", Fault::RetryAfter(500, 0), 4);
    assert_eq!(error(&value), expected("`MACHINE` gave no token of the managed identity (500)"));
    machine.fault("GET /metadata", Fault::Html, 1);
    assert_eq!(
        error(&value),
        expected(
            "what `MACHINE` answered is no token of a managed identity\n  caused by: expected value at line 1 column 1"
        )
    );
    drop(machine);
    assert_eq!(
        error(&value),
        expected(
            "no managed identity can be asked for a token at `MACHINE`\n  caused by: `MACHINE` refused the connection (4 \
             attempts)\n  caused by: Connection refused (os error 111)\n\nhint: run this job on an agent in Azure whose \
             machine has a managed identity, or use a service connection with workload identity federation, which works on \
             every agent"
        )
    );
    assert_eq!(
        error("http://metadata.example/"),
        expected(
            "tokens of the managed identity are said to be made at `http://metadata.example/metadata/identity/oauth2/\
             token?api-version=2018-02-01`, which is neither this machine nor reached by https"
        )
    );
}

#[test]
fn a_certificate_that_nobody_trusts() {
    let azure = Azure::new(Store::Containerd);
    azure.connect("ManagedServiceIdentity");
    azure.world.source("ca.pem", azure.world.sandbox.ca_pem().unwrap());
    assert_eq!(
        azure.error(&azure.step("app")),
        no_login("ManagedServiceIdentity")
            + "the certificate of `REGISTRY` is not trusted\n  caused by: invalid peer certificate: UnknownIssuer\n\nhint: \
               add your CA to the system's store, or configure the agent with `--sslcacert`, which sets `AGENT_CAINFO`"
    );
}

#[test]
fn a_key_that_has_ended() {
    at_once(STORES, |store| {
        let azure = Azure::with(store, |acr| acr.principal(IDENTITY, "another key"));
        let host = azure.acr.strict_host();
        let _trusted = Trusted::new(&host, azure.acr.ca_pem());
        azure.connect_with("ServicePrincipal", &[("loginServer", &host)], &[]);
        assert_eq!(
            azure.error(&azure.step("app")),
            "registry `REGISTRY` refused the login\n  caused by: the Docker engine says: Get \"https://REGISTRY/v2/\": \
             unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information. \
             (401)\n\nhint: check that the key of the service principal in the service connection of `containerRegistry` \
             has not ended, and that it has the role `AcrPush` on the registry"
        );
    });
}

#[test]
fn connections_of_another_kind() {
    let azure = Azure::new(Store::Containerd);
    let cases: [(&str, Pairs, Pairs, &str); 4] = [
        (
            "ServicePrincipal",
            &[("authenticationType", "spnCertificate")],
            &[],
            "input `containerRegistry`: the service connection's service principal has a certificate, by which no registry \
             can be logged in to\n\nhint: use a Docker registry service connection of type `Azure Container Registry` with \
             workload identity federation, or give the service principal a key",
        ),
        (
            "UsernamePassword",
            &[],
            &[],
            "input `containerRegistry`: the service connection to `REGISTRY` has the scheme `UsernamePassword`, by which \
             nobody logs in to Azure Container Registry\n\nhint: use a Docker registry service connection of type `Azure \
             Container Registry` with workload identity federation, a managed identity or a service principal",
        ),
        (
            "WorkloadIdentityFederation",
            &[],
            &[("registrytype", "")],
            "input `containerRegistry`: the service connection (scheme `WorkloadIdentityFederation`) is no Docker registry's \
             with a user name and a password, nor one of Azure Container Registry\n\nhint: use a service connection of type \
             `Docker Registry` (Project settings > Service connections); one of type `Azure Resource Manager` names no \
             registry",
        ),
        (
            "WorkloadIdentityFederation",
            &[("loginServer", "registry.example")],
            &[],
            "input `containerRegistry`: `registry.example` is no host of Azure Container Registry, so no Entra token is sent \
             there\n\nhint: mend the service connection's login server (it reads like `contoso.azurecr.io`), or use a Docker \
             registry service connection of type `Others` with a user name and a password",
        ),
    ];
    for (scheme, parameters, data, expected) in cases {
        azure.connect_with(scheme, parameters, data);
        assert_eq!(azure.error(&azure.step("app")), expected);
    }
    assert_eq!(azure.acr.requests().len(), 0);
}

/// What passes by itself is tried again, at each service on the way.
#[test]
fn a_fault_that_passes_is_survived() {
    let faults = [
        [Fault::RetryAfter(429, 0), Fault::Status(500), Fault::Status(503)],
        [Fault::Truncated, Fault::Close, Fault::Reset],
    ];
    at_once(faults, |faults| {
        let azure = Azure::new(Store::Containerd);
        for fault in &faults {
            azure.acr.fault(EXCHANGE, fault.clone(), 1);
            azure.world.sandbox.fault(OIDC, fault.clone(), 1);
            azure.world.sandbox.fault(ENTRA, fault.clone(), 1);
            azure.identity.fault("GET /metadata", fault.clone(), 1);
        }
        azure.connect("WorkloadIdentityFederation");
        azure.pushed(&azure.step(&unique("passing")));
        for (asked, what) in [
            (azure.world.sandbox.requests_to(OIDC), OIDC),
            (azure.world.sandbox.requests_to(ENTRA), ENTRA),
            (azure.acr.requests_to(EXCHANGE), EXCHANGE),
        ] {
            assert_eq!(asked.len(), 4, "{what}");
        }
        azure.connect("ManagedServiceIdentity");
        azure.pushed(&azure.step(&unique("passing")));
        assert_eq!(azure.identity.requests().len(), 4);
    });
}
