//! What is asked of the engine itself, over its API: images, tags, pushes and logins (a `docker` call costs 34 to
//! 52 ms, a request under 5).

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::content::ContentStore;
use super::layers::LayerStore;
use super::local::LocalImage;
use super::target::{Address, Target};
use super::transport::{Ssh, Transport, Tunnel};
use crate::error::{hint_context, hinted};
use crate::registry::login::Login;

/// An engine that answers.
#[derive(Debug)]
pub struct Engine {
    client: reqwest::Client,
    base: String,
    tunnel: Option<Tunnel>,
    /// Whether it listens on a socket of this machine.
    is_local: bool,
}

/// An image in the engine's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The engine's id: the manifest digest in the containerd store, the config digest in the classic one.
    pub id: String,
    /// The manifest digest, in the containerd store.
    pub manifest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageInspect {
    id: String,
    descriptor: Option<Descriptor>,
    repo_digests: Option<Vec<String>>,
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    driver: Option<String>,
    driver_status: Option<Vec<(String, String)>>,
    docker_root_dir: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// A line of the stream that a push answers with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushLine {
    error: Option<String>,
    status: Option<String>,
    id: Option<String>,
}

impl Engine {
    /// Connects, and checks that the engine can build with BuildKit.
    pub async fn connect(target: &Target, ssh: Ssh<'_>) -> anyhow::Result<Self> {
        let Transport { client, base, tunnel } = Transport::open(&target.address, ssh)?;
        let is_local = matches!(target.address, Address::Unix(_));
        let engine = Self { client, base, tunnel, is_local };
        let ping = engine.request(Method::GET, "/_ping").timeout(Duration::from_secs(20)).send().await;
        let ping = match ping {
            Ok(ping) => ping,
            Err(error) => {
                let error = anyhow::Error::new(error.without_url());
                let error = match engine.tunnel.as_ref().and_then(Tunnel::said) {
                    Some(said) => anyhow::anyhow!(said).context("the connection by ssh ended"),
                    None => error,
                };
                let what = format!("no Docker engine answers at `{}`", target.address);
                return Err(error.context(hint_context(what, target.address.hint())));
            }
        };
        let header =
            |name: &str| ping.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header("builder-version") != "2" {
            return Err(hinted(
                format!(
                    "the Docker engine at `{}` has no BuildKit ({} containers)",
                    target.address,
                    header("ostype")
                ),
                "use an engine that runs Linux containers, Docker 18.09 or later",
            ));
        }
        Ok(engine)
    }

    /// The image of this name or id, if the store has it.
    pub async fn image(&self, reference: &str) -> anyhow::Result<Option<StoredImage>> {
        Ok(self.inspect(reference).await?.map(|image| StoredImage {
            id: image.id,
            manifest: image.descriptor.map(|descriptor| descriptor.digest),
        }))
    }

    /// The names of an image, `None` if the store does not have it.
    pub(super) async fn names(&self, id: &str) -> anyhow::Result<Option<Vec<String>>> {
        Ok(self.inspect(id).await?.map(|image| image.repo_tags.unwrap_or_default()))
    }

    /// The names by digest, as in `python@sha256:…`, of an image if the store has it; without any if it was not pulled.
    pub async fn repository_digests(&self, reference: &str) -> anyhow::Result<Option<Vec<String>>> {
        Ok(self.inspect(reference).await?.map(|image| image.repo_digests.unwrap_or_default()))
    }

    async fn inspect(&self, reference: &str) -> anyhow::Result<Option<ImageInspect>> {
        let response = self.send(self.request(Method::GET, &format!("/images/{reference}/json"))).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let image = accepted(response).await?.json().await.context("the engine's answer is cut short")?;
        Ok(Some(image))
    }

    /// Whether images are in the classic store and not in containerd's.
    pub async fn has_classic_store(&self) -> anyhow::Result<bool> {
        let status = self.info().await?.driver_status.unwrap_or_default();
        let containerd =
            |(key, value): &(String, String)| key == "driver-type" && value == "io.containerd.snapshotter.v1";
        Ok(!status.iter().any(containerd))
    }

    /// The image in the engine's own files, if they are on this machine and ours to read.
    pub async fn local_image(&self, image: &StoredImage) -> anyhow::Result<Option<Box<dyn LocalImage>>> {
        if !self.is_local {
            return Ok(None);
        }
        let info = self.info().await?;
        let (root, driver) = (info.docker_root_dir.unwrap_or_default(), info.driver.unwrap_or_default());
        Ok(match &image.manifest {
            Some(manifest) => ContentStore::find(&root, manifest).map(|store| Box::new(store) as Box<_>),
            None => LayerStore::find(&root, &driver, &image.id).map(|store| Box::new(store) as Box<_>),
        })
    }

    async fn info(&self) -> anyhow::Result<Info> {
        let response = accepted(self.send(self.request(Method::GET, "/info")).await?).await?;
        response.json().await.context("the engine's answer is cut short")
    }

    /// Gives the image `id` the name `repository:tag`.
    pub async fn tag(&self, id: &str, repository: &str, tag: &str) -> anyhow::Result<()> {
        let request = self
            .request(Method::POST, &format!("/images/{id}/tag"))
            .query(&[("repo", repository), ("tag", tag)]);
        accepted(self.send(request).await?)
            .await
            .with_context(|| format!("cannot tag `{repository}:{tag}`"))?;
        Ok(())
    }

