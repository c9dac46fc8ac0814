//! The folders in which an engine of this machine keeps an image of the classic store.
//!
//! A layer lies there as plain files and as a record of what its archive had around them, so that the archive can be put
//! together again byte by byte (moby `image/fs.go`, `layer/filestore.go`; vbatts/tar-split `tar/asm/assemble.go`).

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::local::{LocalImage, Platform, blob_path, hex};
use crate::guard::image;

/// The only driver whose folders have this form.
const DRIVER: &str = "overlay2";

/// The longest line of a record, in bytes: headers and padding between two files.
const LONGEST_LINE: u64 = 16 << 20;

/// An image of the classic store.
#[derive(Debug)]
pub(super) struct LayerStore {
    /// The engine's folder.
    root: PathBuf,
    /// The digest of the config.
    id: String,
    /// The config, byte by byte.
    config: Vec<u8>,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// The digest of its archive.
    diff_id: String,
    /// Its files.
    folder: PathBuf,
    /// What its archive has around them.
    record: PathBuf,
}

/// A line of a record (`tar/storage/entry.go` of vbatts/tar-split).
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    /// The name where it is no UTF-8.
    name_raw: Option<&'a str>,
    #[serde(default)]
    size: u64,
    payload: Option<&'a str>,
}

/// Kinds of [`Entry`].
const FILE: u8 = 1;
const SEGMENT: u8 = 2;

impl LayerStore {
    /// The image `id` (`sha256:…`) of the engine whose files are below `root`; `None` if they are elsewhere or closed to
    /// us.
    #[must_use]
    pub(super) fn find(root: &Path, driver: &str, id: &str) -> Option<Self> {
        if driver != DRIVER {
            return None;
        }
        let images = root.join("image").join(DRIVER);
        let config = fs::read(images.join("imagedb/content/sha256").join(hex(id).ok()?)).ok()?;
        let document: Value = serde_json::from_slice(&config).ok()?;
        let mut store = Self { root: root.to_owned(), id: id.to_owned(), config, layers: Vec::new() };
        let mut chain = String::new();
        for diff_id in document["rootfs"]["diff_ids"].as_array().into_iter().flatten() {
            let diff_id = diff_id.as_str()?;
            // The OCI image specification, "Layer ChainID".
            chain = match &chain[..] {
                "" => diff_id.to_owned(),
                below => format!(
                    "sha256:{}",
                    ::hex::encode(digest(&SHA256, format!("{below} {diff_id}").as_bytes()))
                ),
            };
            let layer = store.layer(&images.join("layerdb/sha256").join(hex(&chain).ok()?), diff_id).ok()?;
            store.layers.push(layer);
        }
        Some(store)
    }

    fn layer(&self, folder: &Path, diff_id: &str) -> io::Result<Layer> {
        let cache_id = fs::read_to_string(folder.join("cache-id"))?;
        let record = folder.join("tar-split.json.gz");
        let folder = inside(&self.root.join(DRIVER), Path::new(&cache_id))?.join("diff");
        fs::metadata(&record).and(fs::read_dir(&folder))?;
        Ok(Layer { diff_id: diff_id.to_owned(), folder, record })
    }
}

impl LocalImage for LayerStore {
    fn platforms(&self) -> Vec<Platform> {
        let config = serde_json::from_slice(&self.config).unwrap_or_default();
        vec![Platform { config, layers: self.layers.iter().map(|layer| layer.diff_id.clone()).collect() }]
    }

    /// In docker's own format (moby `image/spec/v1.2.md`).
    fn files(&self) -> Box<dyn Iterator<Item = io::Result<image::File>> + '_> {
        let layers: Vec<_> = self.layers.iter().map(|layer| blob_path(&layer.diff_id)).collect();
        let manifest = json!([{"Config": blob_path(&self.id), "Layers": layers}]).to_string().into_bytes();
        let documents = [("manifest.json".to_owned(), manifest), (blob_path(&self.id), self.config.clone())];
        let documents = documents.into_iter().map(|(path, text)| {
            Ok(image::File { path, size: Some(text.len() as u64), content: Box::new(Cursor::new(text)) })
        });
        let layers = self.layers.iter().map(|layer| {
            let content = Box::new(LayerArchive::open(layer)?);
            Ok(image::File { path: blob_path(&layer.diff_id), size: None, content })
        });
        Box::new(documents.chain(layers))
    }
}

/// The archive of a layer, put together while it is read.
struct LayerArchive {
    folder: PathBuf,
    record: BufReader<MultiGzDecoder<BufReader<File>>>,
    line: Vec<u8>,
    part: Part,
}

/// What of it comes next.
enum Part {
    Segment(Cursor<Vec<u8>>),
    File(io::Take<File>),
}

impl LayerArchive {
    fn open(layer: &Layer) -> io::Result<Self> {
        let record = MultiGzDecoder::new(BufReader::new(File::open(&layer.record)?));
        Ok(Self {
            folder: layer.folder.clone(),
            record: BufReader::with_capacity(64 * 1024, record),
            line: Vec::new(),
            part: Part::Segment(Cursor::default()),
        })
    }

