//! The written forms of a value: what programs make of a secret when they put it into a file.
//!
//! Rule: one source of forms: what is searched for in an image is taken out of the log, too.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// A longer value has few forms, in bytes: each is held in memory.
const LONGEST_ESCAPED: usize = 64 * 1024;

/// The shortest base64 piece that counts as a form; a shorter one would be found by chance.
const SHORTEST_BASE64: usize = 8;

/// RFC 3986 unreserved characters stay; this is also what `Uri.EscapeDataString` does.
pub const URL_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What percent-encoders leave as it is: all but RFC 3986's unreserved characters; `encodeURIComponent`; Python's
/// `quote`; Go's `url.UserPassword`; the path, and the query, of a WHATWG URL; a form (`application/x-www-form-urlencoded`).
const PERCENT_SETS: [&AsciiSet; 6] = [
    URL_COMPONENT,
    &URL_COMPONENT.remove(b'!').remove(b'*').remove(b'\'').remove(b'(').remove(b')'),
    &URL_COMPONENT.remove(b'/'),
    &URL_COMPONENT.remove(b'$').remove(b'&').remove(b'+').remove(b',').remove(b';').remove(b'='),
    &percent_encoding::CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'`')
        .add(b'{')
        .add(b'}'),
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*'),
];

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As it is.
    Raw,
    /// Percent-encoded, as in a URL.
    Percent,
    /// Escaped as in a JSON string.
    Json,
    /// Escaped as in XML or HTML.
    Xml,
    /// With backslashes, as in shell scripts, properties files and program text.
    Backslash,
    /// UTF-16, either byte order.
    Utf16,
    /// Hexadecimal digits.
    Hex,
    /// Base64 or base64url, whatever stands before it in the same text (such as the user name of a Basic header).
    Base64,
    /// Percent-encoded, then base64, such as a URL with a password in it.
    PercentBase64,
}

impl Display for Form {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "as it is",
            Self::Percent => "percent-encoded",
            Self::Json => "JSON-escaped",
            Self::Xml => "XML-escaped",
            Self::Backslash => "escaped with backslashes",
            Self::Utf16 => "in UTF-16",
            Self::Hex => "in hexadecimal digits",
            Self::Base64 => "in base64",
            Self::PercentBase64 => "percent-encoded in base64",
        })
    }
}

