//! TLS with a private authority, and the proxy.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::client::{Answer, basic};
use feedbuild_sandbox::{Application, Fault, Feed, Proxy, Sandbox, Token};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

fn agent(trusted: Option<&str>, proxy: Option<&str>) -> Agent {
    let tls = match trusted {
        None => TlsConfig::builder().build(),
        Some(pem) => {
            let authority = Certificate::from_pem(pem.as_bytes()).unwrap();
            TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build()
        }
    };
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).tls_config(tls);
    config.proxy(proxy.map(|url| ureq::Proxy::new(url).unwrap())).build().into()
}

fn ask(agent: &Agent, url: &str) -> Result<Answer, ureq::Error> {
    Answer::read(agent.get(url).header("Authorization", basic("vsts", "job")).call()?)
}

#[test]
fn tls_is_trusted_by_its_own_authority_only() {
    let sandbox = Sandbox::builder().tls().token("job").feed(Feed::org("shared")).start();
    assert!(sandbox.index_url("shared").starts_with("https://127.0.0.1:"));
    let trusting = agent(sandbox.ca_pem(), None);
    assert_eq!(ask(&trusting, &sandbox.index_url("shared")).unwrap().status, 200);
    assert!(ask(&agent(None, None), &sandbox.index_url("shared")).is_err());
    assert_eq!(sandbox.requests().len(), 1);
}

/// A GET with an absolute URL. By hand, since not all clients send one to a proxy.
fn forwarded(proxy: &Proxy, url: &str, header: &str) -> String {
    let mut stream = TcpStream::connect(proxy.url().trim_start_matches("http://")).unwrap();
    write!(stream, "GET {url} HTTP/1.1\r\nHost: ignored\r\n{header}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_proxy_forwards_what_it_records() {
    let sandbox = Sandbox::builder().token("job").feed(Feed::org("shared")).start();
    let proxy = Proxy::start();
    let header = format!("Authorization: {}", basic("vsts", "job"));
    let answer = forwarded(&proxy, &sandbox.index_url("shared"), &header);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(proxy.requests()[0].target, sandbox.index_url("shared"));
    assert_eq!(proxy.requests()[0].status, Some(200));
    assert_eq!(sandbox.requests().len(), 1);
}

#[test]
fn a_proxy_leads_the_names_of_the_service_to_a_sandbox() {
    let sandbox = Sandbox::builder().tls().token("job").feed(Feed::org("shared")).start();
    let proxy = Proxy::start();
    for host in
        ["dev.azure.com", "pkgs.dev.azure.com", "contoso.visualstudio.com", "contoso.pkgs.visualstudio.com"]
    {
        proxy.lead(host, &sandbox.authority());
    }
    let agent = agent(sandbox.ca_pem(), Some(&proxy.url()));
    for (collection, packaging) in [
        ("https://dev.azure.com/contoso/", "https://pkgs.dev.azure.com/contoso/"),
        ("https://contoso.visualstudio.com/", "https://contoso.pkgs.visualstudio.com/"),
        ("https://contoso.visualstudio.com/DefaultCollection/", "https://contoso.pkgs.visualstudio.com/"),
    ] {
        let area = format!("{collection}_apis/resourceAreas/92f0314b-06c5-46e0-abe7-15fd9d13276a");
        assert_eq!(ask(&agent, &area).unwrap().json()["locationUrl"], packaging);
        let index = format!("{packaging}_packaging/shared/pypi/simple/");
        assert_eq!(ask(&agent, &index).unwrap().status, 200);
        assert_eq!(ask(&agent, &format!("{collection}_packaging/shared/pypi/simple/")).unwrap().status, 404);
    }
    let first = &proxy.requests()[0];
    assert_eq!((first.method.as_str(), first.target.as_str()), ("CONNECT", "dev.azure.com:443"));
    assert!(!first.has_authorization());
}

#[test]
fn entra_and_the_session_service_are_led_to_as_well() {
    let sandbox = Sandbox::builder()
        .tls()
        .tenant("t")
        .token(Token::entra("job"))
        .feed(Feed::org("shared"))
        .application(Application::new("client", "connection"))
        .start();
    let proxy = Proxy::start();
    proxy.lead_service(&sandbox);
    let agent = agent(sandbox.ca_pem(), Some(&proxy.url()));
    let post = |url: &str, body: &str| {
        let request = agent.post(url).header("Authorization", "Bearer job");
        Answer::read(request.send(body).unwrap()).unwrap()
    };
    for host in ["login.microsoftonline.com", "login.windows.net"] {
        let token = |tenant: &str| post(&format!("https://{host}/{tenant}/oauth2/v2.0/token"), "");
        assert_eq!(token("t").json()["error_codes"][0], 900_144);
        assert_eq!(ask(&agent, &format!("https://{host}/contoso/_apis/connectionData")).unwrap().status, 404);
    }
    for (feed, service) in [
        ("https://pkgs.dev.azure.com/contoso/", "https://vssps.dev.azure.com/contoso/"),
        ("https://contoso.pkgs.visualstudio.com/", "https://contoso.vssps.visualstudio.com/"),
    ] {
        let refused = agent.get(format!("{feed}_packaging/shared/pypi/simple/")).call().unwrap();
        assert_eq!(refused.headers()["x-vss-authorizationendpoint"], service);
        let body = r#"{"scope": "vso.packaging"}"#;
        let tokens = "_apis/Token/SessionTokens?tokenType=Compact";
        assert_eq!(post(&format!("{service}{tokens}"), body).json()["scope"], "vso.packaging");
        assert_eq!(post(&format!("{feed}{tokens}"), body).status, 404);
    }
}

#[test]
fn a_proxy_knows_no_other_hosts_and_can_fail() {
    let sandbox = Sandbox::builder().tls().token("job").start();
    let proxy = Proxy::start();
    let agent = agent(sandbox.ca_pem(), Some(&proxy.url()));
    assert!(ask(&agent, "https://elsewhere.example/").is_err());
    assert_eq!(proxy.requests()[0].status, Some(502));
    proxy.fault("CONNECT", Fault::Status(503), 1);
    assert!(ask(&agent, &sandbox.collection_url()).is_err());
    assert_eq!(proxy.requests()[1].status, Some(503));
    assert!(ask(&agent, &sandbox.collection_url()).is_ok());
}

#[test]
fn a_proxy_can_want_a_credential_and_keeps_it_to_itself() {
    let sandbox = Sandbox::builder().token("job").feed(Feed::org("shared")).start();
    let proxy = Proxy::with_credential("user", "p@ss");
    let status = |user: &str, password: &str| {
        let header = format!("Proxy-Authorization: {}", basic(user, password));
        let answer = forwarded(&proxy, &sandbox.index_url("shared"), &header);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status("user", "wrong"), "407");
    assert!(sandbox.requests().is_empty());
    // The proxy lets it through; the index then misses its own credential.
    assert_eq!(status("user", "p@ss"), "401");
    assert!(sandbox.requests()[0].header("proxy-authorization").is_none());
    assert!(forwarded(&proxy, &sandbox.index_url("shared"), "X-Nothing: here").starts_with("HTTP/1.1 407 "));
}
