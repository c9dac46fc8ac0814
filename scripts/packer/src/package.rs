//! The parts of the package: the extension's files and the three manifests that the marketplace reads.
//!
//! Rule: every text is the one that the official `tfx extension create` writes for the same folder.

use std::path::Path;

use anyhow::{Context, Result};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use crate::manifest::{Extension, ICON, LICENSE};
use crate::stage::{File, Stage};

const VSIX_MANIFEST: &str = "extension.vsixmanifest";
const VSO_MANIFEST: &str = "extension.vsomanifest";

/// A part's name in the package and what is in it.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// All parts, in the order in which they stand in the package.
pub(crate) fn parts(stage: &Stage) -> Result<Vec<Part>> {
    let part = |name: &str, bytes| Part { name: name.to_owned(), bytes };
    let mut parts = vec![
        part("[Content_Types].xml", content_types(stage)?),
        part(VSO_MANIFEST, vso_manifest(&stage.extension)?),
    ];
    parts.extend(stage.files.iter().map(|file| part(&file.path, file.bytes.clone())));
    parts.push(part(VSIX_MANIFEST, vsix_manifest(&stage.extension)?));
    Ok(parts)
}

type Xml = Writer<Vec<u8>>;

fn xml(render: impl FnOnce(&mut Xml) -> std::io::Result<()>) -> Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    render(&mut xml)?;
    Ok(xml.into_inner())
}

/// An element that holds text, in the short form where there is none.
fn text(xml: &mut Xml, name: &str, text: &str) -> std::io::Result<()> {
    let element = xml.create_element(name);
    if text.is_empty() {
        element.write_empty()?
    } else {
        element.write_text_content(BytesText::new(text))?
    };
    Ok(())
}

/// `[Content_Types].xml`: a type for every suffix, and one for every file that has none or tells its own.
fn content_types(stage: &Stage) -> Result<Vec<u8>> {
    let mut defaults: Vec<(&str, &str)> = Vec::new();
    let mut overrides = Vec::new();
    for File { path, .. } in &stage.files {
        let declared =
            stage.extension.assets().iter().find(|asset| asset.path == path).and_then(|a| a.content_type);
        let suffix = Path::new(path).extension().and_then(|suffix| suffix.to_str());
        match (declared, suffix) {
            (Some(declared), _) => overrides.push((path, declared)),
            (None, None) => overrides.push((path, "application/octet-stream")),
            (None, Some(suffix)) if defaults.iter().any(|(known, _)| *known == suffix) => {}
            (None, Some(suffix)) => {
                let content_type =
                    content_type(suffix).with_context(|| format!("no content type is known for `{path}`"))?;
                defaults.push((suffix, content_type));
            }
        }
    }
    defaults.extend([("vsixmanifest", "text/xml"), ("vsomanifest", "application/json")]);

    xml(|xml| {
        let types = xml.create_element("Types");
        let types =
            types.with_attribute(("xmlns", "http://schemas.openxmlformats.org/package/2006/content-types"));
        types.write_inner_content(|xml| {
            for (suffix, content_type) in defaults {
                xml.create_element("Default")
                    .with_attribute(("Extension", format!(".{suffix}").as_str()))
                    .with_attribute(("ContentType", content_type))
                    .write_empty()?;
            }
            for (path, content_type) in overrides {
                xml.create_element("Override")
                    .with_attribute(("ContentType", content_type))
                    .with_attribute(("PartName", format!("/{path}").as_str()))
                    .write_empty()?;
            }
            Ok(())
        })?;
        Ok(())
    })
}

fn content_type(suffix: &str) -> Option<&'static str> {
    Some(match suffix {
        "exe" => "application/octet-stream",
        "js" => "application/javascript",
        "json" => "application/json",
        "md" => "text/markdown",
        "png" => "image/png",
        "txt" => "text/plain",
        _ => return None,
    })
}

/// `extension.vsixmanifest`: what the marketplace shows.
fn vsix_manifest(extension: &Extension) -> Result<Vec<u8>> {
    xml(|xml| {
        xml.create_element("PackageManifest")
            .with_attribute(("Version", "2.0.0"))
            .with_attribute(("xmlns", "http://schemas.microsoft.com/developer/vsx-schema/2011"))
            .with_attribute(("xmlns:d", "http://schemas.microsoft.com/developer/vsx-schema-design/2011"))
            .write_inner_content(|xml| {
                metadata(xml, extension)?;
                xml.create_element("Dependencies").write_empty()?;
                xml.create_element("Installation").write_inner_content(|xml| {
                    for target in &extension.targets {
                        let element = xml.create_element("InstallationTarget");
                        element.with_attribute(("Id", target.id.as_str())).write_empty()?;
                    }
                    Ok(())
                })?;
                assets(xml, extension)
            })?;
        Ok(())
    })
}

