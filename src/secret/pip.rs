//! What pip reads: index URLs with credentials, and `pip.conf`.
//!
//! The one trap: the credentials are part of a URL, so all but RFC 3986's unreserved characters is percent-encoded in
//! them. pip's parser does not interpolate, so a `%` stands for itself, and a URL holds no line break.

use std::fmt::Write as _;

use percent_encoding::utf8_percent_encode;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Position, Url};

use crate::credential::Credential;
use crate::feed::source::Source;
use crate::form::URL_COMPONENT;

/// URLs with credentials between spaces, as pip splits `PIP_EXTRA_INDEX_URL`.
pub(super) fn urls(sources: &[Source]) -> SecretString {
    let urls: Vec<String> = sources.iter().map(url).collect();
    urls.join(" ").into()
}

/// A `pip.conf`.
pub(super) fn conf(index: Option<&Source>, extra: &[Source]) -> SecretString {
    let mut text = String::from("[global]\n");
    // Writing to a String cannot fail.
    if let Some(source) = index {
        let _ = writeln!(text, "index-url = {}", url(source));
    }
    if !extra.is_empty() {
        text.push_str("extra-index-url =\n");
        for source in extra {
            let _ = writeln!(text, "    {}", url(source));
        }
    }
    text.into()
}

fn url(source: &Source) -> String {
    with_credential(&source.url, &source.credential)
}

/// The URL with `user:secret@` before its host (RFC 3986, section 3.2.1), in the place of what may stand there: the
/// service's own clone and connection URLs have `organization@`. A [`Url`] would hold the secret in a type that shows
/// it.
pub(super) fn with_credential(url: &Url, credential: &Credential) -> String {
    let user = utf8_percent_encode(&credential.username, URL_COMPONENT);
    let secret = utf8_percent_encode(credential.secret.expose_secret(), URL_COMPONENT);
    format!("{}://{user}:{secret}@{}", url.scheme(), &url[Position::BeforeHost..])
}

#[cfg(test)]
mod tests {
    use configparser::ini::Ini;
    use percent_encoding::percent_decode_str;

    use super::*;
    use crate::secret::fixture::{awkward, password, token};

    const INDEX: &str = "https://packages.example:8443/a%20b/simple/?c#d";

    #[test]
    fn the_credential_takes_the_place_of_a_user_in_the_url() {
        let source = password("a", "https://contoso:x@packages.example/simple/", "me", "p@ss");
        assert_eq!(urls(&[source]).expose_secret(), "https://me:p%40ss@packages.example/simple/");
    }

    #[test]
    fn a_conf_has_what_there_is() {
        let sources = [token("a", INDEX), password("b", "http://127.0.0.1:5000/simple/", "", "%")];
        let (a, b) = (
            "https://build:to.ken@packages.example:8443/a%20b/simple/?c#d",
            "http://:%25@127.0.0.1:5000/simple/",
        );
        let table = [
            (None, &sources[..0], "[global]\n".to_owned()),
            (Some(&sources[0]), &sources[..0], format!("[global]\nindex-url = {a}\n")),
            (None, &sources[..], format!("[global]\nextra-index-url =\n    {a}\n    {b}\n")),
            (
                Some(&sources[1]),
                &sources[..1],
                format!("[global]\nindex-url = {b}\nextra-index-url =\n    {a}\n"),
            ),
        ];
        for (index, extra, expected) in table {
            assert_eq!(conf(index, extra).expose_secret(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let source = password("a", INDEX, &user, &secret);
            let mut ini = Ini::new();
            ini.set_multiline(true);
            ini.set_inline_comment_symbols(Some(&[]));
            let text = conf(Some(&source), &[source.clone(), source.clone()]);
            ini.read(text.expose_secret().to_owned()).expect("it is INI");
            let one = ini.get("global", "index-url").expect("it is there");
            let extra = ini.get("global", "extra-index-url").expect("it is there");
            let extra: Vec<&str> = extra.split_whitespace().collect();
            proptest::prop_assert_eq!(extra, vec![one.as_str(); 2]);
            let url = Url::parse(&one).expect("it is a URL");
            let decoded = |text| percent_decode_str(text).decode_utf8().expect("it is UTF-8");
            proptest::prop_assert_eq!(decoded(url.username()), user.as_str());
            proptest::prop_assert_eq!(decoded(url.password().expect("it has one")), secret.as_str());
            proptest::prop_assert_eq!(&url[Position::BeforeHost..], &source.url[Position::BeforeHost..]);
        }
    }
}
