//! What the client leaves behind: buildx's metadata file, or the image id of the older client.

use anyhow::Context as _;
use serde::Deserialize;

/// The fields of `--metadata-file` that the step reads; a newer buildx may write more.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Metadata {
    /// The digest of the manifest, or of the config where the store has no manifests (the classic one).
    #[serde(rename = "containerimage.digest")]
    pub digest: String,
    /// The digest of the config.
    #[serde(rename = "containerimage.config.digest")]
    pub config: Option<String>,
}

impl Metadata {
    /// Parses the metadata file.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(text).context("buildx's metadata file does not say which image was built")
    }

    /// The manifest's digest, if the store has manifests.
    #[must_use]
    pub fn manifest(&self) -> Option<&str> {
        (self.config.as_deref() != Some(self.digest.as_str())).then_some(self.digest.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_stores_are_told_apart() {
        let containerd = Metadata::parse(
            br#"{"buildx.build.ref": "default/default/x", "containerimage.config.digest": "sha256:c",
                 "containerimage.descriptor": {}, "containerimage.digest": "sha256:m"}"#,
        );
        let classic = Metadata::parse(
            br#"{"containerimage.config.digest": "sha256:c", "containerimage.digest": "sha256:c"}"#,
        );
        assert_eq!(containerd.expect("it is whole").manifest(), Some("sha256:m"));
        assert_eq!(classic.expect("it is whole").manifest(), None);
    }

    #[test]
    fn a_file_without_a_digest_is_an_error() {
        for text in ["", "null", "{}", "{\"containerimage.digest\": null}"] {
            Metadata::parse(text.as_bytes()).expect_err(text);
        }
    }
}
