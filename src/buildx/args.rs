//! The client's arguments. Pure: a value in, strings out, no shell between.

use super::cache::Cache;
use super::client::Client;
use super::options::BuildOptions;
use super::progress::Format;

/// One call that builds.
#[derive(Debug)]
pub struct BuildCall<'a> {
    /// Which client.
    pub client: &'a Client,
    /// buildx's builder.
    pub builder: &'a str,
    /// How it tells its progress.
    pub progress: Format,
    /// The Dockerfile.
    pub dockerfile: &'a std::path::Path,
    /// The build context.
    pub context: &'a str,
    /// Values of `--secret`.
    pub secrets: &'a [String],
    /// Values of `--label`, before those of the options: of one key the last wins.
    pub labels: &'a [String],
    /// The options.
    pub options: &'a BuildOptions,
    /// The value of `--output`, of buildx.
    pub output: &'a str,
    /// A cache to write, besides one that is part of the image.
    pub cache_to: Option<&'a Cache>,
    /// The time of everything in the image, in seconds since 1970.
    pub source_date_epoch: Option<u64>,
    /// Where the client writes what it built.
    pub result: &'a std::path::Path,
}

impl BuildCall<'_> {
    /// The arguments. The image gets no name and no cache leaves the engine: both come after the check.
    #[must_use]
    pub fn args(&self) -> Vec<String> {
        let mut args: Vec<String> = vec!["build".into()];
        match self.client {
            Client::Buildx(_) => args.extend([
                format!("--builder={}", self.builder),
                format!("--metadata-file={}", self.result.display()),
            ]),
            Client::Docker(_) => args.push(format!("--iidfile={}", self.result.display())),
        }
        args.extend([
            format!("--progress={}", self.progress.name()),
            format!("--file={}", self.dockerfile.display()),
        ]);
        args.extend(self.common());
        match self.client {
            Client::Buildx(_) => args.extend(self.of_buildx()),
            Client::Docker(_) => args.extend(self.of_docker()),
        }
        args.extend_from_slice(&self.options.forwarded);
        args.extend(["--".to_owned(), self.context.to_owned()]);
        args
    }

    /// Flags that both clients have.
    fn common(&self) -> Vec<String> {
        let options = self.options;
        let mut args = Vec::new();
        let mut list = |flag: &str, values: &[String]| {
            args.extend(values.iter().map(|value| format!("--{flag}={value}")));
        };
        list("add-host", &options.add_hosts);
        list("build-arg", &options.build_args);
        list("label", self.labels);
        list("label", &options.labels);
        list("secret", self.secrets);
        list("ssh", &options.ssh);
        let epoch = self.source_date_epoch.map(|seconds| format!("--build-arg=SOURCE_DATE_EPOCH={seconds}"));
        args.extend(epoch);
        args.extend(options.network.as_ref().map(|network| format!("--network={network}")));
        args.extend(options.no_cache.then(|| "--no-cache".to_owned()));
        args.extend(
            (!options.platforms.is_empty()).then(|| format!("--platform={}", options.platforms.join(","))),
        );
        args.extend(options.pull.then(|| "--pull".to_owned()));
        args.extend(options.target.as_ref().map(|target| format!("--target={target}")));
        args
    }

    fn of_buildx(&self) -> Vec<String> {
        let options = self.options;
        let mut args = Vec::new();
        let mut list = |flag: &str, values: &[String]| {
            args.extend(values.iter().map(|value| format!("--{flag}={value}")));
        };
        list("allow", &options.allow);
        list("annotation", &options.annotations);
        list("build-context", &options.build_contexts);
        list("no-cache-filter", &options.no_cache_filters);
        list("ulimit", &options.ulimits);
        args.extend(options.cache_from.iter().map(|cache| format!("--cache-from={}", cache.spec())));
        let inline = options.cache_to.iter().filter(|cache| cache.is_inline());
        args.extend(inline.chain(self.cache_to).map(|cache| format!("--cache-to={}", cache.spec())));
        args.extend(options.cgroup_parent.as_ref().map(|parent| format!("--cgroup-parent={parent}")));
        args.extend(options.shm_size.as_ref().map(|size| format!("--shm-size={size}")));
        match &options.call {
            Some(call) => args.push(format!("--call={call}")),
            None => args.extend(self.exports()),
        }
        args
    }

    /// What is written, and what the image says of itself; see [`super::attestation`].
    fn exports(&self) -> Vec<String> {
        let attestations = &self.options.attestations;
        let value = |wanted: &Option<String>| wanted.as_deref().unwrap_or("false").to_owned();
        let mut args = vec![format!("--output={}", self.output)];
        args.extend(attestations.others.iter().map(|other| format!("--attest={other}")));
        args.push(format!("--provenance={}", value(&attestations.provenance)));
        args.push(format!("--sbom={}", value(&attestations.sbom)));
        args
    }

    /// Of the older client, whose caches are references, or in the image by a build argument.
    fn of_docker(&self) -> Vec<String> {
        let references = self.options.cache_from.iter().filter_map(Cache::reference);
        let mut args: Vec<String> = references.map(|reference| format!("--cache-from={reference}")).collect();
        if self.options.cache_to.iter().any(Cache::is_inline) {
            args.push("--build-arg=BUILDKIT_INLINE_CACHE=1".to_owned());
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::buildx::attestation::Attestations;
    use crate::buildx::output::{FileOutput, Outputs};

    fn args(client: &Client, secrets: &[String], options: &BuildOptions, epoch: Option<u64>) -> Vec<String> {
        let call = BuildCall {
            client,
            builder: "default",
            progress: Format::of(client),
            dockerfile: Path::new("/s/app/Dockerfile"),
            context: "/s/app",
            secrets,
            labels: &["ours=1".to_owned()],
            options,
            output: &options.outputs.image_spec(),
            cache_to: None,
            source_date_epoch: epoch,
            result: Path::new("/t/result"),
        };
        call.args()
    }

    fn strings<const N: usize>(values: [&str; N]) -> Vec<String> {
        values.map(str::to_owned).into()
    }

    #[test]
    fn the_least_call_of_each_client() {
        let secret = ["id=a,src=/dev/stdin".to_owned()];
        let least = BuildOptions::default();
        assert_eq!(
            args(&Client::Buildx("docker-buildx".into()), &secret, &least, None),
            [
                "build",
                "--builder=default",
                "--metadata-file=/t/result",
                "--progress=rawjson",
                "--file=/s/app/Dockerfile",
                "--label=ours=1",
                "--secret=id=a,src=/dev/stdin",
                "--output=type=image",
                "--provenance=false",
                "--sbom=false",
                "--",
                "/s/app"
            ]
        );
        assert_eq!(
            args(&Client::Docker("docker".into()), &[], &least, None),
            [
                "build",
                "--iidfile=/t/result",
                "--progress=plain",
                "--file=/s/app/Dockerfile",
                "--label=ours=1",
                "--",
                "/s/app"
            ]
        );
    }

    #[test]
    fn every_option_becomes_a_word_of_buildx() {
        let cache = |kind: &str, key: &str, value: &str| Cache {
            kind: kind.to_owned(),
            attributes: vec![(key.to_owned(), value.to_owned())],
        };
        let full = BuildOptions {
            add_hosts: strings(["db:10.0.0.1", "web:10.0.0.2"]),
            allow: strings(["network.host"]),
            annotations: strings(["manifest:a=b, \"c\"\nd=e"]),
            attestations: Attestations {
                provenance: Some("mode=max".to_owned()),
                sbom: Some("true".to_owned()),
                others: strings(["type=x"]),
            },
            build_args: strings(["A=b c", "B"]),
            build_contexts: strings(["lib=/s/lib"]),
            builder: Some("default".to_owned()),
            cache_from: vec![cache("registry", "ref", "host/app:cache"), cache("local", "src", "/a,b")],
            cache_to: vec![cache("inline", "mode", "max"), cache("local", "dest", "/c")],
            call: None,
            cgroup_parent: Some("build.slice".to_owned()),
            labels: strings(["a=b=c", "d"]),
            load: true,
            network: Some("host".to_owned()),
            no_cache: true,
            no_cache_filters: strings(["base", "run"]),
            outputs: Outputs {
                image: vec![("compression".to_owned(), "zstd".to_owned())],
                files: vec![FileOutput {
                    kind: "local".to_owned(),
                    dest: PathBuf::from("/s/out"),
                    attributes: Vec::new(),
                }],
            },
            platforms: strings(["linux/amd64", "linux/arm64"]),
            pull: true,
            shm_size: Some("1g".to_owned()),
            source_date_epoch: None,
            ssh: strings(["default", "key=/k"]),
            target: Some("run".to_owned()),
            ulimits: strings(["nofile=1:2"]),
            forwarded: strings(["--debug"]),
        };
        assert_eq!(
            args(&Client::Buildx("docker-buildx".into()), &[], &full, Some(7))[5..],
            [
                "--add-host=db:10.0.0.1",
                "--add-host=web:10.0.0.2",
                "--build-arg=A=b c",
                "--build-arg=B",
                "--label=ours=1",
                "--label=a=b=c",
                "--label=d",
                "--ssh=default",
                "--ssh=key=/k",
                "--build-arg=SOURCE_DATE_EPOCH=7",
                "--network=host",
                "--no-cache",
                "--platform=linux/amd64,linux/arm64",
                "--pull",
                "--target=run",
                "--allow=network.host",
                "--annotation=manifest:a=b, \"c\"\nd=e",
                "--build-context=lib=/s/lib",
                "--no-cache-filter=base",
                "--no-cache-filter=run",
                "--ulimit=nofile=1:2",
                "--cache-from=type=registry,ref=host/app:cache",
                "--cache-from=type=local,\"src=/a,b\"",
                "--cache-to=type=inline,mode=max",
                "--cgroup-parent=build.slice",
                "--shm-size=1g",
                "--output=type=image,compression=zstd",
                "--attest=type=x",
                "--provenance=mode=max",
                "--sbom=true",
                "--debug",
                "--",
                "/s/app"
            ]
        );
        let call = BuildOptions { call: Some("check".to_owned()), ..BuildOptions::default() };
        assert_eq!(
            args(&Client::Buildx("docker-buildx".into()), &[], &call, None)[5..],
            ["--label=ours=1", "--call=check", "--", "/s/app"]
        );
    }

    #[test]
    fn an_export_writes_where_it_is_told() {
        let cache = |value| Cache::parse("input `cacheTo`", value, Path::new("/s")).expect(value);
        let options = BuildOptions {
            cache_to: [cache("type=inline"), cache("host/app:cache")].concat(),
            ..BuildOptions::default()
        };
        let client = Client::Buildx("docker-buildx".into());
        let call = BuildCall {
            client: &client,
            builder: "far",
            progress: Format::Plain,
            dockerfile: Path::new("/s/app/Dockerfile"),
            context: "/s/app",
            secrets: &[],
            labels: &[],
            options: &options,
            output: "type=cacheonly",
            cache_to: options.cache_to.last(),
            source_date_epoch: None,
            result: Path::new("/t/result"),
        };
        assert_eq!(
            call.args()[5..],
            [
                "--cache-to=type=inline",
                "--cache-to=type=registry,ref=host/app:cache",
                "--output=type=cacheonly",
                "--provenance=false",
                "--sbom=false",
                "--",
                "/s/app"
            ]
        );
    }

    #[test]
    fn what_the_older_client_has() {
        let cache = |value| Cache::parse("input `cacheFrom`", value, Path::new("/s")).expect(value);
        let options = BuildOptions {
            add_hosts: strings(["db:10.0.0.1"]),
            build_args: strings(["A=b c"]),
            cache_from: cache("host/app:cache"),
            cache_to: cache("type=inline"),
            labels: strings(["a=b"]),
            network: Some("host".to_owned()),
            no_cache: true,
            platforms: strings(["linux/arm64"]),
            pull: true,
            ssh: strings(["default"]),
            target: Some("run".to_owned()),
            forwarded: strings(["--compress"]),
            ..BuildOptions::default()
        };
        assert_eq!(
            args(&Client::Docker("docker".into()), &[], &options, Some(7))[4..],
            [
                "--add-host=db:10.0.0.1",
                "--build-arg=A=b c",
                "--label=ours=1",
                "--label=a=b",
                "--ssh=default",
                "--build-arg=SOURCE_DATE_EPOCH=7",
                "--network=host",
                "--no-cache",
                "--platform=linux/arm64",
                "--pull",
                "--target=run",
                "--cache-from=host/app:cache",
                "--build-arg=BUILDKIT_INLINE_CACHE=1",
                "--compress",
                "--",
                "/s/app"
            ]
        );
    }
}
