//! Finds our secrets, in every form of [`mask::patterns`], in bytes that are about to be shown or passed on.

mod pieces;

use std::cell::OnceCell;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use secrecy::{ExposeSecret, SecretBox};

use crate::agent::mask;
use pieces::Pieces;

const REPLACEMENT: &str = "***";

/// From this length on, a hit is no accident.
const LONG: usize = 8;

/// From this length on, a text that is a secret to the letter is that secret.
const WORD: usize = 6;

/// How much of a form is searched for; a hit is then followed as far as the text agrees with the form. The search needs
/// memory and time for every byte that it looks for, and a secret may have half a megabyte.
const HEAD: usize = 256;

/// The set of secrets known so far.
#[derive(Default)]
pub struct Redactor {
    /// Each form, and whether a hit is a leak wherever it is.
    patterns: Vec<(SecretBox<[u8]>, bool)>,
    /// Made when something is searched for the first time after a secret came.
    search: OnceCell<(AhoCorasick, Pieces)>,
}

impl Redactor {
    /// Adds a secret; from now on it is found. `certain` says that it is no word that stands elsewhere too.
    pub fn add(&mut self, secret: &[u8], certain: bool) {
        self.patterns.extend(mask::patterns(secret).into_iter().map(|form| (form, certain)));
        self.search.take();
    }

    /// Whether a secret that is certain, in any form, is in `bytes`. Forms shorter than 8 bytes do not count: a user's
    /// secret `prod` is also a piece of many a path.
    #[must_use]
    pub fn leaks(&self, bytes: &[u8]) -> bool {
        // A hit may hide one that begins within it, so the search goes on behind its first byte.
        let mut from = 0;
        while let Some(hit) = self.find(bytes, from) {
            let rest = &bytes[hit.start..];
            let mut forms = self.patterns.iter().filter(|(_, certain)| *certain).map(|(form, _)| head(form));
            if forms.any(|form| form.len() >= LONG && rest.starts_with(form)) {
                return true;
            }
            from = hit.start + 1;
        }
        false
    }

    /// Whether `text` is a secret to the letter, in any form, also one that may be a word; not if it is as short as many
    /// a word by chance.
    #[must_use]
    pub fn is_secret(&self, text: &str) -> bool {
        text.len() >= WORD && self.patterns.iter().any(|(form, _)| form.expose_secret() == text.as_bytes())
    }

    /// `text` with every hit replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let bytes = text.as_bytes();
        let mut hits = self.pieces(bytes);
        let mut from = 0;
        while let Some(hit) = self.find(bytes, from) {
            from = hit.end;
            hits.push(hit);
        }
        hits.sort_by_key(|hit| hit.start);
        let (mut clean, mut from) = (Vec::with_capacity(bytes.len()), 0);
        for hit in hits {
            if hit.start >= from {
                clean.extend_from_slice(&bytes[from..hit.start]);
                clean.extend_from_slice(REPLACEMENT.as_bytes());
            }
            from = from.max(hit.end);
        }
        clean.extend_from_slice(&bytes[from..]);
        String::from_utf8_lossy(&clean).into_owned()
    }

    /// Where a line that has grown too long may be cut so that no hit is cut in two: the end of what is safe.
    #[must_use]
    pub fn safe_cut(&self, bytes: &[u8]) -> usize {
        let longest = self.patterns.iter().map(|(form, _)| form.expose_secret().len()).max().unwrap_or(0);
        let cut = bytes.len().saturating_sub(longest);
        let mut from = 0;
        while let Some(hit) = self.find(bytes, from).filter(|hit| hit.start < cut) {
            if hit.end > cut {
                return hit.start;
            }
            from = hit.end;
        }
        cut
    }

    /// What is part of a form that was broken into lines.
    fn pieces(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        self.search().1.find(bytes, |index| self.patterns[index].0.expose_secret())
    }

    fn search(&self) -> &(AhoCorasick, Pieces) {
        self.search.get_or_init(|| {
            let heads = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(self.patterns.iter().map(|(form, _)| head(form)))
                .expect("the secrets of a step are far below 2^31 states");
            (heads, Pieces::new(self.patterns.iter().map(|(form, _)| form.expose_secret())))
        })
    }

    /// The first hit from `from` on.
    fn find(&self, bytes: &[u8], from: usize) -> Option<Range<usize>> {
        if self.patterns.is_empty() {
            return None;
        }
        let (search, _) = self.search();
        let hit = search.find(aho_corasick::Input::new(bytes).range(from..))?;
        // Forms may share their first bytes; the one that goes furthest counts.
        let furthest = self
            .patterns
            .iter()
            .map(|(form, _)| agreement(form.expose_secret(), &bytes[hit.start()..]))
            .max();
        Some(hit.start()..hit.start() + furthest.unwrap_or(0).max(hit.len()))
    }
}

