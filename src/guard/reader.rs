//! A stream that is searched while it is read.
//!
//! Rule: what was read was searched, and a stream that failed once has failed for good.

use std::io::{self, BufRead, Read};

use super::search::{Hit, Scan, Searcher};

/// Bytes that are read, and searched, at once.
pub(super) const BUFFER: usize = 64 * 1024;

/// So many hits are kept before those of one needle in one file are thinned out.
const MANY_HITS: usize = 1024;

/// A stream and the hits in it that belong to no file yet.
pub(super) struct Searched<'a> {
    inner: &'a mut dyn Read,
    scan: Scan<'a>,
    buffer: Vec<u8>,
    /// What of the buffer is not consumed.
    unread: std::ops::Range<usize>,
    /// How many bytes were consumed.
    position: u64,
    hits: Vec<Hit>,
    failure: Option<(io::ErrorKind, String)>,
}

impl<'a> Searched<'a> {
    /// `buffer` is lent for as long as the stream is read; see [`Self::into_buffer`].
    pub(super) fn new(inner: &'a mut dyn Read, searcher: &'a Searcher, mut buffer: Vec<u8>) -> Self {
        if buffer.len() != BUFFER {
            buffer = vec![0; BUFFER];
        }
        Self {
            inner,
            scan: searcher.scan(),
            buffer,
            unread: 0..0,
            position: 0,
            hits: Vec::new(),
            failure: None,
        }
    }

    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// How many bytes were consumed.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// All of the stream.
    pub(super) fn region(&mut self) -> Region<'_, 'a> {
        Region { reader: self, end: u64::MAX }
    }

    /// The next bytes, at least `count` if the stream and the buffer have so many.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.unread.len() < count.min(BUFFER) {
            if self.read_more()? == 0 {
                break;
            }
        }
        Ok(&self.buffer[self.unread.clone()])
    }

    /// Reads to the end.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        loop {
            let len = self.fill_buf()?.len();
            if len == 0 {
                return Ok(());
            }
            self.consume(len);
        }
    }

    /// Takes the hits that begin before `end`.
    pub(super) fn take_hits(&mut self, end: u64) -> Vec<Hit> {
        if self.hits.is_empty() {
            return Vec::new();
        }
        let (taken, kept) = std::mem::take(&mut self.hits).into_iter().partition(|hit| hit.offset < end);
        self.hits = kept;
        taken
    }

    fn read_more(&mut self) -> io::Result<usize> {
        if let Some((kind, message)) = &self.failure {
            return Err(io::Error::new(*kind, message.clone()));
        }
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        let free = &mut self.buffer[self.unread.end..];
        let count = loop {
            match self.inner.read(free) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some((error.kind(), error.to_string()));
                    return Err(error);
                }
            }
        };
        let hits = &mut self.hits;
        self.scan.push(&free[..count], &mut |hit| hits.push(hit));
        self.unread.end += count;
        self.thin_out();
        Ok(count)
    }

    /// What was consumed and not yet taken lies in one file; one hit of each needle there is enough.
    fn thin_out(&mut self) {
        if self.hits.len() > MANY_HITS {
            let position = self.position;
            self.hits.sort_by_key(|hit| (hit.offset >= position, hit.needle, hit.offset));
            self.hits.dedup_by(|b, a| b.offset < position && a.needle == b.needle);
        }
    }
}

impl BufRead for Searched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.unread.start += count;
        self.position += count as u64;
    }
}

impl Read for Searched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// A part of a stream, from where it is read to `end`.
pub(super) struct Region<'r, 'a> {
    pub(super) reader: &'r mut Searched<'a>,
    /// In bytes from the begin of the stream.
    end: u64,
}

impl<'a> Region<'_, 'a> {
    /// The next `len` bytes, as far as this region goes.
    pub(super) fn next(&mut self, len: u64) -> Region<'_, 'a> {
        let end = self.reader.position().saturating_add(len).min(self.end);
        Region { reader: self.reader, end }
    }

    pub(super) fn position(&self) -> u64 {
        self.reader.position()
    }

    /// Bytes to its end, as far as it is known.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.reader.position())
    }

    /// The next bytes, at least `count` if there are so many.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let left = self.left();
        let bytes = self.reader.peek(count)?;
        Ok(&bytes[..usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())])
    }

    /// Goes on to the place `end`; an error if the region ends before.
    pub(super) fn skip_to(&mut self, end: u64) -> io::Result<()> {
        while self.position() < end {
            let len = self.fill_buf()?.len();
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let left = usize::try_from(end - self.position()).unwrap_or(usize::MAX);
            self.consume(len.min(left));
        }
        Ok(())
    }
}

impl BufRead for Region<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left() == 0 { Ok(&[]) } else { self.peek(1) }
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }
}

impl Read for Region<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

fn read_buffered(reader: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let bytes = reader.fill_buf()?;
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    reader.consume(count);
    Ok(count)
}