    /// Asks the registry, by way of the engine, whether it accepts a login.
    pub async fn check_login(&self, login: &Login) -> anyhow::Result<()> {
        accepted(self.send(self.request(Method::POST, "/auth").json(&login.auth_config())).await?).await?;
        Ok(())
    }

    /// Pushes `repository:tag`; `on_line` gets what the engine says meanwhile.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        login: Option<&Login>,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<()> {
        let request = self
            .request(Method::POST, &format!("/images/{repository}/push"))
            .query(&[("tag", tag)])
            .header("X-Registry-Auth", registry_auth(login).expose_secret());
        let mut response = accepted(self.send(request).await?).await?;
        let mut buffer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                read_push_line(&line, &mut on_line)?;
            }
        }
        if buffer.trim_ascii().is_empty() { Ok(()) } else { read_push_line(&buffer, &mut on_line) }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request.send().await.map_err(|error| lost(&error))
    }
}

/// A connection to the engine that broke, and not one of the engine's own to elsewhere.
#[derive(Debug)]
pub struct EngineLost;

impl std::fmt::Display for EngineLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection to the Docker engine was lost")
    }
}

pub(super) fn lost(error: &reqwest::Error) -> anyhow::Error {
    let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    let cause = cause.map_or_else(|| "no answer".to_owned(), ToString::to_string);
    hinted(
        cause,
        "see the engine's own log (`journalctl -u docker`), and whether its machine ran out of memory or disk; then run \
         the job again",
    )
    .context(EngineLost)
}

/// An answer of success, or the engine's own message.
pub(super) async fn accepted(response: Response) -> anyhow::Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    let message = serde_json::from_str::<Message>(&text).map_or(text, |body| body.message);
    anyhow::bail!("the Docker engine says: {} ({})", message.trim(), status.as_u16())
}

/// The login as the engine's API takes it (base64url of JSON; `{}` for none).
fn registry_auth(login: Option<&Login>) -> SecretString {
    let auth = login.map_or_else(|| json!({}), Login::auth_config);
    URL_SAFE.encode(auth.to_string()).into()
}

fn read_push_line(line: &[u8], on_line: &mut impl FnMut(&str)) -> anyhow::Result<()> {
    let line: PushLine = serde_json::from_slice(line).context("the Docker engine's answer cannot be read")?;
    if let Some(error) = line.error {
        anyhow::bail!("{}", error.trim());
    }
    // Waiting, Preparing and progress bars come many times a second, a count-down (from 5, 10, 15 and 20) every second;
    // what is done comes once.
    let counts_down = |status: &str| {
        status.starts_with("Retrying in ")
            && !["5 seconds", "0 seconds"].iter().any(|end| status.ends_with(end))
    };
    if let Some(status) = line.status.filter(|status| {
        !matches!(status.as_str(), "Waiting" | "Preparing" | "Pushing") && !counts_down(status)
    }) {
        on_line(&line.id.map_or(status.clone(), |id| format!("{id}: {status}")));
    }
    Ok(())
}

impl Address {
    /// How an engine there can be reached, if it is not.
    fn hint(&self) -> &'static str {
        match self {
            Self::Unix(_) | Self::NamedPipe(_) => {
                "start Docker on the agent and let the agent's user reach its socket (group `docker`); in a container \
                 job set `mapDockerSocket: true` on the container"
            }
            Self::Tcp { tls: None, .. } => {
                "start Docker there, and let this agent reach it; one that speaks TLS needs `DOCKER_TLS_VERIFY: 1`"
            }
            Self::Tcp { .. } => {
                "start Docker there, let this agent reach it, and put the `ca.pem`, `cert.pem` and `key.pem` for it into \
                 the folder that `DOCKER_CERT_PATH` names, or into the docker context"
            }
            Self::Ssh(_) => {
                "let the agent's user log in there by ssh without a password (`ssh HOST docker version`), with the host's \
                 key in its `known_hosts`"
            }
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::NamedPipe(path) => write!(f, "npipe://{path}"),
            Self::Tcp { url, .. } => write!(f, "{url}"),
            Self::Ssh(host) => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_shows_what_is_done_and_stops_at_an_error() {
        let mut shown = Vec::new();
        let mut on_line = |line: &str| shown.push(line.to_owned());
        for line in [
            r#"{"status":"The push refers to repository [h/r]"}"#,
            r#"{"status":"Pushing","progressDetail":{"current":1},"id":"ab"}"#,
            r#"{"status":"Retrying in 5 seconds","progressDetail":{},"id":"ab"}"#,
            r#"{"status":"Retrying in 4 seconds","progressDetail":{},"id":"ab"}"#,
            r#"{"status":"Pushed","progressDetail":{},"id":"ab"}"#,
            r#"{"progressDetail":{},"aux":{"Tag":"1"}}"#,
        ] {
            read_push_line(line.as_bytes(), &mut on_line).expect("no error in it");
        }
        let error = read_push_line(br#"{"errorDetail":{"message":"denied"},"error":"denied"}"#, &mut on_line);
        assert_eq!(error.expect_err("it says so").to_string(), "denied");
        assert_eq!(shown, ["The push refers to repository [h/r]", "ab: Retrying in 5 seconds", "ab: Pushed"]);
    }
}
