//! Workload identity: the job's id token, the exchange at Entra, and what the access token is good for.

use std::time::{Duration, Instant};

use crate::client::{Answer, anonymous, client, get, post};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use feedbuild_sandbox::{Application, Builder, Fault, Feed, Sandbox, Token};
use serde_json::Value;

const CLIENT: &str = "0a1b2c3d-0000-4000-8000-00000000c11e";
const CONNECTION: &str = "0a1b2c3d-0000-4000-8000-0000000c0991";
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
const BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn builder() -> Builder {
    Sandbox::builder().token("job").feed(Feed::org("shared")).feed(Feed::project("web", "private"))
}

fn contoso() -> Sandbox {
    builder().application(Application::new(CLIENT, CONNECTION)).start()
}

fn ask_id_token(sandbox: &Sandbox, query: &str) -> Answer {
    let url = format!("{}?api-version=7.1{query}", sandbox.oidc_request_url());
    post(&url, "Bearer job", "application/json", "{}")
}

fn id_token(sandbox: &Sandbox) -> String {
    let answer = ask_id_token(sandbox, &format!("&serviceConnectionId={CONNECTION}")).json();
    answer["oidcToken"].as_str().unwrap().to_owned()
}

/// The exchange, with some fields of the form replaced.
fn exchange(url: &str, assertion: &str, changes: &[(&str, &str)]) -> Answer {
    let fields = [
        ("scope", SCOPE),
        ("client_id", CLIENT),
        ("client_assertion_type", BEARER),
        ("client_assertion", assertion),
        ("grant_type", "client_credentials"),
    ];
    let change = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
    let form = fields.map(|(name, value)| (name, change(name).unwrap_or(value)));
    Answer::read(client().post(url).send_form(form).unwrap()).unwrap()
}

fn access_token(sandbox: &Sandbox) -> String {
    let answer = exchange(&sandbox.entra_url(), &id_token(sandbox), &[]).json();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn claims(token: &str) -> Value {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn a_job_gets_an_id_token_for_ten_minutes() {
    let sandbox = contoso();
    let claims = claims(&id_token(&sandbox));
    assert_eq!(claims["aud"], "api://AzureADTokenExchange");
    assert_eq!(claims["sub"], format!("sc://contoso/project/{CONNECTION}"));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    assert_ne!(id_token(&sandbox), id_token(&sandbox));
}

#[test]
fn only_a_job_gets_one_and_only_for_a_connection_it_may_use() {
    let sandbox = builder().token(Token::personal("pat")).service_connection(CONNECTION).start();
    let unknown = ask_id_token(&sandbox, "&serviceConnectionId=00000000-0000-0000-0000-000000000001");
    assert_eq!((unknown.status, &unknown.json()["typeKey"]), (404, &"EndpointNotFoundException".into()));
    let url = sandbox.oidc_request_url();
    let personal = crate::client::basic("", "pat");
    assert_eq!(post(&url, "Bearer wrong", "application/json", "{}").status, 401);
    assert_eq!(post(&url, &personal, "application/json", "{}").status, 403);
    assert_eq!(post(&url, "Bearer job", "text/plain", "").status, 415);
    assert_eq!(get(&url, "job").status, 404);
    assert!(sandbox.issued_tokens().is_empty());
    assert_eq!(ask_id_token(&sandbox, "").status, 200);
}

#[test]
fn an_access_token_opens_feeds_and_names_the_application() {
    let sandbox = builder().application(Application::new(CLIENT, CONNECTION).reader_of(&["shared"])).start();
    let answer = exchange(&sandbox.entra_url(), &id_token(&sandbox), &[]).json();
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &3599.into()));
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(get(&sandbox.index_url("shared"), token).status, 200);
    assert_eq!(get(&sandbox.index_url("web/private"), token).status, 403);
    let data = get(&format!("{}_apis/connectionData", sandbox.collection_url()), token).json();
    assert_eq!(data["authenticatedUser"]["providerDisplayName"], format!("application {CLIENT}"));
    assert_eq!(sandbox.issued_tokens().last().unwrap(), token);
}

#[test]
fn an_application_that_is_no_user_gets_a_token_that_opens_nothing() {
    let sandbox = builder().application(Application::new(CLIENT, CONNECTION).stranger()).start();
    assert_eq!(get(&sandbox.index_url("shared"), &access_token(&sandbox)).status, 401);
}

