//! The written forms that a secret can take, for the agent's masker and for our own redactor.
//!
//! Rule: whoever creates a secret registers it with the console before anything can print it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretBox, SecretString};

/// Values shorter than this are not searched for: a log with every `a1` masked is of no use.
pub const SHORTEST: usize = 4;

/// The shortest base64 piece that is searched for; a shorter one would hit by chance.
const SHORTEST_BASE64: usize = 8;

/// RFC 3986 unreserved characters stay; this is also what `encodeURIComponent` and `Uri.EscapeDataString` do,
/// up to `!*'()`.
pub const URL_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The forms that are registered with the agent: each line of the value raw and percent-encoded, and base64 of
/// the value alone and as `user:value` for each user name that we put before it (so Basic headers are covered).
#[must_use]
pub fn agent_forms(secret: &SecretString, users: &[&str]) -> Vec<SecretString> {
    let value = secret.expose_secret();
    let mut forms: Vec<String> = Vec::new();
    for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST) {
        forms.push(line.to_owned());
        forms.push(utf8_percent_encode(line, URL_COMPONENT).to_string());
    }
    if value.len() >= SHORTEST {
        forms.push(STANDARD.encode(value));
        forms.extend(users.iter().map(|user| STANDARD.encode(format!("{user}:{value}"))));
    }
    let mut seen = std::collections::BTreeSet::new();
    forms.retain(|form| seen.insert(form.clone()));
    forms.into_iter().map(SecretString::from).collect()
}

/// The byte patterns that the redactor replaces: raw, percent-encoded and JSON-escaped lines, and the base64 and
/// base64url of the whole, as it is and percent-encoded (so that a URL with it is covered), at each of the three
/// alignments, less the characters that depend on its neighbours. A Basic header contains one of these whatever the
/// user name is.
#[must_use]
pub fn patterns(secret: &[u8]) -> Vec<SecretBox<[u8]>> {
    let mut forms: Vec<Vec<u8>> = Vec::new();
    for line in secret.split(|&byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii) {
        if line.len() < SHORTEST {
            continue;
        }
        forms.push(line.to_vec());
        if let Ok(text) = std::str::from_utf8(line) {
            forms.push(utf8_percent_encode(text, URL_COMPONENT).to_string().into_bytes());
            let quoted = serde_json::Value::from(text).to_string();
            forms.push(quoted.trim_matches('"').as_bytes().to_vec());
        }
    }
    let whole = secret.trim_ascii();
    let encoded = percent_encode(whole, URL_COMPONENT).to_string();
    for whole in [whole, encoded.as_bytes()] {
        for engine in [&STANDARD, &URL_SAFE] {
            forms.extend((0..3).filter_map(|shift| aligned_base64(engine, whole, shift)));
        }
    }
    forms.sort();
    forms.dedup();
    forms.into_iter().map(|form| SecretBox::new(form.into_boxed_slice())).collect()
}

/// The base64 characters that `secret` alone decides when `shift` bytes stand before it.
fn aligned_base64(engine: &base64::engine::GeneralPurpose, secret: &[u8], shift: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(secret);
    let encoded = engine.encode(&bytes);
    // 6 bits a character: the first `shift` bytes reach into character `ceil(8 * shift / 6)`.
    let decided = (8 * shift).div_ceil(6)..bytes.len() * 8 / 6;
    encoded.as_bytes().get(decided).filter(|core| core.len() >= SHORTEST_BASE64).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(forms: &[SecretString]) -> Vec<&str> {
        forms.iter().map(ExposeSecret::expose_secret).collect()
    }

    #[test]
    fn the_agent_gets_each_form_once() {
        let forms = agent_forms(&SecretString::from("pa ss%1"), &["build"]);
        assert_eq!(exposed(&forms), ["pa ss%1", "pa%20ss%251", "cGEgc3MlMQ==", "YnVpbGQ6cGEgc3MlMQ=="]);
    }

    #[test]
    fn each_line_of_a_long_secret_is_registered_alone_and_short_ones_not() {
        let forms = agent_forms(&SecretString::from("first line\nab\nlast"), &[]);
        let forms = exposed(&forms);
        assert!(forms.contains(&"first line") && forms.contains(&"last") && !forms.contains(&"ab"));
    }

    #[test]
    fn base64_is_found_behind_any_prefix() {
        let patterns = patterns(b"Tok/en+42~value");
        for secret in ["Tok/en+42~value", "Tok%2Fen%2B42~value"] {
            for prefix in ["", "u", "us", "usr", "user:", "build:", "http://build:"] {
                for suffix in ["", "x", "xy", "\n", "@host/"] {
                    for engine in [STANDARD, URL_SAFE] {
                        let encoded = engine.encode(format!("{prefix}{secret}{suffix}"));
                        let is_found = patterns.iter().any(|pattern| {
                            let pattern = pattern.expose_secret();
                            encoded.as_bytes().windows(pattern.len()).any(|window| window == pattern)
                        });
                        assert!(is_found, "{prefix}…{suffix:?} in {encoded}");
                    }
                }
            }
        }
    }
}
