//! Cargo's configuration, credentials and variables: a registry for each source, by the name that `Cargo.toml` gives it.
//!
//! The one trap: Cargo finds a registry's name by its index URL, and refuses a URL that two names have. So the other
//! spelling of a feed's host is no second registry: a project that uses it for a registry of the feed's name would then
//! have it twice, and without it opens that registry by the name.

use std::fmt::Write as _;

use secrecy::SecretString;
use toml_writer::{ToTomlKey as _, ToTomlValue as _};

use super::{distinct, header};
use crate::feed::source::Source;

/// The provider that reads a token from configuration or environment; Cargo takes no default for it.
pub(super) const PROVIDER: &str = "cargo:token";

/// A `config.toml` that needs no other: indexes, providers and tokens.
pub(super) fn config(sources: &[Source]) -> anyhow::Result<SecretString> {
    registries(sources, |source| format!("index = {}\n", index_url(source).to_toml_value()))
}

/// A `credentials.toml` for registries whose indexes the project's configuration has. Cargo merges the file into the
/// configuration, so a provider may stand in it.
pub(super) fn credentials(sources: &[Source]) -> anyhow::Result<SecretString> {
    registries(sources, |_| String::new())
}

fn registries(sources: &[Source], index: impl Fn(&Source) -> String) -> anyhow::Result<SecretString> {
    distinct(sources, registry)?;
    let mut text = String::new();
    for source in sources {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[registries.{}]\n{}credential-provider = {}\ntoken = {}\n",
            registry(&source.name).to_toml_key(),
            index(source),
            PROVIDER.to_toml_value(),
            header::authorization(&source.name, &source.credential)?.to_toml_value()
        );
    }
    Ok(text.into())
}

/// `CARGO_REGISTRIES_<NAME>_TOKEN`: Cargo sends it as it is, so it has its scheme before it.
pub(super) fn token(source: &Source) -> anyhow::Result<SecretString> {
    header::authorization(&source.name, &source.credential).map(SecretString::from)
}

/// `CARGO_REGISTRIES_<NAME>_INDEX`.
pub(super) fn index(source: &Source) -> SecretString {
    index_url(source).into()
}

/// A service connection's URL may be as Cargo wants it.
fn index_url(source: &Source) -> String {
    let url = source.url.as_str();
    if url.starts_with("sparse+") { url.to_owned() } else { format!("sparse+{url}") }
}

/// A source's name as Cargo allows it: letters, digits, `-` and `_`, and first a letter or `_`
/// (`restricted_names::validate_registry_name`).
fn registry(name: &str) -> String {
    let valid = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '-' };
    let valid: String = name.chars().map(valid).collect();
    if valid.starts_with(|c: char| c.is_alphabetic() || c == '_') { valid } else { format!("_{valid}") }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret as _;
    use serde_json::Value;

    use super::*;
    use crate::error;
    use crate::secret::fixture::{self, awkward, password, url};

    const INDEX: &str = "https://packages.example/Cargo/index/";

    fn feed(name: &str) -> Source {
        let mut feed = fixture::token(name, "https://pkgs.dev.azure.com/contoso/_packaging/a/Cargo/index/");
        feed.aliases.push(url("https://contoso.pkgs.visualstudio.com/_packaging/a/Cargo/index/"));
        feed
    }

    #[test]
    fn each_source_is_one_registry() {
        let sources = [feed("my-feed"), password("2 größe.n", INDEX, "me", "p\"")];
        assert_eq!(
            config(&sources).expect("it can be held").expose_secret(),
            r#"[registries.my-feed]
index = "sparse+https://pkgs.dev.azure.com/contoso/_packaging/a/Cargo/index/"
credential-provider = "cargo:token"
token = "Bearer to.ken"
[registries."_2-größe-n"]
index = "sparse+https://packages.example/Cargo/index/"
credential-provider = "cargo:token"
token = "Basic bWU6cCI="
"#
        );
        assert_eq!(
            credentials(&sources).expect("it can be held").expose_secret(),
            r#"[registries.my-feed]
credential-provider = "cargo:token"
token = "Bearer to.ken"
[registries."_2-größe-n"]
credential-provider = "cargo:token"
token = "Basic bWU6cCI="
"#
        );
    }

    #[test]
    fn variables_hold_one_registry() {
        assert_eq!(token(&feed("a")).expect("it can be held").expose_secret(), "Bearer to.ken");
        let table = [
            (INDEX, "sparse+https://packages.example/Cargo/index/"),
            ("sparse+https://packages.example/Cargo/index/", "sparse+https://packages.example/Cargo/index/"),
        ];
        for (url, expected) in table {
            assert_eq!(index(&fixture::token("a", url)).expose_secret(), expected);
        }
    }

    #[test]
    fn what_cargo_cannot_hold_is_refused_and_not_shown() {
        let mut broken = feed("a");
        broken.credential.secret = "s3cret\n".into();
        let table = [
            (vec![broken], "the token of `a` has characters that a Bearer header cannot hold"),
            (
                vec![password("a", INDEX, "m:e", "s3cret")],
                "the user name of `a` has a colon, which a Basic header cannot hold",
            ),
            (
                vec![feed("a.b"), feed("a-b")],
                "several sources are called `a-b`, and the client tells them apart by name\n\n\
                 hint: leave one of them, or open one by a service connection, which has a name of its own",
            ),
        ];
        for (sources, expected) in table {
            assert_eq!(error::render(&config(&sources).expect_err(expected)), expected);
            assert_eq!(error::render(&credentials(&sources).expect_err(expected)), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_user_and_password_come_back(name in awkward(), user in awkward(), secret in awkward()) {
            let Ok(text) = config(&[password(&name, INDEX, &user, &secret)]) else {
                proptest::prop_assert!(user.contains(':'));
                return Ok(());
            };
            let file: Value = basic_toml::from_str(text.expose_secret()).expect("it is TOML");
            let registries = file["registries"].as_object().expect("it has registries");
            let (known, registry) = registries.iter().next().expect("it has one");
            let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            proptest::prop_assert!(known.chars().all(allowed) && !known.starts_with(|c: char| c.is_numeric() || c == '-'));
            proptest::prop_assert_eq!(registry["index"].as_str(), Some("sparse+https://packages.example/Cargo/index/"));
            let token = registry["token"].as_str().and_then(|token| token.strip_prefix("Basic "));
            let decoded = STANDARD.decode(token.expect("it is Basic")).expect("it is Base64");
            proptest::prop_assert_eq!(decoded, format!("{user}:{secret}").into_bytes());
        }
    }
}
