//! Sources for the renderers' tests.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use secrecy::SecretString;
use url::Url;

use crate::credential::Credential;
use crate::feed::source::Source;

/// A source that a token opens.
pub(super) fn token(name: &str, url: &str) -> Source {
    source(name, url, Credential::token(SecretString::from("to.ken"), None))
}

/// A source that a user name and a password open.
pub(super) fn password(name: &str, url: &str, user: &str, password: &str) -> Source {
    source(name, url, Credential::basic(user, SecretString::from(password)))
}

fn source(name: &str, url: &str, credential: Credential) -> Source {
    Source { name: name.to_owned(), url: self::url(url), aliases: Vec::new(), credential }
}

/// The URL that a text is.
pub(super) fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

/// Text with what some format or other takes for more than text.
pub(super) fn awkward() -> impl Strategy<Value = String> {
    let special: Vec<String> = "@:/%#\"'<>&\\{}[]$;=!,|^`? \t\r\n\0\u{85}\u{feff}\u{ffff}"
        .chars()
        .map(String::from)
        .chain(["${HOME}", "%PATH%", ";Password=", "$__", "_x0020_", "\r\n", "é", "😀"].map(String::from))
        .collect();
    let piece = prop_oneof![
        3 => proptest::sample::select(special),
        2 => "[a-zA-Z0-9]{1,4}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        9 => proptest::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat()),
        1 => Just("null".to_owned()),
    ]
}
