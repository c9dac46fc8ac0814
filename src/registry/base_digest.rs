//! The digest of a base image, for a label: the one that the build is about to resolve, without pulling anything.
//!
//! Rule: asked before the build and beside the sign-in, so it costs no time; whatever fails costs the label alone.
//!
//! BuildKit tells its own answer only after the build (provenance), and in the classic store it is the digest of a
//! layer there if the image was in the store before (measured), which is no name that a registry knows.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;

use super::client::{Access, Registry};
use super::logins::Logins;
use super::reference::{Repository, Tag, server_address};
use crate::agent::network::Network;
use crate::buildx::engine::Engine;
use crate::dockerfile::BaseImage;

/// How long a registry may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Where the build will look for its base image.
#[derive(Debug)]
pub struct Lookup<'a> {
    /// The engine whose images it takes first; `None` if it asks the registry always.
    pub engine: Option<&'a Engine>,
    /// The logins of the run.
    pub logins: &'a Logins<'a>,
    /// The network.
    pub network: &'a Network,
}

impl Lookup<'_> {
    /// The digest, as in `sha256:…`; `None` if the image has none, e.g. one that was built here and never pushed.
    pub async fn digest(&self, image: &BaseImage) -> anyhow::Result<Option<String>> {
        if image.digest.is_some() || image.name == "scratch" {
            return Ok(image.digest.clone());
        }
        if let Some(engine) = self.engine
            && let Some(names) = engine.repository_digests(&image.name).await?
        {
            return Ok(the_digest(&image.name, &names));
        }
        let asked = tokio::time::timeout(LIMIT, self.ask(&image.name)).await;
        asked.with_context(|| format!("no answer within {} s", LIMIT.as_secs()))?.map(Some)
    }

    async fn ask(&self, name: &str) -> anyhow::Result<String> {
        let (repository, tag) = parts(name);
        let (repository, tag) = (Repository::parse(repository, None)?, Tag::parse(tag)?);
        let login = self.logins.get(&server_address(repository.registry())).await?;
        Registry::connect(&repository, login.as_ref(), Access::Pull, self.network)
            .await?
            .digest(&repository, &tag)
            .await
    }
}

/// The repository and the tag of a reference.
#[must_use]
pub fn parts(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

/// The one digest that the store's names of an image agree on, else that of the name itself.
fn the_digest(name: &str, names: &[String]) -> Option<String> {
    let pairs = || names.iter().filter_map(|name| name.split_once('@'));
    let all: BTreeSet<_> = pairs().map(|(_, digest)| digest).collect();
    let own: BTreeSet<_> =
        pairs().filter(|(repository, _)| *repository == parts(name).0).map(|(_, digest)| digest).collect();
    let agreed = [all, own].into_iter().find(|digests| digests.len() == 1)?;
    agreed.first().map(|digest| (*digest).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_parted_at_its_tag() {
        for (reference, expected) in [
            ("alpine", ("alpine", "latest")),
            ("alpine:3.22", ("alpine", "3.22")),
            ("reg:5000/app", ("reg:5000/app", "latest")),
            ("reg:5000/app:1", ("reg:5000/app", "1")),
        ] {
            assert_eq!(parts(reference), expected, "{reference}");
        }
    }

    #[test]
    fn several_digests_are_none_unless_the_name_decides() {
        let digest = |names: &[&str]| {
            the_digest("team/app:1", &names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(digest(&[]), None);
        assert_eq!(digest(&["other@sha256:1"]).as_deref(), Some("sha256:1"));
        assert_eq!(digest(&["other@sha256:1", "team/app@sha256:1"]).as_deref(), Some("sha256:1"));
        assert_eq!(digest(&["other@sha256:1", "team/app@sha256:2"]).as_deref(), Some("sha256:2"));
        assert_eq!(digest(&["team/app@sha256:1", "team/app@sha256:2"]), None);
        assert_eq!(digest(&["other@sha256:1", "another@sha256:2"]), None);
    }
}
