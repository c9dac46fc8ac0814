//! Manifests and indexes (OCI image spec, "Image Manifest" and "Image Index"; Docker's schema 2 is alike).

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A manifest or index, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `sha256:` and the SHA-256 of its bytes, computed here.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it names.
    pub content: Content,
}

/// What a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The blobs of an image or of an attestation.
    Image {
        /// The config.
        config: Descriptor,
        /// The layers, the lowest first.
        layers: Vec<Descriptor>,
    },
    /// Other manifests: one a platform, and their attestations.
    Index(Vec<Descriptor>),
}

/// A reference to content by its digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// Size in bytes.
    #[serde(default)]
    pub size: u64,
    /// The platform, in an index.
    pub platform: Option<Platform>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// A platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// E.g. `linux`.
    pub os: String,
    /// E.g. `arm64`.
    pub architecture: String,
    /// E.g. `v7`.
    pub variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
}

impl Manifest {
    /// Parses a manifest; `media_type` is for one that does not say its own.
    pub fn parse(bytes: Vec<u8>, media_type: &str) -> anyhow::Result<Self> {
        let body: Body = serde_json::from_slice(&bytes).context("the registry's manifest is no JSON")?;
        let content = match (body.manifests, body.config) {
            (Some(manifests), _) => Content::Index(manifests),
            (None, Some(config)) => Content::Image { config, layers: body.layers },
            (None, None) => {
                anyhow::bail!("the registry's manifest names neither a config nor other manifests")
            }
        };
        let media_type = body.media_type.unwrap_or_else(|| media_type.to_owned());
        Ok(Self { digest: digest(&bytes), media_type, bytes, content })
    }

    /// Each platform of an index and the digest of its manifest; an image names none.
    pub fn platforms(&self) -> impl Iterator<Item = (String, String)> {
        let children = match &self.content {
            Content::Index(children) => children.as_slice(),
            Content::Image { .. } => &[],
        };
        children
            .iter()
            .filter(|child| !child.is_attestation())
            .filter_map(|child| Some((child.platform.as_ref()?.to_string(), child.digest.clone())))
    }

    /// The config's digest; an index has none.
    #[must_use]
    pub fn config(&self) -> Option<&str> {
        match &self.content {
            Content::Image { config, .. } => Some(&config.digest),
            Content::Index(_) => None,
        }
    }
}

impl Descriptor {
    /// Whether it is an attestation of another manifest of the same index (BuildKit `docs/attestations`).
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// The digest of bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn an_index_names_platforms_and_attestations() {
        let text = r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            {"mediaType": "m", "digest": "sha256:a", "size": 1, "platform": {"architecture": "arm", "os": "linux", "variant": "v7"}},
            {"mediaType": "m", "digest": "sha256:b", "size": 2, "platform": {"architecture": "unknown", "os": "unknown"},
             "annotations": {"vnd.docker.reference.digest": "sha256:a", "vnd.docker.reference.type": "attestation-manifest"}}]}"#;
        let manifest = Manifest::parse(text.into(), "").expect("an index");
        assert_eq!(
            (manifest.media_type.as_str(), manifest.config()),
            ("application/vnd.oci.image.index.v1+json", None)
        );
        let Content::Index(children) = manifest.content else { panic!("{:?}", manifest.content) };
        let shown: Vec<_> = children
            .iter()
            .map(|child| {
                let platform = child.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                (child.digest.as_str(), platform, child.is_attestation())
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("sha256:a", "linux/arm/v7".to_owned(), false),
                ("sha256:b", "unknown/unknown".to_owned(), true)
            ]
        );
    }

    #[test]
    fn what_is_no_manifest() {
        for (text, expected) in [
            ("<html>", "the registry's manifest is no JSON"),
            ("{}", "the registry's manifest names neither a config nor other manifests"),
        ] {
            assert_eq!(Manifest::parse(text.into(), "").expect_err(text).to_string(), expected);
        }
    }
}