#[test]
fn an_access_token_ends_and_the_next_one_opens_feeds_again() {
    let life = Duration::from_secs(1);
    let sandbox = builder().application(Application::new(CLIENT, CONNECTION).token_life(life)).start();
    let (start, token) = (Instant::now(), access_token(&sandbox));
    let open = |token: &str| get(&sandbox.index_url("shared"), token).status == 200;
    while open(&token) {
        assert!(start.elapsed() < 10 * life, "the token does not end");
        std::thread::yield_now();
    }
    assert!(start.elapsed() >= life);
    assert!(open(&access_token(&sandbox)));
}

#[test]
fn a_wrong_exchange_is_refused_in_entras_words() {
    let sandbox = contoso();
    let good = id_token(&sandbox);
    let for_job = ask_id_token(&sandbox, "").json()["oidcToken"].as_str().unwrap().to_owned();
    let forged = good.replace('.', ".a");
    let own = sandbox.entra_url();
    let wrong = own.replace(sandbox.tenant(), "nowhere.example");
    let (no_client, other_type) =
        (("client_id", "00000000-0000-0000-0000-000000000001"), ("client_assertion_type", "x"));
    for (url, assertion, changes, expected) in [
        (&own, &good, &[("grant_type", "password")][..], (400, "unsupported_grant_type", 70003)),
        (&own, &good, &[("scope", "https://management.azure.com/.default")], (400, "invalid_scope", 70011)),
        (&own, &for_job, &[], (400, "invalid_request", 70021)),
        (&wrong, &good, &[], (400, "invalid_request", 90002)),
        (&own, &good, &[no_client], (400, "unauthorized_client", 700_016)),
        (&own, &good, &[("scope", "")], (400, "invalid_request", 900_144)),
        (&own, &forged, &[], (400, "invalid_request", 50027)),
        (&own, &good, &[other_type], (400, "invalid_request", 50027)),
    ] {
        let answer = exchange(url, assertion, changes);
        let body = answer.json();
        let (status, error, code) = expected;
        assert_eq!(
            (answer.status, &body["error"], &body["error_codes"][0]),
            (status, &error.into(), &code.into())
        );
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")) && text.contains(" Trace ID: "), "{text}");
    }
    assert_eq!(post(&own, "", "text/plain", "scope=x").json()["error_codes"][0], 900_144);
}

#[test]
fn an_id_token_can_be_too_old() {
    let sandbox =
        builder().application(Application::new(CLIENT, CONNECTION)).id_token_life(Duration::ZERO).start();
    let answer = exchange(&sandbox.entra_url(), &id_token(&sandbox), &[]);
    assert_eq!((answer.status, &answer.json()["error_codes"][0]), (401, &700_024.into()));
}

#[test]
fn entra_refuses_on_order() {
    let sandbox = contoso();
    for code in [70_021, 700_016, 700_024, 90_002] {
        sandbox.fault("oauth2/v2.0/token", Fault::Entra(code), 1);
        let answer = exchange(&sandbox.entra_url(), &id_token(&sandbox), &[]).json();
        assert_eq!(answer["error_codes"][0], code);
    }
    assert_eq!(exchange(&sandbox.entra_url(), &id_token(&sandbox), &[]).status, 200);
}

#[test]
fn another_organization_trusts_the_id_tokens_of_the_jobs_own() {
    let own = Sandbox::builder().token("job").service_connection(CONNECTION).start();
    let foreign = Sandbox::builder()
        .org("fabrikam")
        .tenant("11111111-2222-3333-4444-555555555555")
        .token("foreign")
        .feed(Feed::org("theirs"))
        .application(Application::new(CLIENT, CONNECTION))
        .start();
    let answer = exchange(&foreign.entra_url(), &id_token(&own), &[]).json();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(get(&foreign.index_url("theirs"), token).status, 200);
    assert_eq!(get(&foreign.index_url("theirs"), "job").status, 401);
}

#[test]
fn a_refusal_names_the_tenant_on_both_methods_or_on_one() {
    let tenant = |sandbox: &Sandbox| {
        let url = sandbox.index_url("shared");
        ["HEAD", "GET"].map(|method| anonymous(method, &url).header("x-vss-resourcetenant").to_owned())
    };
    let sandbox = contoso();
    assert_eq!(tenant(&sandbox), [sandbox.tenant(), sandbox.tenant()]);
    let sandbox = builder().tenant("t").tenant_only_on("HEAD").start();
    assert_eq!(tenant(&sandbox), ["t", ""]);
    let sandbox = builder().tenant("t").tenant_only_on("GET").start();
    assert_eq!(tenant(&sandbox), ["", "t"]);
}
