//! Finds needles, in every written form, in a stream of bytes.
//!
//! Rule: how the stream is cut into chunks changes nothing.
//!
//! A form counts when all of it is there. One of [`WRAPPED`] bytes or more may have line breaks and indentation in it,
//! as the lines of `base64 FILE` (76 columns), of a PEM (64) and of `xxd -p` (60) have: two places of the form, next to
//! each other, are looked for, and of those a break every 46 columns or more leaves one whole.

use std::ops::Range;

use secrecy::{ExposeSecret, SecretSlice};

use super::filter::{Anchor, Filter};
use super::needle::{Needle, SHORTEST};
use crate::form::{self, Form};

/// How much of a long line is looked for: its end, since tokens of one issuer begin alike. In bytes.
const REACH: usize = 512;

/// From this length on, in bytes, a form is also found with line breaks in it.
pub const WRAPPED: usize = 46;

/// What is searched for.
#[derive(Debug)]
pub struct Searcher {
    needles: Vec<Needle>,
    patterns: Vec<Pattern>,
    filter: Filter,
    /// The most bytes that a hit takes.
    longest: usize,
}

/// A form of a needle.
#[derive(Debug)]
struct Pattern {
    bytes: SecretSlice<u8>,
    needle: usize,
    form: Form,
}

/// A needle that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where it begins, in bytes from the begin of the stream.
    pub offset: u64,
    /// The index in [`Searcher::needles`].
    pub needle: usize,
    /// How it is written there.
    pub form: Form,
}

impl Searcher {
    /// Searches for `needles`. A text that is a form of several of them counts for the first.
    #[must_use]
    pub fn new(needles: Vec<Needle>) -> Self {
        let mut patterns: Vec<Pattern> = Vec::new();
        for (index, needle) in needles.iter().enumerate() {
            let forms = needle.lines().into_iter().flat_map(|line| form::written(end(line)));
            patterns.extend(
                forms.filter(|(_, bytes)| bytes.len() >= SHORTEST).map(|(form, bytes)| Pattern {
                    bytes: bytes.into(),
                    needle: index,
                    form,
                }),
            );
        }
        // The sort is stable: of equal texts the first needle's, and its plainest form, stays.
        patterns.sort_by(|a, b| a.bytes.expose_secret().cmp(b.bytes.expose_secret()));
        patterns.dedup_by(|b, a| a.bytes.expose_secret() == b.bytes.expose_secret());
        let filter = Filter::new(patterns.iter().map(|pattern| pattern.bytes.expose_secret()));
        let longest = patterns.iter().map(Pattern::reach).max().unwrap_or(0);
        Self { needles, patterns, filter, longest }
    }

    /// What is searched for, in the order in which it was given.
    #[must_use]
    pub fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// Calls `on_hit` for every hit in `bytes`, in no order, and for some twice.
    pub fn find(&self, bytes: &[u8], on_hit: &mut dyn FnMut(Hit)) {
        self.ranges(bytes, &mut |pattern, range| on_hit(pattern.hit(range.start as u64)));
    }

    /// `text` with every hit replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut hits: Vec<Range<usize>> = Vec::new();
        self.ranges(text.as_bytes(), &mut |_, range| hits.push(range));
        hits.sort_by_key(|range| range.start);
        let (mut clean, mut from) = (Vec::new(), 0);
        for range in hits {
            if range.start >= from {
                clean.extend_from_slice(&text.as_bytes()[from..range.start]);
                clean.extend_from_slice(b"***");
            }
            from = from.max(range.end);
        }
        clean.extend_from_slice(&text.as_bytes()[from..]);
        String::from_utf8_lossy(&clean).into_owned()
    }

    /// Starts to search a stream.
    #[must_use]
    pub fn scan(&self) -> Scan<'_> {
        Scan { searcher: self, end: Vec::new(), offset: 0 }
    }

    fn ranges(&self, bytes: &[u8], on_hit: &mut dyn FnMut(&Pattern, Range<usize>)) {
        self.filter.candidates(bytes, &mut |at, Anchor { pattern, offset }| {
            let pattern = &self.patterns[pattern];
            if let Some(range) = pattern.range(bytes, at, offset) {
                on_hit(pattern, range);
            }
        });
    }
}

impl Pattern {
    fn hit(&self, offset: u64) -> Hit {
        Hit { offset, needle: self.needle, form: self.form }
    }

    fn may_be_wrapped(&self) -> bool {
        self.bytes.expose_secret().len() >= WRAPPED
    }

