//! Which token opens the feeds (`feedToken`).

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use feedbuild_sandbox::{Application, Fault, Feed, Sandbox, Token};
use feedbuild_suites::reveal::texts;
use feedbuild_suites::{PASSWORD, Store, TOKEN, World, notices};
use serde_json::{Value, json};

use crate::{
    APPLICATION, FEED, Federation, IDENTITY, at_once, built, error, opened_by, organization, told, with,
};

const SESSIONS: &str = "POST …/_apis/Token/SessionTokens";

/// What session tokens were asked for.
fn asked(sandbox: &Sandbox) -> Vec<Value> {
    let requests = sandbox.requests_to(SESSIONS);
    requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

#[test]
fn an_entra_token_gives_way_to_a_session_that_only_reads() {
    at_once(["auto", "session"], |wanted| {
        let federation = Federation::of(organization());
        let sandbox = &federation.world.sandbox;
        let outcome = built(&federation.world, &federation.step().input("feedToken", wanted));
        let issued = sandbox.issued_tokens();
        let [_, _, session] = &issued[..] else { panic!("id, access and session token: {issued:?}") };
        assert_eq!(texts(&outcome)["FEED_TOKEN"], *session);
        opened_by(&outcome, "session token");
        let asked = asked(sandbox);
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0]["scope"], json!("vso.packaging"));
    });
}

/// A job's token that ends at this time, as the service makes them.
fn job_token(end: SystemTime) -> String {
    let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "exp": seconds, "jti": "canary-8d2c41f07b" }).to_string();
    format!("eyJhbGciOiJub25lIn0.{}.canary", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn a_session_is_as_short_as_the_job() {
    let end = SystemTime::now() + Duration::from_mins(47);
    let token = job_token(end);
    let sandbox = Sandbox::builder().token(Token::new(&token).exchangeable()).feed(Feed::org(FEED)).start();
    let world = World::around(Store::Containerd, sandbox, &token, PASSWORD);
    let step = told(&world, &["FEED_TOKEN"]).input("artifactFeeds", FEED).input("feedToken", "session");
    let outcome = built(&world, &step);
    opened_by(&outcome, "session token");
    assert_eq!(texts(&outcome)["FEED_TOKEN"], world.sandbox.issued_tokens()[0]);
    assert_eq!(asked(&world.sandbox).len(), 1);
    // A second is lost where a time is written in whole ones.
    let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(seconds.abs_diff(expiry(&world.sandbox.issued_tokens()[0])) <= 1);
}

#[test]
fn each_organization_is_opened_once_and_by_its_own_token() {
    let federation = Federation::of(organization().feed(Feed::org("second")));
    let (world, sandbox) = (&federation.world, &federation.world.sandbox);
    let urls = [sandbox.index_url(FEED), sandbox.index_url("second")];
    let step = told(world, &["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
        .input("artifactFeeds", FEED)
        .input("feedUrl", &urls.join("\n"))
        .input("workloadIdentityServiceConnection", IDENTITY);
    let outcome = built(world, &step);
    let issued = sandbox.issued_tokens();
    let [_, _, session] = &issued[..] else { panic!("id, access and session token: {issued:?}") };
    let url = |feed: &str, token: &str| feed.replacen("://", &format!("://build:{token}@"), 1);
    let texts = texts(&outcome);
    assert_eq!(texts["PIP_INDEX_URL"], url(&urls[0], TOKEN));
    let extra = urls.map(|feed| url(&feed, session));
    assert_eq!(texts["PIP_EXTRA_INDEX_URL"], extra.join(" "));
    opened_by(&outcome, "job access token, session token");
}

/// When a token ends, by its own word.
fn expiry(token: &str) -> u64 {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"].as_u64().unwrap()
}

#[test]
fn the_job_s_token_stays_unless_a_session_is_asked_for() {
    at_once(["auto", "job"], |wanted| {
        let world = World::with_sandbox(Store::Containerd, organization().start());
        let step = told(&world, &["FEED_TOKEN"]).input("artifactFeeds", FEED).input("feedToken", wanted);
        let outcome = built(&world, &step);
        assert_eq!(texts(&outcome)["FEED_TOKEN"], TOKEN);
        opened_by(&outcome, "job access token");
        assert_eq!(asked(&world.sandbox).len(), 0);
    });
}

#[test]
fn a_job_to_which_a_session_is_refused_stops() {
    let world = World::with_sandbox(Store::Containerd, organization().start());
    let step = told(&world, &["FEED_TOKEN"]).input("artifactFeeds", FEED).input("feedToken", "session");
    // The agent masks `ci`, the user of the registry's connection.
    assert_eq!(
        error(&world, &step),
        "input `feedToken`: there is no session token for the job\n  caused by: `SANDBOX` gives no session token (403): TF50309: The following account \
         does not have suffi***ent permissions to complete the operation: Project Collection Build Service (contoso)."
    );
}

#[test]
fn a_refused_session_stops_only_a_step_that_demands_it() {
    let federation = Federation::of(organization());
    federation.world.sandbox.fault(SESSIONS, Fault::Status(403), usize::MAX);
    assert_eq!(
        federation.error(&federation.step().input("feedToken", "session")),
        "input `feedToken`: there is no session token\n  caused by: `SANDBOX` gives no session token (403): Forbidden (by order)"
    );
    let outcome = built(&federation.world, &federation.step());
    opened_by(&outcome, "Entra token");
    assert_eq!(
        notices(&outcome),
        [format!(
            "the Entra token is used as it is: `{}` gives no session token (403): Forbidden (by order)",
            federation.world.sandbox.authority()
        )]
    );
    assert_eq!(texts(&outcome)["FEED_TOKEN"], federation.world.sandbox.issued_tokens()[3]);
}

#[test]
fn an_organization_that_caps_sessions_gives_what_it_has() {
    let federation = Federation::of(organization().longest_session(Duration::from_mins(30)));
    let outcome = built(&federation.world, &federation.step());
    opened_by(&outcome, "session token");
    let asked = asked(&federation.world.sandbox);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[1]["validTo"], Value::Null);
}

#[test]
fn sessions_are_made_by_the_service_s_own_hosts_only() {
    let elsewhere = "https://sessions.example/contoso/";
    let federation = Federation::of(organization().authorization_endpoint(elsewhere));
    assert_eq!(
        federation.error(&federation.step().input("feedToken", "session")),
        format!(
            "input `feedToken`: there is no session token\n  caused by: session tokens are said to be made at \
             `{elsewhere}`, which is not a host of Azure DevOps; nothing was sent there"
        )
    );
    let outcome = built(&federation.world, &federation.step());
    opened_by(&outcome, "Entra token");
    let proxied = federation.proxy.requests();
    assert!(proxied.iter().all(|request| request.target == "login.microsoftonline.com:443"), "{proxied:#?}");
}

#[test]
fn a_stranger_s_token_is_refused_and_told() {
    // Entra knows the application, the organization does not: no session, and the feed says 401.
    let federation = Federation::of(with(Application::new(APPLICATION, IDENTITY).stranger()));
    assert_eq!(
        federation.error(&federation.step().input("feedToken", "session")),
        "input `feedToken`: there is no session token\n  caused by: `SANDBOX` gives no session token (401): TF400813: The user '' is not \
         authorized to access this resource."
    );
}