    /// Goes to the next part; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        if (&mut self.record).take(LONGEST_LINE).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        let entry: Entry<'_> = serde_json::from_slice(&self.line)?;
        let unclear = || io::Error::from(io::ErrorKind::InvalidData);
        let bytes = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| unclear());
        match entry.kind {
            SEGMENT => {
                self.part = Part::Segment(Cursor::new(bytes(entry.payload.unwrap_or_default())?));
            }
            FILE if entry.size > 0 => {
                let name = match (entry.name_raw, entry.name) {
                    (Some(raw), _) => path(bytes(raw)?)?,
                    (None, Some(name)) => PathBuf::from(name.as_ref()),
                    (None, None) => return Err(unclear()),
                };
                self.part = Part::File(File::open(inside(&self.folder, &name)?)?.take(entry.size));
            }
            FILE => {}
            _ => return Err(unclear()),
        }
        Ok(true)
    }
}

impl Read for LayerArchive {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.part {
                Part::Segment(bytes) => bytes.read(buffer)?,
                Part::File(file) => file.read(buffer)?,
            };
            if count > 0 || buffer.is_empty() || !self.advance()? {
                return Ok(count);
            }
        }
    }
}

/// `path` below `folder`, whatever it begins with.
fn inside(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut inside = folder.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => return Err(io::ErrorKind::InvalidData.into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(inside)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(name).into())
}

#[cfg(not(unix))]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    String::from_utf8(name).map(PathBuf::from).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::guard::{Needle, Options, Searcher, image};

    const SECRET: &str = "s3cr3t-of-the-feed";

    fn sha256(bytes: &[u8]) -> String {
        format!("sha256:{}", ::hex::encode(digest(&SHA256, bytes)))
    }

    /// An engine's folder with an image of one layer: `etc/a<b` and a name that is no UTF-8, both with the secret.
    fn engine(folder: &Path) -> String {
        let diff = folder.join("overlay2/layer/diff");
        let mut record = GzEncoder::new(Vec::new(), Compression::fast());
        let mut archive = Vec::new();
        let segment =
            |bytes: &[u8]| json!({"type": 2, "payload": BASE64_STANDARD.encode(bytes), "position": 0});
        fs::create_dir_all(diff.join("etc")).expect("temp is writable");
        for (name, file) in
            [(&b"etc/a<b"[..], json!({"name": "etc/a<b"})), (b"etc/\xe9", json!({"name_raw": "ZXRjL+k="}))]
        {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name);
            header.set_size(SECRET.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            let mut file = file;
            file["type"] = 1.into();
            file["size"] = SECRET.len().into();
            file["payload"] = "AAAAAAAAAAA=".into();
            let padding = [0; 512 - SECRET.len()];
            for line in [segment(header.as_bytes()), file, segment(&padding)] {
                writeln!(record, "{}", line.to_string().replace('<', "\\u003c"))
                    .expect("memory is no obstacle");
            }
            for bytes in [&header.as_bytes()[..], SECRET.as_bytes(), &padding] {
                archive.extend_from_slice(bytes);
            }
            fs::write(diff.join(path(name.to_vec()).expect("a name")), SECRET).expect("temp is writable");
        }
        writeln!(record, "{}", segment(&[0; 1024])).expect("memory is no obstacle");
        archive.extend_from_slice(&[0; 1024]);

        let diff_id = sha256(&archive);
        let layer = folder.join("image/overlay2/layerdb/sha256").join(&diff_id[7..]);
        fs::create_dir_all(&layer).expect("temp is writable");
        fs::write(layer.join("cache-id"), "layer").expect("temp is writable");
        let record = record.finish().expect("memory is no obstacle");
        fs::write(layer.join("tar-split.json.gz"), record).expect("temp is writable");
        let config = json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).to_string();
        let id = sha256(config.as_bytes());
        let configs = folder.join("image/overlay2/imagedb/content/sha256");
        fs::create_dir_all(&configs).expect("temp is writable");
        fs::write(configs.join(&id[7..]), config).expect("temp is writable");
        id
    }

    fn examine(folder: &Path, id: &str) -> anyhow::Result<image::Examined> {
        let store = LayerStore::find(folder, "overlay2", id).expect("it is there");
        let needle = Needle::fed("token", SECRET.as_bytes()).expect("it is long enough");
        image::examine_files(store.files(), &Searcher::new(vec![needle]), &Options::default())
    }

    #[test]
    fn an_image_is_read_from_its_folders() {
        let folder = tempfile::tempdir().expect("temp is writable");
        let id = engine(folder.path());
        let examined = examine(folder.path(), &id).expect("every digest matches");
        let found: Vec<_> = examined.findings.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("etc/a<b"), "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_what_the_layer_had_is_an_error() {
        let folder = tempfile::tempdir().expect("temp is writable");
        let id = engine(folder.path());
        fs::write(folder.path().join("overlay2/layer/diff/etc/a<b"), "something else 123")
            .expect("temp is writable");
        let error = examine(folder.path(), &id).expect_err("the digest differs");
        assert!(error.to_string().contains("does not have the digest of its name"), "{error}");
        fs::remove_file(folder.path().join("overlay2/layer/diff/etc/a<b")).expect("it is there");
        examine(folder.path(), &id).expect_err("a file is missing");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let folder = tempfile::tempdir().expect("temp is writable");
        let id = engine(folder.path());
        assert!(LayerStore::find(folder.path(), "vfs", &id).is_none());
        assert!(LayerStore::find(folder.path(), "overlay2", &sha256(b"another")).is_none());
        assert!(LayerStore::find(folder.path(), "overlay2", "sha256:../../x").is_none());
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let below = |name: &str| inside(Path::new("/layer"), Path::new(name)).ok();
        assert_eq!(below("/etc/./passwd"), Some(PathBuf::from("/layer/etc/passwd")));
        assert_eq!(below("../etc/passwd"), None);
    }
}
