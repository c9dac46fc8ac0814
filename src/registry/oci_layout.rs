//! Reads an image layout (OCI image spec, "Image Layout") as a tar stream, once and in any order: what it holds, by
//! digest.
//!
//! Rule: a digest is known only if the bytes under its name were read and have it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::manifest::{Content, Descriptor, Manifest};

/// The largest manifest that a registry has to take (OCI distribution spec, "Pushing Manifests").
const LARGEST_MANIFEST: usize = 4 << 20;

/// What was read of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// The image's manifest, or its index.
    pub root: Descriptor,
    /// The manifests that the root names, and the root itself, by digest.
    pub manifests: BTreeMap<String, Manifest>,
    /// The digests of all that was read.
    pub digests: BTreeSet<String>,
}

/// An image of an export, for one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    /// Its entry in the index; the root if there is none.
    pub descriptor: &'a Descriptor,
    /// The digest of its config.
    pub config: &'a str,
}

impl Examined {
    /// Reads a layout to its end.
    pub fn read(stream: impl Read) -> anyhow::Result<Self> {
        let mut archive = tar::Archive::new(stream);
        let (mut index, mut digests, mut small) = (None, BTreeSet::new(), BTreeMap::new());
        for entry in archive.entries().context("the export cannot be read")? {
            let mut entry = entry.context("the export is broken off or no archive")?;
            let size = entry.size();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let (found, head) =
                digest(&mut entry, size).with_context(|| format!("the export is broken off in `{path}`"))?;
            if path == "index.json" {
                index = Some(Manifest::parse(head, "").context("the export's index")?);
            } else if let Some(name) = path.strip_prefix("blobs/sha256/").filter(|name| !name.is_empty()) {
                anyhow::ensure!(found == name, "the export holds other bytes than `{path}` says");
                let name = format!("sha256:{name}");
                if head.len() < LARGEST_MANIFEST && head.starts_with(b"{") {
                    small.insert(name.clone(), head);
                }
                digests.insert(name);
            }
        }
        let index = index.context("the export has no index")?;
        let Content::Index(entries) = index.content else { anyhow::bail!("the export's index is none") };
        let [root] = <[Descriptor; 1]>::try_from(entries)
            .map_err(|entries| anyhow::anyhow!("the export holds {} images instead of one", entries.len()))?;
        let mut examined = Self { root, manifests: BTreeMap::new(), digests };
        examined.resolve(&small)?;
        Ok(examined)
    }

    /// Finds the manifests that the root names; every blob that they name must have been read.
    fn resolve(&mut self, small: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
        let mut open = vec![self.root.digest.clone()];
        while let Some(digest) = open.pop() {
            let bytes =
                small.get(&digest).with_context(|| format!("the export lacks the manifest {digest}"))?;
            let manifest = Manifest::parse(bytes.clone(), "")?;
            match &manifest.content {
                Content::Index(children) => {
                    let fresh = children.iter().filter(|child| !self.manifests.contains_key(&child.digest));
                    open.extend(fresh.map(|child| child.digest.clone()));
                }
                Content::Image { config, layers } => {
                    let missing = std::iter::once(config)
                        .chain(layers)
                        .find(|blob| !self.digests.contains(&blob.digest));
                    anyhow::ensure!(missing.is_none(), "the export lacks a blob of {digest}");
                }
            }
            self.manifests.insert(digest, manifest);
        }
        Ok(())
    }

    /// Each platform and the digest of its manifest, as far as the index says it.
    pub fn platforms(&self) -> impl Iterator<Item = (String, String)> {
        let descriptors = self.images().map(|image| image.descriptor);
        descriptors.filter_map(|it| Some((it.platform.as_ref()?.to_string(), it.digest.clone())))
    }

    /// The images, without their attestations, in the order of the index.
    pub fn images(&self) -> impl Iterator<Item = Image<'_>> {
        let descriptors = match self.manifests.get(&self.root.digest).map(|root| &root.content) {
            Some(Content::Index(children)) => &children[..],
            _ => std::slice::from_ref(&self.root),
        };
        descriptors.iter().filter(|descriptor| !descriptor.is_attestation()).filter_map(|descriptor| {
            let config = self.manifests.get(&descriptor.digest)?.config()?;
            Some(Image { descriptor, config })
        })
    }
}

