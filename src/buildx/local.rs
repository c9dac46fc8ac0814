//! An image as the files in which an engine of this machine keeps it, where they are ours to read: then the engine need
//! not pack all of an image so that one layer can be looked at.
//!
//! Rule: nothing that is read here is trusted. Whoever reads an image checks every digest, and asks the engine where one
//! does not match or a file is closed.

use std::io;

use serde_json::Value;

use crate::guard::image::File;

/// An image in the files of an engine.
pub trait LocalImage: Send {
    /// The images that it is of, one a platform.
    fn platforms(&self) -> Vec<Platform>;

    /// The files that its archive would have, those of layers at `blobs/sha256/`.
    fn files(&self) -> Box<dyn Iterator<Item = io::Result<File>> + '_>;
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Its config.
    pub config: Value,
    /// The digests by which [`LocalImage::files`] has its layers, the lowest first.
    pub layers: Vec<String>,
}

/// The digits of a digest, safe in a path.
pub(super) fn hex(digest: &str) -> io::Result<&str> {
    digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(|| io::Error::other(format!("`{digest}` is no SHA-256")))
}

/// Where an archive has the blob `digest`.
pub(super) fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}
