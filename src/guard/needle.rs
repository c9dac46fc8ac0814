//! A secret that is looked for, and the rules by which a value of the job becomes one.
//!
//! Rule: a value that would be found by chance is no error, and what is not searched for is said.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;

/// Characters from which on a value is searched for.
pub const SHORTEST: usize = 8;

/// Characters from which on a value that nobody fed can be an error.
const SHORTEST_RANDOM: usize = 12;

/// A value of several lines is searched for by those of its lines that have a word of this length with the spread of
/// a random value: the first line of every private key is the same.
const SHORTEST_RANDOM_WORD: usize = 16;

/// What a finding of this secret does to the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is said; the step goes on.
    Warning,
    /// The step fails.
    Error,
}

/// A secret that is looked for.
#[derive(Debug, Clone)]
pub struct Needle {
    /// For people, e.g. "job access token" or "secret variable `X`".
    pub name: String,
    /// Without white space at its ends.
    pub value: SecretSlice<u8>,
    /// What a finding does.
    pub severity: Severity,
    /// When it came into the world, as far as it says so itself: the `iat` of a JWT. Nothing older can hold it.
    pub born: Option<SystemTime>,
}

/// A value of fewer than [`SHORTEST`] characters, by its name. It is not searched for, since it would be found in
/// every image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooShort(pub String);

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has fewer than {SHORTEST} characters and is not searched for", self.0)
    }
}

impl Needle {
    /// A token, or a secret that this step feeds: always an error.
    pub fn fed(name: impl Into<String>, value: &[u8]) -> Result<Self, TooShort> {
        Self::new(name.into(), value, |_| Severity::Error)
    }

    /// Another secret of the job, e.g. one of the agent's environment: an error only if it has the spread of a
    /// random value, for a user may also have declared `production` a secret.
    pub fn of_job(name: impl Into<String>, value: &[u8]) -> Result<Self, TooShort> {
        Self::new(name.into(), value, |value| match characters(value) {
            SHORTEST_RANDOM.. if has_random_word(value, SHORTEST_RANDOM) => Severity::Error,
            _ => Severity::Warning,
        })
    }

    fn new(name: String, value: &[u8], severity: impl Fn(&[u8]) -> Severity) -> Result<Self, TooShort> {
        let value = value.trim_ascii();
        if characters(value) < SHORTEST {
            return Err(TooShort(name));
        }
        Ok(Self { name, severity: severity(value), born: birth(value), value: value.to_vec().into() })
    }

    /// What is searched for: the value, or of one with several lines each that is no mere frame. A whole that holds
    /// a line holds it in every form, base64 of the whole in one of its alignments.
    pub(super) fn lines(&self) -> Vec<&[u8]> {
        let value = self.value.expose_secret();
        if std::str::from_utf8(value).is_err() {
            return vec![value];
        }
        let lines: Vec<&[u8]> = value
            .split(|&byte| matches!(byte, b'\n' | b'\r'))
            .map(<[u8]>::trim_ascii)
            .filter(|line| has_random_word(line, SHORTEST_RANDOM_WORD))
            .collect();
        if lines.is_empty() { vec![value] } else { lines }
    }
}

fn characters(value: &[u8]) -> usize {
    std::str::from_utf8(value).map_or(value.len(), |text| text.chars().count())
}

/// Whether a word of at least `shortest` bytes has the spread of a random value. White space and quotes end a word.
fn has_random_word(value: &[u8], shortest: usize) -> bool {
    value
        .split(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''))
        .any(|word| word.len() >= shortest && is_random(word))
}

/// The kinds of characters that people and generators mix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Sign,
}

/// Whether a word looks drawn by lot: at least 8 different characters, letters mixed with digits or signs, and at
/// least one neighbour in six of another class. For hexadecimal digits it is every second, for base32 every third, for
/// base64 two in three; for words, host names, dates and versions less than one in six. What only divides words
/// (`-_./:,;@=&?`) does not count.
fn is_random(word: &[u8]) -> bool {
    let (classes, characters): (Vec<Class>, Vec<u8>) =
        word.iter().filter_map(|&byte| Some((class(byte)?, byte))).unzip();
    let mut distinct = characters;
    distinct.sort_unstable();
    distinct.dedup();
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let has = |wanted: &[Class]| classes.iter().any(|class| wanted.contains(class));
    distinct.len() >= 8
        && has(&[Class::Lower, Class::Upper])
        && has(&[Class::Digit, Class::Sign])
        && changes * 6 >= classes.len() - 1
}

