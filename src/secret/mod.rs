//! Secrets under the ids that Dockerfiles mount: those of the catalogue, rendered for one client each, and the
//! user's own. A renderer is pure: sources in, text out.

pub mod catalogue;
pub mod choice;
pub mod user;

mod access;
mod cargo;
mod conda;
#[cfg(test)]
mod fixture;
mod git;
mod gradle;
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
use anyhow::Context as _;
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

/// The source that a part of a variable's name means: letters without regard to case, and every other character than
/// a letter or digit is the same (`UV_INDEX_MY_FEED_PASSWORD` means the feed `my-feed`).
fn named<'a>(sources: &'a [Source], name: &str) -> anyhow::Result<&'a Source> {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    let mut found = sources.iter().filter(|source| plain(&source.name) == plain(name));
    let source = found.next().with_context(|| {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        format!("no source is called `{name}`; there are: {}", known.join(", "))
    })?;
    anyhow::ensure!(found.next().is_none(), "several sources are called `{name}`");
    Ok(source)
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
