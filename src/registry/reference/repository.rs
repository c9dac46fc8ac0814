//! The repository that an image is pushed to, and the registry that it lies on.
//!
//! Rule: a repository that the registry would refuse is refused here, naming the input.
//!
//! The grammar is that of `reference` in the distribution project; what is a registry host is the docker
//! client's rule, and how the `repository` input and the service connection's registry are joined `Docker@2`'s.

use std::fmt;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::tag::{Tag, split_tag};
use crate::error::hinted;

/// The registry that a repository without a host belongs to.
const DOCKER_HUB: &str = "docker.io";

/// Docker Hub's key in a docker config, and its name to credential helpers.
const DOCKER_HUB_SERVER_ADDRESS: &str = "https://index.docker.io/v1/";

static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[a-f0-9:]+\])(?::[0-9]+)?$")
        .expect("a constant pattern")
});

static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$")
        .expect("a constant pattern")
});

/// A repository on a registry, as in `contoso.azurecr.io/team/app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    host: Option<String>,
    path: String,
}

impl Repository {
    /// Parses the `repository` input and puts the service connection's `registry` (a URL or a host) before it.
    ///
    /// As `Docker@2` does: lower-cased, spaces removed, and no host for Docker Hub. Other than there, a
    /// repository that begins with the registry already does not get it twice.
    pub fn parse(repository: &str, registry: Option<&str>) -> anyhow::Result<Self> {
        let wanted = squeeze(repository);
        reject_tag_and_digest(repository.trim())?;
        let prefix = registry.map(prefix).filter(|prefix| !prefix.is_empty() && !is_docker_hub_index(prefix));
        let (input, name) = match prefix {
            Some(prefix) if !wanted.starts_with(&format!("{prefix}/")) => {
                ("containerRegistry", format!("{prefix}/{wanted}"))
            }
            _ => ("repository", wanted.clone()),
        };
        let (host, path) = match name.split_once('/') {
            Some((first, path)) if is_host(first) || input == "containerRegistry" => (Some(first), path),
            _ => (None, name.as_str()),
        };
        if let Some(host) = host.filter(|host| !HOST.is_match(host)) {
            return Err(hinted(
                format!("`{host}` from `{input}` is no registry host"),
                "a registry host reads like `contoso.azurecr.io` or `registry.contoso.com:5000`",
            ));
        }
        if !PATH.is_match(path) {
            return Err(hinted(
                format!("`repository: {repository}` is no image repository"),
                "write it like `repository: team/app`: letters and digits, with `.`, `_` or `-` only between them",
            ));
        }
        if path.len() > 255 {
            let length = path.len();
            return Err(anyhow::anyhow!(
                "`repository` has {length} characters, and a registry takes at most 255"
            ));
        }
        Ok(Self { host: host.map(str::to_owned), path: path.to_owned() })
    }

    /// The registry's host, `docker.io` where the reference names none.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.host.as_deref().filter(|host| !is_docker_hub_index(host)).unwrap_or(DOCKER_HUB)
    }

    /// Whether the reference names a registry; one that doesn't is Docker Hub's.
    #[must_use]
    pub fn has_registry_host(&self) -> bool {
        self.host.is_some()
    }

    /// The path under which the registry's API knows it: Docker Hub keeps bare names in `library/`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.registry() == DOCKER_HUB && !self.path.contains('/') {
            format!("library/{}", self.path)
        } else {
            self.path.clone()
        }
    }

    /// The reference of one tag, as in `contoso.azurecr.io/team/app:1.0`.
    #[must_use]
    pub fn tagged(&self, tag: &Tag) -> String {
        format!("{self}:{tag}")
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}/{}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// The name under which docker keeps the credentials of `registry` (a URL or a host): the key in a docker
/// config's `auths` and `credHelpers`, and what a credential helper is asked for.
#[must_use]
pub fn server_address(registry: &str) -> String {
    let prefix = prefix(registry);
    let host = prefix.split('/').next().unwrap_or_default();
    match host {
        "" | DOCKER_HUB | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB_SERVER_ADDRESS.to_owned(),
        host => host.to_owned(),
    }
}

