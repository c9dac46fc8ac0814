//! `vss-extension.json`, the extension's manifest.
//!
//! Rule: a key that the package's own manifests would not carry is refused, not lost.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::checksums;

/// The folder of the task's files in the package.
pub(crate) const TASK: &str = "task";

/// The folder of the pictures in the package. The page of the extension lies beside it, so that a link from there is the
/// same from the package's root: the marketplace finds a picture by its asset's type, which is its path.
const PICTURES: &str = "images";

/// The pictures on the page of the extension.
const PICTURE_FILES: [&str; 3] = ["images/log.png", "images/refused.png", "images/summary.png"];

/// The type of the extension's icon among its assets.
pub(crate) const ICON: &str = "Microsoft.VisualStudio.Services.Icons.Default";

/// The type of the license among the assets.
pub(crate) const LICENSE: &str = "Microsoft.VisualStudio.Services.Content.License";

/// The manifest, with the keys that this extension uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Extension {
    pub(crate) manifest_version: u32,
    pub(crate) id: String,
    pub(crate) publisher: String,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) public: bool,
    pub(crate) categories: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) targets: Vec<Target>,
    icons: Icons,
    content: Content,
    files: Vec<Folder>,
    /// Carried over word for word.
    pub(crate) contributions: Vec<Value>,
}

/// A product that the extension can be installed in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) id: String,
}

/// A file, or a folder whose files all go in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Folder {
    path: String,
    /// Whether the marketplace gives each file an address.
    #[serde(default)]
    addressable: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Icons {
    default: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    details: Page,
    license: Page,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Page {
    path: String,
    content_type: Option<String>,
}

/// A file that the marketplace shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset<'a> {
    /// The asset's type.
    pub(crate) kind: &'static str,
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'a str>,
}

/// The manifest's text with the version in it, which in the sources it lacks, and with another publisher if one is given.
pub(crate) fn complete(manifest: &[u8], version: &str, publisher: Option<&str>) -> Result<Vec<u8>> {
    let mut manifest: Value = serde_json::from_slice(manifest).context("it is no JSON")?;
    if manifest.get("version").is_some() {
        bail!(
            "it has a `version` of its own\n\nhint: remove that: it follows from `version` in `Cargo.toml`"
        );
    }
    manifest["version"] = version.into();
    if let Some(publisher) = publisher {
        manifest["publisher"] = publisher.into();
    }
    Ok(format!("{manifest:#}\n").into_bytes())
}

impl Extension {
    /// Reads a manifest that is complete.
    pub(crate) fn parse(manifest: &[u8]) -> Result<Self> {
        let extension: Self = serde_json::from_slice(manifest)?;
        for (key, id) in [("publisher", &extension.publisher), ("id", &extension.id)] {
            if !is_id(id) {
                bail!(
                    "`{key}` is `{id}`, which the marketplace takes for no id\n\n\
                     hint: write letters, digits and `-` alone, with no `-` at either end"
                );
            }
        }
        let files: Vec<_> =
            extension.files.iter().map(|folder| (folder.path.as_str(), folder.addressable)).collect();
        if files != [(TASK, false), (checksums::NAME, false), (PICTURES, true)] {
            bail!("`files` is not `{TASK}`, `{}` and, addressable, `{PICTURES}`", checksums::NAME);
        }
        Ok(extension)
    }

    /// The pictures, the icon, the page and the license.
    pub(crate) fn assets(&self) -> Vec<Asset<'_>> {
        let Content { details, license } = &self.content;
        let mut assets: Vec<_> =
            PICTURE_FILES.into_iter().map(|path| Asset { kind: path, path, content_type: None }).collect();
        assets.extend([
            Asset { kind: ICON, path: &self.icons.default, content_type: None },
            details.asset("Microsoft.VisualStudio.Services.Content.Details"),
            license.asset(LICENSE),
        ]);
        assets
    }

    /// The package's file name, as `tfx` gives it.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}-{}.vsix", self.publisher, self.id, self.version)
    }
}

impl Page {
    fn asset(&self, kind: &'static str) -> Asset<'_> {
        Asset { kind, path: &self.path, content_type: self.content_type.as_deref() }
    }
}

/// Whether a text can name a publisher or an extension: it becomes part of addresses and of file names.
fn is_id(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(publisher: &str) -> Result<Extension> {
        let manifest = std::fs::read(crate::root().join("vss-extension.json")).unwrap();
        Extension::parse(&complete(&manifest, "1.2.3", Some(publisher)).unwrap())
    }

    #[test]
    fn the_package_is_named_by_publisher_id_and_version() {
        assert_eq!(parse("Contoso-2").unwrap().file_name(), "Contoso-2.feedbuild-1.2.3.vsix");
    }

    #[test]
    fn an_odd_publisher_is_refused() {
        for publisher in ["", "two words", "a.b", "../a", "contoso-", "-", "ｆ", "a/b", "a_b", "a\n"] {
            assert_eq!(
                parse(publisher).unwrap_err().to_string(),
                format!(
                    "`publisher` is `{publisher}`, which the marketplace takes for no id\n\n\
                     hint: write letters, digits and `-` alone, with no `-` at either end"
                )
            );
        }
    }

    #[test]
    fn a_version_in_the_sources_is_refused() {
        assert_eq!(
            complete(br#"{"version": "1.0.0"}"#, "1.2.3", None).unwrap_err().to_string(),
            "it has a `version` of its own\n\nhint: remove that: it follows from `version` in `Cargo.toml`"
        );
    }
}
