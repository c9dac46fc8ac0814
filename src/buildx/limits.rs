//! What a client or an image store cannot do, and what would leave the check out.
//!
//! Rule: it is said before the build, with the way out; some of it would be left out without a word.

use super::cache::Cache;
use super::options::BuildOptions;
use crate::error::hinted;
use crate::guard::policy::{LeakCheck, Policy};

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
        // It is also an attribute of the outputs.
        (options.source_date_epoch.is_some(), "the time of files (`sourceDateEpoch`)"),
        (!options.annotations.is_empty(), "annotations (`annotations`)"),
        (!attestations.others.is_empty(), "attestations (`attests`)"),
        (!options.cache_to.iter().all(Cache::is_inline), "caches other than `type=inline` (`cacheTo`)"),
        (archive, "archives of the image (`outputs`)"),
        (!options.outputs.image.is_empty(), "attributes of an image's output (`outputs`)"),
        (options.platforms.len() > 1, "several platforms (`platforms`)"),
        (attestations.provenance.is_some(), "attestations (`provenance`)"),
        (attestations.sbom.is_some(), "attestations (`sbom`)"),
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

/// Stops a cache that would carry layers of intermediate stages to others, which nobody has checked.
pub fn check_caches(options: &BuildOptions, policy: &Policy) -> anyhow::Result<()> {
    let unchecked = options.cache_to.iter().filter(|cache| cache.carries_intermediate_layers());
    let allowed = |place: &str| policy.check != LeakCheck::Full || policy.allowance(place).is_some();
    match unchecked.map(Cache::place).find(|place| !allowed(place)) {
        None => Ok(()),
        Some(place) => Err(hinted(
            format!(
                "input `cacheTo`: with `mode=max` the cache `{place}` would hold layers of intermediate stages, in which \
                 nobody looks for secrets"
            ),
            format!(
                "use `mode=min`, which holds the layers of the image alone, or say in `leakCheckAllow` why it may: \
                 `{place} = REASON`"
            ),
        )),
    }
}

/// Stops what cannot be compared once another builder's image is in an engine's store: an index whose attestations name
/// the time of another call.
pub fn check_load(options: &BuildOptions) -> anyhow::Result<()> {
    if options.load && options.platforms.len() > 1 && !options.attestations.is_empty() {
        return Err(hinted(
            "input `load` does not go with several `platforms` and attestations (`provenance`, `sbom`, `attests`)",
            "load in a step without attestations, or leave `load` out and push",
        ));
    }
    Ok(())
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

    #[test]
    fn a_cache_for_others_holds_what_was_checked() {
        let policy =
            |inputs: &[(&str, &str)]| Policy::parse(&inputs.iter().copied().collect()).expect("a policy");
        let full = policy(&[]);
        let checked = |value: &str, policy: &Policy| {
            let options = BuildOptions { cache_to: caches(value), ..BuildOptions::default() };
            check_caches(&options, policy).map_err(|error| render(&error))
        };
        for value in [
            "host/app:cache",
            "type=registry,ref=host/app:cache,mode=min",
            "type=local,dest=c,mode=max",
            "type=inline,mode=max",
        ] {
            checked(value, &full).expect(value);
        }
        let max = "type=registry,ref=host/app:cache,mode=max";
        assert_eq!(
            checked(max, &full).expect_err(max),
            "input `cacheTo`: with `mode=max` the cache `host/app:cache` would hold layers of intermediate stages, in which \
             nobody looks for secrets\n\nhint: use `mode=min`, which holds the layers of the image alone, or say in \
             `leakCheckAllow` why it may: `host/app:cache = REASON`"
        );
        checked("type=s3,region=r,bucket=b,mode=max", &full).expect_err("it leaves the machine");
        checked(max, &policy(&[("INPUT_LEAKCHECKALLOW", "host/app:* = no secret is in any stage")]))
            .expect("named");
        checked(max, &policy(&[("INPUT_LEAKCHECKALLOW", "other = x")])).expect_err("another one is named");
        for check in ["config", "off"] {
            checked(max, &policy(&[("INPUT_LEAKCHECK", check)])).expect(check);
        }
    }

    #[test]
    fn what_cannot_be_loaded() {
        let attestations = Attestations { sbom: Some("true".to_owned()), ..Attestations::default() };
        let platforms = || ["a", "b"].map(str::to_owned).into();
        let both =
            BuildOptions { load: true, platforms: platforms(), attestations, ..BuildOptions::default() };
        check_load(&both).expect_err("an index that differs");
        check_load(&BuildOptions { platforms: Vec::new(), ..both.clone() }).expect("one platform");
        check_load(&BuildOptions { attestations: Attestations::default(), ..both.clone() })
            .expect("no attestations");
        check_load(&BuildOptions { load: false, ..both }).expect("no load");
    }
}