fn metadata(xml: &mut Xml, extension: &Extension) -> std::io::Result<()> {
    xml.create_element("Metadata").write_inner_content(|xml| {
        xml.create_element("Identity")
            .with_attribute(("Language", "en-US"))
            .with_attribute(("Id", extension.id.as_str()))
            .with_attribute(("Publisher", extension.publisher.as_str()))
            .with_attribute(("Version", extension.version.as_str()))
            .write_empty()?;
        text(xml, "DisplayName", &extension.name)?;
        xml.create_element("Description")
            .with_attribute(("xml:space", "preserve"))
            .write_text_content(BytesText::new(&extension.description))?;
        text(xml, "GalleryFlags", if extension.public { "Public" } else { "" })?;
        text(xml, "Categories", &extension.categories.join(","))?;
        text(xml, "Tags", &extension.tags.join(","))?;
        for asset in extension.assets() {
            match asset.kind {
                ICON => text(xml, "Icon", asset.path)?,
                LICENSE => text(xml, "License", asset.path)?,
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(())
}

fn assets(xml: &mut Xml, extension: &Extension) -> std::io::Result<()> {
    let mut assets: Vec<_> = extension.assets().iter().map(|asset| (asset.kind, asset.path)).collect();
    assets.push(("Microsoft.VisualStudio.Services.Manifest", VSO_MANIFEST));
    xml.create_element("Assets").write_inner_content(|xml| {
        for (kind, path) in assets {
            xml.create_element("Asset")
                .with_attribute(("Type", kind))
                .with_attribute(("d:Source", "File"))
                .with_attribute(("Path", path))
                .with_attribute(("Addressable", "true"))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What Azure DevOps reads of the extension.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VsoManifest<'a> {
    manifest_version: u32,
    contributions: &'a [Value],
    scopes: [Value; 0],
    contribution_types: [Value; 0],
}

/// `extension.vsomanifest`: what Azure DevOps installs.
fn vso_manifest(extension: &Extension) -> Result<Vec<u8>> {
    let manifest = VsoManifest {
        manifest_version: extension.manifest_version,
        contributions: &extension.contributions,
        scopes: [],
        contribution_types: [],
    };
    let mut bytes = Vec::new();
    manifest.serialize(&mut Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    ")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::sample;

    fn part(name: &str) -> String {
        let parts = parts(&sample(b"binary")).unwrap();
        let part = parts.into_iter().find(|part| part.name == name).unwrap();
        String::from_utf8(part.bytes).unwrap()
    }

    #[test]
    fn every_suffix_and_every_file_without_one_has_a_content_type() {
        assert_eq!(
            part("[Content_Types].xml"),
            r#"<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension=".txt" ContentType="text/plain"/>
  <Default Extension=".png" ContentType="image/png"/>
  <Default Extension=".js" ContentType="application/javascript"/>
  <Default Extension=".json" ContentType="application/json"/>
  <Default Extension=".md" ContentType="text/markdown"/>
  <Default Extension=".vsixmanifest" ContentType="text/xml"/>
  <Default Extension=".vsomanifest" ContentType="application/json"/>
  <Override ContentType="application/octet-stream" PartName="/task/bin/linux-x64/feedbuild"/>
  <Override ContentType="text/plain" PartName="/LICENSE"/>
</Types>"#
        );
    }

    #[test]
    fn a_file_of_an_unknown_suffix_is_refused() {
        let mut stage = sample(b"binary");
        stage.files.push(File { path: "task/notes.docx".to_owned(), bytes: Vec::new() });
        assert_eq!(
            content_types(&stage).unwrap_err().to_string(),
            "no content type is known for `task/notes.docx`"
        );
    }

    #[test]
    fn the_marketplaces_manifest_is_word_for_word_that_of_tfx() {
        assert_eq!(
            part(VSIX_MANIFEST),
            r#"<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011" xmlns:d="http://schemas.microsoft.com/developer/vsx-schema-design/2011">
  <Metadata>
    <Identity Language="en-US" Id="feedbuild" Publisher="feedbuild" Version="VERSION"/>
    <DisplayName>Docker Build with Private Feeds</DisplayName>
    <Description xml:space="preserve">One step that signs in to private Azure Artifacts feeds, builds an image with BuildKit and pushes it, so that no credential stays in the image, its history or the log.</Description>
    <GalleryFlags/>
    <Categories>Azure Pipelines</Categories>
    <Tags>docker,buildkit,azure artifacts,pip,secrets</Tags>
    <Icon>extension/icon.png</Icon>
    <License>LICENSE</License>
  </Metadata>
  <Dependencies/>
  <Installation>
    <InstallationTarget Id="Microsoft.VisualStudio.Services"/>
  </Installation>
  <Assets>
    <Asset Type="images/log.png" d:Source="File" Path="images/log.png" Addressable="true"/>
    <Asset Type="images/refused.png" d:Source="File" Path="images/refused.png" Addressable="true"/>
    <Asset Type="images/summary.png" d:Source="File" Path="images/summary.png" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Icons.Default" d:Source="File" Path="extension/icon.png" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.Details" d:Source="File" Path="overview.md" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Content.License" d:Source="File" Path="LICENSE" Addressable="true"/>
    <Asset Type="Microsoft.VisualStudio.Services.Manifest" d:Source="File" Path="extension.vsomanifest" Addressable="true"/>
  </Assets>
</PackageManifest>"#
            .replace("VERSION", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn texts_are_escaped_and_a_public_extension_says_so() {
        let mut extension = sample(b"binary").extension;
        extension.name = "Tom & Jerry <3".to_owned();
        extension.public = true;
        let manifest = String::from_utf8(vsix_manifest(&extension).unwrap()).unwrap();
        assert!(manifest.contains("<DisplayName>Tom &amp; Jerry &lt;3</DisplayName>"), "{manifest}");
        assert!(manifest.contains("<GalleryFlags>Public</GalleryFlags>"), "{manifest}");
    }

    #[test]
    fn the_services_manifest_holds_the_contribution() {
        assert_eq!(
            part(VSO_MANIFEST),
            r#"{
    "manifestVersion": 1,
    "contributions": [
        {
            "id": "docker-build-with-feeds",
            "type": "ms.vss-distributed-task.task",
            "targets": [
                "ms.vss-distributed-task.tasks"
            ],
            "properties": {
                "name": "task"
            }
        }
    ],
    "scopes": [],
    "contributionTypes": []
}"#
        );
    }
}