/// What is searched for of a form.
fn head(form: &SecretBox<[u8]>) -> &[u8] {
    let form = form.expose_secret();
    &form[..form.len().min(HEAD)]
}

/// How many of the first bytes of both are the same.
fn agreement(form: &[u8], text: &[u8]) -> usize {
    form.iter().zip(text).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret.as_bytes(), true);
        }
        redactor
    }

    #[test]
    fn each_form_is_replaced_and_the_rest_stays() {
        let redactor = redactor(&["p@ss word", "ünïcödé-secret"]);
        assert_eq!(redactor.redact("a p@ss word b p%40ss%20word c"), "a *** b *** c");
        assert_eq!(redactor.redact("é ünïcödé-secret é"), "é *** é");
        assert_eq!(redactor.redact("nothing"), "nothing");
    }

    #[test]
    fn a_long_secret_is_replaced_whole_in_no_time() {
        let secret = "0123456789abcdefghijklmnopqrstuvwxyz_".repeat(500 * 1024 / 37);
        let redactor = redactor(&[&secret, "0123456789abcde: something else"]);
        assert_eq!(
            redactor.redact(&format!("a {secret} b 0123456789abcde: something else c")),
            "a *** b *** c"
        );
        assert!(redactor.leaks(format!("x={}", &secret[..300]).as_bytes()));
    }

    #[test]
    fn every_form_is_replaced_and_of_a_broken_one_each_line() {
        let secret = "eyJhbGciOiJub25lIn0.eyJpYXQiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl/b2Y+YS1sb25nLXRva2Vu";
        let redactor = redactor(&[secret]);
        for (form, written) in crate::form::written(secret.as_bytes()) {
            let text = format!("a {} b", String::from_utf8_lossy(&written));
            assert_eq!(redactor.redact(&text), "a *** b", "{form}");
        }
        let encoded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("user:{secret}"));
        for columns in [64, 76] {
            let lines: Vec<String> = encoded
                .as_bytes()
                .chunks(columns)
                .map(|line| redactor.redact(&format!("#9 0.1 {}", String::from_utf8_lossy(line))))
                .collect();
            let (first, last) = (lines[0].as_str(), lines[lines.len() - 1].as_str());
            assert_eq!(first, "#9 0.1 dXNlcjp***");
            assert!(last.starts_with("#9 0.1 ***"), "{last}");
            assert!(lines[1..lines.len() - 1].iter().all(|line| line == "#9 0.1 ***"), "{lines:#?}");
        }
    }

    #[test]
    fn a_short_hit_hides_no_long_one() {
        let redactor = redactor(&["prod", "oduction-key"]);
        assert!(redactor.leaks(b"/opt/production-key"));
        assert!(!redactor.leaks(b"/opt/product"));
    }

    #[test]
    fn a_secret_that_is_also_a_word_is_masked_and_forbids_nothing() {
        let mut redactor = redactor(&["step-secret"]);
        redactor.add(b"production", false);
        assert!(!redactor.leaks(b"ENV=production"));
        assert!(redactor.leaks(b"production step-secret"));
        assert_eq!(redactor.redact("in production"), "in ***");
    }

    #[test]
    fn a_cut_never_divides_a_secret() {
        let redactor = redactor(&["abcdefghij"]);
        let text = format!("{}abcdefghij{}", "x".repeat(50), "y".repeat(5));
        for end in 0..=text.len() {
            let cut = redactor.safe_cut(&text.as_bytes()[..end]);
            assert!(!(51..60).contains(&cut), "cut at {cut} of {end}");
        }
    }
}
