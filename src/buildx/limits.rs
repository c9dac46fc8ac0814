//! What a client or an image store cannot do.
//!
//! Rule: it is said before the build, with the way out; some of it would be left out without a word.

use super::cache::Cache;
use super::options::BuildOptions;
use crate::error::hinted;

/// Stops options that a docker client without the buildx plugin does not have, or passes to an engine that leaves
/// them out (moby `builder-next/builder.go`).
pub fn check_older_client(options: &BuildOptions) -> anyhow::Result<()> {
    let attestations = &options.attestations;
    let table = [
        (!options.allow.is_empty(), "`allow`"),
        (!options.annotations.is_empty(), "`annotations`"),
        (!attestations.others.is_empty(), "`attests`"),
        (!options.build_contexts.is_empty(), "`buildContexts`"),
        (
            options.cache_from.iter().any(|cache| cache.reference().is_none()),
            "caches other than images in a registry (`cacheFrom`)",
        ),
        (!options.cache_to.iter().all(Cache::is_inline), "caches other than `type=inline` (`cacheTo`)"),
        (options.call.is_some(), "`call`"),
        (options.cgroup_parent.is_some(), "`cgroupParent`"),
        (!options.no_cache_filters.is_empty(), "`noCacheFilters`"),
        (!options.outputs.image.is_empty() || !options.outputs.files.is_empty(), "`outputs`"),
        (options.platforms.len() > 1, "several `platforms`"),
        (attestations.provenance.is_some(), "`provenance`"),
        (attestations.sbom.is_some(), "`sbom`"),
        (options.shm_size.is_some(), "`shmSize`"),
        (options.source_date_epoch.is_some(), "`sourceDateEpoch`"),
        (!options.ulimits.is_empty(), "`ulimit`"),
    ];
    let Some((_, what)) = table.iter().find(|(used, _)| *used) else { return Ok(()) };
    Err(hinted(
        format!("a docker client without the buildx plugin does not have {what}"),
        "install it on the agent: package `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution",
    ))
}

/// The first option that an engine's classic image store cannot do: it keeps no manifests, and files as they are.
#[must_use]
pub fn beyond_classic_store(options: &BuildOptions) -> Option<&'static str> {
    let attestations = &options.attestations;
    let archive = options.outputs.files.iter().any(|file| matches!(file.kind.as_str(), "oci" | "docker"));
    let table = [
        (!options.annotations.is_empty(), "annotations (`annotations`)"),
        (!attestations.others.is_empty(), "attestations (`attests`)"),
        (!options.cache_to.iter().all(Cache::is_inline), "caches other than `type=inline` (`cacheTo`)"),
        (archive, "archives of the image (`outputs`)"),
        (!options.outputs.image.is_empty(), "attributes of an image's output (`outputs`)"),
        (options.platforms.len() > 1, "several platforms (`platforms`)"),
        (attestations.provenance.is_some(), "attestations (`provenance`)"),
        (attestations.sbom.is_some(), "attestations (`sbom`)"),
        (options.source_date_epoch.is_some(), "the time of files (`sourceDateEpoch`)"),
    ];
    table.iter().find(|(used, _)| *used).map(|(_, what)| *what)
}

