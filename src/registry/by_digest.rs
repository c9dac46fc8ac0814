//! Names what a builder has pushed by digest: reads it back, compares it with what was checked, and puts the same
//! manifest under each tag.
//!
//! Rule: no tag before all that it would lead to is known: each config and layer was read in the export, and whatever
//! else there is (attestations, manifests that another exporter wrote otherwise) is searched here.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::client::{Access, Registry};
use super::logins::Logins;
use super::manifest::{Content, Descriptor, Manifest};
use super::push::Destination;
use crate::agent::network::Network;
use crate::console::Console;
use crate::error::hinted;
use crate::guard::image::{Examined, Image};

/// What was checked of an export: a push may lead to nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The digest of the image's manifest, or index.
    pub root: String,
    /// The images, one a platform, that were read whole.
    pub images: Vec<Image>,
    /// The digests of attestation manifests, of which all was read.
    pub attestations: Vec<String>,
}

impl Checked {
    /// Takes it out of what was read of an export.
    pub fn take(examined: &mut Examined) -> anyhow::Result<Self> {
        let root = examined.root.take().context("the export is not of one image")?;
        if let Some(absent) = examined.absent.first() {
            anyhow::bail!("the export lacks the manifest {absent}");
        }
        let (images, attestations) =
            (std::mem::take(&mut examined.images), std::mem::take(&mut examined.attestations));
        Ok(Self { root, images, attestations })
    }

    /// Each platform and the digest of its manifest.
    pub fn platforms(&self) -> impl Iterator<Item = (String, String)> {
        self.images.iter().filter_map(|image| Some((image.platform.clone(), image.manifest.clone()?)))
    }

    fn has_manifest(&self, digest: &str) -> bool {
        let images = self.images.iter().filter_map(|image| image.manifest.as_ref());
        images.chain(&self.attestations).any(|manifest| manifest == digest)
    }

    fn has_blob(&self, digest: &str) -> bool {
        self.images
            .iter()
            .any(|image| image.config == digest || image.layers.iter().any(|layer| layer.digest == digest))
    }
}

/// Searches bytes for secrets; an error if there is one. The text says what the bytes are.
pub type Search<'a> = &'a (dyn Fn(&str, &[u8]) -> anyhow::Result<()> + Sync);

impl Destination<'_> {
    /// Gives the tags to the manifest `digest`, which is in the repository, after the comparison with `checked`.
    pub async fn name(
        &self,
        digest: &str,
        checked: &Checked,
        search: Search<'_>,
        logins: &Logins<'_>,
        network: &Network,
        console: &Console,
    ) -> anyhow::Result<Manifest> {
        let login = self.login(logins).await?;
        let refused = |error| self.explain(error, "push", login.as_ref());
        let registry = Registry::connect(self.repository, login.as_ref(), Access::Push, network)
            .await
            .map_err(refused)?;
        let comparison = Comparison { destination: self, registry: &registry, checked, search, console };
        let root = comparison
            .run(digest)
            .await
            .with_context(|| format!("cannot verify `{}@{digest}` (nothing is tagged)", self.repository))?;
        let references = self.references();
        for (number, (tag, reference)) in self.tags.iter().zip(&references).enumerate() {
            console.section(&format!("Pushing {reference}"));
            let pushed = match &references[..number] {
                [] => "nothing is pushed".to_owned(),
                some => format!("pushed: {}", some.join(", ")),
            };
            registry
                .put(self.repository, tag, &root)
                .await
                .map_err(refused)
                .with_context(|| format!("cannot push `{reference}` ({pushed})"))?;
            let found = registry.manifest(self.repository, tag.as_str()).await.and_then(|found| {
                if found.digest == root.digest { Ok(()) } else { Err(moved(&found.digest, digest)) }
            });
            found.with_context(|| {
                format!("cannot verify `{reference}` (pushed: {})", references[..=number].join(", "))
            })?;
            console.line(&format!("{reference} is {digest}"));
        }
        Ok(root)
    }
}

/// One comparison of what a repository holds with what was checked.
struct Comparison<'a> {
    destination: &'a Destination<'a>,
    registry: &'a Registry,
    checked: &'a Checked,
    search: Search<'a>,
    console: &'a Console,
}

