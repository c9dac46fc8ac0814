//! What pip reads: index URLs with credentials, and `pip.conf`.

use std::fmt::Write as _;

use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::agent::mask::URL_COMPONENT;
use crate::credential::Credential;

/// URLs with credentials between spaces, as pip splits `PIP_EXTRA_INDEX_URL`.
pub fn urls<'a>(urls: impl IntoIterator<Item = &'a Url>, credential: &Credential) -> SecretString {
    let urls: Vec<String> = urls.into_iter().map(|url| with_credential(url, credential)).collect();
    urls.join(" ").into()
}

/// A `pip.conf`. pip's parser does not interpolate, so a `%` stands for itself; a URL holds no line break.
#[must_use]
pub fn conf(index: Option<&Url>, extra: &[Url], credential: &Credential) -> SecretString {
    let mut text = String::from("[global]\n");
    // Writing to a String cannot fail.
    if let Some(url) = index {
        let _ = writeln!(text, "index-url = {}", with_credential(url, credential));
    }
    if !extra.is_empty() {
        text.push_str("extra-index-url =\n");
        for url in extra {
            let _ = writeln!(text, "    {}", with_credential(url, credential));
        }
    }
    text.into()
}

/// The URL with `user:secret@` before its host, percent-encoded (RFC 3986 section 3.2.1). A [`Url`] would hold the
/// secret in a type that shows it.
fn with_credential(url: &Url, credential: &Credential) -> String {
    let secret = utf8_percent_encode(credential.secret.expose_secret(), URL_COMPONENT);
    let rest = &url.as_str()[url.scheme().len() + 3..];
    format!("{}://{}:{secret}@{rest}", url.scheme(), credential.username)
}
