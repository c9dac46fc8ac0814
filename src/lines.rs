//! Lines from the bytes of a child, however they arrive.

/// A line longer than this is shown in pieces.
const LONGEST_LINE: usize = 256 * 1024;

/// A line for a parser that is longer than this is left out. No message of BuildKit's gRPC is half as long.
const LONGEST_MESSAGE: usize = 32 << 20;

/// Bytes on their way to becoming lines. LF, CRLF and a lone CR end a line, as for the agent.
pub struct LineBuffer {
    bytes: Vec<u8>,
    overlong: Overlong,
}

/// Where an overlong line may be divided.
type Cut = Box<dyn Fn(&[u8]) -> usize>;

/// What becomes of an overlong line.
enum Overlong {
    /// It is divided where this says.
    Cut(Cut),
    /// It is left out.
    Drop {
        /// Whether such a line is coming in.
        dropping: bool,
    },
}

impl LineBuffer {
    /// For lines that are shown. `cut` says where an overlong one may be divided; see
    /// [`crate::redact::Redactor::safe_cut`].
    pub fn new(cut: impl Fn(&[u8]) -> usize + 'static) -> Self {
        Self { bytes: Vec::new(), overlong: Overlong::Cut(Box::new(cut)) }
    }

    /// For lines that are parsed: none is divided.
    #[must_use]
    pub fn whole() -> Self {
        Self { bytes: Vec::new(), overlong: Overlong::Drop { dropping: false } }
    }

    /// Takes what was read and hands on the lines that it completes.
    pub fn push(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => self.flush(on_line),
                _ => self.bytes.push(byte),
            }
        }
        match &mut self.overlong {
            Overlong::Cut(cut) if self.bytes.len() > LONGEST_LINE => {
                let rest = self.bytes.split_off(cut(&self.bytes));
                self.flush(on_line);
                self.bytes = rest;
            }
            Overlong::Drop { dropping } if *dropping || self.bytes.len() > LONGEST_MESSAGE => {
                *dropping = true;
                self.bytes.clear();
            }
            Overlong::Cut(_) | Overlong::Drop { .. } => {}
        }
    }

    /// Whether no line has begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Hands on what is left, if anything is.
    pub fn flush(&mut self, on_line: &mut impl FnMut(&str)) {
        if let Overlong::Drop { dropping: dropping @ true } = &mut self.overlong {
            *dropping = false;
            self.bytes.clear();
        }
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

    #[test]
    fn a_line_for_a_parser_is_whole_or_not_there() {
        let long = vec![b'x'; 2 * LONGEST_LINE];
        let mut buffer = LineBuffer::whole();
        let mut lengths = Vec::new();
        let mut push = |bytes: &[u8]| buffer.push(bytes, &mut |line: &str| lengths.push(line.len()));
        push(&long);
        push(b"\n");
        for _ in 0..=LONGEST_MESSAGE / long.len() {
            push(&long);
        }
        push(b"the rest of it\nabc\n");
        assert_eq!(lengths, [2 * LONGEST_LINE, 3]);
    }
}
