//! The client's arguments. Pure: a value in, strings out, no shell between.

use super::client::Client;
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
    /// Values of `--build-arg`.
    pub build_args: &'a [String],
    /// `--target`.
    pub target: Option<&'a str>,
    /// `--network`.
    pub network: Option<&'a str>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// Values of `--label`, before those in `forwarded`: of one key the last wins.
    pub labels: &'a [String],
    /// More flags.
    pub forwarded: &'a [String],
    /// Where the client writes what it built.
    pub result: &'a std::path::Path,
}

impl BuildCall<'_> {
    /// The arguments. The image gets no name: names come after the check.
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
        args.extend(self.target.map(|target| format!("--target={target}")));
        args.extend(self.network.map(|network| format!("--network={network}")));
        args.extend(self.no_cache.then(|| "--no-cache".to_owned()));
        args.extend(self.build_args.iter().map(|value| format!("--build-arg={value}")));
        args.extend(self.labels.iter().map(|value| format!("--label={value}")));
        args.extend(self.secrets.iter().map(|spec| format!("--secret={spec}")));
        args.extend_from_slice(self.forwarded);
        args.extend(["--".to_owned(), self.context.to_owned()]);
        args
    }

    /// Whether the image's attestations say where its sources are from.
    #[must_use]
    pub fn attests_sources(&self) -> bool {
        self.forwarded.iter().any(|flag| flag.starts_with("--provenance") || flag.starts_with("--attest"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn call<'a>(client: &'a Client, lists: &'a [String]) -> BuildCall<'a> {
        BuildCall {
            client,
            builder: "default",
            progress: Format::of(client),
            dockerfile: Path::new("/s/app/Dockerfile"),
            context: "/s/app",
            secrets: lists,
            build_args: &[],
            target: None,
            network: None,
            no_cache: false,
            labels: &[],
            forwarded: &[],
            result: Path::new("/t/result"),
        }
    }

    #[test]
    fn the_least_call_of_each_client() {
        let secret = ["id=a,src=/dev/stdin".to_owned()];
        let buildx = Client::Buildx("docker-buildx".into());
        assert_eq!(
            call(&buildx, &secret).args(),
            [
                "build",
                "--builder=default",
                "--metadata-file=/t/result",
                "--progress=rawjson",
                "--file=/s/app/Dockerfile",
                "--secret=id=a,src=/dev/stdin",
                "--",
                "/s/app"
            ]
        );
        let docker = Client::Docker("docker".into());
        assert_eq!(
            call(&docker, &[]).args(),
            ["build", "--iidfile=/t/result", "--progress=plain", "--file=/s/app/Dockerfile", "--", "/s/app"]
        );
    }

    #[test]
    fn every_field_becomes_one_word() {
        let buildx = Client::Buildx("docker-buildx".into());
        let (args, forwarded) = (["A=b c".to_owned(), "B".to_owned()], ["--label=l=theirs".to_owned()]);
        let labels = ["l=ours, x".to_owned()];
        let full = BuildCall {
            build_args: &args,
            target: Some("run"),
            network: Some("host"),
            no_cache: true,
            labels: &labels,
            forwarded: &forwarded,
            ..call(&buildx, &[])
        };
        assert_eq!(
            full.args()[5..],
            [
                "--target=run",
                "--network=host",
                "--no-cache",
                "--build-arg=A=b c",
                "--build-arg=B",
                "--label=l=ours, x",
                "--label=l=theirs",
                "--",
                "/s/app"
            ]
        );
    }

    #[test]
    fn sources_are_attested_by_provenance_only() {
        let client = Client::Buildx("docker-buildx".into());
        let attests =
            |flag: &str| BuildCall { forwarded: &[flag.to_owned()], ..call(&client, &[]) }.attests_sources();
        assert!(attests("--provenance=mode=max") && attests("--attest=type=provenance"));
        assert!(!attests("--pull") && !call(&client, &[]).attests_sources());
    }
}
