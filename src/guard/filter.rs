//! Where in a text a pattern can be, faster than memory delivers the text.
//!
//! Rule: it may name a place in vain, and misses none.
//!
//! Few patterns go to the vector search of aho-corasick ("Teddy"). It gets slow with every one more and takes at most
//! 64, and a job can have hundreds: dozens of secrets in ten forms each. Then only every 4th, 8th or 16th byte is looked
//! at: in a pattern that is long enough one of its grams begins there, and a bit set knows all of those. Measured on the
//! tar of an image with Python, built for size: 11 GiB/s for one token, 8 for hundreds of long patterns and 4 if short
//! ones are among them, and 0.5 for the automaton of aho-corasick.

#![expect(
    clippy::inline_always,
    reason = "the crate is built for size, and some of this is done for every few bytes"
)]

use std::collections::BTreeMap;

use aho_corasick::{Span, packed};

use super::search::WRAPPED;

/// The most keys for which the vector search is faster than a look at every 4th byte, and than one at fewer.
const MOST_KEYS: usize = 48;
const MOST_KEYS_OF_LONG: usize = 32;

/// Bytes of a key.
const KEY: usize = 8;

/// The size of the bit set is 2 to this power. It lies in the second cache: a smaller one would say yes more often,
/// which costs more.
const BITS: u32 = 19;

/// How many of those bits tell the lists of anchors apart.
const LIST_BITS: u32 = 12;

/// A place in a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    /// The index of the pattern.
    pub(super) pattern: usize,
    /// In bytes from its begin.
    pub(super) offset: usize,
}

#[derive(Debug)]
pub(super) enum Filter {
    /// Nothing is searched for.
    Empty,
    /// Each key with its anchors.
    Keys(packed::Searcher, Vec<Vec<Anchor>>),
    Grams4(Grams),
    Grams8(Grams),
    Grams16(Grams),
}

impl Filter {
    /// Of patterns of at least [`KEY`] bytes.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let Some(shortest) = patterns.clone().map(<[u8]>::len).min() else { return Self::Empty };
        let most = if shortest < 15 { MOST_KEYS } else { MOST_KEYS_OF_LONG };
        if let Some(filter) = Self::keys(patterns.clone(), most) {
            return filter;
        }
        match shortest {
            23.. => Self::Grams16(Grams::new::<16>(patterns)),
            15.. => Self::Grams8(Grams::new::<8>(patterns)),
            _ => Self::Grams4(Grams::new::<4>(patterns)),
        }
    }

    fn keys<'a>(patterns: impl Iterator<Item = &'a [u8]>, most: usize) -> Option<Self> {
        let mut keys: BTreeMap<&[u8], Vec<Anchor>> = BTreeMap::new();
        for (pattern, bytes) in patterns.enumerate() {
            for offset in places(bytes, KEY) {
                keys.entry(&bytes[offset..offset + KEY]).or_default().push(Anchor { pattern, offset });
            }
        }
        if keys.len() > most {
            return None;
        }
        let searcher = packed::Searcher::new(keys.keys())?;
        Some(Self::Keys(searcher, keys.into_values().collect()))
    }

    /// Calls `on_place` with each place in `bytes` that may be the anchor's.
    pub(super) fn candidates(&self, bytes: &[u8], on_place: &mut dyn FnMut(usize, Anchor)) {
        match self {
            Self::Empty => {}
            Self::Keys(searcher, anchors) => {
                let mut rest = Span::from(0..bytes.len());
                while let Some(hit) = searcher.find_in(bytes, rest) {
                    anchors[hit.pattern().as_usize()]
                        .iter()
                        .for_each(|&anchor| on_place(hit.start(), anchor));
                    // Another key may begin within this one.
                    rest.start = hit.start() + 1;
                }
            }
            Self::Grams4(grams) => grams.candidates::<4>(bytes, on_place),
            Self::Grams8(grams) => grams.candidates::<8>(bytes, on_place),
            Self::Grams16(grams) => grams.candidates::<16>(bytes, on_place),
        }
    }
}

