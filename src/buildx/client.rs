//! Finds the client: the buildx plugin, which is run directly (a call through `docker buildx` costs 80 ms more), or
//! a docker client that has BuildKit built in. This file looks at the disk.

use std::path::{Path, PathBuf};

use crate::agent::env::Env;
use crate::error::hinted;
use crate::registry::config::DockerConfig;

/// The program that builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Client {
    /// The buildx plugin, alone.
    Buildx(PathBuf),
    /// `DOCKER_BUILDKIT=1 docker build`, before buildx became the default (docker 18.09 to 20.10).
    Docker(PathBuf),
}

impl Client {
    /// Looks where a docker client looks for its plugins (docker/cli `cli-plugins/manager`), then for `docker` on the
    /// `PATH`.
    pub fn find(env: &Env, config: &DockerConfig) -> anyhow::Result<Self> {
        let name = if cfg!(windows) { "docker-buildx.exe" } else { "docker-buildx" };
        let mut folders = config.plugin_folders();
        folders.push(config.folder.join("cli-plugins"));
        folders.extend(system_plugin_folders(env));
        if let Some(plugin) = folders.iter().map(|folder| folder.join(name)).find(|path| is_executable(path))
        {
            return Ok(Self::Buildx(plugin));
        }
        on_path(env, "docker").map(Self::Docker).ok_or_else(|| {
            hinted(
                "neither the buildx plugin nor `docker` was found on this agent",
                "install Docker with buildx on the agent; in a container job, use an image that has the docker client \
                 and set `mapDockerSocket: true` on the container",
            )
        })
    }

    /// The executable.
    #[must_use]
    pub fn program(&self) -> &Path {
        match self {
            Self::Buildx(path) | Self::Docker(path) => path,
        }
    }
}

/// An executable of this name on the `PATH`.
#[must_use]
pub fn on_path(env: &Env, name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(env.get("PATH")?).map(|folder| folder.join(&name)).find(|path| is_executable(path))
}

fn system_plugin_folders(env: &Env) -> Vec<PathBuf> {
    if cfg!(windows) {
        let roots = ["ProgramData", "ProgramFiles"].into_iter().filter_map(|name| env.get(name));
        return roots.map(|root| Path::new(root).join("Docker").join("cli-plugins")).collect();
    }
    [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    ]
    .map(PathBuf::from)
    .into()
}

fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = true;
    metadata.is_file() && executable
}
