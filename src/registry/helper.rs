//! Our docker credential helper. A docker client starts `docker-credential-feedbuild get`, a link to our binary, and
//! reads the login from its output (docker-credential-helpers `credentials.go`); the logins come from the step by a
//! descriptor (see [`crate::feeder`]), so no file holds them.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};

use super::login::{Holder, IDENTITY_TOKEN, Login};
use crate::buildx::client::Client;

/// The variable that names where the logins are; the path is no secret.
pub const LOGINS_VARIABLE: &str = "FEEDBUILD_LOGINS";

/// What docker prints and expects for "no login here": it then goes on without one.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    username: &'a str,
    secret: &'a str,
}

/// The logins as the helper reads them.
pub fn encode(logins: &[Login], client: &Client) -> anyhow::Result<SecretSlice<u8>> {
    let by_server: BTreeMap<&str, Answer<'_>> = logins
        .iter()
        .map(|login| {
            // Azure Container Registry's token service takes a refresh token by that name from everybody; as a password only
            // by GET, with which buildx does not begin (containerd, `remotes/docker/auth/fetch.go`) and the old client does.
            let is_token = login.holder == Holder::Identity && matches!(client, Client::Buildx(_));
            let username = if is_token { IDENTITY_TOKEN } else { &login.username };
            (login.server.as_str(), Answer { username, secret: login.secret.expose_secret() })
        })
        .collect();
    Ok(serde_json::to_vec(&by_server).context("cannot write the logins")?.into())
}

/// Answers one request. `Err` is what docker should show; the exit code is 1 then.
pub fn answer(action: &str, mut stdin: impl std::io::Read, logins: &str) -> anyhow::Result<String> {
    match action {
        "get" => {}
        "list" => return Ok("{}".to_owned()),
        // A client that logs in or out by itself must not fail, but nothing is kept.
        "store" | "erase" => return Ok(String::new()),
        _ => anyhow::bail!("unknown action `{action}`"),
    }
    let mut server = String::new();
    stdin.by_ref().take(4096).read_to_string(&mut server).context("cannot read the registry's name")?;
    let server = server.trim();
    let content: SecretSlice<u8> =
        std::fs::read(logins).with_context(|| format!("cannot open `{logins}`"))?.into();
    let all: BTreeMap<&str, serde_json::Value> =
        serde_json::from_slice(content.expose_secret()).context("cannot read the logins")?;
    let login = all.get(server).context(NOT_FOUND)?;
    let mut answer = login.clone();
    answer["ServerURL"] = server.into();
    Ok(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::env::Env;
    use crate::feeder::{Fed, Way};
    use crate::private::PrivateFolder;

    #[test]
    fn a_known_registry_gets_its_login_and_others_none() {
        let folder = PrivateFolder::create(&Env::default()).expect("temp is writable");
        let login = Login {
            server: "127.0.0.1:5000".to_owned(),
            username: "ci".to_owned(),
            secret: "q\"uo'te\\".into(),
            holder: Holder::User,
            expires: None,
        };
        let logins = encode(&[login], &Client::Docker("docker".into())).expect("text");
        let fed = Fed::new("logins", &logins, Way::PREFERRED, &folder).expect("fed");
        let path = fed.path().display().to_string();
        let found = answer("get", "127.0.0.1:5000\n".as_bytes(), &path).expect("it is known");
        assert_eq!(found, r#"{"Username":"ci","Secret":"q\"uo'te\\","ServerURL":"127.0.0.1:5000"}"#);
        let error = answer("get", "other".as_bytes(), &path).expect_err("it is not known");
        assert_eq!(error.to_string(), NOT_FOUND);
    }
}
