//! Which engine a docker client would talk to here, and whether secrets may go there.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::agent::env::Env;
use crate::error::hinted;
use crate::http;
use crate::registry::config::DockerConfig;

/// An engine's address and the docker context that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The context's name, which is also the name of buildx's builder with the docker driver.
    pub context: String,
    /// Where the engine listens.
    pub address: Address,
}

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// A Windows named pipe.
    NamedPipe(String),
    /// TCP, with TLS or in clear.
    Tcp {
        /// The address.
        url: Url,
        /// Whether it speaks TLS.
        tls: bool,
    },
    /// ssh.
    Ssh(String),
}

impl Target {
    /// `DOCKER_HOST`, else the context of `DOCKER_CONTEXT` or of the config, else the system's default.
    pub fn resolve(env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        if let Some(host) = env.get("DOCKER_HOST") {
            // `DOCKER_TLS` and `DOCKER_TLS_VERIFY` switch TLS on whatever their value.
            let tls = env.get("DOCKER_TLS_VERIFY").or_else(|| env.get("DOCKER_TLS")).is_some();
            let address = Address::parse(host, tls).context("variable `DOCKER_HOST`")?;
            return Ok(Self { context: "default".to_owned(), address });
        }
        let chosen = env.get("DOCKER_CONTEXT").or_else(|| config.current_context());
        match chosen.filter(|name| *name != "default") {
            Some(name) => Ok(Self { context: name.to_owned(), address: of_context(name, config)? }),
            None if cfg!(windows) => Ok(Self {
                context: "default".to_owned(),
                address: Address::NamedPipe(r"\\.\pipe\docker_engine".to_owned()),
            }),
            None => Ok(Self {
                context: "default".to_owned(),
                address: Address::Unix(PathBuf::from("/var/run/docker.sock")),
            }),
        }
    }

    /// Stops a secret that would cross a network in clear (it does: BuildKit's session is plain HTTP/2 then).
    pub fn check_confidential(&self, allow_insecure: bool) -> anyhow::Result<()> {
        match &self.address {
            Address::Tcp { url, tls: false } if !http::is_loopback(url) && !allow_insecure => Err(hinted(
                format!(
                    "the engine at `{url}` is reached in clear, so the build's secrets would be readable on the network"
                ),
                "reach it by TLS (`DOCKER_TLS_VERIFY`), ssh (`DOCKER_HOST: ssh://…`) or a socket; if you trust the \
                 network, set `allowInsecureBuilder: true`",
            )),
            _ => Ok(()),
        }
    }
}

impl Address {
    fn parse(host: &str, tls: bool) -> anyhow::Result<Self> {
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        match scheme {
            "unix" => Ok(Self::Unix(rest.into())),
            "npipe" => Ok(Self::NamedPipe(rest.replace('/', r"\"))),
            "ssh" => Ok(Self::Ssh(host.to_owned())),
            "tcp" | "http" | "https" => {
                let tls = tls || scheme == "https";
                let url = Url::parse(&format!("{}://{rest}", if tls { "https" } else { "http" }))
                    .with_context(|| format!("`{host}` is no address of an engine"))?;
                Ok(Self::Tcp { url, tls })
            }
            _ => anyhow::bail!("`{host}` is no address of an engine"),
        }
    }
}

/// A context's metadata is in a folder named by the SHA-256 of its name (docker/cli `cli/context/store`).
fn of_context(name: &str, config: &DockerConfig) -> anyhow::Result<Address> {
    let folder = hex::encode(Sha256::digest(name.as_bytes()));
    let path = config.folder.join("contexts").join("meta").join(folder).join("meta.json");
    let text = std::fs::read(&path).map_err(|error| {
        anyhow::Error::new(error).context(crate::error::hint_context(
            format!("docker context `{name}` is chosen but not known (`{}`)", path.display()),
            "create it by `docker context create`, or unset `DOCKER_CONTEXT` for the step",
        ))
    })?;
    let meta: Value =
        serde_json::from_slice(&text).with_context(|| format!("`{}` is no JSON", path.display()))?;
    let endpoint = &meta["Endpoints"]["docker"];
    let host =
        endpoint["Host"].as_str().with_context(|| format!("docker context `{name}` names no engine"))?;
    let tls_files = config
        .folder
        .join("contexts")
        .join("tls")
        .join(path.parent().and_then(|p| p.file_name()).unwrap_or_default());
    Address::parse(host, tls_files.exists()).with_context(|| format!("docker context `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(pairs: &[(&str, &str)]) -> Target {
        Target::resolve(&pairs.iter().copied().collect(), &DockerConfig::default()).expect("an address")
    }

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        let url = |text| Url::parse(text).expect("a URL");
        let table: [(&[(&str, &str)], Address); 5] = [
            (&[], Address::Unix("/var/run/docker.sock".into())),
            (&[("DOCKER_HOST", "unix:///x.sock")], Address::Unix("/x.sock".into())),
            (&[("DOCKER_HOST", "tcp://h:2375")], Address::Tcp { url: url("http://h:2375"), tls: false }),
            (
                &[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1")],
                Address::Tcp { url: url("https://h:2376"), tls: true },
            ),
            (&[("DOCKER_HOST", "ssh://u@h")], Address::Ssh("ssh://u@h".into())),
        ];
        for (pairs, address) in table {
            assert_eq!(resolve(pairs).address, address, "{pairs:?}");
        }
    }

    #[test]
    fn secrets_go_to_no_engine_in_clear() {
        let checked = |host, allow| resolve(&[("DOCKER_HOST", host)]).check_confidential(allow);
        for host in ["unix:///x", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "ssh://h"] {
            checked(host, false).expect(host);
        }
        checked("tcp://10.0.0.1:2375", false).expect_err("in clear");
        checked("tcp://10.0.0.1:2375", true).expect("it was allowed");
    }
}
