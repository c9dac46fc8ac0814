//! Reads an image as an archive, while it arrives: `docker save` of either store, or an OCI export.
//!
//! Rule: every blob is searched as it comes, since what refers to it may come later, and is known by the digest of what
//! was read, not by its name.
//!
//! Formats: OCI image layout (image-layout.md of the OCI image specification), and docker's own with `manifest.json`
//! (moby, `image/spec/v1.2.md`, until docker 24 with a folder `<id>/` for each layer).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use anyhow::{Context as _, bail};
use serde::de::IgnoredAny;

use super::archive::{Limits, Unopened, Walk, Walked};
use super::finding::Finding;
use super::hash::Hasher;
use super::layout::Layout;
use super::report::report;
use super::search::{Hit, Searcher};

/// The largest JSON document that is kept in memory, in bytes; containerd takes manifests up to 8 MiB.
const LARGEST_DOCUMENT: u64 = 4 << 20;

/// How much of them is kept together.
const LARGEST_DOCUMENTS: u64 = 16 << 20;

/// Enough of a file to tell JSON from an archive, in bytes.
const HEAD: u64 = 64;

/// How an image is examined.
pub struct Options<'a> {
    /// What archives within layers may unpack to.
    pub limits: Limits,
    /// Layers that need no search, by their digests.
    pub is_skipped: &'a dyn Fn(&str) -> bool,
    /// What may hold a needle: files by their paths (that in the layer, then those in the archives within, with `!`
    /// between them), other places as a finding writes them, e.g. "in the label `x`".
    pub is_allowed: &'a dyn Fn(&str) -> bool,
    /// The lines of the Dockerfile that made the entries of a history; see [`crate::dockerfile::lines_of_history`].
    pub lines: &'a dyn Fn(&[&str]) -> Vec<Option<usize>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            is_skipped: &|_| false,
            is_allowed: &|_| false,
            lines: &|history| vec![None; history.len()],
        }
    }
}

/// What was read, and what was found in it.
#[derive(Debug, Default)]
pub struct Examined {
    /// The digest of the manifest or index that the archive is of, if it is of one.
    pub root: Option<String>,
    /// The images of the archive, one a platform.
    pub images: Vec<Image>,
    /// The digests of the attestation manifests that were read, with all that they refer to.
    pub attestations: Vec<String>,
    /// The digests of manifests that an index names and the archive does not have.
    pub absent: Vec<String>,
    /// What was found, one a needle, layer and file.
    pub findings: Vec<Finding>,
    /// How many there are beyond these.
    pub more_findings: u64,
    /// What was found in allowed files.
    pub allowed: Vec<Finding>,
    /// How many there are beyond these.
    pub more_allowed: u64,
    /// Archives within layers that were not opened.
    pub unopened: Vec<Unopened>,
    /// How many there are beyond these.
    pub more_unopened: u64,
    /// How many secrets were searched for.
    pub needles: usize,
    /// How many layers were searched.
    pub layers_searched: usize,
    /// How many were not, since [`Options::is_skipped`] said so.
    pub layers_skipped: usize,
    /// Bytes that were searched, unpacked ones included.
    pub bytes: u64,
}

/// An image that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// E.g. `linux/arm64/v8`.
    pub platform: String,
    /// The digest of its manifest; docker until 24 saves none.
    pub manifest: Option<String>,
    /// The digest of its config.
    pub config: String,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Of the blob as it was read.
    pub digest: String,
    /// Of what it unpacks to, as the config says.
    pub diff_id: String,
    /// Its size in bytes, as the manifest says; docker until 24 saves none.
    pub size: u64,
}

/// A file of an image's archive that is not in an archive.
pub struct File {
    /// Where the archive would have it, e.g. `index.json` or `blobs/sha256/0123…`.
    pub path: String,
    /// In bytes, where that is known before it is read; a JSON document has a size.
    pub size: Option<u64>,
    /// Its bytes.
    pub content: Box<dyn Read>,
}

/// Searches an image.
///
/// An error means that it is not known what the image holds: the archive is damaged, a layer cannot be read or is not
/// there, a digest does not match.
pub fn examine(archive: impl Read, searcher: &Searcher, options: &Options<'_>) -> anyhow::Result<Examined> {
    let mut reading = Reading::start(searcher, options)?;
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().context("cannot read the image")? {
        reading.entry(entry.context("cannot read the image")?)?;
    }
    // Whoever writes the archive comes to an end, too.
    io::copy(&mut archive.into_inner(), &mut io::sink()).context("cannot read the image")?;
    reading.report()
}

