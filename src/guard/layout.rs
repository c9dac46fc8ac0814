//! Which blobs of an archive make up which image.
//!
//! Rule: an image counts only if all of it was read: its manifest, its config and every layer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::image::{Blob, Blobs, Image, Layer};

/// The annotation by which BuildKit marks an attestation in an index (docs/attestations/attestation-storage.md of
/// moby/buildkit).
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// How deep indexes may lie in each other.
const DEEPEST: usize = 4;

/// What an archive holds.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) images: Vec<(Image, Vec<History>)>,
    /// The digest of the manifest or index that the archive is of, if it is of one.
    pub(super) root: Option<String>,
    /// The digests of the indexes.
    pub(super) indexes: Vec<String>,
    pub(super) attestations: Vec<Attestation>,
    /// The digests of manifests that an index names and the archive does not have.
    pub(super) absent: Vec<String>,
}

/// An attestation manifest.
#[derive(Debug)]
pub(super) struct Attestation {
    /// Its digest.
    pub(super) manifest: String,
    /// The digests of its statements.
    pub(super) statements: Vec<String>,
}

/// An entry of the history in a config.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct History {
    #[serde(default)]
    pub(super) created_by: String,
    #[serde(default)]
    pub(super) empty_layer: bool,
}

/// An index or a manifest (OCI image specification); each has a part of it, and none has both: what to one client is
/// this image would be another one to the next (CVE-2021-41190).
#[derive(Deserialize)]
struct Manifest {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Default, Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    fn is_attestation(&self) -> bool {
        let annotations = self.annotations.as_ref();
        annotations.and_then(|all| all.get(REFERENCE_TYPE)).is_some_and(|kind| kind == "attestation-manifest")
    }
}

/// An image in docker's own format.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Option<Vec<String>>,
}

/// What is needed of a config.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

impl Config {
    /// E.g. `linux/arm64/v8`.
    fn platform(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        parts.map(String::as_str).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }
}

impl Layout {
    pub(super) fn resolve(blobs: &Blobs) -> anyhow::Result<Self> {
        let mut layout = Self::default();
        if let Some(digest) = blobs.paths.get("index.json") {
            layout.index(blobs, digest, &mut BTreeSet::new(), 0)?;
            if let Some([root]) = document::<Manifest>(blobs, digest)?.manifests.as_deref() {
                layout.root = Some(root.digest.clone());
            }
        } else if let Some(digest) = blobs.paths.get("manifest.json") {
            for saved in document::<Vec<Saved>>(blobs, digest)? {
                layout.saved(blobs, &saved)?;
            }
        } else {
            bail!("the image's archive has neither an `index.json` nor a `manifest.json`");
        }
        Ok(layout)
    }

    fn index(
        &mut self,
        blobs: &Blobs,
        digest: &str,
        seen: &mut BTreeSet<String>,
        depth: usize,
    ) -> anyhow::Result<()> {
        if depth > DEEPEST {
            bail!("the image's indexes lie more than {DEEPEST} deep in each other");
        }
        self.indexes.push(digest.to_owned());
        for descriptor in document::<Manifest>(blobs, digest)?.manifests.unwrap_or_default() {
            if !seen.insert(descriptor.digest.clone()) {
                continue;
            }
            if !blobs.by_digest.contains_key(&descriptor.digest) {
                self.absent.push(descriptor.digest);
                continue;
            }
            let manifest: Manifest = document(blobs, &descriptor.digest)?;
            match (&manifest.config, &manifest.manifests) {
                (None, Some(_)) => self.index(blobs, &descriptor.digest, seen, depth + 1)?,
                (Some(_), None) if descriptor.is_attestation() => {
                    self.attestations.push(Attestation::read(blobs, descriptor.digest, &manifest)?);
                }
                (Some(config), None) => {
                    self.image(blobs, Some(descriptor.digest), &config.digest, &manifest.layers)?;
                }
                (Some(_), Some(_)) => {
                    bail!("`{}` of the image is both a manifest and an index", descriptor.digest)
                }
                (None, None) => bail!(
                    "`{}` of the image, of the type `{}`, is neither a manifest nor an index",
                    descriptor.digest,
                    descriptor.media_type
                ),
            }
        }
        Ok(())
    }

