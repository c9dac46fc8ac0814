//! Pieces of a long form that a program has broken into lines, as `base64 FILE` does at 76 columns.
//!
//! Rule: every 16 bytes of a form begin a piece. Whatever 31 bytes of it stand in a line hold a whole one, which is then
//! followed in both directions as far as the line agrees with the form.

use std::collections::HashMap;
use std::ops::Range;

/// Bytes of a piece; of random base64 that is no accident.
const PIECE: usize = 16;

/// Bytes of a form that hold a whole piece, wherever they begin.
const SHORTEST: usize = 2 * PIECE - 1;

/// A longer form has no pieces, in bytes: each takes memory.
const LONGEST: usize = 64 * 1024;

/// Where each piece is from: the indices of the forms, and the offsets in them.
#[derive(Default)]
pub(super) struct Pieces(HashMap<Vec<u8>, Vec<(usize, usize)>>);

impl Pieces {
    pub(super) fn new<'a>(forms: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut pieces = Self::default();
        for (index, form) in forms.enumerate().filter(|(_, form)| (SHORTEST..=LONGEST).contains(&form.len()))
        {
            for (number, piece) in form.chunks_exact(PIECE).enumerate() {
                pieces.0.entry(piece.to_vec()).or_default().push((index, number * PIECE));
            }
        }
        pieces
    }

    /// What of `text` is part of a form; `form` gives each by its index. Several forms may share a piece and go on
    /// differently, so what is found may overlap.
    pub(super) fn find<'a>(&self, text: &[u8], form: impl Fn(usize) -> &'a [u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        // Where the last hit of a form ends, if the form begins so far into the text.
        let mut ends: HashMap<(usize, usize), usize> = HashMap::new();
        for (at, piece) in text.windows(PIECE).enumerate() {
            for &(index, offset) in self.0.get(piece).into_iter().flatten() {
                let form = form(index);
                // Counted from the begin of a form that the text may have the end of only.
                let end = ends.entry((index, at + form.len() - offset)).or_default();
                if at >= *end {
                    let before = agreement(text[..at].iter().rev(), form[..offset].iter().rev());
                    *end = at + agreement(text[at..].iter(), form[offset..].iter());
                    found.push(at - before..*end);
                }
            }
        }
        found
    }
}

/// How many of the first bytes of both are the same.
fn agreement<'a>(text: impl Iterator<Item = &'a u8>, form: impl Iterator<Item = &'a u8>) -> usize {
    text.zip(form).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    #[test]
    fn what_holds_a_whole_piece_is_found_whole() {
        let pieces = Pieces::new([b"short".as_slice(), FORM].into_iter());
        for start in 0..FORM.len() - SHORTEST {
            let text = [b">> ", &FORM[start..start + SHORTEST], b" <<"].concat();
            let found: Vec<_> = pieces.find(&text, |_| FORM).iter().map(|hit| (hit.start, hit.end)).collect();
            assert_eq!(found, [(3, 3 + SHORTEST)]);
        }
        for text in [b"0123456789abcde-ghijklmnopqrstu".as_slice(), b""] {
            assert!(pieces.find(text, |_| FORM).is_empty());
        }
    }
}
