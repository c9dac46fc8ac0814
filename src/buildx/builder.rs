//! The builder: the docker context's own, or one of buildx's by name, whatever its driver.
//!
//! Rule: it is found in buildx's state and docker's contexts on disk, as buildx finds it (`store/storeutil`,
//! `GetNodeGroup`), so without a process and before the first request. Nothing of that state is changed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use url::Url;

use super::target::{self, Address, Target, Tls};
use crate::agent::env::Env;
use crate::error::{hint_context, hinted};
use crate::registry::config::DockerConfig;

/// How long a node may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// What buildx calls a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: Driver,
    nodes: Vec<Node>,
}

/// How buildx reaches BuildKit (buildx `driver/`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The engine's own BuildKit: images are in the engine's store.
    Docker,
    /// BuildKit in a container of an engine.
    Container,
    /// BuildKit that somebody else runs.
    Remote,
    /// BuildKit in pods.
    Kubernetes,
    /// Docker Build Cloud.
    Cloud,
}

/// One of a builder's machines, and by which address secrets would reach it; `None` for the API of Kubernetes and for
/// Docker's cloud, which have TLS of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: String,
    address: Option<Address>,
}

/// buildx's file of a builder (`store/nodegroup.go`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeGroup {
    #[serde(default)]
    driver: String,
    nodes: Vec<NodeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeEntry {
    name: String,
    #[serde(default)]
    endpoint: String,
    driver_opts: Option<BTreeMap<String, String>>,
}

impl Driver {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            // A builder that was made for a context without a word about its driver.
            "" | "docker" => Self::Docker,
            "docker-container" => Self::Container,
            "remote" => Self::Remote,
            "kubernetes" => Self::Kubernetes,
            "cloud" => Self::Cloud,
            _ => return None,
        })
    }

    /// buildx's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Container => "docker-container",
            Self::Remote => "remote",
            Self::Kubernetes => "kubernetes",
            Self::Cloud => "cloud",
        }
    }
}

impl Builder {
    /// The builder `name`, and the engine beside it: for the docker driver the one that builds, else the one of the
    /// docker context in use. Without a name it is the context's own, whatever builder is chosen on the machine.
    pub fn find(name: Option<&str>, env: &Env, config: &DockerConfig) -> anyhow::Result<(Self, Target)> {
        let Some(name) = name else {
            let target = Target::resolve(env, config)?;
            return Ok((Self::of_context(&target), target));
        };
        let state = match env.get("BUILDX_CONFIG") {
            Some(folder) => Path::new(folder).join("instances"),
            None => config.folder.join("buildx").join("instances"),
        };
        // What is no name of a builder must not become a path.
        if let Some(file) = is_builder_name(name).then(|| state.join(name.to_lowercase()))
            && file.exists()
        {
            let said = || format!("builder `{name}` (`{}`)", file.display());
            let text = std::fs::read(&file).with_context(said)?;
            let group: NodeGroup = serde_json::from_slice(&text).with_context(said)?;
            return Self::of_group(name, &group, env, config).with_context(|| format!("builder `{name}`"));
        }
        if name == "default" || target::contexts(config).iter().any(|context| context == name) {
            let target = Target::of_context(name, env, config)?;
            return Ok((Self::of_context(&target), target));
        }
        Err(unknown(name, &state, config))
    }

    fn of_context(target: &Target) -> Self {
        let node = Node { name: target.context.clone(), address: Some(target.address.clone()) };
        Self { name: target.context.clone(), driver: Driver::Docker, nodes: vec![node] }
    }

    fn of_group(
        name: &str,
        group: &NodeGroup,
        env: &Env,
        config: &DockerConfig,
    ) -> anyhow::Result<(Self, Target)> {
        let driver = Driver::parse(&group.driver).ok_or_else(|| {
            hinted(
                format!("its driver `{}` is not known", group.driver),
                "use a builder of the driver `docker`, `docker-container`, `remote`, `kubernetes` or `cloud`",
            )
        })?;
        let mut nodes = Vec::new();
        for node in &group.nodes {
            let address = node.address(driver, env, config);
            let address = address.with_context(|| format!("node `{}`", node.name))?;
            nodes.push(Node { name: node.name.clone(), address });
        }
        let engine = match (driver, &group.nodes[..]) {
            (Driver::Docker, [node, ..]) => Target::at(&node.endpoint, env, config)?,
            _ => Target::resolve(env, config)?,
        };
        Ok((Self { name: name.to_lowercase(), driver, nodes }, engine))
    }

