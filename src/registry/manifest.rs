//! Reads a manifest back from a registry (OCI distribution spec, "Pulling manifests"), to compare what arrived with
//! what was built.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{ACCEPT, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::config::Login;
use super::reference::{Repository, Tag};
use crate::agent::network::Network;
use crate::error::hinted;
use crate::http::{self, Answer, Client};

const MEDIA_TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                           application/vnd.docker.distribution.manifest.v2+json, \
                           application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as a registry serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `sha256:` and the SHA-256 of its bytes, computed here.
    pub digest: String,
    /// The config's digest; an index has none.
    pub config: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    config: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
}

/// A registry that answers, and what it wants to see.
#[derive(Debug)]
pub struct Registry {
    client: Client,
    base: Url,
    authorization: Authorization,
}

#[derive(Debug)]
enum Authorization {
    None,
    Basic(Login),
    Bearer(SecretString),
}

impl Registry {
    /// Connects for reading `repository`, by https; a registry on loopback may speak http, as docker allows.
    pub async fn connect(
        repository: &Repository,
        login: Option<&Login>,
        network: &Network,
    ) -> anyhow::Result<Self> {
        let host = match repository.registry() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            host => host,
        };
        let client = Client::new(network, true, &authorities(host), Duration::from_mins(1))?;
        let mut base =
            Url::parse(&format!("https://{host}/")).with_context(|| format!("`{host}` is no host"))?;
        if http::is_loopback(&base) && client.get(base.join("v2/")?).send().await.is_err() {
            base = Url::parse(&format!("http://{host}/"))?;
        }
        let ping = client
            .send(|| client.get(format!("{base}v2/")))
            .await
            .with_context(|| format!("cannot reach registry `{host}`"))?;
        let authorization = match (ping.status, login) {
            (StatusCode::UNAUTHORIZED, login) => authorize(&client, &ping.headers, repository, login).await?,
            _ => Authorization::None,
        };
        Ok(Self { client, base, authorization })
    }

    /// Reads the manifest of a tag.
    pub async fn manifest(&self, repository: &Repository, tag: &Tag) -> anyhow::Result<Manifest> {
        let url = format!("{}v2/{}/manifests/{tag}", self.base, repository.path());
        let request = || self.authorize(self.client.get(&url).header(ACCEPT, MEDIA_TYPES));
        let answer = self.client.send(request).await?;
        anyhow::ensure!(
            answer.status == StatusCode::OK,
            "the registry answered {} for `{}`{}",
            answer.status.as_u16(),
            repository.tagged(tag),
            said(&answer)
        );
        let body: Body =
            serde_json::from_slice(&answer.body).context("the registry's manifest is no JSON")?;
        Ok(Manifest { digest: digest(&answer.body), config: body.config.map(|config| config.digest) })
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Authorization::None => request,
            Authorization::Basic(login) => {
                request.basic_auth(&login.username, Some(login.secret.expose_secret()))
            }
            Authorization::Bearer(token) => request.bearer_auth(token.expose_secret()),
        }
    }
}

/// Follows a challenge: Basic at once, or Bearer by a token from its realm (distribution spec, "Token
/// Authentication"). The login goes to the realm that the registry names, as in docker.
async fn authorize(
    client: &Client,
    headers: &HeaderMap,
    repository: &Repository,
    login: Option<&Login>,
) -> anyhow::Result<Authorization> {
    let challenge = headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(login.map_or(Authorization::None, |login| Authorization::Basic(login.clone())));
    }
    let realm = parameter(parameters, "realm").context("the registry's challenge names no realm")?;
    let mut url = Url::parse(realm).with_context(|| format!("the registry's realm is no URL: `{realm}`"))?;
    anyhow::ensure!(http::is_confidential(&url), "the registry's realm `{url}` is not reached by https");
    if let Some(service) = parameter(parameters, "service") {
        url.query_pairs_mut().append_pair("service", service);
    }
    url.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", repository.path()));
    let request = || {
        let request = client.get(url.clone());
        match login {
            Some(login) => request.basic_auth(&login.username, Some(login.secret.expose_secret())),
            None => request,
        }
    };
    let answer = client.send(request).await.context("cannot get a token for the registry")?;
    if answer.status != StatusCode::OK {
        return Err(hinted(
            format!(
                "`{}` gives no token for `{repository}` ({}){}",
                url.host_str().unwrap_or_default(),
                answer.status.as_u16(),
                said(&answer)
            ),
            "check the user name and password of the service connection, and that it may pull from the repository",
        ));
    }
    let token: Token = serde_json::from_slice(&answer.body).context("the registry's token cannot be read")?;
    token.token.or(token.access_token).map(Authorization::Bearer).context("the registry's token is empty")
}

/// The CAs that docker trusts for this registry (`/etc/docker/certs.d`).
fn authorities(host: &str) -> Vec<Vec<u8>> {
    let folder = Path::new("/etc/docker/certs.d").join(host);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "crt"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A parameter of a challenge, e.g. `realm="https://auth.example/token",service="registry"`.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = parameters;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').map_or((after, ""), |(value, rest)| (value, rest)),
        };
        if key.trim_matches([',', ' ']).eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The first message of an error body of a registry.
fn said(answer: &Answer) -> String {
    let body: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let message = body.as_ref().and_then(|body| body["errors"][0]["message"].as_str());
    message.map(|text| format!(": {}", text.chars().take(300).collect::<String>())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_challenge_are_found_in_any_order() {
        let challenge = r#"realm="https://auth.example/token?a=b,c",service="my registry", scope=x"#;
        assert_eq!(parameter(challenge, "realm"), Some("https://auth.example/token?a=b,c"));
        assert_eq!(parameter(challenge, "Service"), Some("my registry"));
        assert_eq!(parameter(challenge, "scope"), Some("x"));
        assert_eq!(parameter(challenge, "error"), None);
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
