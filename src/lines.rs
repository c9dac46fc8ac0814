//! Lines from the bytes of a child, however they arrive.

/// A line longer than this is shown in pieces.
const LONGEST_LINE: usize = 256 * 1024;

/// Bytes on their way to becoming lines. LF, CRLF and a lone CR end a line, as for the agent.
pub struct LineBuffer {
    bytes: Vec<u8>,
    cut: Cut,
}

/// Where an overlong line may be divided.
type Cut = Box<dyn Fn(&[u8]) -> usize>;

impl LineBuffer {
    /// `cut` says where an overlong line may be divided; see [`crate::redact::Redactor::safe_cut`].
    pub fn new(cut: impl Fn(&[u8]) -> usize + 'static) -> Self {
        Self { bytes: Vec::new(), cut: Box::new(cut) }
    }

    /// Takes what was read and hands on the lines that it completes.
    pub fn push(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => self.flush(on_line),
                _ => self.bytes.push(byte),
            }
        }
        if self.bytes.len() > LONGEST_LINE {
            let cut = (self.cut)(&self.bytes);
            let rest = self.bytes.split_off(cut);
            self.flush(on_line);
            self.bytes = rest;
        }
    }

    /// Hands on what is left, if anything is.
    pub fn flush(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.bytes.is_empty() {
            on_line(&String::from_utf8_lossy(&self.bytes));
            self.bytes.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut buffer = LineBuffer::new(<[u8]>::len);
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.push(chunk, &mut |line: &str| lines.push(line.to_owned()));
        }
        buffer.flush(&mut |line: &str| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\r\nthree\rfour", b"\xff"]),
            ["one", "two", "three", "four\u{fffd}"]
        );
    }
}