    /// Finds out whether a remote builder is there, if any of its nodes is: buildx would wait for 20 s and not say for what.
    pub async fn knock(&self) -> anyhow::Result<()> {
        let mut refused = None;
        for node in self.nodes.iter().filter(|_| self.driver == Driver::Remote) {
            let Some(address) = &node.address else { return Ok(()) };
            let late = || io::Error::from(io::ErrorKind::TimedOut);
            match tokio::time::timeout(PATIENCE, address.knock()).await.unwrap_or_else(|_| Err(late())) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error =
                        anyhow::Error::new(error).context(format!("node `{}` at `{address}`", node.name));
                    refused.get_or_insert(error);
                }
            }
        }
        refused.map_or(Ok(()), |error| {
            Err(error.context(hint_context(
                format!("builder `{}` does not answer", self.name),
                format!("start it, and let this agent reach it (`docker buildx inspect {}`)", self.name),
            )))
        })
    }

    /// Stops a secret that would cross a network in clear (it does: BuildKit's session is plain HTTP/2 then).
    pub fn check_confidential(&self, allow_insecure: bool) -> anyhow::Result<()> {
        if allow_insecure {
            return Ok(());
        }
        for node in &self.nodes {
            let Some(url) = node.address.as_ref().and_then(Address::clear) else { continue };
            return Err(match self.driver {
                Driver::Remote => hinted(
                    format!(
                        "node `{}` of builder `{}` at `{url}` is reached in clear, so secrets would be \
                         readable on the network",
                        node.name, self.name
                    ),
                    "make the builder with TLS (`docker buildx create --driver remote --driver-opt \
                     cacert=…,cert=…,key=…`); if you trust the network, set `allowInsecureBuilder: true`",
                ),
                _ => hinted(
                    format!(
                        "the engine at `{url}` is reached in clear, so secrets would be readable on the \
                         network"
                    ),
                    "reach it by TLS (`DOCKER_TLS_VERIFY`), ssh (`DOCKER_HOST: ssh://…`) or a socket; if you trust \
                     the network, set `allowInsecureBuilder: true`",
                ),
            });
        }
        Ok(())
    }
}

impl NodeEntry {
    fn address(&self, driver: Driver, env: &Env, config: &DockerConfig) -> anyhow::Result<Option<Address>> {
        match driver {
            Driver::Docker | Driver::Container => Ok(Some(Target::at(&self.endpoint, env, config)?.address)),
            Driver::Kubernetes | Driver::Cloud => Ok(None),
            Driver::Remote => match self.endpoint.split_once("://") {
                // `docker exec` in the engine of a context (BuildKit `client/connhelper/dockercontainer`).
                Some(("docker-container", _)) => {
                    let url = Url::parse(&self.endpoint).context("its endpoint is no URL")?;
                    let context = url.query_pairs().find(|(key, _)| key == "context");
                    Ok(Some(match context {
                        Some((_, name)) => Target::of_context(&name, env, config)?.address,
                        None => Target::resolve(env, config)?.address,
                    }))
                }
                Some(("kube-pod", _)) => Ok(None),
                _ => {
                    let options = self.driver_opts.iter().flatten();
                    let tls = options
                        .into_iter()
                        .any(|(key, _)| matches!(key.as_str(), "cacert" | "cert" | "key" | "servername"));
                    Address::parse(&self.endpoint, tls.then(Tls::default)).map(Some)
                }
            },
        }
    }
}

