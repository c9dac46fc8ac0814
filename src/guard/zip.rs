//! Zip archives: the members of wheels, jars and packages, in the order in which they lie in the file.
//!
//! Rule: members are found by their own headers, not by the central directory at the end: what no directory names is
//! in the file all the same. Stored members are searched with the bytes around them, so only compressed ones are opened.
//!
//! Format: APPNOTE.TXT of PKWARE, version 6.3, sections 4.3 and 4.4.

use std::io::{self, BufRead as _, Read};

use flate2::bufread::DeflateDecoder;
use memchr::memmem;

use super::archive::{Reason, Walk};
use super::reader::Region;
use super::zstd;

/// Of a member; the central directory has others.
const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

/// The size of a header up to the name, in bytes.
const HEADER: usize = 30;

/// The id of the extra field that holds sizes of 64 bits.
const ZIP64: u16 = 1;

/// The header of a member.
struct Header {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    /// In bytes; none if it stands behind the content.
    size: Option<u64>,
}

impl Walk<'_> {
    /// Walks to the end of the region.
    pub(super) fn zip(&mut self, region: &mut Region<'_, '_>, depth: usize) -> io::Result<()> {
        while find_header(region)? {
            let header = Header::read(region)?;
            let start = region.position();
            self.enter(&header.name);
            let result = self.zip_member(&header, region, depth);
            let end = region.position();
            self.settle(region.reader, end, start);
            self.leave();
            result?;
        }
        Ok(())
    }

    fn zip_member(&mut self, header: &Header, region: &mut Region<'_, '_>, depth: usize) -> io::Result<()> {
        let start = region.position();
        let size = header.size.unwrap_or(region.left());
        let content = &mut region.next(size);
        if header.is_encrypted() {
            self.unopened(Reason::Encrypted);
        } else {
            let allowance = self.allowance(header.size);
            match header.method {
                // Without a size it has no end that could be told from its content.
                0 if header.size.is_none() => {}
                0 => self.nested(content, depth)?,
                8 => self.decoded(&mut DeflateDecoder::new(content), allowance, depth),
                93 => self.decoded(&mut zstd::Decoder::new(content, allowance.window), allowance, depth),
                method => self.unopened(Reason::Method(method)),
            }
        }
        // Without a size the next header is looked for.
        header.size.map_or(Ok(()), |size| region.skip_to(start + size))
    }
}

impl Header {
    fn read(region: &mut Region<'_, '_>) -> io::Result<Self> {
        let mut bytes = [0; HEADER];
        region.read_exact(&mut bytes)?;
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (flags, method, size) = (short(6), short(8), long(18));
        let mut name = vec![0; short(26).into()];
        region.read_exact(&mut name)?;
        let mut extra = vec![0; short(28).into()];
        region.read_exact(&mut extra)?;
        let stands_behind = flags & 8 != 0 && size == 0;
        let size = if size == u32::MAX { zip64_size(&extra) } else { Some(size.into()) };
        Ok(Self { name, flags, method, size: size.filter(|&size| !stands_behind && size <= 1 << 62) })
    }

    fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// The compressed size, the second of the two that a local header must have.
fn zip64_size(mut extra: &[u8]) -> Option<u64> {
    while let Some(([id0, id1, len0, len1], rest)) = extra.split_first_chunk() {
        let (field, rest) = rest.split_at_checked(u16::from_le_bytes([*len0, *len1]).into())?;
        if u16::from_le_bytes([*id0, *id1]) == ZIP64 {
            return Some(u64::from_le_bytes(*field.get(8..)?.first_chunk()?));
        }
        extra = rest;
    }
    None
}

/// Goes to the next header of a member; `false` if there is none.
fn find_header(region: &mut Region<'_, '_>) -> io::Result<bool> {
    loop {
        let bytes = region.peek(LOCAL_HEADER.len())?;
        if bytes.len() < LOCAL_HEADER.len() {
            return Ok(false);
        }
        let found = memmem::find(bytes, LOCAL_HEADER);
        let skip = found.unwrap_or(bytes.len() - LOCAL_HEADER.len() + 1);
        region.consume(skip);
        if found.is_some() {
            return Ok(true);
        }
    }
}
