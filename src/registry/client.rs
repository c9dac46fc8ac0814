//! The API of a registry (OCI distribution spec), as far as manifests and what they name are read back, and a checked
//! manifest is put under its tags.
//!
//! Rule: what is read by digest is that digest's bytes, or an error.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::login::{IDENTITY_TOKEN, Login};
use super::manifest::{self, Manifest};
use super::reference::{Repository, Tag};
use crate::agent::network::Network;
use crate::error::hinted;
use crate::http::{self, Answer, Client};

const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                        application/vnd.docker.distribution.manifest.v2+json, \
                        application/vnd.docker.distribution.manifest.list.v2+json";

/// What a connection is for; it becomes the scope of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
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
    /// Connects for `access` to `repository`, by https; a registry on loopback may speak http, as docker allows.
    pub async fn connect(
        repository: &Repository,
        login: Option<&Login>,
        access: Access,
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
            (StatusCode::UNAUTHORIZED, login) => {
                authorize(&client, &ping.headers, repository, login, access).await?
            }
            _ => Authorization::None,
        };
        Ok(Self { client, base, authorization })
    }

    /// Asks whether the registry accepts a login.
    pub async fn check_login(
        repository: &Repository,
        login: &Login,
        network: &Network,
    ) -> anyhow::Result<()> {
        let registry = Self::connect(repository, Some(login), Access::Push, network).await?;
        let url = format!("{}v2/", registry.base);
        let answer = registry.client.send(|| registry.authorize(registry.client.get(&url))).await?;
        expect(&answer, &[StatusCode::OK], "/v2/")
    }

    /// Reads the manifest of a tag or digest.
    pub async fn manifest(&self, repository: &Repository, reference: &str) -> anyhow::Result<Manifest> {
        let url = self.manifest_url(repository, reference);
        let request = || self.authorize(self.client.get(&url).header(ACCEPT, ACCEPTED));
        let answer = self.client.send(request).await?;
        expect(&answer, &[StatusCode::OK], &shown(repository, reference))?;
        let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_owned();
        let manifest = Manifest::parse(answer.body, &media_type)?;
        check_digest(reference, &manifest.digest, repository)?;
        Ok(manifest)
    }

    /// Asks for the digest of a tag, without its manifest: Docker Hub counts that as no pull.
    pub async fn digest(&self, repository: &Repository, tag: &Tag) -> anyhow::Result<String> {
        let url = self.manifest_url(repository, tag.as_str());
        let request = || self.authorize(self.client.head(&url).header(ACCEPT, ACCEPTED));
        let answer = self.client.send(request).await?;
        expect(&answer, &[StatusCode::OK], &repository.tagged(tag))?;
        let digest = answer.headers.get("docker-content-digest").and_then(|value| value.to_str().ok());
        digest.map(str::to_owned).with_context(|| {
            format!("the registry answered without a digest for `{}`", repository.tagged(tag))
        })
    }

    /// Puts a manifest, whose blobs the repository has, under a tag.
    pub async fn put(&self, repository: &Repository, tag: &Tag, manifest: &Manifest) -> anyhow::Result<()> {
        let url = self.manifest_url(repository, tag.as_str());
        let request = || {
            let request = self.client.put(&url).header(CONTENT_TYPE, &manifest.media_type);
            self.authorize(request.body(manifest.bytes.clone()))
        };
        let answer = self.client.send(request).await?;
        expect(&answer, &[StatusCode::CREATED, StatusCode::OK], &repository.tagged(tag))
    }

    /// Reads a blob into memory, of 64 MiB at most. A registry may send it from another place, which gets no login.
    pub async fn blob(&self, repository: &Repository, digest: &str) -> anyhow::Result<Vec<u8>> {
        let url = format!("{}v2/{}/blobs/{digest}", self.base, repository.path());
        let mut answer = self.client.send(|| self.authorize(self.client.get(&url))).await?;
        if answer.status.is_redirection() {
            let place = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let place = self.base.join(place.context("the registry redirects to nowhere")?)?;
            anyhow::ensure!(http::is_confidential(&place), "the registry redirects away from https");
            answer = self.client.send(|| self.client.get(place.clone())).await?;
        }
        expect(&answer, &[StatusCode::OK], &shown(repository, digest))?;
        check_digest(digest, &manifest::digest(&answer.body), repository)?;
        Ok(answer.body)
    }

    fn manifest_url(&self, repository: &Repository, reference: &str) -> String {
        format!("{}v2/{}/manifests/{reference}", self.base, repository.path())
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
    access: Access,
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
    let actions = match access {
        Access::Pull => "pull",
        Access::Push => "pull,push",
    };
    url.query_pairs_mut().append_pair("scope", &format!("repository:{}:{actions}", repository.path()));
    let request = || match login {
        Some(login) if login.username == IDENTITY_TOKEN => by_refresh_token(client, &url, login),
        Some(login) => {
            client.get(url.clone()).basic_auth(&login.username, Some(login.secret.expose_secret()))
        }
        None => client.get(url.clone()),
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
            login.map_or_else(
                || "set `containerRegistry` to a service connection for this registry".to_owned(),
                |login| login.mend(&repository.to_string()),
            ),
        ));
    }
    let token: Token = serde_json::from_slice(&answer.body).context("the registry's token cannot be read")?;
    token.token.or(token.access_token).map(Authorization::Bearer).context("the registry's token is empty")
}

/// An identity token is exchanged by POST (distribution spec, "Token Authentication", `OAuth2`).
fn by_refresh_token(client: &Client, url: &Url, login: &Login) -> RequestBuilder {
    let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let fixed = [("grant_type", "refresh_token"), ("client_id", "feedbuild")];
    form.extend(fixed.map(|(key, value)| (key.to_owned(), value.to_owned())));
    form.push(("refresh_token".to_owned(), login.secret.expose_secret().to_owned()));
    let mut url = url.clone();
    url.set_query(None);
    client.post(url).form(&form)
}

/// The CAs that docker trusts for this registry (`/etc/docker/certs.d`).
pub(super) fn authorities(host: &str) -> Vec<Vec<u8>> {
    let folder = Path::new("/etc/docker/certs.d").join(host);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "crt"))
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

/// `repository:tag` or `repository@digest`.
fn shown(repository: &Repository, reference: &str) -> String {
    format!("{repository}{}{reference}", if reference.contains(':') { '@' } else { ':' })
}

fn expect(answer: &Answer, wanted: &[StatusCode], what: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        wanted.contains(&answer.status),
        "the registry answered {} for `{what}`{}",
        answer.status.as_u16(),
        said(answer)
    );
    Ok(())
}

/// What was asked for by its digest must have it.
fn check_digest(reference: &str, found: &str, repository: &Repository) -> anyhow::Result<()> {
    anyhow::ensure!(
        !reference.contains(':') || reference == found,
        "the registry sent {found} for `{}`",
        shown(repository, reference)
    );
    Ok(())
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
pub(super) fn said(answer: &Answer) -> String {
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
}
