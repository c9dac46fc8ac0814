//! `vss-extension.json`, the extension's manifest.
//!
//! Rule: a key that the package's own manifests would not carry is refused, not lost.

use serde::Deserialize;
use serde_json::Value;

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
    pub(crate) files: Vec<Folder>,
    /// Carried over word for word.
    pub(crate) contributions: Vec<Value>,
}

/// A product that the extension can be installed in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) id: String,
}

/// A folder whose files all go in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    pub(crate) path: String,
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
    /// The last part of the asset's type, after `Microsoft.VisualStudio.Services.`.
    pub(crate) kind: &'static str,
    pub(crate) path: &'a str,
    pub(crate) content_type: Option<&'a str>,
}

impl Extension {
    /// The icon, the page and the license.
    pub(crate) fn assets(&self) -> [Asset<'_>; 3] {
        let Content { details, license } = &self.content;
        [
            Asset { kind: "Icons.Default", path: &self.icons.default, content_type: None },
            details.asset("Content.Details"),
            license.asset("Content.License"),
        ]
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