/// A bit for each gram, and for the bits that are set the grams with their anchors.
pub(super) struct Grams {
    set: Box<[u64; 1 << (BITS - 6)]>,
    lists: Vec<Vec<(u64, Anchor)>>,
}

impl std::fmt::Debug for Grams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Grams")
    }
}

impl Grams {
    #[expect(clippy::large_stack_arrays, reason = "64 KiB for a moment; no index of an array is checked")]
    fn new<'a, const STRIDE: usize>(patterns: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut grams = Self { set: Box::new([0; 1 << (BITS - 6)]), lists: vec![Vec::new(); 1 << LIST_BITS] };
        let width = if STRIDE == 4 { 4 } else { 8 };
        for (pattern, bytes) in patterns.enumerate() {
            for place in places(bytes, width + STRIDE - 1) {
                for offset in place..place + STRIDE {
                    let Some(gram) = gram::<STRIDE>(&bytes[offset..]) else { continue };
                    let hash = hash(gram);
                    grams.set[hash >> 6] |= 1 << (hash & 63);
                    grams.lists[hash >> (BITS - LIST_BITS)].push((gram, Anchor { pattern, offset }));
                }
            }
        }
        grams
    }

    fn candidates<const STRIDE: usize>(&self, bytes: &[u8], on_place: &mut dyn FnMut(usize, Anchor)) {
        let (blocks, rest) = bytes.as_chunks::<STRIDE>();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(gram) = gram::<STRIDE>(block).filter(|&gram| self.has(gram)) {
                self.list(gram, index * STRIDE, on_place);
            }
        }
        if let Some(gram) = gram::<STRIDE>(rest).filter(|&gram| self.has(gram)) {
            self.list(gram, blocks.len() * STRIDE, on_place);
        }
    }

    #[inline(always)]
    fn has(&self, gram: u64) -> bool {
        let hash = hash(gram);
        self.set[hash >> 6] >> (hash & 63) & 1 != 0
    }

    #[cold]
    fn list(&self, gram: u64, at: usize, on_place: &mut dyn FnMut(usize, Anchor)) {
        for (own, anchor) in &self.lists[hash(gram) >> (BITS - LIST_BITS)] {
            if *own == gram {
                on_place(at, *anchor);
            }
        }
    }
}

/// The gram with which `text` begins: 4 bytes for the smallest stride, 8 for the others.
#[inline(always)]
fn gram<const STRIDE: usize>(text: &[u8]) -> Option<u64> {
    Some(match STRIDE {
        4 => u32::from_le_bytes(*text.first_chunk()?).into(),
        _ => u64::from_le_bytes(*text.first_chunk()?),
    })
}

/// Multiplicative hashing (Knuth, The Art of Computer Programming, section 6.4); below 2 to the power of [`BITS`].
#[inline(always)]
fn hash(gram: u64) -> usize {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    (gram.wrapping_mul(GOLDEN) >> (u64::BITS - BITS)) as usize
}

/// Where in a pattern to look for `width` bytes of it: at the rarest of its places, or, if it may have line breaks in
/// it, at the rarest two that lie side by side.
fn places(pattern: &[u8], width: usize) -> Vec<usize> {
    let count = if pattern.len() >= WRAPPED { 2 } else { 1 };
    let rarest = (0..=pattern.len() - count * width)
        .min_by_key(|&start| {
            pattern[start..start + count * width].iter().map(|&byte| commonness(byte)).sum::<u32>()
        })
        .unwrap_or(0);
    (0..count).map(|index| rarest + index * width).collect()
}

/// What files are full of: zeros, white space, small letters.
fn commonness(byte: u8) -> u32 {
    match byte {
        0 => 8,
        b' ' | b'\n' | b'\t' | 0xff => 4,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 3,
        b'a'..=b'z' => 2,
        b'0'..=b'9' | b'.' | b'/' | b'-' | b'_' => 1,
        _ => 0,
    }
}
