//! The catalogue: the secret ids that Dockerfiles in the wild mount, and what each of them holds.
//!
//! Ids match without regard to case, and `-`, `.` and `_` are the same. `<NAME>` in an id stands for a source's name.

use std::fmt::Write as _;

/// What a secret id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the catalogue says in words what each holds")]
pub enum Entry {
    IndexUrl,
    ExtraIndexUrl,
    PipConf,
    UvIndexUrl,
    UvExtraIndexUrl,
    UvUsername,
    UvPassword,
    UvToml,
    PoetryUsername,
    PoetryPassword,
    PoetryAuth,
    Pypirc,
    TwineUsername,
    TwinePassword,
    TwineUrl,
    Npmrc,
    YarnrcYml,
    NuGetConfig,
    NuGetCredentials,
    NuGetEndpoints,
    NuGetPrefixes,
    NuGetToken,
    MavenSettings,
    MavenMirror,
    GradleProperties,
    GradleInit,
    CargoCredentials,
    CargoConfig,
    CargoToken,
    CargoIndex,
    CargoProvider,
    Condarc,
    CondaToken,
    Netrc,
    GitConfig,
    FeedToken,
    SystemToken,
}

impl Entry {
    /// Whether it holds something of a feed or service connection; the rest is the job's own token.
    #[must_use]
    pub fn needs_source(self) -> bool {
        !matches!(self, Self::GitConfig | Self::SystemToken)
    }
}

/// An entry, the ids that mean it (the first is the one to recommend), and what it holds, in words.
#[derive(Debug)]
pub struct Row {
    /// The entry.
    pub entry: Entry,
    /// Its ids.
    pub ids: &'static [&'static str],
    /// The client that reads it.
    pub client: &'static str,
    /// What it holds.
    pub holds: &'static str,
}

