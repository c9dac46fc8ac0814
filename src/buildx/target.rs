//! Which engine a docker client would talk to here, and by which way.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::agent::env::Env;
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

    /// The engine of the context `name`, as by `docker --context`.
    pub fn of_context(name: &str, env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        if name != "default" {
            return Ok(Self { context: name.to_owned(), address: of_context(name, config)? });
        }
        let kept = ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_TLS"];
        let env = kept.into_iter().filter_map(|name| Some((name, env.get(name)?))).collect();
        Self::resolve(&env, &DockerConfig::default())
    }

    /// The engine at an endpoint of a builder: a context's name, or an address.
    pub fn at(endpoint: &str, env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        if endpoint.contains("://") {
            let tls = env.get("DOCKER_TLS_VERIFY").is_some();
            return Ok(Self { context: "default".to_owned(), address: Address::parse(endpoint, tls)? });
        }
        Self::of_context(endpoint, env, config)
    }
}

impl Address {
    /// Parses an address as `DOCKER_HOST` holds it; `tls` says how TCP is spoken.
    pub fn parse(host: &str, tls: bool) -> anyhow::Result<Self> {
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

    /// The URL, if everything that goes there can be read on a network.
    #[must_use]
    pub fn clear(&self) -> Option<&Url> {
        match self {
            Self::Tcp { url, tls: false } if !http::is_loopback(url) => Some(url),
            _ => None,
        }
    }
}

/// The names of the contexts that the user has made.
#[must_use]
pub fn contexts(config: &DockerConfig) -> Vec<String> {
    let folders =
        std::fs::read_dir(config.folder.join("contexts").join("meta")).into_iter().flatten().flatten();
    let name = |folder: std::fs::DirEntry| {
        let meta: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("meta.json")).ok()?).ok()?;
        meta["Name"].as_str().map(str::to_owned)
    };
    folders.filter_map(name).collect()
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
    fn tcp_without_tls_to_another_machine_is_in_clear() {
        let clear = |host| resolve(&[("DOCKER_HOST", host)]).address.clear().is_some();
        for host in ["unix:///x", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "ssh://h", "https://h"] {
            assert!(!clear(host), "{host}");
        }
        assert!(clear("tcp://10.0.0.1:2375"));
    }
}
