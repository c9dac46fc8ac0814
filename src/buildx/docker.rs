//! The docker client that this agent has, and the environment in which it runs for us.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use secrecy::SecretString;

use super::builder::Builder;
use super::client::Client;
use super::target::Target;
use super::variables;
use crate::agent::env::Env;
use crate::console::Console;
use crate::error::hinted;
use crate::plan::BuildPlan;
use crate::private::PrivateFolder;
use crate::process::environment::ChildEnv;
use crate::registry::config::{DockerConfig, HELPER};
use crate::registry::login::Login;
use crate::registry::logins::Logins;

/// Variables that would change what the client does behind the plan's back.
const DROPPED: [&str; 6] = [
    // Would win over our credential helper.
    "DOCKER_AUTH_CONFIG",
    // Would replace the builder, the progress and the metadata that the step relies on.
    "BUILDX_BUILDER",
    "BUILDKIT_PROGRESS",
    "BUILDX_METADATA_WARNINGS",
    // Would put a date into the image that nobody asked for.
    "SOURCE_DATE_EPOCH",
    "DOCKER_CONTENT_TRUST",
];

/// The folders of the user's docker config that ours has too. On Windows, where they are copied, plugins are too large;
/// buildx itself is started by its own path.
const SHARED: &[&str] = if cfg!(windows) { &["contexts"] } else { &["cli-plugins", "contexts"] };

/// Client, builder, engine address and config, as a docker client would find them here.
#[derive(Debug)]
pub struct Docker {
    /// The client.
    pub client: Client,
    /// The builder.
    pub builder: Builder,
    /// The engine's address.
    pub target: Target,
    config: DockerConfig,
}

/// The client's environment while a run lasts.
#[derive(Debug)]
pub struct Session {
    /// The environment, which lacks only where the logins are.
    pub env: BTreeMap<String, String>,
}

impl Docker {
    /// Finds all four; `builder` is the name of a builder, if not the docker context's own is wanted.
    pub fn find(env: &Env, builder: Option<&str>) -> anyhow::Result<Self> {
        let config = DockerConfig::load(env)?;
        let client = Client::find(env, &config)?;
        if let (Some(name), Client::Docker(_)) = (builder, &client) {
            return Err(hinted(
                format!(
                    "input `builder`: a docker client without the buildx plugin cannot use builder `{name}`"
                ),
                "install it on the agent: package `docker-buildx-plugin` of Docker, or `docker-buildx` of the \
                 distribution",
            ));
        }
        let (builder, target) = Builder::find(builder, env, &config)?;
        Ok(Self { client, builder, target, config })
    }

    /// The passwords of proxies in the docker config, which the client gives to every build as build arguments.
    #[must_use]
    pub fn proxy_passwords(&self) -> Vec<SecretString> {
        self.config.proxy_passwords()
    }

    /// Where the docker config is.
    #[must_use]
    pub fn config_folder(&self) -> &Path {
        &self.config.folder
    }

    /// The logins that are written out in the docker config.
    #[must_use]
    pub fn logins(&self, env: &Env) -> Vec<Login> {
        self.config.logins(env)
    }

    /// Lays the client's environment: a docker config of the run's own, in which our binary is the credential helper
    /// of every registry whose login we know. Plugins, contexts and builders stay where they are. Tells which variables
    /// inputs name and which are withheld.
    pub fn open_session(
        &self,
        env: &Env,
        logins: &Logins<'_>,
        build: &BuildPlan,
        folder: &PrivateFolder,
        console: &Console,
    ) -> anyhow::Result<Session> {
        let config = self.config.derive(logins.servers());
        folder.write("config.json", config.to_string().as_bytes())?;
        for shared in SHARED {
            let original = self.config.folder.join(shared);
            if original.exists() {
                link(&original, &folder.path().join(shared))?;
            }
        }
        let path = install_helper(env, folder)?;
        let buildx = self.config.folder.join("buildx");
        let extra = [
            ("PATH", path),
            ("DOCKER_CONFIG", folder.path().display().to_string()),
            (
                "BUILDX_CONFIG",
                env.get("BUILDX_CONFIG").map_or_else(|| buildx.display().to_string(), str::to_owned),
            ),
            // The same even if `builder` names another context's builder.
            ("DOCKER_CONTEXT", self.target.context.clone()),
            ("DOCKER_BUILDKIT", "1".to_owned()),
            // Reading provenance back costs 12 ms and nothing here looks at it.
            ("BUILDX_METADATA_PROVENANCE", "disabled".to_owned()),
        ];
        // It would win over the context.
        let host = (self.target.context != "default").then_some("DOCKER_HOST");
        let dropped: Vec<&str> =
            DROPPED.into_iter().chain(host).chain(build.variables.iter().map(String::as_str)).collect();
        let named = variables::named(&build.options, env);
        let kept: Vec<&str> = named.iter().map(|named| named.name.as_str()).collect();
        let child = ChildEnv::new(env, &console.redactor(), &kept, &dropped);
        for text in variables::listed(&named).into_iter().chain(child.missing()) {
            console.line(&text);
        }
        if child.withheld.iter().any(|name| name == "DOCKER_HOST") {
            return Err(hinted(
                "variable `DOCKER_HOST` holds a secret of this job, so the docker client does not get it",
                "an engine's address is no secret: make the pipeline variable that it comes from a plain one",
            ));
        }
        let mut env = child.variables;
        env.extend(extra.map(|(name, value)| (name.to_owned(), value)));
        Ok(Session { env })
    }
}

/// Puts a link to our binary, under the name that docker starts, into a folder before the `PATH`, which is returned.
fn install_helper(env: &Env, folder: &PrivateFolder) -> anyhow::Result<String> {
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).with_context(|| format!("cannot make `{}`", bin.display()))?;
    let own = std::env::current_exe().context("cannot find our own binary")?;
    link(&own, &bin.join(format!("docker-credential-{HELPER}{}", std::env::consts::EXE_SUFFIX)))?;
    let path = std::env::split_paths(env.get("PATH").unwrap_or_default());
    let path =
        std::env::join_paths(std::iter::once(bin).chain(path)).context("the `PATH` cannot be extended")?;
    path.into_string().ok().context("the `PATH` is no Unicode")
}

/// Makes a folder or a file of the user's visible in ours. Windows asks for a privilege to link, and some of its file
/// systems cannot, so there it is copied.
#[cfg(unix)]
fn share(original: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(original, at)
}

#[cfg(windows)]
fn share(original: &Path, at: &Path) -> std::io::Result<()> {
    for entry in walkdir::WalkDir::new(original) {
        let entry = entry?;
        let below = entry.path().strip_prefix(original).unwrap_or(Path::new(""));
        // To join nothing would end a file's path with a separator.
        let copy = if below.as_os_str().is_empty() { at.to_owned() } else { at.join(below) };
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(copy)?;
        } else {
            std::fs::copy(entry.path(), copy)?;
        }
    }
    Ok(())
}

fn link(original: &Path, at: &Path) -> anyhow::Result<()> {
    share(original, at)
        .with_context(|| format!("cannot link `{}` into the private docker config", original.display()))
}
