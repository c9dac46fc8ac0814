//! A plain HTTP client for these tests, and what else they share.

use std::{io::Write, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ureq::{
    Agent,
    http::{HeaderMap, Response},
};

/// A client that returns every status as it is and follows no redirect, out of reach of the machine's own proxy.
pub(crate) fn client() -> Agent {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None).build().into()
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the body; an answer that breaks off is an error.
    pub(crate) fn read(response: Response<ureq::Body>) -> Result<Self, ureq::Error> {
        let (head, mut body) = response.into_parts();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body: body.read_to_vec()? })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The `Authorization` value of a token as Basic password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A GET as the product makes it.
pub(crate) fn get(url: &str, token: &str) -> Answer {
    try_get(url, token).unwrap()
}

/// A GET that may fail below HTTP.
pub(crate) fn try_get(url: &str, token: &str) -> Result<Answer, ureq::Error> {
    Answer::read(
        client()
            .get(url)
            .header("Authorization", basic("vsts", token))
            .header("X-TFS-FedAuthRedirect", "Suppress")
            .call()?,
    )
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Says why a test does nothing, past the capture of the test harness.
pub(crate) fn say_skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}

/// Whether this machine has a program, a module of Python among them; says so if not.
pub(crate) fn has(program: &str, args: &[&str]) -> bool {
    let found = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    if !found {
        say_skipped(&format!("no `{program} {}` on this machine", args.join(" ")));
    }
    found
}

/// A POST as the product makes it.
pub(crate) fn post(url: &str, authorization: &str, media_type: &str, body: &str) -> Answer {
    let request = client().post(url).header("X-TFS-FedAuthRedirect", "Suppress");
    let request = request.header("Authorization", authorization).header("Content-Type", media_type);
    Answer::read(request.send(body).unwrap()).unwrap()
}

/// A request without a credential.
pub(crate) fn anonymous(method: &str, url: &str) -> Answer {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = request.header("X-TFS-FedAuthRedirect", "Suppress").body(()).unwrap();
    Answer::read(client().run(request).unwrap()).unwrap()
}
