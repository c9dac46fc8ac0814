//! Secrets under the ids that Dockerfiles mount: those of the catalogue, rendered for one client each, and the
//! user's own. A renderer is pure: sources in, text out.

pub mod catalogue;
pub mod choice;
pub mod known;
pub mod user;

mod access;
mod cargo;
mod conda;
#[cfg(test)]
mod fixture;
mod git;
mod gradle;
mod header;
mod maven;
mod netrc;
mod npm;
mod nuget;
mod pip;
mod poetry;
mod twine;
mod uv;
mod xml;
mod yarn;

use std::collections::BTreeSet;

pub use access::{Access, IndexOrder};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::credential::Credential;
use crate::error::hinted;
use crate::feed::source::Source;

/// BuildKit takes no larger secret (`session/secrets/secretsprovider/store.go`).
pub const LARGEST: usize = 500 * 1024;

/// A secret and the id by which a Dockerfile mounts it.
#[derive(Debug)]
pub struct Secret {
    /// The id.
    pub id: String,
    /// The content.
    pub value: SecretSlice<u8>,
    /// Whether it stays good however long the build takes; another may be replaced while the build runs.
    pub lasting: bool,
}

impl Secret {
    /// A secret that is text.
    #[must_use]
    pub fn text(id: &str, value: &SecretString) -> Self {
        Self { id: id.to_owned(), value: value.expose_secret().as_bytes().to_vec().into(), lasting: true }
    }
}

/// The only source, for a value that can hold no more than one.
fn only(sources: &[Source]) -> anyhow::Result<&Source> {
    match sources {
        [source] => Ok(source),
        [] => anyhow::bail!("no source speaks this protocol"),
        more => Err(hinted(
            format!(
                "the value holds one source, but there are {}: {}",
                more.len(),
                more.iter().map(|source| source.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            "mount a file that holds several (see `docs/secrets.md`), or leave one source",
        )),
    }
}

/// The source of that name; or else the one that a part of a variable's name means, as clients make it: without regard
/// to case, with `_` for all that is no ASCII letter or digit (`UV_INDEX_MY_FEED_PASSWORD` means the feed `my-feed`).
fn named<'a>(sources: &'a [Source], name: &str) -> anyhow::Result<&'a Source> {
    let mut found: Vec<&Source> = sources.iter().filter(|source| source.name == name).collect();
    if found.is_empty() {
        found = sources.iter().filter(|source| variable_part(&source.name) == variable_part(name)).collect();
    }
    match found[..] {
        [source] => Ok(source),
        [] => {
            let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            anyhow::bail!("no source is called `{name}`; there are: {}", known.join(", "))
        }
        _ => anyhow::bail!("several sources are called `{name}`"),
    }
}

/// A name in a variable's. A `_` at its start does not count: Cargo, which allows no digit there, needs one before it.
fn variable_part(name: &str) -> String {
    let part = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.chars().map(part).collect::<String>().trim_start_matches('_').to_owned()
}

/// Refuses sources that a client cannot tell apart, for a file in which it knows them by name; `spelt` is a name as the
/// client reads it.
fn distinct(sources: &[Source], spelt: impl Fn(&str) -> String) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    match sources.iter().map(|source| spelt(&source.name)).find(|name| !seen.insert(name.clone())) {
        None => Ok(()),
        Some(name) => Err(hinted(
            format!("several sources are called `{name}`, and the client tells them apart by name"),
            "leave one of them, or open one by a service connection, which has a name of its own",
        )),
    }
}

/// The only credential of all sources.
fn one_credential<'a>(credentials: impl Iterator<Item = &'a Credential>) -> anyhow::Result<&'a Credential> {
    let mut all: Vec<&Credential> = credentials.collect();
    all.dedup_by(|a, b| a.secret.expose_secret() == b.secret.expose_secret());
    match all[..] {
        [credential] => Ok(credential),
        [] => anyhow::bail!("no source has a credential"),
        _ => Err(hinted(
            "the value holds one credential, but the sources have different ones",
            "mount a file that holds several (see `docs/secrets.md`), or leave one source",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::fixture::token;

    #[test]
    fn a_name_in_a_variable_means_a_source_as_clients_write_it() {
        let sources: Vec<Source> = ["my-feed", "My.Other Feed", "größe", "2nd", "a.b", "a-b", "c"]
            .map(|name| token(name, "https://packages.example/"))
            .to_vec();
        let table = [
            ("MY_FEED", Ok("my-feed")),
            ("my_other_feed", Ok("My.Other Feed")),
            ("GR__E", Ok("größe")),
            ("größe", Ok("größe")),
            ("_2nd", Ok("2nd")),
            ("2ND", Ok("2nd")),
            ("a.b", Ok("a.b")),
            ("A_B", Err("several sources are called `A_B`")),
            ("d", Err("no source is called `d`; there are: my-feed, My.Other Feed, größe, 2nd, a.b, a-b, c")),
        ];
        for (name, expected) in table {
            let found =
                named(&sources, name).map(|source| source.name.as_str()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{name}");
        }
    }
}
