//! Finds our secrets, in every form of [`mask::patterns`], in bytes that are about to be shown or passed on.

use aho_corasick::{AhoCorasick, MatchKind};
use secrecy::{ExposeSecret, SecretBox};

use crate::agent::mask;

const REPLACEMENT: &str = "***";

/// From this length on, a hit is no accident.
const LONG: usize = 8;

/// The set of secrets known so far.
#[derive(Default)]
pub struct Redactor {
    patterns: Vec<SecretBox<[u8]>>,
    automaton: Option<AhoCorasick>,
    long_only: Option<AhoCorasick>,
    longest: usize,
}

impl Redactor {
    /// Adds a secret; from now on it is found.
    pub fn add(&mut self, secret: &[u8]) {
        self.patterns.extend(mask::patterns(secret));
        let patterns = self.patterns.iter().map(ExposeSecret::expose_secret);
        self.longest = patterns.clone().map(<[u8]>::len).max().unwrap_or(0);
        self.automaton = Some(automaton(patterns.clone()));
        self.long_only = Some(automaton(patterns.filter(|pattern| pattern.len() >= LONG)));
    }

    /// Whether a secret, in any form, is in `bytes`. Forms shorter than 8 bytes do not count: a user's secret `prod`
    /// is also a piece of many a path.
    #[must_use]
    pub fn leaks(&self, bytes: &[u8]) -> bool {
        self.long_only.as_ref().is_some_and(|automaton| automaton.is_match(bytes))
    }

    /// `text` with every hit replaced by `***`.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        match &self.automaton {
            // A base64 hit may begin inside a multi-byte character only if that byte is ASCII, so never.
            Some(automaton) if automaton.is_match(text) => {
                let bytes =
                    automaton.replace_all_bytes(text.as_bytes(), &vec![REPLACEMENT; self.patterns.len()]);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => text.to_owned(),
        }
    }

    /// Where a line that has grown too long may be cut so that no hit is cut in two: the end of what is safe.
    #[must_use]
    pub fn safe_cut(&self, bytes: &[u8]) -> usize {
        let cut = bytes.len().saturating_sub(self.longest);
        let crossing = self.automaton.as_ref().and_then(|automaton| {
            automaton.find_iter(bytes).find(|hit| hit.start() < cut && hit.end() > cut)
        });
        crossing.map_or(cut, |hit| hit.start())
    }
}

fn automaton<'a>(patterns: impl Iterator<Item = &'a [u8]>) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(patterns)
        .expect("the secrets of a step are far below 2^31 states")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[&str]) -> Redactor {
        let mut redactor = Redactor::default();
        for secret in secrets {
            redactor.add(secret.as_bytes());
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
    fn a_cut_never_divides_a_secret() {
        let redactor = redactor(&["abcdefghij"]);
        let text = format!("{}abcdefghij{}", "x".repeat(50), "y".repeat(5));
        for end in 0..=text.len() {
            let cut = redactor.safe_cut(&text.as_bytes()[..end]);
            assert!(!(51..60).contains(&cut), "cut at {cut} of {end}");
        }
    }
}
