//! Tags the image that was built, pushes it, and reads it back: what is in the registry must be what was built.

use anyhow::Context as _;

use super::config::Login;
use super::manifest::{Manifest, Registry};
use super::reference::{Repository, Tag};
use crate::agent::network::Network;
use crate::buildx::engine::{Engine, StoredImage};
use crate::console::Console;
use crate::error::{hint_context, hinted};

/// Where an image goes.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The tags; each is pushed.
    pub tags: &'a [Tag],
    /// The login, if one is known.
    pub login: Option<&'a Login>,
}

impl Destination<'_> {
    /// The references in the order of the tags.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.tags.iter().map(|tag| self.repository.tagged(tag)).collect()
    }

    /// Gives the image its names in the engine's store.
    pub async fn tag(&self, engine: &Engine, image: &StoredImage) -> anyhow::Result<()> {
        for tag in self.tags {
            engine.tag(&image.id, &self.repository.to_string(), tag.as_str()).await?;
        }
        Ok(())
    }

    /// Finds out before the build whether the registry accepts the login; after a long build would be late.
    pub async fn check_login(&self, engine: &Engine) -> anyhow::Result<()> {
        let Some(login) = self.login else { return Ok(()) };
        engine.check_login(login).await.map_err(|error| self.explain(error, "log in to"))
    }

    /// Pushes every tag and reads it back. All have the same manifest, which is returned.
    pub async fn push(
        &self,
        engine: &Engine,
        image: &StoredImage,
        network: &Network,
        console: &Console,
    ) -> anyhow::Result<Manifest> {
        let references = self.references();
        let mut registry = None;
        let mut pushed = None;
        for (number, tag) in self.tags.iter().enumerate() {
            let one = async {
                console.section(&format!("Pushing {}", references[number]));
                engine
                    .push(&self.repository.to_string(), tag.as_str(), self.login, |line| console.line(line))
                    .await
                    .map_err(|error| self.explain(error, "push to"))?;
                if registry.is_none() {
                    registry = Some(Registry::connect(self.repository, self.login, network).await?);
                }
                let registry = registry.as_ref().context("it was connected above")?;
                let manifest = registry
                    .manifest(self.repository, tag)
                    .await
                    .context("cannot read the pushed manifest back")?;
                compare(image, &manifest)?;
                console.line(&format!("{} is {}", references[number], manifest.digest));
                Ok(manifest)
            };
            let manifest = one.await.map_err(|error: anyhow::Error| {
                let done = match number {
                    0 => "nothing was pushed before".to_owned(),
                    _ => format!("pushed before: {}", references[..number].join(", ")),
                };
                error.context(format!("cannot push `{}` ({done})", references[number]))
            })?;
            pushed = Some(manifest);
        }
        pushed.context("there is no tag to push")
    }

    fn explain(&self, error: anyhow::Error, what: &str) -> anyhow::Error {
        let text = format!("{error:#}").to_lowercase();
        let server = self.repository.registry();
        let refused = ["unauthorized", "authentication required", "denied", "no basic auth", "401", "403"];
        if !refused.iter().any(|word| text.contains(word)) {
            return error.context(format!("cannot {what} registry `{server}`"));
        }
        let hint = match self.login {
            Some(login) => format!(
                "check that user `{}` of the service connection in `containerRegistry` has the right password and may \
                 push to `{}`",
                login.username, self.repository
            ),
            None => "set `containerRegistry` to a service connection for this registry".to_owned(),
        };
        error.context(hint_context(format!("registry `{server}` refused the login or the push"), hint))
    }
}

/// The containerd store pushes the manifest that it holds; the classic one makes it on the way, so there the config
/// has to be the one that was built.
fn compare(image: &StoredImage, manifest: &Manifest) -> anyhow::Result<()> {
    let (what, built, found) = match &image.manifest {
        Some(digest) => ("manifest", digest, Some(&manifest.digest)),
        None => ("config", &image.id, manifest.config.as_ref()),
    };
    if found == Some(built) {
        return Ok(());
    }
    Err(hinted(
        format!(
            "the registry does not hold what was built: {what} {} instead of {built}",
            found.map_or("none", String::as_str)
        ),
        "somebody else may have pushed the same tag meanwhile; use a tag of this run alone, such as `$(Build.BuildId)`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_holds_must_be_what_was_built() {
        let manifest = Manifest { digest: "sha256:m".to_owned(), config: Some("sha256:c".to_owned()) };
        let image = |id: &str, manifest: Option<&str>| StoredImage {
            id: id.to_owned(),
            manifest: manifest.map(str::to_owned),
        };
        compare(&image("sha256:m", Some("sha256:m")), &manifest).expect("containerd store");
        compare(&image("sha256:c", None), &manifest).expect("classic store");
        compare(&image("sha256:x", Some("sha256:x")), &manifest).expect_err("another manifest");
        compare(&image("sha256:m", None), &manifest).expect_err("another config");
    }
}
