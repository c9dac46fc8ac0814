//! Tar archives: the files of a layer, and of an archive within it.
//!
//! Rule: read as the engine reads them (Go's `archive/tar`), so that what it would unpack is what is searched. The
//! content of sparse files is searched as it is stored: holes hold nothing.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::archive::Walk;
use super::reader::Region;

const BLOCK: usize = 512;

/// The longest extended header that Go's reader takes (`maxSpecialFileSize`), in bytes.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// No content is longer, in bytes; sums with a place in a stream stay in 64 bits.
const LONGEST_CONTENT: u64 = 1 << 62;

/// What extended headers say about the entry behind them.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Walk<'_> {
    /// Walks to the end of the archive. What follows it is left.
    pub(super) fn tar(&mut self, region: &mut Region<'_, '_>, depth: usize) -> io::Result<()> {
        let mut extension = Extension::default();
        while let Some(header) = header(region)? {
            let size = extension.size.map_or_else(|| header.entry_size(), Ok)?;
            if size > LONGEST_CONTENT {
                return Err(invalid("an entry is too long"));
            }
            match header.entry_type() {
                EntryType::XHeader => extension.read_pax(&read_extension(region, size)?)?,
                EntryType::GNULongName => {
                    let name = read_extension(region, size)?;
                    extension.path = Some(name.split(|&byte| byte == 0).next().unwrap_or_default().to_vec());
                }
                EntryType::XGlobalHeader | EntryType::GNULongLink => drop(read_extension(region, size)?),
                kind => {
                    let Extension { path, .. } = std::mem::take(&mut extension);
                    let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
                    skip_sparse_map(region, &header)?;
                    let size = if has_content(kind) { size } else { 0 };
                    let start = region.position();
                    self.file(&path, region, size, depth)?;
                    match region.skip_to(start + size.next_multiple_of(BLOCK as u64)) {
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                        padding => padding?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl Extension {
    fn read_pax(&mut self, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            let (key, value, rest) =
                pax_record(records).ok_or_else(|| invalid("an extended header has an invalid record"))?;
            records = rest;
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                    self.size = Some(size.ok_or_else(|| invalid("an extended header has no valid size"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Key, value and what follows of `length key=value\n`. The length counts all of it: a value may hold a line break,
/// which is why [`tar::PaxExtensions`] does not serve.
fn pax_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// The next header; none at the end of the archive, which is a block of zeros or the end of the file.
fn header(region: &mut Region<'_, '_>) -> io::Result<Option<Header>> {
    let mut header = Header::new_old();
    let block = header.as_mut_bytes();
    let mut len = 0;
    while len < BLOCK {
        match region.read(&mut block[len..])? {
            0 if len == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => len += count,
        }
    }
    if block.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    if !is_intact(header.as_bytes()) {
        return Err(invalid("a header's checksum does not match"));
    }
    Ok(Some(header))
}

/// Whether the checksum of a header is right: the sum of its bytes, some tars take them as signed.
pub(super) fn is_intact(block: &[u8; BLOCK]) -> bool {
    let sum = sum(block);
    let signed = || {
        let negative = block.iter().filter(|&&byte| byte >= 0x80).count();
        sum.wrapping_sub(256 * u32::try_from(negative).unwrap_or_default())
    };
    Header::from_byte_slice(block).cksum().is_ok_and(|own| own == sum || own == signed())
}

/// The sum of all bytes, those of the checksum itself taken for spaces. Eight at a time: every file of an image comes
/// by here, in a build for size.
fn sum(block: &[u8; BLOCK]) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let eights = block.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
    let lanes: u64 = eights.map(|eight| (eight & EVEN) + (eight >> 8 & EVEN)).sum();
    let all: u64 = (0..4).map(|lane| lanes >> (16 * lane) & 0xffff).sum();
    let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
    u32::try_from(all - own).unwrap_or_default() + 8 * u32::from(b' ')
}

fn read_extension(region: &mut Region<'_, '_>, size: u64) -> io::Result<Vec<u8>> {
    if size > LONGEST_EXTENSION {
        return Err(invalid("an extended header is too long"));
    }
    let end = region.position() + size.next_multiple_of(BLOCK as u64);
    let mut content = Vec::new();
    region.next(size).read_to_end(&mut content)?;
    region.skip_to(end)?;
    Ok(content)
}

/// The old GNU format continues the map of a sparse file in blocks between header and content.
fn skip_sparse_map(region: &mut Region<'_, '_>, header: &Header) -> io::Result<()> {
    /// Where a continuation says whether another one follows.
    const IS_EXTENDED: usize = 504;
    let mut is_extended = header.entry_type() == EntryType::GNUSparse
        && header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
    while is_extended {
        let mut block = [0; BLOCK];
        region.read_exact(&mut block)?;
        is_extended = block[IS_EXTENDED] != 0;
    }
    Ok(())
}

/// Go's `isHeaderOnlyType`: whatever size these have, nothing follows.
fn has_content(kind: EntryType) -> bool {
    use EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    !matches!(kind, Link | Symlink | Char | Block | Directory | Fifo)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
