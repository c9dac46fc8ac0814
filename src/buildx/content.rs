//! The files in which an engine of this machine keeps the blobs of its images (containerd's content store).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::local::{LocalImage, Platform, blob_path, hex};
use crate::guard::{REFERENCE_TYPE, image};

/// Where a content store is, from the engine's root on, or by itself (containerd `content/local`; moby
/// `daemon/daemon.go` starts a containerd of its own where the system has none).
const FOLDER: &str = "io.containerd.content.v1.content";
const OWN: &str = "containerd/daemon";
const SYSTEM: &str = "/var/lib/containerd";

/// The largest document that is read as one, in bytes; containerd takes manifests up to 8 MiB.
const LARGEST_DOCUMENT: u64 = 8 << 20;

/// An image of a content store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentStore {
    blobs: PathBuf,
    /// The digest of the manifest or index that the image is.
    root: String,
}

impl ContentStore {
    /// The image `manifest` (`sha256:…`) of the engine whose files are below `root`; `None` if it is elsewhere
    /// or closed to us.
    #[must_use]
    pub(super) fn find(root: &Path, manifest: &str) -> Option<Self> {
        [root.join(OWN), SYSTEM.into()]
            .into_iter()
            .map(|folder| Self { blobs: folder.join(FOLDER).join("blobs/sha256"), root: manifest.to_owned() })
            .find(|store| store.open(manifest).is_ok())
    }

    /// A JSON document of the store: a manifest, an index or a config.
    fn document(&self, digest: &str) -> io::Result<Value> {
        let mut text = Vec::new();
        self.open(digest)?.take(LARGEST_DOCUMENT).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// A blob; `open` gets the digests of those that it refers to.
    fn file(&self, digest: &str, open: &mut Vec<String>) -> io::Result<image::File> {
        let file = self.open(digest)?;
        let size = file.metadata()?.len();
        // Whatever a document of the image refers to belongs to it.
        if size < LARGEST_DOCUMENT
            && let Ok(document) = self.document(digest)
        {
            let lists = ["manifests", "layers"].into_iter().filter_map(|list| document[list].as_array());
            let parts = lists.flatten().chain([&document["config"]]);
            open.extend(parts.filter_map(|part| part["digest"].as_str()).map(str::to_owned));
        }
        Ok(image::File { path: blob_path(digest), size: Some(size), content: Box::new(file) })
    }

    /// Opens a blob. Whoever reads it checks that its bytes have the digest.
    fn open(&self, digest: &str) -> io::Result<File> {
        File::open(self.blobs.join(hex(digest)?))
    }
}

impl LocalImage for ContentStore {
    fn platforms(&self) -> Vec<Platform> {
        let Ok(root) = self.document(&self.root) else { return Vec::new() };
        let listed = root["manifests"].as_array().into_iter().flatten();
        // What attestations call layers are statements.
        let images = listed.filter(|descriptor| descriptor["annotations"][REFERENCE_TYPE].is_null());
        let manifests = images.filter_map(|descriptor| self.document(descriptor["digest"].as_str()?).ok());
        let platform = |manifest: Value| {
            let config = self.document(manifest["config"]["digest"].as_str()?).ok()?;
            let layers = manifest["layers"].as_array()?.iter();
            let layers = layers.filter_map(|layer| layer["digest"].as_str().map(str::to_owned)).collect();
            Some(Platform { config, layers })
        };
        manifests.chain([root.clone()]).filter_map(platform).collect()
    }

    /// In the OCI layout. Blobs that the store lacks (of other platforms) are left out.
    fn files(&self) -> Box<dyn Iterator<Item = io::Result<image::File>> + '_> {
        let index =
            json!({"schemaVersion": 2, "manifests": [{"digest": self.root, "mediaType": ""}]}).to_string();
        let index = image::File {
            path: "index.json".to_owned(),
            size: Some(index.len() as u64),
            content: Box::new(io::Cursor::new(index)),
        };
        let (mut open, mut seen) = (vec![self.root.clone()], BTreeSet::new());
        let blobs = std::iter::from_fn(move || {
            loop {
                let digest = open.pop()?;
                if !seen.insert(digest.clone()) {
                    continue;
                }
                match self.file(&digest, &mut open) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound && digest != self.root => {}
                    file => return Some(file),
                }
            }
        });
        Box::new(std::iter::once(Ok(index)).chain(blobs))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_store_is_found_by_a_manifest_that_it_holds() {
        let root = tempfile::tempdir().expect("temp is writable");
        let blobs = root.path().join(OWN).join(FOLDER).join("blobs/sha256");
        let hex = "ab".repeat(32);
        std::fs::create_dir_all(&blobs).expect("temp is writable");
        std::fs::write(blobs.join(&hex), "{}").expect("temp is writable");
        let find = |digest: &str| ContentStore::find(root.path(), digest);
        let store = find(&format!("sha256:{hex}")).expect("it is there");
        let mut text = String::new();
        store.open(&format!("sha256:{hex}")).expect("a blob").read_to_string(&mut text).expect("text");
        assert_eq!(text, "{}");
        assert_eq!(find(&format!("sha256:{}", "cd".repeat(32))), None);
        assert_eq!(find("sha256:../../x"), None);
    }
}
