//! Session tokens.

use std::time::{Duration, SystemTime};

use crate::client::{Answer, anonymous, basic, get, post};
use feedbuild_sandbox::{Builder, Feed, Flavour, Protocol, Sandbox, Token};
use serde_json::json;

fn builder() -> Builder {
    Sandbox::builder()
        .token("job")
        .token(Token::entra("entra").reader_of(&["shared"]).owned_by("app"))
        .feed(Feed::org("shared"))
        .feed(Feed::project("web", "private"))
}

fn ask(sandbox: &Sandbox, token: &str, kind: &str, scope: &str, life: Option<Duration>) -> Answer {
    let url = sandbox.authorization_url().unwrap();
    let url = format!("{url}_apis/Token/SessionTokens?tokenType={kind}&api-version=5.0-preview.1");
    let mut body = json!({ "displayName": "test", "scope": scope });
    if let Some(life) = life {
        body["validTo"] = humantime::format_rfc3339_seconds(SystemTime::now() + life).to_string().into();
    }
    post(&url, &format!("Bearer {token}"), "application/json", &body.to_string())
}

#[test]
fn a_refusal_of_a_feed_says_where_session_tokens_are_made() {
    let sandbox = builder().start();
    let header = |sandbox: &Sandbox, method| {
        let url = sandbox.feed_url("shared", Protocol::NuGet);
        anonymous(method, &url).header("x-vss-authorizationendpoint").to_owned()
    };
    let own = format!("http://{}/sps/contoso/", sandbox.authority());
    assert_eq!(header(&sandbox, "GET"), own);
    assert_eq!(header(&sandbox, "HEAD"), own);
    let hostile = builder().authorization_endpoint("https://evil.example/").start();
    assert_eq!(header(&hostile, "GET"), "https://evil.example/");
    assert_eq!(header(&builder().flavour(Flavour::Server).start(), "GET"), "");
}

#[test]
fn a_session_opens_what_its_owner_may_open_to_read_or_to_write() {
    let sandbox = builder().start();
    for (kind, scope, upload) in [
        ("SelfDescribing", "vso.packaging", 403),
        ("SelfDescribing", "vso.packaging_write vso.drop_write", 400),
        ("Compact", "vso.packaging", 403),
    ] {
        let answer = ask(&sandbox, "entra", kind, scope, Some(Duration::from_mins(1))).json();
        assert_eq!(answer["scope"], scope);
        let token = answer["token"].as_str().unwrap();
        assert_eq!(token.contains('.'), kind == "SelfDescribing");
        assert_eq!(get(&sandbox.index_url("shared"), token).status, 200);
        assert_eq!(get(&sandbox.index_url("web/private"), token).status, 403);
        let url = sandbox.feed_url("shared", Protocol::PyPiUpload);
        assert_eq!(post(&url, &basic("x", token), "application/json", "").status, upload, "{scope}");
        let data = get(&format!("{}_apis/connectionData", sandbox.collection_url()), token).json();
        assert_eq!(data["authenticatedUser"]["providerDisplayName"], "app");
    }
}

#[test]
fn a_session_is_not_for_everybody() {
    let sandbox = builder().token(Token::new("allowed").exchangeable()).start();
    let refused = ask(&sandbox, "job", "SelfDescribing", "vso.packaging", None);
    assert_eq!(refused.status, 403);
    assert!(refused.json()["message"].as_str().unwrap().starts_with("TF50309"), "{}", refused.text());
    assert_eq!(ask(&sandbox, "wrong", "SelfDescribing", "vso.packaging", None).status, 401);
    assert_eq!(ask(&sandbox, "entra", "Other", "vso.packaging", None).status, 400);
    assert_eq!(ask(&sandbox, "entra", "Compact", "vso.code", None).status, 400);
    let session = ask(&sandbox, "allowed", "Compact", "vso.packaging", None).json();
    let session = session["token"].as_str().unwrap();
    assert_eq!(ask(&sandbox, session, "Compact", "vso.packaging", None).status, 403);
}

#[test]
fn a_session_that_is_too_long_is_refused_and_one_ends_in_time() {
    let sandbox = builder().longest_session(Duration::from_secs(2)).start();
    let ask = |life| ask(&sandbox, "entra", "SelfDescribing", "vso.packaging", life);
    assert_eq!(ask(Some(Duration::from_hours(1))).status, 400);
    let answer = ask(None).json();
    let end = humantime::parse_rfc3339(answer["validTo"].as_str().unwrap()).unwrap();
    assert!(end <= SystemTime::now() + Duration::from_secs(2));
    let token = ask(Some(Duration::from_secs(1))).json()["token"].as_str().unwrap().to_owned();
    let start = SystemTime::now();
    while get(&sandbox.index_url("shared"), &token).status == 200 {
        assert!(start.elapsed().unwrap() < Duration::from_secs(10), "the session does not end");
        std::thread::yield_now();
    }
}
