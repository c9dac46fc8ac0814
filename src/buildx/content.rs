//! The files in which an engine of this machine keeps the blobs of its images (containerd's content store), where they
//! are ours to read: then nobody has to pack a whole image to look at one layer.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Where a content store is, from the engine's root on, or by itself (containerd `content/local`; moby
/// `daemon/daemon.go` starts a containerd of its own where the system has none).
const FOLDER: &str = "io.containerd.content.v1.content";
const OWN: &str = "containerd/daemon";
const SYSTEM: &str = "/var/lib/containerd";

/// The largest document that is read as one, in bytes; containerd takes manifests up to 8 MiB.
const LARGEST_DOCUMENT: u64 = 8 << 20;

/// A tar's unit, in bytes.
const BLOCK: u64 = 512;

/// A content store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentStore {
    blobs: PathBuf,
}

impl ContentStore {
    /// The store that has `manifest` (`sha256:…`), of the engine whose files are below `root`; `None` if it is elsewhere
    /// or closed to us.
    #[must_use]
    pub fn find(root: &Path, manifest: &str) -> Option<Self> {
        [root.join(OWN), SYSTEM.into()]
            .into_iter()
            .map(|folder| Self { blobs: folder.join(FOLDER).join("blobs/sha256") })
            .find(|store| store.open(manifest).is_ok())
    }

    /// A JSON document of the store: a manifest, an index or a config.
    pub fn document(&self, digest: &str) -> io::Result<Value> {
        let mut text = Vec::new();
        self.open(digest)?.take(LARGEST_DOCUMENT).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The image `root` as an archive in the OCI layout, as `docker save` would write it; of the blobs in `skipped` it has
    /// the names alone. Blobs that the store lacks (of other platforms) are left out.
    pub fn archive(&self, root: &str, skipped: &BTreeSet<String>) -> io::Result<impl Read + use<>> {
        let index = json!({"schemaVersion": 2, "manifests": [{"digest": root, "mediaType": ""}]}).to_string();
        let mut parts: Vec<Box<dyn Read>> = vec![entry("index.json", index.len() as u64)?];
        parts.push(padded(io::Cursor::new(index.clone()), index.len() as u64));
        let (mut open, mut seen) = (vec![root.to_owned()], BTreeSet::new());
        while let Some(digest) = open.pop() {
            if !seen.insert(digest.clone()) {
                continue;
            }
            let file = match self.open(&digest) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && digest != root => continue,
                file => file?,
            };
            let path = format!("blobs/{}", digest.replacen(':', "/", 1));
            if skipped.contains(&digest) {
                parts.push(entry(&path, 0)?);
                continue;
            }
            let size = file.metadata()?.len();
            parts.push(entry(&path, size)?);
            parts.push(padded(file, size));
            // Whatever a document of the image refers to belongs to it.
            if size < LARGEST_DOCUMENT
                && let Ok(document) = self.document(&digest)
            {
                let lists = ["manifests", "layers"].into_iter().filter_map(|list| document[list].as_array());
                let parts = lists.flatten().chain([&document["config"]]);
                open.extend(parts.filter_map(|part| part["digest"].as_str()).map(str::to_owned));
            }
        }
        parts.push(Box::new(io::repeat(0).take(2 * BLOCK)));
        Ok(Chain { parts: parts.into() })
    }

    /// Opens a blob. Whoever reads it checks that its bytes have the digest.
    pub fn open(&self, digest: &str) -> io::Result<File> {
        let hex = digest
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let hex = hex.ok_or_else(|| io::Error::other(format!("`{digest}` is no SHA-256")))?;
        File::open(self.blobs.join(hex))
    }
}

/// The header of a tar's entry.
fn entry(path: &str, size: u64) -> io::Result<Box<dyn Read>> {
    let mut header = tar::Header::new_gnu();
    header.set_path(path)?;
    header.set_size(size);
    header.set_mode(0o444);
    header.set_cksum();
    Ok(Box::new(io::Cursor::new(header.as_bytes().to_vec())))
}

/// Content of a tar's entry with the zeros behind it.
fn padded(content: impl Read + 'static, size: u64) -> Box<dyn Read> {
    Box::new(content.take(size).chain(io::repeat(0).take(size.next_multiple_of(BLOCK) - size)))
}

/// One reader after the other.
struct Chain {
    parts: VecDeque<Box<dyn Read>>,
}

impl Read for Chain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.parts.front_mut() {
            match part.read(buffer)? {
                0 if !buffer.is_empty() => drop(self.parts.pop_front()),
                count => return Ok(count),
            }
        }
        Ok(0)
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
