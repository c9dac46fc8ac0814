//! What the client leaves behind: buildx's metadata file, or the image id of the older client.

use anyhow::Context as _;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::registry::manifest::Platform;

/// The content of buildx's `--metadata-file` (buildx `util/metadatautil`, BuildKit `exporter/containerimage/exptypes`).
/// A newer buildx may write more; what the step does not know it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The digest of the manifest, or of the config where the store has no manifests (the classic one).
    pub digest: String,
    /// The digest of the config; an index has none.
    pub config: Option<String>,
    fields: Map<String, Value>,
}

impl Metadata {
    /// Parses the metadata file; one that names no image is an error.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let fields: Map<String, Value> =
            serde_json::from_slice(text).with_context(|| match text.trim_ascii() {
                [] => "buildx's metadata file is empty",
                _ => "buildx's metadata file is no JSON object",
            })?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let descriptor = || fields.get("containerimage.descriptor")?.get("digest")?.as_str();
        let digest = text("containerimage.digest").or_else(descriptor).map(str::to_owned);
        let digest = digest.context("buildx's metadata file does not say which image was built")?;
        Ok(Self { digest, config: text("containerimage.config.digest").map(str::to_owned), fields })
    }

    /// The manifest's digest, if the store has manifests.
    #[must_use]
    pub fn manifest(&self) -> Option<&str> {
        (self.config.as_deref() != Some(self.digest.as_str())).then_some(self.digest.as_str())
    }

    /// The platform of an image for one.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        Platform::deserialize(self.fields.get("containerimage.descriptor")?.get("platform")?).ok()
    }

    /// Whether the image is one for several platforms, or one with attestations: an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        let kind = || self.fields.get("containerimage.descriptor")?.get("mediaType")?.as_str();
        kind().is_some_and(|kind| kind.contains(".index.") || kind.contains(".list."))
    }

    /// The build's name among buildx's records: `<builder>/<node>/<id>`.
    #[must_use]
    pub fn build_ref(&self) -> Option<&str> {
        self.fields.get("buildx.build.ref")?.as_str()
    }
}

/// The metadata file of an image, as buildx would have written it if it had pushed the image itself under `names`;
/// `built` is what it has written.
#[must_use]
pub fn of_image(
    built: Option<&Metadata>,
    digest: Option<&str>,
    config: Option<&str>,
    names: &[String],
) -> Value {
    let mut fields = built.map(|built| built.fields.clone()).unwrap_or_default();
    let names = Some(names.join(",")).filter(|names| !names.is_empty());
    for (key, value) in [
        ("containerimage.config.digest", config),
        ("containerimage.digest", digest.or(config)),
        ("image.name", names.as_deref()),
    ] {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value.into());
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn both_stores_are_told_apart() {
        let containerd = Metadata::parse(
            br#"{"buildx.build.ref": "default/default/x", "containerimage.config.digest": "sha256:c",
                 "containerimage.descriptor": {"mediaType": "application/vnd.oci.image.index.v1+json"},
                 "containerimage.digest": "sha256:m"}"#,
        )
        .expect("it is whole");
        assert!(containerd.is_index());
        assert_eq!(
            (containerd.manifest(), containerd.config.as_deref()),
            (Some("sha256:m"), Some("sha256:c"))
        );
        assert_eq!(containerd.build_ref(), Some("default/default/x"));
        let classic = Metadata::parse(
            br#"{"containerimage.config.digest": "sha256:c", "containerimage.digest": "sha256:c"}"#,
        )
        .expect("it is whole");
        assert!(!classic.is_index());
        assert_eq!((classic.manifest(), classic.build_ref(), classic.platform()), (None, None, None));
        let platform = Metadata::parse(
            br#"{"containerimage.descriptor": {"digest": "sha256:m", "platform": {"architecture": "arm", "os": "linux", "variant": "v7"}}}"#,
        );
        let platform = platform.expect("it is whole").platform().map(|platform| platform.to_string());
        assert_eq!(platform.as_deref(), Some("linux/arm/v7"));
    }

    #[test]
    fn a_newer_shape_is_read_as_far_as_it_is_known() {
        let newer = Metadata::parse(
            br#"{"containerimage.descriptor": {"digest": "sha256:m", "new": [1]}, "containerimage.digest": {"sha256": "m"},
                 "containerimage.config.digest": null, "buildx.build.ref": 7, "buildx.build.new": {"x": null}}"#,
        )
        .expect("the descriptor names the image");
        assert_eq!(
            (newer.manifest(), newer.config.as_deref(), newer.build_ref()),
            (Some("sha256:m"), None, None)
        );
    }

    #[test]
    fn a_file_without_an_image_says_what_is_wrong() {
        let table = [
            (
                "",
                "buildx's metadata file is empty\n  caused by: EOF while parsing a value at line 1 column 0",
            ),
            (
                "{\"containerimage.digest\": \"sha",
                "buildx's metadata file is no JSON object\n  caused by: EOF while parsing a string at line 1 column 30",
            ),
            (
                "null",
                "buildx's metadata file is no JSON object\n  caused by: invalid type: null, expected a map at line 1 column 4",
            ),
            ("{}", "buildx's metadata file does not say which image was built"),
            (
                "{\"containerimage.digest\": null, \"containerimage.descriptor\": []}",
                "buildx's metadata file does not say which image was built",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(error::render(&Metadata::parse(text.as_bytes()).expect_err(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_was_pushed_takes_the_place_of_what_was_built() {
        let classic = Metadata::parse(
            br#"{"buildx.build.ref": "r", "containerimage.config.digest": "sha256:c", "containerimage.digest": "sha256:c",
                 "new": 1}"#,
        )
        .expect("it is whole");
        let names = ["h/app:1".to_owned(), "h/app:2".to_owned()];
        assert_eq!(
            of_image(Some(&classic), Some("sha256:m"), Some("sha256:c"), &names).to_string(),
            r#"{"buildx.build.ref":"r","containerimage.config.digest":"sha256:c","containerimage.digest":"sha256:m","new":1,"image.name":"h/app:1,h/app:2"}"#
        );
        assert_eq!(
            of_image(None, None, Some("sha256:c"), &[]).to_string(),
            r#"{"containerimage.config.digest":"sha256:c","containerimage.digest":"sha256:c"}"#
        );
    }
}