impl Comparison<'_> {
    /// The manifest `digest`, if all that it leads to is checked.
    async fn run(&self, digest: &str) -> anyhow::Result<Manifest> {
        let root = self.manifest(digest).await?;
        if root.digest == self.checked.root {
            self.console.line(&format!("The registry holds {digest}, as checked"));
            return Ok(root);
        }
        self.console.line(&format!("The registry holds {digest}; checked was {}", self.checked.root));
        let mut configs = BTreeSet::new();
        match &root.content {
            Content::Image { config, layers } => {
                self.compare("the image", &root, config, layers)?;
                configs.insert(config.digest.clone());
            }
            Content::Index(children) => {
                (self.search)("the index", &root.bytes)?;
                for child in children {
                    let name = name(child);
                    let manifest = self.manifest(&child.digest).await?;
                    let Content::Image { config, layers } = &manifest.content else {
                        anyhow::bail!("{name} in the index is an index itself");
                    };
                    if child.is_attestation() {
                        self.search_attestation(&name, &manifest, std::iter::once(config).chain(layers))
                            .await?;
                    } else {
                        self.compare(&name, &manifest, config, layers)?;
                        configs.insert(config.digest.clone());
                    }
                }
            }
        }
        let checked: BTreeSet<String> =
            self.checked.images.iter().map(|image| image.config.clone()).collect();
        if configs != checked {
            let (found, wanted) = (configs.len(), checked.len());
            return Err(differs(&format!("{found} images instead of {wanted}")));
        }
        Ok(root)
    }

    async fn manifest(&self, digest: &str) -> anyhow::Result<Manifest> {
        self.registry.manifest(self.destination.repository, digest).await
    }

    /// Every blob of an image was read in the export.
    fn compare(
        &self,
        name: &str,
        manifest: &Manifest,
        config: &Descriptor,
        layers: &[Descriptor],
    ) -> anyhow::Result<()> {
        let unread = |blob: &&Descriptor| !self.checked.has_blob(&blob.digest);
        if unread(&config) {
            return Err(differs(&format!("{name} with config {}", config.digest)));
        }
        if let Some(layer) = layers.iter().find(unread) {
            return Err(differs(&format!("{name} with layer {}", layer.digest)));
        }
        let same = self.checked.has_manifest(&manifest.digest);
        if !same {
            (self.search)(&format!("the manifest of {name}"), &manifest.bytes)?;
        }
        self.console.line(&format!(
            "{name}: config {} and {} layers are as checked; the manifest is {}",
            config.digest,
            layers.len(),
            if same { "too" } else { "written otherwise and holds no secret" }
        ));
        Ok(())
    }

    /// An attestation names the time of its build, so that of another call has another digest.
    async fn search_attestation(
        &self,
        name: &str,
        manifest: &Manifest,
        blobs: impl Iterator<Item = &Descriptor>,
    ) -> anyhow::Result<()> {
        if self.checked.has_manifest(&manifest.digest) {
            return Ok(());
        }
        (self.search)(name, &manifest.bytes)?;
        for blob in blobs {
            let bytes = self.registry.blob(self.destination.repository, &blob.digest).await?;
            (self.search)(name, &bytes)?;
        }
        self.console.line(&format!("{name}: searched, holds no secret"));
        Ok(())
    }
}

/// What an entry of an index is, for people.
fn name(entry: &Descriptor) -> String {
    if entry.is_attestation() {
        let of = entry.annotations.get("vnd.docker.reference.digest").map_or("an image", String::as_str);
        return format!("the attestation of {of}");
    }
    entry.platform.as_ref().map_or_else(|| entry.digest.clone(), ToString::to_string)
}

fn differs(what: &str) -> anyhow::Error {
    hinted(
        format!("the builder pushed something else than was checked: {what}"),
        "it built again instead of taking the image from its cache: give the builder more space for its cache, and let \
         no other job prune it meanwhile",
    )
}

fn moved(found: &str, put: &str) -> anyhow::Error {
    hinted(
        format!("the registry does not hold what was pushed: manifest {found} instead of {put}"),
        "somebody else may have pushed the same tag meanwhile; use a tag of this run alone, such as `$(Build.BuildId)`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::image::Layer;

    fn image(name: &str) -> Image {
        let layer = Layer { digest: format!("sha256:layer-{name}"), diff_id: String::new(), size: 1 };
        Image {
            platform: format!("linux/{name}"),
            manifest: Some(format!("sha256:manifest-{name}")),
            config: format!("sha256:config-{name}"),
            layers: vec![layer],
        }
    }

    #[test]
    fn what_was_read_is_known_by_its_digests() {
        let mut examined = Examined {
            root: Some("sha256:index".to_owned()),
            images: vec![image("amd64"), image("arm64")],
            attestations: vec!["sha256:attestation".to_owned()],
            ..Examined::default()
        };
        let checked = Checked::take(&mut examined).expect("it is of one image");
        assert_eq!(
            (checked.root.as_str(), checked.images.len(), examined.images.len()),
            ("sha256:index", 2, 0)
        );
        for manifest in ["sha256:manifest-amd64", "sha256:manifest-arm64", "sha256:attestation"] {
            assert!(checked.has_manifest(manifest) && !checked.has_blob(manifest), "{manifest}");
        }
        for blob in ["sha256:config-arm64", "sha256:layer-amd64"] {
            assert!(checked.has_blob(blob) && !checked.has_manifest(blob), "{blob}");
        }
        assert!(!checked.has_blob("sha256:other") && !checked.has_manifest("sha256:other"));
        let platforms: Vec<_> = checked.platforms().map(|(platform, _)| platform).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    }

    #[test]
    fn an_export_that_is_not_whole_is_not_checked() {
        let taken = |root: Option<&str>, absent: &[&str]| {
            let mut examined = Examined {
                root: root.map(str::to_owned),
                images: vec![image("amd64")],
                absent: absent.iter().map(|&digest| digest.to_owned()).collect(),
                ..Examined::default()
            };
            Checked::take(&mut examined).map_err(|error| error.to_string()).map(drop)
        };
        assert_eq!(taken(Some("sha256:a"), &[]), Ok(()));
        assert_eq!(taken(None, &[]), Err("the export is not of one image".to_owned()));
        assert_eq!(
            taken(Some("sha256:a"), &["sha256:b"]),
            Err("the export lacks the manifest sha256:b".to_owned())
        );
    }
}