    /// The most bytes that it takes: a quarter may be line breaks and indentation.
    fn reach(&self) -> usize {
        let len = self.bytes.expose_secret().len();
        if self.may_be_wrapped() { len + len / 4 } else { len }
    }

    /// Where in `bytes` it is, if its byte `offset` is at `at`.
    fn range(&self, bytes: &[u8], at: usize, offset: usize) -> Option<Range<usize>> {
        let form = self.bytes.expose_secret();
        if !self.may_be_wrapped() {
            let start = at.checked_sub(offset)?;
            return bytes[start..].starts_with(form).then(|| start..start + form.len());
        }
        let (before, after) = form.split_at(offset);
        let start = at - agreement(before.iter().rev(), bytes[..at].iter().rev())?;
        let end = at + agreement(after.iter(), bytes[at..].iter())?;
        (end - start <= self.reach()).then_some(start..end)
    }
}

/// How many bytes of `text` hold all of `form`, white space in between not counted.
fn agreement<'a>(
    form: impl Iterator<Item = &'a u8>,
    mut text: impl Iterator<Item = &'a u8>,
) -> Option<usize> {
    let mut taken = 0;
    for wanted in form {
        loop {
            let byte = text.next()?;
            taken += 1;
            if byte == wanted {
                break;
            }
            if !byte.is_ascii_whitespace() {
                return None;
            }
        }
    }
    Some(taken)
}

/// The last [`REACH`] bytes, not beginning within a character.
fn end(line: &[u8]) -> &[u8] {
    let Some(start) = line.len().checked_sub(REACH) else { return line };
    let of_character = line[start..].iter().take(3).take_while(|&&byte| byte & 0xc0 == 0x80).count();
    &line[start + of_character..]
}

/// A stream that is being searched.
pub struct Scan<'a> {
    searcher: &'a Searcher,
    /// The last bytes, too few to hold a whole hit of every form.
    end: Vec<u8>,
    /// How many bytes of the stream came.
    offset: u64,
}