/// The error for an option that goes beyond the classic image store.
#[must_use]
pub fn classic_store(what: &str) -> anyhow::Error {
    hinted(
        format!("the engine's classic image store cannot do {what}"),
        "switch the engine to the containerd image store (`\"features\": {\"containerd-snapshotter\": true}` in its \
         `daemon.json`), or name a builder of another driver in `builder` (`docker buildx create --driver \
         docker-container`)",
    )
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::buildx::attestation::Attestations;
    use crate::buildx::options::SourceDateEpoch;
    use crate::buildx::output::{FileOutput, Outputs};
    use crate::error::render;

    fn output(kind: &str) -> BuildOptions {
        let file =
            FileOutput { kind: kind.to_owned(), dest: PathBuf::from("/s/out"), attributes: Vec::new() };
        BuildOptions { outputs: Outputs { image: Vec::new(), files: vec![file] }, ..BuildOptions::default() }
    }

    fn caches(value: &str) -> Vec<Cache> {
        Cache::parse("input `cacheFrom`", value, Path::new("/s")).expect(value)
    }

    fn attested(attestations: Attestations) -> BuildOptions {
        BuildOptions { attestations, ..BuildOptions::default() }
    }

    #[test]
    fn what_goes_beyond_each() {
        let one = || vec!["x".to_owned()];
        let some = || Some("x".to_owned());
        let none = BuildOptions::default();
        // The option, what the older client says of it, and what the classic store says.
        let table = [
            (none.clone(), None, None),
            (
                BuildOptions {
                    add_hosts: one(),
                    labels: one(),
                    ssh: one(),
                    platforms: one(),
                    pull: true,
                    ..none.clone()
                },
                None,
                None,
            ),
            (
                BuildOptions { cache_from: caches("a,b"), cache_to: caches("type=inline"), ..none.clone() },
                None,
                None,
            ),
            (BuildOptions { allow: one(), ..none.clone() }, Some("`allow`"), None),
            (
                BuildOptions { annotations: one(), ..none.clone() },
                Some("`annotations`"),
                Some("annotations (`annotations`)"),
            ),
            (
                attested(Attestations { others: one(), ..Attestations::default() }),
                Some("`attests`"),
                Some("attestations (`attests`)"),
            ),
            (
                attested(Attestations { provenance: some(), ..Attestations::default() }),
                Some("`provenance`"),
                Some("attestations (`provenance`)"),
            ),
            (
                attested(Attestations { sbom: some(), ..Attestations::default() }),
                Some("`sbom`"),
                Some("attestations (`sbom`)"),
            ),
            (BuildOptions { build_contexts: one(), ..none.clone() }, Some("`buildContexts`"), None),
            (
                BuildOptions { cache_from: caches("type=local,src=c"), ..none.clone() },
                Some("caches other than images in a registry (`cacheFrom`)"),
                None,
            ),
            (
                BuildOptions { cache_to: caches("type=local,dest=c"), ..none.clone() },
                Some("caches other than `type=inline` (`cacheTo`)"),
                Some("caches other than `type=inline` (`cacheTo`)"),
            ),
            (BuildOptions { call: some(), ..none.clone() }, Some("`call`"), None),
            (BuildOptions { cgroup_parent: some(), ..none.clone() }, Some("`cgroupParent`"), None),
            (BuildOptions { no_cache_filters: one(), ..none.clone() }, Some("`noCacheFilters`"), None),
            (output("local"), Some("`outputs`"), None),
            (output("oci"), Some("`outputs`"), Some("archives of the image (`outputs`)")),
            (output("docker"), Some("`outputs`"), Some("archives of the image (`outputs`)")),
            (
                BuildOptions {
                    outputs: Outputs {
                        image: vec![("compression".to_owned(), "zstd".to_owned())],
                        files: Vec::new(),
                    },
                    ..none.clone()
                },
                Some("`outputs`"),
                Some("attributes of an image's output (`outputs`)"),
            ),
            (
                BuildOptions { platforms: ["a", "b"].map(str::to_owned).into(), ..none.clone() },
                Some("several `platforms`"),
                Some("several platforms (`platforms`)"),
            ),
            (BuildOptions { shm_size: some(), ..none.clone() }, Some("`shmSize`"), None),
            (
                BuildOptions { source_date_epoch: Some(SourceDateEpoch::Commit), ..none.clone() },
                Some("`sourceDateEpoch`"),
                Some("the time of files (`sourceDateEpoch`)"),
            ),
            (BuildOptions { ulimits: one(), ..none }, Some("`ulimit`"), None),
        ];
        for (options, client, store) in table {
            let error = check_older_client(&options).err().map(|error| render(&error));
            let expected = client.map(|what| {
                format!(
                    "a docker client without the buildx plugin does not have {what}\n\nhint: install it on the agent: \
                     package `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution"
                )
            });
            assert_eq!(error, expected);
            assert_eq!(beyond_classic_store(&options), store);
        }
    }
}