fn class(byte: u8) -> Option<Class> {
    Some(match byte {
        b'-' | b'_' | b'.' | b'/' | b':' | b',' | b';' | b'@' | b'=' | b'&' | b'?' => return None,
        b'0'..=b'9' => Class::Digit,
        b'A'..=b'Z' => Class::Upper,
        b'a'..=b'z' | 0x80.. => Class::Lower,
        _ => Class::Sign,
    })
}

/// The `iat` of a JWT (RFC 7519, section 4.1.6).
fn birth(value: &[u8]) -> Option<SystemTime> {
    #[derive(Deserialize)]
    struct Claims {
        iat: u64,
    }
    let text = std::str::from_utf8(value).ok()?;
    let [_, claims, _] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(claims.iat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_job_is_an_error_if_it_looks_drawn_by_lot() {
        use Severity::{Error, Warning};
        let table = [
            ("d41d8cd98f00b204e9800998ecf8427e", Error),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", Error),
            ("k3jx7qpwz2m4v6tnc5hydarfgbsleuo2i3x4", Error),
            ("Zm9vYmFyMTIzNDU2Nzg5MA", Error),
            ("P@ssw0rd123!", Error),
            ("kX$wQ!mZrT&b", Error),
            ("Server=tcp:db,1433;User=sa;Password=x7K!q2Lm9Rz4;", Error),
            ("production", Warning),
            ("x7K!q2Lm9Rz", Warning),
            ("contoso-registry-production", Warning),
            ("https://contoso.azurecr.io", Warning),
            ("release-2024-12-01", Warning),
            ("2024-12-01T10:20:30Z", Warning),
            ("123456789012", Warning),
            ("myDatabasePassword", Warning),
            ("aaaaaaaaaaaa1", Warning),
        ];
        for (value, severity) in table {
            let found = Needle::of_job("x", value.as_bytes()).map(|needle| needle.severity);
            assert_eq!(found, Ok(severity), "{value}");
        }
    }

    #[test]
    fn a_fed_value_is_an_error_from_eight_characters() {
        assert_eq!(Needle::fed("x", b" password\n").map(|needle| needle.severity), Ok(Severity::Error));
        let short = Needle::fed("secret `x`", "pässwor".as_bytes()).expect_err("it is too short");
        assert_eq!(short.to_string(), "secret `x` has fewer than 8 characters and is not searched for");
    }

    #[test]
    fn the_birth_is_the_issue_time_of_a_jwt() {
        let jwt =
            |claims: &str| format!("eyJhbGciOiJub25lIn0.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(claims));
        let born = |value: &str| Needle::fed("x", value.as_bytes()).expect("it is long enough").born;
        let iat = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(born(&jwt(r#"{"iat":1700000000,"exp":1700003600}"#)), Some(iat));
        for other in [&jwt(r#"{"exp":1700003600}"#), &jwt(r#"{"iat":-1}"#), "just a value", "a.b.c.d.e.f.g"] {
            assert_eq!(born(other), None, "{other}");
        }
    }

    #[test]
    fn the_frame_of_a_key_is_not_searched_for() {
        let lines = |value: &str| {
            let needle = Needle::fed("x", value.as_bytes()).expect("it is long enough");
            needle.lines().iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
        };
        let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        assert_eq!(lines(&format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")), [key]);
        let json = "{\n  \"type\": \"service_account\",\n  \
                    \"private_key_id\": \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\",\n  \
                    \"token_uri\": \"https://oauth2.googleapis.com/token\"\n}";
        assert_eq!(lines(json), ["\"private_key_id\": \"0f1e2d3c4b5a69788796a5b4c3d2e1f0\","]);
        assert_eq!(lines("correct horse\nbattery staple"), ["correct horse\nbattery staple"]);
    }
}