/// Every form of `value`, each text once; the plainest name counts.
#[must_use]
pub fn written(value: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let mut forms = vec![(Form::Raw, value.to_vec())];
    forms.extend(percent(value).into_iter().map(|bytes| (Form::Percent, bytes)));
    if value.len() <= LONGEST_ESCAPED {
        if let Ok(text) = std::str::from_utf8(value) {
            forms.extend(json(text).into_iter().map(|text| (Form::Json, text.into_bytes())));
            forms.extend(xml(text).into_iter().map(|text| (Form::Xml, text.into_bytes())));
            forms.extend(backslash(text).into_iter().map(|text| (Form::Backslash, text.into_bytes())));
            forms.push((Form::Utf16, text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
            forms.push((Form::Utf16, text.encode_utf16().flat_map(u16::to_be_bytes).collect()));
        }
        forms.push((Form::Hex, hex::encode(value).into_bytes()));
        forms.push((Form::Hex, hex::encode_upper(value).into_bytes()));
    }
    forms.extend(in_base64(value));
    let mut seen = BTreeSet::new();
    forms.retain(|(_, bytes)| seen.insert(bytes.clone()));
    forms
}

/// The forms of `value` in base64, as it is and percent-encoded.
#[must_use]
pub fn in_base64(value: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let mut forms: Vec<(Form, Vec<u8>)> = base64(value).map(|bytes| (Form::Base64, bytes)).collect();
    for encoded in percent(value) {
        forms.extend(base64(&encoded).map(|bytes| (Form::PercentBase64, bytes)));
    }
    forms
}

fn percent(value: &[u8]) -> Vec<Vec<u8>> {
    let sets = if value.len() <= LONGEST_ESCAPED { &PERCENT_SETS[..] } else { &PERCENT_SETS[..1] };
    let mut all: Vec<Vec<u8>> = sets
        .iter()
        .flat_map(|set| {
            let upper = percent_encode(value, set).to_string();
            let lower = lower_hex(&upper);
            [upper.replace("%20", "+"), upper, lower].map(String::into_bytes)
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// `%2F` becomes `%2f`.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        text.push('%');
        text.push_str(&digits.to_ascii_lowercase());
        text.push_str(rest);
    }
    text
}

/// `text` with each character that `escape` has something for replaced by it.
fn escaped(text: &str, escape: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|character| escape(character).unwrap_or_else(|| character.into())).collect()
}

/// As little escaped as RFC 8259 asks for, also twice (JSON within JSON); `/` as in PHP; `<>&` as Go does; all that is
/// not ASCII, as Python does; and what System.Text.Json escapes.
fn json(text: &str) -> Vec<String> {
    let least = |text: &str| serde_json::Value::from(text).to_string();
    let inner = |quoted: &str| quoted[1..quoted.len() - 1].to_owned();
    let plain = inner(&least(text));
    let unicode = |character: char, upper: bool| {
        let units = character.encode_utf16(&mut [0; 2]).to_vec();
        let unit = |unit: u16| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        units.into_iter().map(unit).collect::<String>()
    };
    vec![
        inner(&least(&plain)),
        plain.replace('/', "\\/"),
        escaped(&plain, |c| matches!(c, '<' | '>' | '&').then(|| unicode(c, false))),
        escaped(&plain, |c| (!c.is_ascii()).then(|| unicode(c, false))),
        escaped(&plain.replace("\\\"", "\\u0022"), |c| {
            (!c.is_ascii() || matches!(c, '<' | '>' | '&' | '\'' | '+' | '`')).then(|| unicode(c, true))
        }),
        plain,
    ]
}

/// Text; text with quotes escaped by name; as Go escapes; as Python's `html.escape` does.
fn xml(text: &str) -> Vec<String> {
    [("\"", "'"), ("&quot;", "&apos;"), ("&quot;", "'"), ("&#34;", "&#39;"), ("&quot;", "&#x27;")]
        .into_iter()
        .map(|(double, single)| {
            escaped(text, |character| {
                let entity = match character {
                    '&' => "&amp;",
                    '<' => "&lt;",
                    '>' => "&gt;",
                    '"' => double,
                    '\'' => single,
                    _ => return None,
                };
                Some(entity.to_owned())
            })
        })
        .collect()
}

/// Within double quotes of a shell; within single ones; `printf %q`; the literals of most languages, with either quote;
/// Java's properties.
fn backslash(text: &str) -> Vec<String> {
    let before = |special: &'static str| {
        escaped(text, move |character| special.contains(character).then(|| format!("\\{character}")))
    };
    vec![
        before("\\\"$`"),
        text.replace('\'', r"'\''"),
        before(" \t!\"#$&'()*,;<=>?[\\]^`{|}~"),
        before("\\\""),
        before("\\'"),
        before("\\:=#! "),
    ]
}

/// The base64 and base64url characters that the value alone decides, at each of the three alignments that the bytes
/// before it can give it.
fn base64(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    [&STANDARD, &URL_SAFE]
        .into_iter()
        .flat_map(|engine| (0..3).filter_map(|shift| aligned(engine, value, shift)))
}

fn aligned(engine: &GeneralPurpose, value: &[u8], shift: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value);
    let encoded = engine.encode(&bytes);
    // 6 bits a character: the first `shift` bytes reach into character `ceil(8 * shift / 6)`.
    let decided = (8 * shift).div_ceil(6)..bytes.len() * 8 / 6;
    encoded.as_bytes().get(decided).filter(|core| core.len() >= SHORTEST_BASE64).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: Form, value: &str) -> Vec<String> {
        let all = written(value.as_bytes()).into_iter();
        all.filter(|(of, _)| *of == form)
            .map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned())
            .collect()
    }

    #[test]
    fn a_plain_token_has_few_forms() {
        assert_eq!(
            written(b"abcdefghij").iter().map(|(form, _)| *form).collect::<Vec<_>>(),
            [
                Form::Raw,
                Form::Utf16,
                Form::Utf16,
                Form::Hex,
                Form::Hex,
                Form::Base64,
                Form::Base64,
                Form::Base64
            ],
        );
    }

    #[test]
    fn each_way_of_escaping_is_known() {
        let value = "a/b+c=d é<\"'&\\";
        let table: [(Form, &[&str]); 5] = [
            (
                Form::Percent,
                &[
                    "a%2Fb%2Bc%3Dd%20%C3%A9%3C%22%27%26%5C",
                    "a%2fb%2bc%3dd%20%c3%a9%3c%22%27%26%5c",
                    "a%2Fb%2Bc%3Dd%20%C3%A9%3C%22'%26%5C",
                    "a/b%2Bc%3Dd%20%C3%A9%3C%22%27%26%5C",
                    "a%2Fb+c=d%20%C3%A9%3C%22%27&%5C",
                    "a%2Fb%2Bc%3Dd+%C3%A9%3C%22%27%26%5C",
                ],
            ),
            (
                Form::Json,
                &[
                    r#"a/b+c=d é<\"'&\\"#,
                    r#"a/b+c=d é<\\\"'&\\\\"#,
                    r#"a\/b+c=d é<\"'&\\"#,
                    r#"a/b+c=d é\u003c\"'\u0026\\"#,
                    r#"a/b+c=d \u00e9<\"'&\\"#,
                    r"a/b\u002Bc=d \u00E9\u003C\u0022\u0027\u0026\\",
                ],
            ),
            (
                Form::Xml,
                &[
                    "a/b+c=d é&lt;\"'&amp;\\",
                    "a/b+c=d é&lt;&quot;&apos;&amp;\\",
                    "a/b+c=d é&lt;&#34;&#39;&amp;\\",
                    "a/b+c=d é&lt;&quot;&#x27;&amp;\\",
                ],
            ),
            (
                Form::Backslash,
                &[
                    r#"a/b+c=d é<"'\''&\"#,
                    r#"a/b+c\=d\ é\<\"\'\&\\"#,
                    r#"a/b+c=d é<"\'&\\"#,
                    r#"a/b+c\=d\ é<"'&\\"#,
                ],
            ),
            (Form::Hex, &["612f622b633d6420c3a93c2227265c", "612F622B633D6420C3A93C2227265C"]),
        ];
        for (form, texts) in table {
            let found = of(form, value);
            for text in texts {
                assert!(found.iter().any(|found| found == text), "{text} is not among {found:#?}");
            }
        }
    }

    #[test]
    fn base64_is_found_behind_any_prefix() {
        for secret in ["Tok/en+42~value", "???>>>~~~"] {
            let forms = [of(Form::Base64, secret), of(Form::PercentBase64, secret)].concat();
            for written in [secret.to_owned(), percent_encode(secret.as_bytes(), URL_COMPONENT).to_string()] {
                for prefix in ["", "u", "us", "usr", "user:", "build:", "http://build:"] {
                    for suffix in ["", "x", "xy", "\n", "@host/"] {
                        for engine in [STANDARD, URL_SAFE] {
                            let encoded = engine.encode(format!("{prefix}{written}{suffix}"));
                            let is_found = forms.iter().any(|form| encoded.contains(form));
                            assert!(is_found, "{prefix}…{suffix:?} in {encoded}");
                        }
                    }
                }
            }
        }
    }
}
