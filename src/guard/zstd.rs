//! Zstandard: all frames of a stream, one after the other.
//!
//! Rule: skippable frames hold no content (RFC 8878, section 3.1.2) and are passed over. So zstd:chunked, which keeps a
//! table of contents in them, is read as the plain stream that it also is.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Decodes a stream of frames.
pub(super) struct Decoder<R> {
    source: R,
    frame: FrameDecoder,
}

impl<R: BufRead> Decoder<R> {
    /// A frame that needs more than `largest_window` bytes of memory is an error.
    pub(super) fn new(source: R, largest_window: u64) -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(largest_window);
        Self { source, frame }
    }

    /// Reads the header of the next frame with content; `false` at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.frame.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.can_collect() == 0 {
            if self.frame.is_finished() {
                if !self.next_frame()? {
                    return Ok(0);
                }
            } else {
                self.frame
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
        }
        self.frame.read(buffer)
    }
}
