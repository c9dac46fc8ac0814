//! Walks through a layer and the archives within it, and notes which file holds a needle.
//!
//! Rule: what cannot be opened was still searched as it lies there, and is said. Only a layer that cannot be read is
//! an error. Memory does not grow with what is read, and no bomb is followed beyond [`Limits`].

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::reader::{Region, Searched};
use super::search::{Hit, Searcher};
use super::{tar, zstd};

/// How deep archives within a layer are opened; a compressed tar counts as one.
const DEEPEST: usize = 2;

/// Enough of a file to tell what it is: a tar says so at byte 257.
const HEAD: usize = 512;

/// How many of each kind of note are kept; the rest is counted.
const MOST_NOTES: usize = 1000;

/// How much is unpacked from archives within layers. What a layer itself holds has no bound: the engine unpacks all of
/// it, too.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes from one compressed file, for each of its own; none has less than [`Limits::least`].
    pub ratio: u64,
    /// Bytes that any compressed file may have.
    pub least: u64,
    /// Bytes from all of an image's files.
    pub total: u64,
    /// The largest window of a zstd file, in bytes. It is held in memory.
    pub window: u64,
}

impl Default for Limits {
    /// Deflate gets to 1032 with nothing but zeros, text to 10. RFC 8878 asks every decoder for windows of 8 MiB.
    fn default() -> Self {
        Self { ratio: 100, least: 64 << 20, total: 8 << 30, window: 8 << 20 }
    }
}

/// The largest window of a layer, as for the `zstd` program.
const LAYER_WINDOW: u64 = 128 << 20;

/// What one compressed file may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) bytes: u64,
    pub(super) window: u64,
}

/// Why an archive was not opened, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It lies in too many others.
    TooDeep,
    /// It unpacks to more than [`Limits`] allow.
    TooLarge,
    /// A zip member with a password.
    Encrypted,
    /// A zip member that is compressed by another method than deflate and zstd; APPNOTE.TXT, section 4.4.5.
    Method(u16),
    /// An archive of another format, by its name.
    Format(&'static str),
    /// It is damaged.
    Broken(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "it lies more than {DEEPEST} archives deep"),
            Self::TooLarge => f.write_str("it unpacks to too much"),
            Self::Encrypted => f.write_str("it is encrypted"),
            Self::Method(method) => write!(f, "zip's compression method {method} is not known"),
            Self::Format(format) => write!(f, "{format} is not opened"),
            Self::Broken(cause) => write!(f, "it is damaged: {cause}"),
        }
    }
}

/// An archive that was searched as it lies there only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    /// The path in the layer, and those in the archives within.
    pub path: Vec<String>,
    /// Why.
    pub reason: Reason,
}

/// A file with a needle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHit {
    /// The path in the layer, and those in the archives within. Empty for what belongs to no file.
    pub path: Vec<String>,
    /// The needle; its offset counts from the begin of the file.
    pub hit: Hit,
    /// Whether it lies in the file's name or attributes.
    pub in_header: bool,
}

/// What was found in a layer.
#[derive(Debug, Default)]
pub struct Walked {
    /// One a needle and file.
    pub hits: Vec<FileHit>,
    /// How many hits there were beyond these.
    pub more_hits: u64,
    /// Those in allowed files.
    pub allowed: Vec<FileHit>,
    /// How many there were beyond these.
    pub more_allowed: u64,
    /// Files that the layer deletes from those below it, by their paths.
    pub deleted: Vec<String>,
    /// Archives that were not opened.
    pub unopened: Vec<Unopened>,
    /// How many there were beyond these.
    pub more_unopened: u64,
    /// Bytes that were searched, unpacked ones included.
    pub bytes: u64,
}

/// Walks through one layer, a tar as it is or compressed. It is searched to its end also if it cannot be read.
pub fn walk(mut layer: impl Read, searcher: &Searcher, limits: &Limits) -> (Walked, io::Result<()>) {
    Walk::new(searcher, limits, Rc::new(Cell::new(limits.total)), &|_| false).layer(&mut layer)
}

/// A walk through one layer.
pub(super) struct Walk<'a> {
    searcher: &'a Searcher,
    limits: &'a Limits,
    /// What is left of [`Limits::total`].
    left: Rc<Cell<u64>>,
    is_allowed: &'a dyn Fn(&str) -> bool,
    path: Vec<String>,
    walked: Walked,
    buffers: Vec<Vec<u8>>,
}

