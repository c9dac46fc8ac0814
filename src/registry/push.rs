//! Tags the image that was built, pushes it, and reads it back: what is in the registry must be what was built.

use anyhow::Context as _;

use super::client::{Access, Registry};
use super::fault::Fault;
use super::login::Login;
use super::logins::Logins;
use super::manifest::Manifest;
use super::reference::{Repository, Tag, server_address};
use crate::agent::network::Network;
use crate::buildx::engine::{Engine, StoredImage};
use crate::buildx::failure::BuilderLost;
use crate::cancel::Cancelled;
use crate::console::Console;
use crate::error::hinted;

/// Where an image goes.
#[derive(Debug)]
pub struct Destination<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The tags; each is pushed.
    pub tags: &'a [Tag],
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

    /// Finds out before the build whether the registry accepts the login; after a long build would be late. The engine
    /// asks it if it is to push, else we do.
    pub async fn check_login(
        &self,
        engine: Option<&Engine>,
        logins: &Logins<'_>,
        network: &Network,
        console: &Console,
    ) -> anyhow::Result<()> {
        if self.login(logins).await?.is_none() {
            return Ok(());
        }
        let check = async |login: Option<&Login>| match (login, engine) {
            (Some(login), Some(engine)) => engine.check_login(login).await,
            (Some(login), None) => Registry::check_login(self.repository, login, network).await,
            (None, _) => Ok(()),
        };
        self.insist("login", logins, console, check).await?;
        Ok(())
    }

    /// The login to its registry, if there is one; one that is about to end is fetched again.
    pub(super) async fn login(&self, logins: &Logins<'_>) -> anyhow::Result<Option<Login>> {
        logins.get(&server_address(self.repository.registry())).await
    }

    /// Pushes every tag and reads it back. All have the same manifest, which is returned.
    ///
    /// One after another: the first uploads the layers, the others find them there.
    pub async fn push(
        &self,
        engine: &Engine,
        image: &StoredImage,
        logins: &Logins<'_>,
        network: &Network,
        console: &Console,
    ) -> anyhow::Result<Manifest> {
        let references = self.references();
        let pushed = |count: usize| match &references[..count] {
            [] => "nothing is pushed".to_owned(),
            some => format!("pushed: {}", some.join(", ")),
        };
        let repository = self.repository.to_string();
        let (mut registry, mut manifest) = (None, None);
        for (number, (tag, reference)) in self.tags.iter().zip(&references).enumerate() {
            console.section(&format!("Pushing {reference}"));
            let push = async |login: Option<&Login>| {
                engine.push(&repository, tag.as_str(), login, |line| console.line(line)).await
            };
            let ((), login) = self
                .insist("push", logins, console, push)
                .await
                .with_context(|| format!("cannot push `{reference}` ({})", pushed(number)))?;
            let found = self
                .read_back(tag, image, &mut registry, login.as_ref(), network)
                .await
                .with_context(|| format!("cannot verify `{reference}` ({})", pushed(number + 1)))?;
            // As compared: the manifest itself in the containerd store, its config in the classic one.
            let of_config = image.manifest.is_none().then(|| format!(", with the config {}", image.id));
            let digest = &found.digest;
            console.line(&format!("{reference} is {digest}{}, as built", of_config.unwrap_or_default()));
            manifest = Some(found);
        }
        manifest.context("there is no tag to push")
    }

    /// Lets the engine or builder try again what a fault that passes has stopped, each time with a login that is not about
    /// to end; returns the last one beside what came of it.
    pub async fn insist<T>(
        &self,
        what: &str,
        logins: &Logins<'_>,
        console: &Console,
        attempt: impl AsyncFn(Option<&Login>) -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Option<Login>)> {
        let mut attempts = 1;
        loop {
            let login = self.login(logins).await?;
            let error = match attempt(login.as_ref()).await {
                Ok(done) => return Ok((done, login)),
                Err(error) if error.is::<Cancelled>() || error.is::<BuilderLost>() => return Err(error),
                Err(error) => error,
            };
            let fault = Fault::of(&error);
            let Some(pause) = fault.pause(attempts) else {
                return Err(fault.explain(error, what, attempts, self.repository, login.as_ref()));
            };
            let seconds = pause.as_secs_f64();
            console.line(&format!(
                "The {what} did not come through ({error:#}); trying again in {seconds:.1} s"
            ));
            tokio::time::sleep(pause).await;
            attempts += 1;
        }
    }

    /// The manifest of a tag that was pushed, after a check that it is that of the image.
    async fn read_back(
        &self,
        tag: &Tag,
        image: &StoredImage,
        registry: &mut Option<Registry>,
        login: Option<&Login>,
        network: &Network,
    ) -> anyhow::Result<Manifest> {
        let registry = match registry {
            Some(registry) => registry,
            None => registry.insert(Registry::connect(self.repository, login, Access::Pull, network).await?),
        };
        let manifest = registry.manifest(self.repository, tag.as_str()).await?;
        compare(image, &manifest)?;
        Ok(manifest)
    }

    /// The error of a request of our own, which was tried again where that could help.
    pub(super) fn explain(&self, error: anyhow::Error, what: &str, login: Option<&Login>) -> anyhow::Error {
        Fault::of(&error).explain(error, what, 1, self.repository, login)
    }
}

/// The containerd store pushes the manifest that it holds; the classic one makes it on the way, so there the config
/// has to be the one that was built.
fn compare(image: &StoredImage, manifest: &Manifest) -> anyhow::Result<()> {
    let (what, built, found) = match &image.manifest {
        Some(digest) => ("manifest", digest.as_str(), Some(manifest.digest.as_str())),
        None => ("config", image.id.as_str(), manifest.config()),
    };
    if found == Some(built) {
        return Ok(());
    }
    Err(hinted(
        format!(
            "the registry does not hold what was built: {what} {} instead of {built}",
            found.unwrap_or("none")
        ),
        "somebody else may have pushed the same tag meanwhile; use a tag of this run alone, such as `$(Build.BuildId)`",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_holds_must_be_what_was_built() {
        let text = r#"{"config": {"digest": "sha256:c"}, "layers": []}"#;
        let manifest = Manifest::parse(text.into(), "").expect("a manifest");
        let digest = manifest.digest.clone();
        let image = |id: &str, manifest: Option<&str>| StoredImage {
            id: id.to_owned(),
            manifest: manifest.map(str::to_owned),
        };
        compare(&image(&digest, Some(&digest)), &manifest).expect("containerd store");
        compare(&image("sha256:c", None), &manifest).expect("classic store");
        compare(&image("sha256:x", Some("sha256:x")), &manifest).expect_err("another manifest");
        compare(&image(&digest, None), &manifest).expect_err("another config");
    }
}
