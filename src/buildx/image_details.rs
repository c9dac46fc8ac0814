//! What the engine tells of an image in its store: for which platforms it is, and of which layers.

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;

use super::engine::{Engine, accepted};
use crate::registry::manifest::Platform;

/// An image, as `GET /images/{name}/json` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageDetails {
    os: String,
    architecture: String,
    variant: Option<String>,
    /// How many bytes it takes in the store.
    #[serde(default)]
    pub size: u64,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// Its manifests and their attestations: the containerd store tells them from Docker 28 on.
    manifests: Option<Vec<StoredManifest>>,
}

/// The layers of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RootFs {
    /// The digests of the layers, unpacked; the lowest first.
    #[serde(default)]
    pub layers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StoredManifest {
    descriptor: Descriptor,
    image_data: Option<ImageData>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Descriptor {
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageData {
    platform: Platform,
}

/// A step of an image's history, as `GET /images/{name}/history` tells it; the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HistoryEntry {
    /// The id of the image that the step ended with; `<missing>` for most.
    #[serde(default)]
    pub id: String,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// The instruction.
    #[serde(default)]
    pub created_by: String,
    /// How many bytes it added.
    #[serde(default)]
    pub size: u64,
}

impl ImageDetails {
    /// The platform of the image; of one for several, the engine's own.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone().filter(|variant| !variant.is_empty()),
        }
    }

    /// Each platform and the digest of its manifest, where the store tells them.
    pub fn platforms(&self) -> impl Iterator<Item = (String, String)> {
        self.manifests.iter().flatten().filter_map(|manifest| {
            let platform = &manifest.image_data.as_ref()?.platform;
            Some((platform.to_string(), manifest.descriptor.digest.clone()))
        })
    }
}

impl Engine {
    /// Describes the image of this id.
    pub async fn details(&self, id: &str) -> anyhow::Result<ImageDetails> {
        let request = self.request(Method::GET, &format!("/images/{id}/json")).query(&[("manifests", "1")]);
        accepted(self.send(request).await?).await?.json().await.context("the engine's answer is cut short")
    }

    /// The history of the image of this id.
    pub async fn history(&self, id: &str) -> anyhow::Result<Vec<HistoryEntry>> {
        let request = self.request(Method::GET, &format!("/images/{id}/history"));
        accepted(self.send(request).await?).await?.json().await.context("the engine's answer is cut short")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_told_with_their_digests() {
        let details: ImageDetails = serde_json::from_str(
            r#"{"Id": "sha256:i", "Os": "linux", "Architecture": "arm", "Variant": "v7", "RootFS": {"Type": "layers", "Layers": ["sha256:l"]},
                "Manifests": [
                  {"Kind": "image", "Descriptor": {"digest": "sha256:a"}, "ImageData": {"Platform": {"os": "linux", "architecture": "amd64"}}},
                  {"Kind": "image", "Descriptor": {"digest": "sha256:b"}, "ImageData": {"Platform": {"os": "linux", "architecture": "arm", "variant": "v7"}}},
                  {"Kind": "attestation", "Descriptor": {"digest": "sha256:c"}, "AttestationData": {"For": "sha256:a"}}]}"#,
        )
        .expect("as an engine has said it");
        let pairs = [("linux/amd64", "sha256:a"), ("linux/arm/v7", "sha256:b")];
        let pairs = pairs.map(|(platform, digest)| (platform.to_owned(), digest.to_owned()));
        assert_eq!(details.platforms().collect::<Vec<_>>(), pairs);
        assert_eq!(details.platform().to_string(), "linux/arm/v7");
        assert_eq!(details.root_fs.layers, ["sha256:l"]);
    }

    #[test]
    fn the_classic_store_tells_its_one_platform() {
        let details: ImageDetails = serde_json::from_str(
            r#"{"Os": "linux", "Architecture": "amd64", "Variant": "", "RootFS": {"Type": "layers"}}"#,
        )
        .expect("as an engine has said it");
        assert_eq!(
            (details.platforms().count(), details.platform().to_string()),
            (0, "linux/amd64".to_owned())
        );
    }
}