/// What a file is by its first bytes.
enum Kind {
    Gzip,
    Zstd,
    Zip,
    Tar,
    Other(&'static str),
}

impl<'a> Walk<'a> {
    /// `left` is what all walks through one image may unpack together. Needles in a file that `is_allowed` says yes to
    /// are noted apart.
    pub(super) fn new(
        searcher: &'a Searcher,
        limits: &'a Limits,
        left: Rc<Cell<u64>>,
        is_allowed: &'a dyn Fn(&str) -> bool,
    ) -> Self {
        let (path, walked, buffers) = (Vec::new(), Walked::default(), Vec::new());
        Self { searcher, limits, left, is_allowed, path, walked, buffers }
    }

    /// Walks through a layer: a tar, as it is or compressed. It is searched to its end also if it cannot be read.
    pub(super) fn layer(mut self, source: &mut dyn Read) -> (Walked, io::Result<()>) {
        let mut reader = self.searched(source);
        let result = match kind(reader.peek(HEAD).unwrap_or_default()) {
            Some(Kind::Gzip) => self.unpacked_layer(&mut MultiGzDecoder::new(&mut reader)),
            Some(Kind::Zstd) => self.unpacked_layer(&mut zstd::Decoder::new(&mut reader, LAYER_WINDOW)),
            _ => self.tar(&mut reader.region(), 0),
        };
        let drained = self.finish(reader);
        (self.walked, result.and(drained))
    }

    fn unpacked_layer(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut reader = self.searched(source);
        let result = self.tar(&mut reader.region(), 0);
        let drained = self.finish(reader);
        result.and(drained)
    }

    /// Opens what lies in `region` if it is an archive; `depth` is in how many archives it lies.
    pub(super) fn nested(&mut self, region: &mut Region<'_, '_>, depth: usize) -> io::Result<()> {
        let found = kind(region.peek(HEAD)?).or_else(|| self.is_named_zip().then_some(Kind::Zip));
        let Some(kind) = found else { return Ok(()) };
        if let Kind::Other(format) = kind {
            self.unopened(Reason::Format(format));
        } else if depth == DEEPEST {
            self.unopened(Reason::TooDeep);
        } else {
            self.open(&kind, region, depth + 1);
        }
        Ok(())
    }

    fn open(&mut self, kind: &Kind, region: &mut Region<'_, '_>, depth: usize) {
        let allowance = self.allowance(Some(region.left()));
        let result = match kind {
            Kind::Gzip => return self.decoded(&mut MultiGzDecoder::new(region), allowance, depth),
            Kind::Zstd => {
                return self.decoded(&mut zstd::Decoder::new(region, allowance.window), allowance, depth);
            }
            Kind::Tar => self.tar(region, depth),
            Kind::Zip | Kind::Other(_) => self.zip(region, depth),
        };
        if let Err(error) = result {
            self.unopened(Reason::of(&error));
        }
    }

    /// Searches what `source` decodes to, and opens it if it is an archive.
    pub(super) fn decoded(&mut self, source: &mut dyn Read, allowance: Allowance, depth: usize) {
        let mut bounded = Bounded { source, left: allowance.bytes, total: Rc::clone(&self.left) };
        let mut reader = self.searched(&mut bounded);
        let result = match reader.peek(HEAD).map(kind) {
            Err(error) => Err(error),
            Ok(Some(Kind::Tar)) => self.tar(&mut reader.region(), depth),
            Ok(_) => self.nested(&mut reader.region(), depth),
        };
        let drained = self.finish(reader);
        if let Err(error) = result.and(drained) {
            self.unopened(Reason::of(&error));
        }
    }

    /// What a file of `size` bytes may unpack to.
    pub(super) fn allowance(&self, size: Option<u64>) -> Allowance {
        let Limits { ratio, least, total, window } = *self.limits;
        Allowance { bytes: size.map_or(total, |size| size.saturating_mul(ratio).max(least)), window }
    }

    /// The content of a file of a tar, from `start` on: searched, opened if it is an archive, and passed.
    pub(super) fn file(
        &mut self,
        name: &[u8],
        region: &mut Region<'_, '_>,
        size: u64,
        depth: usize,
    ) -> io::Result<()> {
        let start = region.position();
        self.enter(name);
        if depth == 0 {
            self.note_deletion();
        }
        let opened = if size == 0 { Ok(()) } else { self.nested(&mut region.next(size), depth) };
        let result = opened.and_then(|()| region.skip_to(start + size));
        let end = region.position();
        self.settle(region.reader, end, start);
        self.leave();
        result
    }