impl Scan<'_> {
    /// Searches the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8], on_hit: &mut dyn FnMut(Hit)) {
        let (searcher, overlap) = (self.searcher, self.searcher.longest.saturating_sub(1));
        let (kept, before) = (self.end.len(), self.offset - self.end.len() as u64);
        self.end.extend_from_slice(&chunk[..chunk.len().min(overlap)]);
        // What lies on one side of the seam alone was found, or will be.
        searcher.ranges(&self.end, &mut |pattern, range| {
            if range.start < kept && range.end > kept {
                on_hit(pattern.hit(before + range.start as u64));
            }
        });
        let offset = self.offset;
        searcher.ranges(chunk, &mut |pattern, range| on_hit(pattern.hit(offset + range.start as u64)));
        self.offset += chunk.len() as u64;
        if chunk.len() >= overlap {
            self.end.clear();
            self.end.extend_from_slice(&chunk[chunk.len() - overlap..]);
        } else {
            self.end.drain(..self.end.len().saturating_sub(overlap));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    const JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMH0.\
        dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXkQx3Zb7nLm0aTgVhYcRiS5oDpEfKs8GyNtUu6MqWl2JjA4vBzX9CrPHdOe";

    fn needles(values: &[&str]) -> Vec<Needle> {
        values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                Needle::fed(format!("needle {index}"), value.as_bytes()).expect("it is long")
            })
            .collect()
    }

    fn find(searcher: &Searcher, bytes: &[u8]) -> BTreeSet<Hit> {
        let mut hits = BTreeSet::new();
        searcher.find(bytes, &mut |hit| _ = hits.insert(hit));
        hits
    }

    fn scan<'a>(searcher: &Searcher, chunks: impl IntoIterator<Item = &'a [u8]>) -> BTreeSet<Hit> {
        let (mut hits, mut scan) = (BTreeSet::new(), searcher.scan());
        for chunk in chunks {
            scan.push(chunk, &mut |hit| _ = hits.insert(hit));
        }
        hits
    }

    /// Sets of needles for which each kind of filter is taken.
    static SEARCHERS: LazyLock<Vec<Searcher>> = LazyLock::new(|| {
        let many: Vec<String> =
            (0..40).map(|n| format!("pa${n:02}\u{e9}/w+rd{}", "x".repeat(n % 5))).collect();
        let longer: Vec<String> = (0..40).map(|n| format!("a-longer-pa${n:02}/w+rd{n}")).collect();
        let all = |values: &[String]| {
            Searcher::new(needles(&values.iter().map(String::as_str).collect::<Vec<_>>()))
        };
        let tokens: Vec<String> = (0..10)
            .map(|n| JWT.chars().map(|c| char::from(33 + (c as u8 - 33 + n) % 94)).collect())
            .collect();
        vec![Searcher::new(needles(&["p@ss:w/rd", JWT])), all(&many), all(&longer), all(&tokens)]
    });

    #[test]
    fn each_kind_of_filter_is_tested() {
        let kinds: Vec<&str> = SEARCHERS
            .iter()
            .map(|searcher| match searcher.filter {
                Filter::Empty => "empty",
                Filter::Keys(..) => "keys",
                Filter::Grams4(_) => "every 4th",
                Filter::Grams8(_) => "every 8th",
                Filter::Grams16(_) => "every 16th",
            })
            .collect();
        assert_eq!(kinds, ["keys", "every 4th", "every 8th", "every 16th"]);
    }

    #[test]
    fn every_form_is_found_wherever_it_is() {
        for searcher in SEARCHERS.iter() {
            for (index, needle) in searcher.needles().iter().enumerate().step_by(7) {
                let value = needle.value.expose_secret();
                for (form, written) in form::written(value) {
                    for before in 0..20 {
                        let text = [&vec![b'.'; before], written.as_slice(), b"..."].concat();
                        let hit = Hit { offset: before as u64, needle: index, form };
                        let hits = find(searcher, &text);
                        assert!(hits.contains(&hit), "{hit:?} in {}: {hits:?}", text.escape_ascii());
                    }
                }
            }
        }
    }

    #[test]
    fn wrapped_base64_is_found_at_every_width_and_offset() {
        use base64::Engine as _;
        let searcher = Searcher::new(needles(&[JWT]));
        for columns in [60, 64, 70, 76] {
            for before in 0..80 {
                for end in ["\n", "\r\n", "\n    "] {
                    let encoded = base64::engine::general_purpose::STANDARD
                        .encode(format!("{}{JWT}", "u".repeat(before)));
                    let lines: Vec<&str> = encoded
                        .as_bytes()
                        .chunks(columns)
                        .map(|line| std::str::from_utf8(line).expect("ASCII"))
                        .collect();
                    let hits = find(&searcher, lines.join(end).as_bytes());
                    assert_eq!(hits.len(), 1, "{columns} columns behind {before} bytes");
                }
            }
        }
    }

    #[test]
    fn another_token_of_the_same_issuer_is_no_hit() {
        let searcher = Searcher::new(needles(&[JWT]));
        let other = JWT.replace("UJU1p1r", "UJU1p1s");
        for (_, written) in form::written(other.as_bytes()) {
            assert_eq!(find(&searcher, &written), BTreeSet::new());
        }
    }

    #[test]
    fn a_short_hit_hides_no_long_one() {
        let searcher = Searcher::new(needles(&["abcdefgh", "cdefghij-klmno"]));
        let hits = find(&searcher, b"abcdefghij-klmno");
        assert_eq!(hits.iter().map(|hit| (hit.needle, hit.offset)).collect::<Vec<_>>(), [(0, 0), (1, 2)]);
    }

    #[test]
    fn nothing_is_found_of_nothing() {
        let searcher = Searcher::new(Vec::new());
        assert_eq!(scan(&searcher, [b"abc".as_slice(), b""]), BTreeSet::new());
    }

    proptest! {
        /// Pieces of the needles, whole needles and other bytes, cut anywhere.
        #[test]
        fn any_split_of_any_text_has_the_same_hits(
            kind in 0..4usize,
            parts in prop::collection::vec((0..4u8, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let searcher = &SEARCHERS[kind];
            let mut text = Vec::new();
            for (what, which, cut) in parts {
                let needle = which.get(searcher.needles());
                let forms = form::written(needle.value.expose_secret());
                let form = &cut.get(&forms).1;
                match what {
                    0 => text.extend_from_slice(form),
                    1 => text.extend_from_slice(&form[..cut.index(form.len())]),
                    2 => form.chunks(46 + cut.index(40)).for_each(|line| text.extend([line, b"\n"].concat())),
                    _ => text.extend(vec![b'a'; cut.index(40)]),
                }
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
            prop_assert_eq!(scan(searcher, chunks), find(searcher, &text));
        }
    }
}
