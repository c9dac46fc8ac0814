//! What a build is asked for besides its Dockerfile, context, secrets and names: the options of
//! `docker buildx build`, under the names that docker/build-push-action gives them.

use super::attestation::Attestations;
use super::cache::Cache;
use super::output::Outputs;

/// The options of a build. Values of lists are those of the flag, one a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// `--add-host`.
    pub add_hosts: Vec<String>,
    /// `--allow`.
    pub allow: Vec<String>,
    /// `--annotation`.
    pub annotations: Vec<String>,
    /// `--provenance`, `--sbom` and `--attest`.
    pub attestations: Attestations,
    /// `--build-arg`: `NAME=VALUE` or `NAME`.
    pub build_args: Vec<String>,
    /// `--build-context`: `name=path` or `name=URL`; paths are absolute.
    pub build_contexts: Vec<String>,
    /// The builder to use; `None` is the engine of the docker context.
    pub builder: Option<String>,
    /// `--cache-from`.
    pub cache_from: Vec<Cache>,
    /// `--cache-to`; what is not inline goes out after the check.
    pub cache_to: Vec<Cache>,
    /// `--call` with anything but `build`: nothing is built.
    pub call: Option<String>,
    /// `--cgroup-parent`.
    pub cgroup_parent: Option<String>,
    /// `--label`.
    pub labels: Vec<String>,
    /// Whether the image is wanted in the engine's store also if a builder of another kind builds it.
    pub load: bool,
    /// `--network`.
    pub network: Option<String>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`.
    pub no_cache_filters: Vec<String>,
    /// `--output`.
    pub outputs: Outputs,
    /// `--platform`.
    pub platforms: Vec<String>,
    /// `--pull`.
    pub pull: bool,
    /// `--shm-size`.
    pub shm_size: Option<String>,
    /// The time that the image and its files get.
    pub source_date_epoch: Option<SourceDateEpoch>,
    /// `--ssh`.
    pub ssh: Vec<String>,
    /// `--target`.
    pub target: Option<String>,
    /// `--ulimit`.
    pub ulimits: Vec<String>,
    /// More flags, as `arguments` has them.
    pub forwarded: Vec<String>,
}

/// The time for everything in a reproducible image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceDateEpoch {
    /// That of the commit that is checked out.
    Commit,
    /// Seconds since 1970-01-01T00:00:00Z.
    Seconds(u64),
}
