//! The package server of another company.

use crate::client::{Answer, basic, client};
use feedbuild_sandbox::{Fault, Feed, PackageServer, Protocol, Token};

const USER: &str = "svc+feeds@contoso.example/tool%20";
const PASSWORD: &str = "a:b/c@d%41#\"'<>&\\ ?=$HOME é€";

fn ask(url: &str, authorization: &str) -> Answer {
    Answer::read(client().get(url).header("Authorization", authorization).call().unwrap()).unwrap()
}

#[test]
fn every_protocol_takes_an_odd_user_name_and_password() {
    let server = PackageServer::start(Feed::org("any"), Token::password(USER, PASSWORD));
    for (protocol, path) in [
        (Protocol::PyPi, "private-greeting/"),
        (Protocol::Npm, "@contoso%2fprivate-greeting"),
        (Protocol::NuGet, ""),
        (Protocol::Maven, "/com/example/private-greeting/1.0.0/private-greeting-1.0.0.jar"),
        (Protocol::Cargo, "pr/iv/private-greeting"),
    ] {
        let url = format!("{}{path}", server.url(protocol));
        assert_eq!(ask(&url, &basic(USER, PASSWORD)).status, 200, "{protocol:?}");
        for wrong in [basic(USER, "wrong"), basic("any", PASSWORD), "Bearer any".to_owned()] {
            let refused = ask(&url, &wrong);
            assert_eq!(refused.status, 401, "{protocol:?}");
            assert_eq!(refused.header("www-authenticate"), "Basic realm=\"packages\"");
            assert!(
                !refused.headers.keys().any(|name| name.as_str().starts_with("x-")),
                "{:?}",
                refused.headers
            );
        }
    }
}

#[test]
fn a_password_is_no_bearer_token() {
    let server = PackageServer::start(Feed::org("any"), Token::password("user", "password"));
    let url = server.url(Protocol::PyPi);
    assert_eq!(
        ["Bearer password".to_owned(), basic("user", "password")].map(|one| ask(&url, &one).status),
        [401, 200]
    );
}

#[test]
fn its_links_stay_on_it() {
    let server = PackageServer::start(Feed::org("any"), "token");
    let page = ask(&format!("{}private-greeting/", server.url(Protocol::PyPi)), "Bearer token");
    assert!(
        page.text().contains("<a href=\"/packages/pypi/download/private-greeting/1.0.0/"),
        "{}",
        page.text()
    );
    let document = ask(&format!("{}private-greeting", server.url(Protocol::Npm)), "Bearer token").json();
    let tarball = document["versions"]["1.0.0"]["dist"]["tarball"].as_str().unwrap();
    assert!(tarball.starts_with(&server.url(Protocol::Npm)), "{tarball}");
    assert_eq!(ask(tarball, "Bearer token").status, 200);
    assert_eq!(ask(&format!("http://{}/elsewhere/", server.authority()), "Bearer token").status, 404);
}

#[test]
fn it_records_and_fails_on_order() {
    let server = PackageServer::start(Feed::org("any"), "token");
    server.fault("npm", Fault::Status(503), 1);
    let url = format!("{}private-greeting", server.url(Protocol::Npm));
    assert_eq!([0; 2].map(|_| ask(&url, "Bearer token").status), [503, 200]);
    assert_eq!(server.requests().len(), 2);
}
