//! Archives and images for the guard's tests.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use super::needle::Needle;
use super::search::Searcher;

/// The needle of most tests.
pub(super) const SECRET: &str = "s3cr3t-of-the-feed";

pub(super) fn searcher() -> Searcher {
    Searcher::new(vec![Needle::fed("feed token", SECRET.as_bytes()).expect("it is long enough")])
}

/// Files by path, content and what follows.
pub(super) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *content).expect("memory is no obstacle");
    }
    builder.into_inner().expect("memory is no obstacle")
}

pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory is no obstacle");
    encoder.finish().expect("memory is no obstacle")
}

pub(super) fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

/// With sizes in the headers, and all members compressed.
pub(super) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut cursor = std::io::Cursor::new(Vec::new());
    write_zip(zip::ZipWriter::new(&mut cursor), files);
    cursor.into_inner()
}

/// With sizes behind the contents, as programs write that cannot go back.
pub(super) fn streamed_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_zip(zip::ZipWriter::new_stream(&mut bytes), files);
    bytes
}

fn write_zip<W: std::io::Write + std::io::Seek>(mut writer: zip::ZipWriter<W>, files: &[(&str, &[u8])]) {
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (path, content) in files {
        writer.start_file(*path, options).expect("memory is no obstacle");
        writer.write_all(content).expect("memory is no obstacle");
    }
    writer.finish().expect("memory is no obstacle");
}

pub(super) fn sha256(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, content)))
}

/// An OCI image layout in the making.
#[derive(Default)]
pub(super) struct Oci {
    blobs: Vec<(String, Vec<u8>)>,
    manifests: Vec<Value>,
}

impl Oci {
    /// Adds a blob; returns its descriptor.
    pub(super) fn blob(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let digest = sha256(&content);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": content.len()});
        self.blobs.push((format!("blobs/{}", digest.replacen(':', "/", 1)), content));
        descriptor
    }

    /// Adds a manifest to the index.
    pub(super) fn manifest(&mut self, manifest: &Value, annotations: &Value) -> String {
        let mut descriptor =
            self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().into_bytes());
        descriptor["annotations"] = annotations.clone();
        let digest = descriptor["digest"].as_str().expect("a string").to_owned();
        self.manifests.push(descriptor);
        digest
    }

    /// Adds an index to the index.
    pub(super) fn index(&mut self, index: Vec<u8>) {
        let descriptor = self.blob("application/vnd.oci.image.index.v1+json", index);
        self.manifests.push(descriptor);
    }

    /// Adds an image; `layers` with their history entries, which the config is given.
    pub(super) fn image(&mut self, mut config: Value, layers: &[(&str, Vec<u8>)]) -> String {
        let unpacked: Vec<String> = layers.iter().map(|(_, layer)| sha256(layer)).collect();
        config["rootfs"] = json!({"type": "layers", "diff_ids": unpacked});
        if config["history"].is_null() {
            config["history"] =
                layers.iter().map(|(created_by, _)| json!({"created_by": created_by})).collect();
        }
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .map(|(_, layer)| self.blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip(layer)))
            .collect();
        self.manifest(&json!({"schemaVersion": 2, "config": config, "layers": layers}), &json!({}))
    }

    /// The archive; the index comes first, as from docker, or last, as from buildx.
    pub(super) fn archive(&self, index_first: bool) -> Vec<u8> {
        let index = json!({"schemaVersion": 2, "manifests": self.manifests}).to_string().into_bytes();
        let mut files: Vec<(&str, &[u8])> =
            self.blobs.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let at = if index_first { 0 } else { files.len() };
        files.insert(at, ("index.json", &index));
        files.push(("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#));
        tar(&files)
    }
}
