//! The catalogue: the secret ids that Dockerfiles in the wild mount, and what each of them holds.
//!
//! Ids match without regard to case, and `-`, `.` and `_` are the same.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{netrc, pip};
use crate::credential::Credential;
use crate::feed::index;
use crate::feed::lookup::Feeds;

/// What a secret id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The URL of the first feed, with credentials.
    IndexUrl,
    /// The URLs of the other feeds, with credentials, between spaces.
    ExtraIndexUrl,
    /// A `pip.conf` with all feeds.
    PipConf,
    /// A netrc for all hosts of the organization's feeds.
    Netrc,
    /// The token alone.
    FeedToken,
}

/// An entry, the ids that mean it (the first is the one to recommend), and what it holds, in words.
#[derive(Debug)]
pub struct Row {
    /// The entry.
    pub entry: Entry,
    /// Its ids.
    pub ids: &'static [&'static str],
    /// What it holds.
    pub holds: &'static str,
}

/// All entries.
pub const CATALOGUE: &[Row] = &[
    Row {
        entry: Entry::IndexUrl,
        ids: &["PIP_INDEX_URL"],
        holds: "the first feed's index URL with credentials; nothing if `onlyAddExtraIndex` is true",
    },
    Row {
        entry: Entry::ExtraIndexUrl,
        ids: &["PIP_EXTRA_INDEX_URL", "PIP_EXTRA_URL"],
        holds: "the other feeds' index URLs with credentials, separated by spaces; all feeds if `onlyAddExtraIndex` \
                is true or the Dockerfile mounts nothing that holds the first",
    },
    Row {
        entry: Entry::PipConf,
        ids: &["pip.conf", "pipconf"],
        holds: "a pip configuration file with `index-url` and `extra-index-url` as above",
    },
    Row {
        entry: Entry::Netrc,
        ids: &["netrc"],
        holds: "a netrc with the hosts that serve the organization's packages",
    },
    Row { entry: Entry::FeedToken, ids: &["FEED_TOKEN"], holds: "the bare token" },
];

impl Entry {
    /// The entry that an id means.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        let id = normalise(id);
        CATALOGUE.iter().find(|row| row.ids.iter().any(|known| normalise(known) == id)).map(|row| row.entry)
    }
}

fn normalise(id: &str) -> String {
    id.trim_start_matches('.').replace(['-', '.'], "_").to_lowercase()
}

/// How the feeds are shared out among the pip entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOrder {
    /// The first feed is the index and the rest are extra, as in `PipAuthenticate@1`.
    FirstIsIndex,
    /// All feeds are extra (`onlyAddExtraIndex`, or a Dockerfile that mounts nothing else).
    AllExtra,
}

/// What the entries are rendered from.
#[derive(Debug)]
pub struct Access<'a> {
    /// The feeds.
    pub feeds: &'a Feeds,
    /// What opens them.
    pub credential: &'a Credential,
    /// Their order.
    pub order: IndexOrder,
}

impl Access<'_> {
    /// The text of an entry.
    #[must_use]
    pub fn render(&self, entry: Entry) -> SecretString {
        let urls: Vec<Url> =
            self.feeds.names.iter().map(|name| index::pypi_simple(&self.feeds.base, name)).collect();
        let (first, extra) = match self.order {
            IndexOrder::FirstIsIndex => (urls.first(), urls.get(1..).unwrap_or_default()),
            IndexOrder::AllExtra => (None, &urls[..]),
        };
        match entry {
            Entry::IndexUrl => pip::urls(first, self.credential),
            Entry::ExtraIndexUrl => pip::urls(extra, self.credential),
            Entry::PipConf => pip::conf(first, extra, self.credential),
            Entry::Netrc => {
                netrc::render(&self.feeds.organization.packaging_hosts(&self.feeds.base), self.credential)
            }
            Entry::FeedToken => SecretString::from(self.credential.secret.expose_secret()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::name::FeedName;
    use crate::feed::service::Organization;

    fn render(feeds: &str, order: IndexOrder, entry: Entry) -> String {
        let collection = Url::parse("https://dev.azure.com/contoso/").expect("a URL");
        let feeds = Feeds {
            organization: Organization::of(&collection),
            base: Url::parse("https://pkgs.dev.azure.com/contoso/").expect("a URL"),
            names: FeedName::parse_list(feeds).expect("names"),
        };
        let credential = Credential::job(&SecretString::from("to/ken"));
        Access { feeds: &feeds, credential: &credential, order }.render(entry).expose_secret().to_owned()
    }

    const A: &str = "https://build:to%2Fken@pkgs.dev.azure.com/contoso/_packaging/a/pypi/simple/";
    const B: &str = "https://build:to%2Fken@pkgs.dev.azure.com/contoso/p/_packaging/b/pypi/simple/";

    #[test]
    fn each_entry_is_rendered_whole() {
        use IndexOrder::{AllExtra, FirstIsIndex};
        let table = [
            ("a,p/b", FirstIsIndex, Entry::IndexUrl, A.to_owned()),
            ("a,p/b", FirstIsIndex, Entry::ExtraIndexUrl, B.to_owned()),
            ("a,p/b", AllExtra, Entry::ExtraIndexUrl, format!("{A} {B}")),
            ("a", FirstIsIndex, Entry::ExtraIndexUrl, String::new()),
            (
                "a,p/b",
                FirstIsIndex,
                Entry::PipConf,
                format!("[global]\nindex-url = {A}\nextra-index-url =\n    {B}\n"),
            ),
            ("a", FirstIsIndex, Entry::PipConf, format!("[global]\nindex-url = {A}\n")),
            (
                "a",
                FirstIsIndex,
                Entry::Netrc,
                "machine pkgs.dev.azure.com login build password to/ken\n\
                 machine contoso.pkgs.visualstudio.com login build password to/ken\n"
                    .to_owned(),
            ),
            ("a", AllExtra, Entry::FeedToken, "to/ken".to_owned()),
        ];
        for (feeds, order, entry, expected) in table {
            assert_eq!(render(feeds, order, entry), expected, "{entry:?} of {feeds} in {order:?}");
        }
    }

    #[test]
    fn ids_match_in_every_spelling() {
        for id in ["PIP_EXTRA_URL", "pip_extra_url", "pip-extra-index-url", "PIP_EXTRA_INDEX_URL"] {
            assert_eq!(Entry::of(id), Some(Entry::ExtraIndexUrl), "{id}");
        }
        for id in ["pip.conf", "pip_conf", "pipconf"] {
            assert_eq!(Entry::of(id), Some(Entry::PipConf), "{id}");
        }
        assert_eq!(Entry::of(".netrc"), Some(Entry::Netrc));
        assert_eq!(Entry::of("my_token"), None);
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = include_str!("../../README.md");
        for row in CATALOGUE {
            let ids: Vec<String> = row.ids.iter().map(|id| format!("`{id}`")).collect();
            let line = format!("| {} | {} |", ids.join(", "), row.holds);
            assert!(readme.lines().any(|known| known == line), "the README lacks the line\n{line}");
        }
    }
}
