//! What pip reads: index URLs with credentials, and `pip.conf`.

use std::fmt::Write as _;

use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretString};

use crate::agent::mask::URL_COMPONENT;
use crate::feed::source::Source;

/// URLs with credentials between spaces, as pip splits `PIP_EXTRA_INDEX_URL`.
pub(super) fn urls(sources: &[Source]) -> SecretString {
    let urls: Vec<String> =
        sources.iter().map(|source| with_credential(source).expose_secret().to_owned()).collect();
    urls.join(" ").into()
}

/// A `pip.conf`. pip's parser does not interpolate, so a `%` stands for itself; a URL holds no line break.
pub(super) fn conf(index: Option<&Source>, extra: &[Source]) -> SecretString {
    let mut text = String::from("[global]\n");
    // Writing to a String cannot fail.
    if let Some(source) = index {
        let _ = writeln!(text, "index-url = {}", with_credential(source).expose_secret());
    }
    if !extra.is_empty() {
        text.push_str("extra-index-url =\n");
        for source in extra {
            let _ = writeln!(text, "    {}", with_credential(source).expose_secret());
        }
    }
    text.into()
}

/// The source's URL with `user:secret@` before its host, percent-encoded (RFC 3986 section 3.2.1). A `Url` would hold
/// the secret in a type that shows it.
pub(super) fn with_credential(source: &Source) -> SecretString {
    let user = utf8_percent_encode(&source.credential.username, URL_COMPONENT);
    let secret = utf8_percent_encode(source.credential.secret.expose_secret(), URL_COMPONENT);
    let rest = &source.url.as_str()[source.url.scheme().len() + 3..];
    format!("{}://{user}:{secret}@{rest}", source.url.scheme()).into()
}