    fn image(
        &mut self,
        blobs: &Blobs,
        manifest: Option<String>,
        config: &str,
        layers: &[Descriptor],
    ) -> anyhow::Result<()> {
        let content: Config = document(blobs, config)?;
        let platform = content.platform();
        let diff_ids = content.rootfs.diff_ids.unwrap_or_default();
        if diff_ids.len() != layers.len() {
            bail!("the image for {platform} has {} layers and names {}", layers.len(), diff_ids.len());
        }
        for Descriptor { digest, media_type, .. } in layers {
            check_layer(blobs, digest).with_context(|| match media_type.as_str() {
                "" => format!("cannot read layer `{digest}` of the image"),
                _ => format!("cannot read layer `{digest}` of the image, of the type `{media_type}`"),
            })?;
        }
        let layers = layers.iter().zip(diff_ids);
        let layer = |(layer, diff_id): (&Descriptor, String)| Layer {
            digest: layer.digest.clone(),
            diff_id,
            size: layer.size,
        };
        let layers = layers.map(layer).collect();
        let image = Image { platform, manifest, config: config.to_owned(), layers };
        self.images.push((image, content.history.unwrap_or_default()));
        Ok(())
    }

    fn saved(&mut self, blobs: &Blobs, saved: &Saved) -> anyhow::Result<()> {
        let config = blobs.at(&saved.config)?;
        if let Some(named) = saved.config.strip_suffix(".json")
            && config != format!("sha256:{named}")
        {
            bail!("the image's config `{}` has the digest `{config}`", saved.config);
        }
        let paths = saved.layers.iter().flatten();
        let layer =
            |path: &String| Ok(Descriptor { digest: blobs.at(path)?.to_owned(), ..Descriptor::default() });
        let layers = paths.map(layer).collect::<anyhow::Result<Vec<_>>>()?;
        self.image(blobs, None, config, &layers)?;
        // They are stored unpacked, so the config names what was read.
        for layer in self.images.iter().flat_map(|(image, _)| &image.layers) {
            if layer.digest != layer.diff_id {
                bail!("layer `{}` of the image has the digest `{}`", layer.diff_id, layer.digest);
            }
        }
        Ok(())
    }
}

impl Attestation {
    fn read(blobs: &Blobs, manifest: String, content: &Manifest) -> anyhow::Result<Self> {
        let statements: Vec<String> =
            content.config.iter().chain(&content.layers).map(|part| part.digest.clone()).collect();
        for digest in &statements {
            match blobs.by_digest.get(digest) {
                Some(Blob::Document(..) | Blob::Layer(..)) => {}
                Some(Blob::Skipped) | None => bail!("`{digest}` of an attestation was not read"),
            }
        }
        Ok(Self { manifest, statements })
    }
}

fn check_layer(blobs: &Blobs, digest: &str) -> anyhow::Result<()> {
    match blobs.by_digest.get(digest) {
        Some(Blob::Layer(_, Ok(())) | Blob::Skipped) => Ok(()),
        Some(Blob::Layer(_, Err(error))) => bail!("{error}"),
        Some(Blob::Document(..)) => bail!("it is no archive"),
        None => bail!("it is not in the image's archive"),
    }
}

fn document<T: DeserializeOwned>(blobs: &Blobs, digest: &str) -> anyhow::Result<T> {
    let bytes = match blobs.by_digest.get(digest) {
        Some(Blob::Document(bytes, _)) => bytes,
        Some(_) => bail!("`{digest}` of the image is no JSON document of bearable size"),
        None => bail!("`{digest}` is not in the image's archive"),
    };
    serde_json::from_slice(bytes).with_context(|| format!("cannot read `{digest}` of the image"))
}