/// What a registry puts before its repositories: the host of a URL, or the text itself.
fn prefix(registry: &str) -> String {
    let registry = squeeze(registry);
    match registry.split_once("//") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            authority.rsplit('@').next().unwrap_or_default().to_owned()
        }
        None => registry.trim_end_matches('/').to_owned(),
    }
}

/// `Docker@2`'s clean-up of an image name.
fn squeeze(name: &str) -> String {
    name.trim().to_lowercase().replace(' ', "")
}

fn is_docker_hub_index(prefix: &str) -> bool {
    prefix.split('/').next() == Some("index.docker.io")
}

/// The docker client's rule for the first part of a name.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn reject_tag_and_digest(repository: &str) -> anyhow::Result<()> {
    if let Some((repository, _)) = repository.split_once('@') {
        return Err(hinted(
            format!("`repository: {repository}@…` names a digest, which only the push gives"),
            format!("write `repository: {repository}`; the digest is in the output variable `imageDigest`"),
        ));
    }
    if let Some((name, tag)) = split_tag(repository) {
        return Err(hinted(
            format!("`repository: {repository}` holds a tag"),
            format!("write `repository: {name}` and `tags: {tag}`"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn a_repository_is_joined_to_the_registry() {
        let acr = Some("contoso.azurecr.io");
        let hub = Some("https://index.docker.io/v1/");
        // repository, registry; reference, registry's host, path
        let cases = [
            ("no registry", ("team/app", None), ("team/app", "docker.io", "team/app")),
            ("bare name", ("app", None), ("app", "docker.io", "library/app")),
            (
                "host in the repository",
                ("Ghcr.io/Team/app", None),
                ("ghcr.io/team/app", "ghcr.io", "team/app"),
            ),
            (
                "port in the repository",
                ("localhost:5000/app", None),
                ("localhost:5000/app", "localhost:5000", "app"),
            ),
            ("localhost", ("localhost/app", None), ("localhost/app", "localhost", "app")),
            ("IPv6", ("[::1]:5000/app", None), ("[::1]:5000/app", "[::1]:5000", "app")),
            ("Docker Hub by name", ("docker.io/app", None), ("docker.io/app", "docker.io", "library/app")),
            (
                "Docker Hub's old name",
                ("index.docker.io/a/b", None),
                ("index.docker.io/a/b", "docker.io", "a/b"),
            ),
            (
                "registry host",
                ("My Repo/App", acr),
                ("contoso.azurecr.io/myrepo/app", "contoso.azurecr.io", "myrepo/app"),
            ),
            (
                "registry URL",
                ("app", Some("https://Contoso.azurecr.io/")),
                ("contoso.azurecr.io/app", "contoso.azurecr.io", "app"),
            ),
            (
                "URL with port, user and path",
                ("app", Some("http://me@reg:5000/v2/?x")),
                ("reg:5000/app", "reg:5000", "app"),
            ),
            ("host without a dot", ("app", Some("https://registry")), ("registry/app", "registry", "app")),
            ("host with a path", ("app", Some("ghcr.io/team/")), ("ghcr.io/team/app", "ghcr.io", "team/app")),
            (
                "registry not twice",
                ("contoso.azurecr.io/app", acr),
                ("contoso.azurecr.io/app", "contoso.azurecr.io", "app"),
            ),
            (
                "another host is a path",
                ("ghcr.io/app", acr),
                ("contoso.azurecr.io/ghcr.io/app", "contoso.azurecr.io", "ghcr.io/app"),
            ),
            ("Docker Hub's URL", ("team/app", hub), ("team/app", "docker.io", "team/app")),
            (
                "Docker Hub without a scheme",
                ("team/app", Some("index.docker.io/v1/")),
                ("team/app", "docker.io", "team/app"),
            ),
            ("no registry named", ("team/app", Some("")), ("team/app", "docker.io", "team/app")),
            ("separators", ("f/a.b_c__d---e", None), ("f/a.b_c__d---e", "docker.io", "f/a.b_c__d---e")),
        ];
        for (name, (repository, registry), expected) in cases {
            let parsed = Repository::parse(repository, registry).expect(name);
            let tagged = parsed.tagged(&Tag::parse("1.0").unwrap());
            assert_eq!(tagged, format!("{}:1.0", expected.0), "{name}");
            let shown = (parsed.to_string(), parsed.registry().to_owned(), parsed.path());
            let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2.to_owned());
            assert_eq!(shown, expected, "{name}");
        }
    }

    #[test]
    fn a_registry_host_is_told_from_a_path() {
        let cases = [
            ("app", None, false),
            ("team/app", None, false),
            ("ghcr.io/app", None, true),
            ("app", Some("https://reg"), true),
        ];
        for (repository, registry, expected) in cases {
            let parsed = Repository::parse(repository, registry).expect(repository);
            assert_eq!(parsed.has_registry_host(), expected, "{repository}");
        }
    }

    #[test]
    fn what_is_no_repository_says_what_to_write() {
        let like = "write it like `repository: team/app`: letters and digits, with `.`, `_` or `-` only between them";
        let host = "a registry host reads like `contoso.azurecr.io` or `registry.contoso.com:5000`";
        let cases = [
            ("empty", "", None, format!("`repository: ` is no image repository\n\nhint: {like}")),
            ("empty part", "a//b", None, format!("`repository: a//b` is no image repository\n\nhint: {like}")),
            ("separator at the end", "app-", None, format!("`repository: app-` is no image repository\n\nhint: {like}")),
            ("not ASCII", "äpp", Some("reg.io"), format!("`repository: äpp` is no image repository\n\nhint: {like}")),
            ("URL", "https://reg.io/app", None, format!("`https:` from `repository` is no registry host\n\nhint: {host}")),
            ("bad registry", "app", Some("a b.c_d"), format!("`ab.c_d` from `containerRegistry` is no registry host\n\nhint: {host}")),
            ("long", &"a".repeat(256), None, "`repository` has 256 characters, and a registry takes at most 255".to_owned()),
            (
                "tag",
                "Reg.io:5000/App:V1",
                None,
                "`repository: Reg.io:5000/App:V1` holds a tag\n\nhint: write `repository: Reg.io:5000/App` and `tags: V1`".to_owned(),
            ),
            (
                "digest",
                "app@sha256:00",
                None,
                "`repository: app@…` names a digest, which only the push gives\n\nhint: write `repository: app`; \
                 the digest is in the output variable `imageDigest`"
                    .to_owned(),
            ),
        ];
        for (name, repository, registry, expected) in cases {
            let error = Repository::parse(repository, registry).expect_err(name);
            assert_eq!(render(&error), expected, "{name}");
        }
    }

    #[test]
    fn docker_hub_has_a_server_address_of_its_own() {
        let cases = [
            ("docker.io", "https://index.docker.io/v1/"),
            ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
            ("registry-1.docker.io", "https://index.docker.io/v1/"),
            ("https://Contoso.azurecr.io/", "contoso.azurecr.io"),
            ("contoso.azurecr.io", "contoso.azurecr.io"),
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("ghcr.io/team", "ghcr.io"),
        ];
        for (registry, expected) in cases {
            assert_eq!(server_address(registry), expected, "{registry}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed(text in "(?s).{0,60}", name in "[a-zA-Z0-9 ./:@_-]{0,40}", registry in proptest::option::of("[a-z0-9 ./:@?#-]{0,30}")) {
            for text in [&text, &name] {
                let _ = Repository::parse(text, registry.as_deref());
                let _ = server_address(text);
            }
        }

        #[test]
        fn a_parsed_repository_reads_the_same_again(name in "[a-z0-9./:_-]{1,40}") {
            if let Ok(repository) = Repository::parse(&name, None) {
                proptest::prop_assert_eq!(Repository::parse(&repository.to_string(), None).unwrap(), repository);
            }
        }
    }
}