/// The hexadecimal SHA-256 of a stream of `size` bytes, and the first of them.
fn digest(stream: &mut impl Read, size: u64) -> std::io::Result<(String, Vec<u8>)> {
    let (mut hasher, mut head) = (Sha256::new(), Vec::new());
    stream.take(LARGEST_MANIFEST as u64).read_to_end(&mut head)?;
    hasher.update(&head);
    let mut read = head.len() as u64;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 if read == size => return Ok((hex::encode(hasher.finalize()), head)),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => {
                hasher.update(&buffer[..length]);
                read += length as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::manifest;

    /// A layout with these files; the name of a blob is its digest.
    fn layout(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let path = match *name {
                "blob" => manifest::digest(content.as_bytes()).replace("sha256:", "blobs/sha256/"),
                name => name.to_owned(),
            };
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append_data(&mut header, path, content.as_bytes()).expect("memory");
        }
        archive.into_inner().expect("memory")
    }

    fn descriptor(text: &str, more: &str) -> String {
        format!(
            r#"{{"mediaType": "m", "digest": "{}", "size": {}{more}}}"#,
            manifest::digest(text.as_bytes()),
            text.len()
        )
    }

    fn image(config: &str, layer: &str) -> String {
        format!(r#"{{"config": {}, "layers": [{}]}}"#, descriptor(config, ""), descriptor(layer, ""))
    }

    fn index(entries: &[String]) -> String {
        format!(r#"{{"manifests": [{}]}}"#, entries.join(", "))
    }

    #[test]
    fn one_image_is_its_manifest() {
        let image = image("{}", "layer");
        let root = index(&[descriptor(&image, "")]);
        let stream = layout(&[
            ("oci-layout", "{}"),
            ("blob", "{}"),
            ("blob", "layer"),
            ("blob", &image),
            ("index.json", &root),
        ]);
        let examined = Examined::read(&stream[..]).expect("whole");
        let digests = ["{}", "layer", &image].map(|text| manifest::digest(text.as_bytes()));
        assert_eq!(examined.root.digest, digests[2]);
        assert_eq!(examined.images().map(|image| image.config).collect::<Vec<_>>(), [digests[0].as_str()]);
        assert_eq!(examined.digests, digests.into());
    }

    #[test]
    fn an_index_is_its_platforms_without_their_attestations() {
        let (arm, amd) = (image("{}", "arm"), image(" {}", "amd"));
        let attestation = image("{ }", "{}");
        let inner = index(&[
            descriptor(&arm, r#", "platform": {"os": "linux", "architecture": "arm64"}"#),
            descriptor(&amd, r#", "platform": {"os": "linux", "architecture": "amd64"}"#),
            descriptor(
                &attestation,
                r#", "annotations": {"vnd.docker.reference.type": "attestation-manifest"}"#,
            ),
        ]);
        let root = index(&[descriptor(&inner, "")]);
        let blobs = ["{}", " {}", "{ }", "arm", "amd", &arm, &amd, &attestation, &inner];
        let mut files = vec![("index.json", root.as_str())];
        files.extend(blobs.map(|blob| ("blob", blob)));
        let examined = Examined::read(&layout(&files)[..]).expect("whole");
        let platforms: Vec<_> = examined
            .images()
            .map(|image| image.descriptor.platform.as_ref().expect("a platform").to_string())
            .collect();
        assert_eq!(platforms, ["linux/arm64", "linux/amd64"]);
        assert_eq!(examined.manifests.len(), 4);
    }

    #[test]
    fn what_is_not_whole_is_an_error() {
        let image = image("{}", "layer");
        let root = index(&[descriptor(&image, "")]);
        let two = index(&[descriptor(&image, ""), descriptor("{}", "")]);
        let table: [(&[(&str, &str)], &str); 6] = [
            (&[], "the export has no index"),
            (&[("index.json", "{")], "the export's index"),
            (&[("index.json", &two)], "the export holds 2 images instead of one"),
            (&[("index.json", &root)], "the export lacks the manifest DIGEST"),
            (&[("blob", &image), ("blob", "{}"), ("index.json", &root)], "the export lacks a blob of DIGEST"),
            (&[("blobs/sha256/00", "x")], "the export holds other bytes than `blobs/sha256/00` says"),
        ];
        for (files, expected) in table {
            let error = Examined::read(&layout(files)[..]).expect_err(expected).to_string();
            assert_eq!(error.replace(&manifest::digest(image.as_bytes()), "DIGEST"), expected);
        }
        let whole = layout(&[("blob", "layer"), ("index.json", &root)]);
        let cut = Examined::read(&whole[..514]).expect_err("cut").to_string();
        assert!(cut.starts_with("the export is broken off in `blobs/sha256/"), "{cut}");
    }
}