/// Searches an image of which somebody has the files.
///
/// Errors as [`examine`].
pub fn examine_files(
    files: impl IntoIterator<Item = io::Result<File>>,
    searcher: &Searcher,
    options: &Options<'_>,
) -> anyhow::Result<Examined> {
    let mut reading = Reading::start(searcher, options)?;
    for file in files {
        let File { path, size, content } = file.context("cannot read the image")?;
        reading.file(path, size, content)?;
    }
    reading.report()
}

/// The files of an archive.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    /// By digest.
    pub(super) by_digest: BTreeMap<String, Blob>,
    /// The digest of each by its path.
    pub(super) paths: BTreeMap<String, String>,
    /// Links in docker's own format: layers that occur twice. Path by path.
    pub(super) links: BTreeMap<String, String>,
}

impl Blobs {
    /// The digest of the file at `path`, also where that is a link to another.
    pub(super) fn at(&self, path: &str) -> anyhow::Result<&str> {
        let target = self.links.get(path).map_or(path, String::as_str);
        match self.paths.get(target) {
            Some(digest) => Ok(digest),
            None => bail!("`{path}` is not in the image's archive"),
        }
    }
}

/// A file of an archive.
#[derive(Debug)]
pub(super) enum Blob {
    /// A JSON document with the hits in its bytes.
    Document(Vec<u8>, Vec<Hit>),
    /// Anything else, read as a layer is.
    Layer(Walked, io::Result<()>),
    /// Not searched.
    Skipped,
}

struct Reading<'a> {
    searcher: &'a Searcher,
    options: &'a Options<'a>,
    hasher: Hasher,
    left: Rc<Cell<u64>>,
    blobs: Blobs,
    /// Bytes of the documents.
    kept: Cell<u64>,
}

impl<'a> Reading<'a> {
    fn start(searcher: &'a Searcher, options: &'a Options<'a>) -> anyhow::Result<Self> {
        Ok(Self {
            searcher,
            options,
            hasher: Hasher::start().context("cannot start a thread")?,
            left: Rc::new(Cell::new(options.limits.total)),
            blobs: Blobs::default(),
            kept: Cell::new(0),
        })
    }

    fn report(self) -> anyhow::Result<Examined> {
        let layout = Layout::resolve(&self.blobs)?;
        Ok(report(&self.blobs, layout, self.searcher, self.options))
    }

    fn entry<R: Read>(&mut self, entry: tar::Entry<'_, R>) -> anyhow::Result<()> {
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                if let Some(target) = entry.link_name_bytes() {
                    let target = String::from_utf8_lossy(&target).trim_start_matches("../").to_owned();
                    self.blobs.links.insert(path, target);
                }
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.file(path, Some(entry.size()), entry)
    }

    fn file(&mut self, path: String, size: Option<u64>, content: impl Read) -> anyhow::Result<()> {
        let named = path.strip_prefix("blobs/").map(|name| name.replacen('/', ":", 1));
        if let Some(digest) = named.as_ref().filter(|digest| (self.options.is_skipped)(digest)) {
            self.blobs.by_digest.insert(digest.clone(), Blob::Skipped);
            self.blobs.paths.insert(path, digest.clone());
            return Ok(());
        }
        let mut source = self.hasher.read(content);
        let blob =
            self.blob(&mut source, size).with_context(|| format!("cannot read `{path}` of the image"))?;
        if size.is_some_and(|size| source.count() != size) {
            bail!("the image ends within `{path}`");
        }
        let digest = source.digest()?;
        if named.is_some_and(|named| named != digest) {
            bail!("`{path}` of the image does not have the digest of its name, but `{digest}`");
        }
        self.blobs.by_digest.insert(digest.clone(), blob);
        self.blobs.paths.insert(path, digest);
        Ok(())
    }

    fn blob(&self, source: &mut dyn Read, size: Option<u64>) -> io::Result<Blob> {
        let mut head = Vec::new();
        (&mut *source).take(HEAD).read_to_end(&mut head)?;
        let is_json = head.trim_ascii_start().starts_with(b"{") || head.trim_ascii_start().starts_with(b"[");
        let is_bearable =
            |size: &u64| *size <= LARGEST_DOCUMENT && self.kept.get() + size <= LARGEST_DOCUMENTS;
        if is_json && let Some(size) = size.filter(is_bearable) {
            source.read_to_end(&mut head)?;
            // A layer may begin like this, too, with the name of a file.
            if serde_json::from_slice::<IgnoredAny>(&head).is_ok() {
                self.kept.set(self.kept.get() + size);
                let mut hits = Vec::new();
                self.searcher.find(&head, &mut |hit| hits.push(hit));
                return Ok(Blob::Document(head, hits));
            }
        }
        let Options { limits, is_allowed, .. } = self.options;
        let walk = Walk::new(self.searcher, limits, Rc::clone(&self.left), is_allowed);
        let (walked, result) = walk.layer(&mut head.chain(source));
        Ok(Blob::Layer(walked, result))
    }
}