/// buildx's own rule (`store/util.go`).
fn is_builder_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn unknown(name: &str, state: &Path, config: &DockerConfig) -> anyhow::Error {
    let files = std::fs::read_dir(state).into_iter().flatten().flatten();
    let mut known: Vec<String> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
    known.extend(target::contexts(config));
    known.push("default".to_owned());
    known.sort_unstable();
    known.dedup();
    hinted(
        format!("input `builder`: there is no builder `{name}` for the agent's user"),
        format!(
            "make it before this step (`docker buildx create --name {name} …`), or use one of these: `{}`",
            known.join("`, `")
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sha2::{Digest as _, Sha256};
    use tempfile::TempDir;

    use super::*;
    use crate::error;

    /// A docker config folder with these builders (name and content) and contexts (name and host).
    fn home(builders: &[(&str, &str)], contexts: &[(&str, &str)]) -> (TempDir, DockerConfig) {
        let folder = tempfile::tempdir().expect("temp is writable");
        let write = |path: PathBuf, text: String| {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("temp is writable");
            std::fs::write(path, text).expect("temp is writable");
        };
        for (name, content) in builders {
            write(folder.path().join("buildx/instances").join(name), (*content).to_owned());
        }
        for (name, host) in contexts {
            let id = hex::encode(Sha256::digest(name.as_bytes()));
            let meta = format!(r#"{{"Name": "{name}", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}"#);
            write(folder.path().join("contexts/meta").join(id).join("meta.json"), meta);
        }
        let config = DockerConfig::load(&Env::from_iter([(
            "DOCKER_CONFIG",
            folder.path().to_str().expect("Unicode"),
        )]))
        .expect("no file is an empty config");
        (folder, config)
    }

    fn group(driver: &str, endpoint: &str, options: &str) -> String {
        format!(
            r#"{{"Name": "b", "Driver": "{driver}", "Nodes": [{{"Name": "b0", "Endpoint": "{endpoint}", "Platforms":
                null, "DriverOpts": {options}, "Flags": null, "Files": null}}], "Dynamic": false}}"#
        )
    }

    #[test]
    fn a_builder_is_a_file_of_buildx_or_a_docker_context() {
        let builders = [
            ("b", group("remote", "tcp://127.0.0.1:1", "null")),
            ("c", group("docker-container", "ctx", "{}")),
            ("both", group("kubernetes", "kubernetes:///both?deployment=&kubeconfig=", "null")),
            ("old", group("", "ctx", "null")),
        ];
        let builders = builders.each_ref().map(|(name, content)| (*name, content.as_str()));
        let (_folder, config) = home(&builders, &[("ctx", "tcp://h:1"), ("both", "unix:///both")]);
        let found = |name: Option<&str>, env: &[(&str, &str)]| {
            let (builder, target) =
                Builder::find(name, &env.iter().copied().collect(), &config).expect("it is there");
            (builder.name, builder.driver.name(), target.context, target.address.to_string())
        };
        let expect = |name: &str, driver, context: &str, address: &str| {
            (name.to_owned(), driver, context.to_owned(), address.to_owned())
        };
        let socket = "unix:///var/run/docker.sock";
        assert_eq!(found(None, &[]), expect("default", "docker", "default", socket));
        assert_eq!(found(None, &[("DOCKER_CONTEXT", "ctx")]), expect("ctx", "docker", "ctx", "http://h:1/"));
        assert_eq!(found(Some("B"), &[]), expect("b", "remote", "default", socket));
        assert_eq!(found(Some("c"), &[]), expect("c", "docker-container", "default", socket));
        assert_eq!(found(Some("both"), &[]), expect("both", "kubernetes", "default", socket));
        assert_eq!(found(Some("old"), &[]), expect("old", "docker", "ctx", "http://h:1/"));
        assert_eq!(found(Some("ctx"), &[]), expect("ctx", "docker", "ctx", "http://h:1/"));
        let elsewhere = [("DOCKER_CONTEXT", "ctx")];
        assert_eq!(found(Some("default"), &elsewhere), expect("default", "docker", "default", socket));
        let host = [("DOCKER_HOST", "unix:///x")];
        assert_eq!(found(Some("default"), &host), expect("default", "docker", "default", "unix:///x"));
        assert_eq!(found(Some("b"), &host), expect("b", "remote", "default", "unix:///x"));
    }

    #[test]
    fn a_builder_that_is_not_there_is_an_error_with_those_that_are() {
        let text = group("lxd", "x", "null");
        let (_folder, config) = home(&[("mine", &text), ("b2", "{")], &[("ctx", "unix:///x")]);
        let said = |name| {
            let error = Builder::find(Some(name), &Env::default(), &config).expect_err(name);
            error::render(&error).replace(&config.folder.display().to_string(), "HOME")
        };
        for name in ["theirs", "../../config.json", "1"] {
            assert_eq!(
                said(name),
                format!(
                    "input `builder`: there is no builder `{name}` for the agent's user\n\nhint: make it before this step \
                     (`docker buildx create --name {name} …`), or use one of these: `b2`, `ctx`, `default`, `mine`"
                )
            );
        }
        assert_eq!(
            said("mine"),
            "builder `mine`\n  caused by: its driver `lxd` is not known\n\nhint: use a builder of the driver `docker`, \
             `docker-container`, `remote`, `kubernetes` or `cloud`"
        );
        assert_eq!(
            said("b2"),
            "builder `b2` (`HOME/buildx/instances/b2`)\n  caused by: EOF while parsing an object at line 1 column 1"
        );
    }

    #[test]
    fn secrets_go_to_no_builder_in_clear() {
        let tls = r#"{"cacert": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}"#;
        let table = [
            ("remote", "tcp://10.0.0.1:1", "null", false),
            ("remote", "tcp://10.0.0.1:1", r#"{"default-load": "true"}"#, false),
            ("remote", "tcp://10.0.0.1:1", tls, true),
            ("remote", "tcp://10.0.0.1:1", r#"{"cacert": "/ca.pem"}"#, true),
            ("remote", "tcp://127.0.0.1:1", "null", true),
            ("remote", "tcp://[::1]:1", "null", true),
            ("remote", "unix:///x", "null", true),
            ("remote", "npipe:////./pipe/x", "null", true),
            ("remote", "ssh://u@h", "null", true),
            ("remote", "kube-pod://x?namespace=y", "null", true),
            ("remote", "docker-container://x", "null", true),
            ("remote", "docker-container://x?context=clear", "null", false),
            ("docker-container", "unix:///var/run/docker.sock", "null", true),
            ("docker-container", "default", "null", true),
            ("docker-container", "clear", "null", false),
            ("docker-container", "tcp://10.0.0.1:1", "null", false),
            ("docker", "clear", "null", false),
            ("kubernetes", "kubernetes:///b?deployment=&kubeconfig=", "null", true),
            ("cloud", "cloud://org/b", "null", true),
        ];
        for (driver, endpoint, options, confidential) in table {
            let text = group(driver, endpoint, options);
            let (_folder, config) = home(&[("b", &text)], &[("clear", "tcp://10.0.0.2:2")]);
            let (builder, _) = Builder::find(Some("b"), &Env::default(), &config).expect(endpoint);
            assert_eq!(
                builder.check_confidential(false).is_ok(),
                confidential,
                "{driver} {endpoint} {options}"
            );
            builder.check_confidential(true).expect("it was allowed");
        }
    }
}
