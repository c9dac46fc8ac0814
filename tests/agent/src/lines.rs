//! Cuts a byte stream into lines as .NET's `ReadLine` does: `\n`, `\r\n` and a lone `\r` end one.

use std::io::{BufReader, Read};

/// Calls `each` with every line of `stream` until it ends; bytes that are no UTF-8 are replaced.
pub(crate) fn read_lines(stream: impl Read, mut each: impl FnMut(String)) {
    let mut line = Vec::new();
    let mut after_cr = false;
    for byte in BufReader::new(stream).bytes() {
        let Ok(byte) = byte else { break };
        let rest_of_crlf = after_cr && byte == b'\n';
        after_cr = byte == b'\r';
        if rest_of_crlf {
            continue;
        }
        if matches!(byte, b'\r' | b'\n') {
            each(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        } else {
            line.push(byte);
        }
    }
    if !line.is_empty() {
        each(String::from_utf8_lossy(&line).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        read_lines(text.as_bytes(), |line| lines.push(line));
        lines
    }

    #[test]
    fn every_kind_of_line_end_ends_a_line() {
        assert_eq!(lines("a\nb\r\nc\rd\r\r\ne\n\nf"), ["a", "b", "c", "d", "", "e", "", "f"]);
    }

    #[test]
    fn no_line_follows_the_last_line_end() {
        assert_eq!(lines("a\r\n"), ["a"]);
        assert_eq!(lines(""), [""; 0]);
    }
}