const fn row(entry: Entry, client: &'static str, ids: &'static [&'static str], holds: &'static str) -> Row {
    Row { entry, ids, client, holds }
}

/// All entries.
pub const CATALOGUE: &[Row] = &[
    row(
        Entry::IndexUrl,
        "pip",
        &["PIP_INDEX_URL"],
        "the first feed's index URL with credentials; nothing if `onlyAddExtraIndex` is true",
    ),
    row(
        Entry::ExtraIndexUrl,
        "pip",
        &["PIP_EXTRA_INDEX_URL", "PIP_EXTRA_URL"],
        "the other feeds' index URLs with credentials, separated by spaces; all feeds if `onlyAddExtraIndex` is true or \
         the Dockerfile mounts nothing that holds the first",
    ),
    row(
        Entry::PipConf,
        "pip",
        &["pip.conf", "pipconf"],
        "a pip configuration file with `index-url` and `extra-index-url` as above",
    ),
    row(Entry::UvIndexUrl, "uv", &["UV_DEFAULT_INDEX", "UV_INDEX_URL"], "as `PIP_INDEX_URL`"),
    row(Entry::UvExtraIndexUrl, "uv", &["UV_INDEX", "UV_EXTRA_INDEX_URL"], "as `PIP_EXTRA_INDEX_URL`"),
    row(Entry::UvUsername, "uv", &["UV_INDEX_<NAME>_USERNAME"], "the user name of the feed NAME"),
    row(Entry::UvPassword, "uv", &["UV_INDEX_<NAME>_PASSWORD"], "the password of the feed NAME"),
    row(
        Entry::UvToml,
        "uv",
        &["uv.toml"],
        "a uv configuration file with all feeds as `[[index]]`, with credentials",
    ),
    row(
        Entry::PoetryUsername,
        "Poetry",
        &["POETRY_HTTP_BASIC_<NAME>_USERNAME"],
        "the user name of the feed NAME",
    ),
    row(
        Entry::PoetryPassword,
        "Poetry",
        &["POETRY_HTTP_BASIC_<NAME>_PASSWORD"],
        "the password of the feed NAME",
    ),
    row(Entry::PoetryAuth, "Poetry", &["auth.toml", "poetry_auth"], "Poetry's `auth.toml` with all feeds"),
    row(Entry::Pypirc, "twine", &["pypirc"], "a `.pypirc` with all feeds as index servers"),
    row(Entry::TwineUsername, "twine", &["TWINE_USERNAME"], "the only feed's user name"),
    row(Entry::TwinePassword, "twine", &["TWINE_PASSWORD"], "the only feed's password"),
    row(Entry::TwineUrl, "twine", &["TWINE_REPOSITORY_URL"], "the only feed's upload URL"),
    row(
        Entry::Npmrc,
        "npm, pnpm, yarn 1",
        &["npmrc", "npm_config"],
        "an `.npmrc`: the first feed as registry, scopes of `npmScopes`, credentials for every feed",
    ),
    row(Entry::YarnrcYml, "yarn 2 and later", &["yarnrc.yml"], "a `.yarnrc.yml` with the same"),
    row(
        Entry::NuGetConfig,
        "NuGet",
        &["nuget.config", "nugetconfig"],
        "a `nuget.config` with all feeds as package sources, with credentials",
    ),
    row(
        Entry::NuGetCredentials,
        "NuGet",
        &["NuGetPackageSourceCredentials_<NAME>"],
        "the credentials of the package source NAME",
    ),
    row(
        Entry::NuGetEndpoints,
        "NuGet credential provider",
        &["ARTIFACTS_CREDENTIALPROVIDER_EXTERNAL_FEED_ENDPOINTS", "VSS_NUGET_EXTERNAL_FEED_ENDPOINTS"],
        "all feeds' endpoints with credentials, JSON",
    ),
    row(
        Entry::NuGetPrefixes,
        "NuGet credential provider",
        &["VSS_NUGET_URI_PREFIXES"],
        "the URL prefixes for which `VSS_NUGET_ACCESSTOKEN` counts",
    ),
    row(Entry::NuGetToken, "NuGet credential provider", &["VSS_NUGET_ACCESSTOKEN"], "the feeds' only token"),
    row(
        Entry::MavenSettings,
        "Maven",
        &["settings.xml", "maven_settings"],
        "a `settings.xml` with a server for each feed; its id is the feed's name",
    ),
    row(
        Entry::MavenMirror,
        "Maven",
        &["settings-mirror.xml", "maven_settings_mirror"],
        "the same, and the only feed as mirror of all repositories",
    ),
    row(
        Entry::GradleProperties,
        "Gradle",
        &["gradle.properties"],
        "`<name>Username` and `<name>Password` for each feed, its name in camel case: `myFeedUsername` for `my-feed`",
    ),
    row(
        Entry::GradleInit,
        "Gradle",
        &["init.gradle"],
        "an init script that gives each repository at a feed's URL its credentials, read at run time",
    ),
    row(
        Entry::CargoCredentials,
        "Cargo",
        &["credentials.toml", "cargo_credentials"],
        "Cargo's `credentials.toml` with all feeds",
    ),
    row(
        Entry::CargoConfig,
        "Cargo",
        &["cargo_config", "config.toml"],
        "a Cargo configuration with all feeds as registries, tokens included",
    ),
    row(
        Entry::CargoToken,
        "Cargo",
        &["CARGO_REGISTRIES_<NAME>_TOKEN"],
        "the token of the registry NAME, with its scheme",
    ),
    row(Entry::CargoIndex, "Cargo", &["CARGO_REGISTRIES_<NAME>_INDEX"], "the index URL of the registry NAME"),
    row(
        Entry::CargoProvider,
        "Cargo",
        &["CARGO_REGISTRIES_<NAME>_CREDENTIAL_PROVIDER"],
        "`cargo:token`, which Cargo wants besides the token",
    ),
    row(Entry::Condarc, "conda", &["condarc"], "a `.condarc` with all feeds as channels, with credentials"),
    row(Entry::CondaToken, "conda", &["ARTIFACTS_CONDA_TOKEN"], "the feeds' only token"),
    row(Entry::Netrc, "pip, uv, curl, git, conda", &["netrc"], "a netrc with the hosts that serve the feeds"),
    row(
        Entry::GitConfig,
        "git",
        &["git_config", "gitconfig"],
        "a git configuration that sends the job access token to the repositories of the organization",
    ),
    row(Entry::FeedToken, "any", &["FEED_TOKEN"], "the bare token"),
    row(Entry::SystemToken, "any", &["SYSTEM_ACCESSTOKEN"], "the job access token itself"),
];

/// An id, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The entry that it means.
    pub entry: Entry,
    /// What stands in the place of `<NAME>`.
    pub name: Option<String>,
}

