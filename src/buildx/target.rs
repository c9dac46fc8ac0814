//! Which engine a docker client would talk to here, and by which way.

use std::io;
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
        /// How TLS is spoken.
        tls: Option<Tls>,
    },
    /// ssh.
    Ssh(String),
}

/// How TLS is spoken with an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where `ca.pem`, `cert.pem` and `key.pem` may be.
    pub folder: PathBuf,
    /// Whether the engine's certificate counts.
    pub verify: bool,
}

impl Target {
    /// `DOCKER_HOST`, else the context of `DOCKER_CONTEXT` or of the config, else the system's default.
    pub fn resolve(env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        let chosen = env.get("DOCKER_CONTEXT").or_else(|| config.current_context());
        match chosen.filter(|_| env.get("DOCKER_HOST").is_none()) {
            Some(name) => Self::of_context(name, env, config),
            None => Self::of_context("default", env, config),
        }
    }

    /// The engine of the context `name`, as by `docker --context`.
    pub fn of_context(name: &str, env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        if name != "default" {
            return Ok(Self { context: name.to_owned(), address: of_context(name, config)? });
        }
        let address = match env.get("DOCKER_HOST") {
            Some(host) => Address::parse(host, Tls::of_env(env, config)).context("variable `DOCKER_HOST`")?,
            None if cfg!(windows) => Address::NamedPipe(r"\\.\pipe\docker_engine".to_owned()),
            None => Address::Unix(PathBuf::from("/var/run/docker.sock")),
        };
        Ok(Self { context: "default".to_owned(), address })
    }

    /// The engine at an endpoint of a builder: a context's name, or an address.
    pub fn at(endpoint: &str, env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        if endpoint.contains("://") {
            let address = Address::parse(endpoint, Tls::of_env(env, config))?;
            return Ok(Self { context: "default".to_owned(), address });
        }
        Self::of_context(endpoint, env, config)
    }
}

impl Address {
    /// Parses an address as `DOCKER_HOST` holds it; `tls` is for TCP.
    pub fn parse(host: &str, tls: Option<Tls>) -> anyhow::Result<Self> {
        let (scheme, rest) = host.split_once("://").unwrap_or(("tcp", host));
        match scheme {
            "unix" => Ok(Self::Unix(rest.into())),
            "npipe" => Ok(Self::NamedPipe(rest.replace('/', r"\"))),
            "ssh" => Ok(Self::Ssh(host.to_owned())),
            "tcp" | "http" | "https" => {
                let secure = tls.is_some() || scheme == "https";
                let tls = secure.then(|| tls.unwrap_or_default());
                let url = Url::parse(&format!("{}://{rest}", if secure { "https" } else { "http" }))
                    .with_context(|| format!("`{host}` is no address of an engine"))?;
                Ok(Self::Tcp { url, tls })
            }
            _ => anyhow::bail!("`{host}` is no address of an engine"),
        }
    }

    /// Connects once, where that takes no other program, and says nothing.
    pub async fn knock(&self) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::Unix(path) => tokio::net::UnixStream::connect(path).await.map(drop),
            Self::Tcp { url, .. } => {
                let places = url.socket_addrs(|| None)?;
                tokio::net::TcpStream::connect(&places[..]).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The URL, if everything that goes there can be read on a network.
    #[must_use]
    pub fn clear(&self) -> Option<&Url> {
        match self {
            Self::Tcp { url, tls: None } if !http::is_loopback(url) => Some(url),
            _ => None,
        }
    }
}

impl Tls {
    /// `DOCKER_TLS_VERIFY` and `DOCKER_TLS` switch TLS on whatever their value; the files are in `DOCKER_CERT_PATH`, else
    /// in the docker config's folder (docker/cli `cli/flags/options.go`).
    fn of_env(env: &Env, config: &DockerConfig) -> Option<Self> {
        let verify = env.get("DOCKER_TLS_VERIFY").is_some();
        let folder = env.get("DOCKER_CERT_PATH").map_or_else(|| config.folder.clone(), PathBuf::from);
        (verify || env.get("DOCKER_TLS").is_some()).then_some(Self { folder, verify })
    }
}

/// No files: the system's roots, and no certificate of ours.
impl Default for Tls {
    fn default() -> Self {
        Self { folder: PathBuf::new(), verify: true }
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
    // The folder has the name of the metadata's.
    let id = path.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    let folder = config.folder.join("contexts").join("tls").join(id).join("docker");
    let verify = endpoint["SkipTLSVerify"].as_bool() != Some(true);
    let tls = (folder.exists() || !verify).then_some(Tls { folder, verify });
    Address::parse(host, tls).with_context(|| format!("docker context `{name}`"))
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
        let table: [(&[(&str, &str)], Address); 6] = [
            (&[], Address::Unix("/var/run/docker.sock".into())),
            (&[("DOCKER_HOST", "unix:///x.sock")], Address::Unix("/x.sock".into())),
            (&[("DOCKER_HOST", "tcp://h:2375")], Address::Tcp { url: url("http://h:2375"), tls: None }),
            (
                &[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS_VERIFY", "1")],
                Address::Tcp { url: url("https://h:2376"), tls: Some(Tls::default()) },
            ),
            (
                &[("DOCKER_HOST", "tcp://h:2376"), ("DOCKER_TLS", "1"), ("DOCKER_CERT_PATH", "/c")],
                Address::Tcp {
                    url: url("https://h:2376"),
                    tls: Some(Tls { folder: "/c".into(), verify: false }),
                },
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