    /// Goes into a file of an archive.
    pub(super) fn enter(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        self.path.push(name.trim_start_matches("./").trim_start_matches('/').to_owned());
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes that the file at hand was not opened.
    pub(super) fn unopened(&mut self, reason: Reason) {
        if self.walked.unopened.len() < MOST_NOTES {
            self.walked.unopened.push(Unopened { path: self.path.clone(), reason });
        } else {
            self.walked.more_unopened += 1;
        }
    }

    /// Notes the hits before `end` as ones in the file at hand, whose content begins at `start`.
    pub(super) fn settle(&mut self, reader: &mut Searched<'_>, end: u64, start: u64) {
        let mut hits = reader.take_hits(end);
        if hits.is_empty() {
            return;
        }
        hits.sort_by_key(|hit| (hit.needle, hit.offset));
        hits.dedup_by_key(|hit| hit.needle);
        let is_allowed = (self.is_allowed)(&self.path.join("!"));
        for hit in hits {
            // An archive whose member holds the needle needs no finding of its own, such as for the bytes of a
            // compressed one that it left as they are.
            let is_known =
                |known: &FileHit| known.hit.needle == hit.needle && known.path.starts_with(&self.path);
            if self.walked.hits.iter().chain(&self.walked.allowed).any(is_known) {
                continue;
            }
            let found = FileHit {
                path: self.path.clone(),
                in_header: hit.offset < start,
                hit: Hit { offset: hit.offset.saturating_sub(start), ..hit },
            };
            let Walked { hits, more_hits, allowed, more_allowed, .. } = &mut self.walked;
            let (list, more) = if is_allowed { (allowed, more_allowed) } else { (hits, more_hits) };
            if list.len() < MOST_NOTES {
                list.push(found);
            } else {
                *more += 1;
            }
        }
    }

    fn searched<'s>(&mut self, source: &'s mut dyn Read) -> Searched<'s>
    where
        'a: 's,
    {
        Searched::new(source, self.searcher, self.buffers.pop().unwrap_or_default())
    }

    /// Searches the rest of a stream, which belongs to the file at hand.
    fn finish(&mut self, mut reader: Searched<'_>) -> io::Result<()> {
        let drained = reader.drain();
        self.settle(&mut reader, u64::MAX, 0);
        self.walked.bytes += reader.position();
        self.buffers.push(reader.into_buffer());
        drained
    }

    /// A `.wh.` file deletes the one whose name follows, `.wh..wh..opq` all of its folder (OCI image specification,
    /// layer.md, section "Whiteouts").
    fn note_deletion(&mut self) {
        let Some(path) = self.path.last() else { return };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let deleted = match name.strip_prefix(".wh.") {
            Some(".wh..opq") => folder.to_owned(),
            Some(name) if folder.is_empty() => name.to_owned(),
            Some(name) => format!("{folder}/{name}"),
            None => return,
        };
        if self.walked.deleted.len() < MOST_NOTES {
            self.walked.deleted.push(deleted);
        }
    }

    /// Zip archives may begin with something else, e.g. a line that names their interpreter.
    fn is_named_zip(&self) -> bool {
        let name = self.path.last().map_or("", |name| name.as_str());
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        ["zip", "whl", "egg", "pex", "pyz", "jar", "war", "ear", "nupkg"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    }
}

impl Reason {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            _ => Self::Broken(error.to_string()),
        }
    }
}

fn kind(head: &[u8]) -> Option<Kind> {
    const MAGIC: [(&[u8], Kind); 9] = [
        (b"\x1f\x8b\x08", Kind::Gzip),
        (b"\x28\xb5\x2f\xfd", Kind::Zstd),
        (b"PK\x03\x04", Kind::Zip),
        (b"\xfd7zXZ\0", Kind::Other("xz")),
        (b"BZh91AY&SY", Kind::Other("bzip2")),
        (b"7z\xbc\xaf\x27\x1c", Kind::Other("7z")),
        (b"\x04\x22\x4d\x18", Kind::Other("lz4")),
        (b"Rar!\x1a\x07", Kind::Other("rar")),
        (b"MSCF\0\0\0\0", Kind::Other("cab")),
    ];
    let is_tar =
        head.first_chunk().is_some_and(|block| &block[257..262] == b"ustar" && tar::is_intact(block));
    if is_tar {
        return Some(Kind::Tar);
    }
    MAGIC.into_iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| kind)
}

/// A decoder that is stopped when it gives too much.
struct Bounded<'a> {
    source: &'a mut dyn Read,
    left: u64,
    total: Rc<Cell<u64>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let taken = count as u64;
        if taken > self.left || taken > self.total.get() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= taken;
        self.total.set(self.total.get() - taken);
        Ok(count)
    }
}