impl Asked {
    /// What an id means.
    #[must_use]
    pub fn by(id: &str) -> Option<Self> {
        let id = normalise(id);
        CATALOGUE.iter().find_map(|row| {
            let name = row.ids.iter().find_map(|known| name_in(&normalise(known), &id))?;
            Some(Self { entry: row.entry, name: (!name.is_empty()).then(|| name.to_owned()) })
        })
    }
}

/// What stands for `<name>` in an id that is like `known`; nothing if `known` has no name in it.
fn name_in<'a>(known: &str, id: &'a str) -> Option<&'a str> {
    let Some((prefix, suffix)) = known.split_once("<name>") else { return (known == id).then_some("") };
    id.strip_prefix(prefix)?.strip_suffix(suffix).filter(|name| !name.is_empty())
}

fn normalise(id: &str) -> String {
    id.trim_start_matches('.').replace(['-', '.'], "_").to_lowercase()
}

/// The catalogue as a Markdown table, as `docs/secrets.md` holds it.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| client | id | holds |\n|---|---|---|\n");
    for row in CATALOGUE {
        let ids: Vec<String> = row.ids.iter().map(|id| format!("`{id}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {} | {} |", row.client, ids.join(", "), row.holds);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_have_the_table() {
        let docs = include_str!("../../docs/secrets.md");
        assert!(docs.contains(&markdown()), "docs/secrets.md lacks this table:\n{}", markdown());
    }

    #[test]
    fn the_readme_has_the_rows_of_pip() {
        let readme = include_str!("../../README.md");
        let shown = [Entry::IndexUrl, Entry::ExtraIndexUrl, Entry::PipConf, Entry::Netrc, Entry::FeedToken];
        for row in CATALOGUE.iter().filter(|row| shown.contains(&row.entry)) {
            let ids: Vec<String> = row.ids.iter().map(|id| format!("`{id}`")).collect();
            let line = format!("| {} | {} |", ids.join(", "), row.holds);
            assert!(readme.lines().any(|known| known == line), "the README lacks the line\n{line}");
        }
    }

    #[test]
    fn ids_match_in_every_spelling() {
        let table = [
            ("PIP_EXTRA_URL", Entry::ExtraIndexUrl, None),
            ("pip-extra-index-url", Entry::ExtraIndexUrl, None),
            ("pip_conf", Entry::PipConf, None),
            (".npmrc", Entry::Npmrc, None),
            ("NuGet.Config", Entry::NuGetConfig, None),
            (".netrc", Entry::Netrc, None),
            ("UV_INDEX_MY_FEED_PASSWORD", Entry::UvPassword, Some("my_feed")),
            ("UV_INDEX_URL", Entry::UvIndexUrl, None),
            ("UV_INDEX", Entry::UvExtraIndexUrl, None),
            ("cargo_registries_x_credential_provider", Entry::CargoProvider, Some("x")),
            ("NuGetPackageSourceCredentials_a-b", Entry::NuGetCredentials, Some("a_b")),
        ];
        for (id, entry, name) in table {
            assert_eq!(Asked::by(id), Some(Asked { entry, name: name.map(str::to_owned) }), "{id}");
        }
        assert_eq!(Asked::by("my_token"), None);
        assert_eq!(Asked::by("UV_INDEX__PASSWORD"), None);
    }

    #[test]
    fn every_id_means_its_own_row() {
        for row in CATALOGUE {
            for id in row.ids {
                let asked = Asked::by(&id.replace("<NAME>", "x"));
                assert_eq!(asked.map(|asked| asked.entry), Some(row.entry), "{id}");
            }
        }
    }
}
