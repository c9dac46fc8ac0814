//! Poetry's `auth.toml`, which it reads from its configuration folder, and its variables: credentials by the name of the
//! `[[tool.poetry.source]]` that they open.
//!
//! The one trap: in each value, Poetry puts its setting `key` in the place of `{key}` (`Config.process`), and nothing
//! escapes it.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use toml_writer::{ToTomlKey, ToTomlValue as _};

use super::distinct;
use crate::error::hinted;
use crate::feed::source::Source;

/// An `auth.toml`.
pub(super) fn auth(sources: &[Source]) -> anyhow::Result<SecretString> {
    distinct(sources, str::to_owned)?;
    let mut text = String::new();
    for source in sources {
        let username = kept(source, &source.credential.username)?.to_toml_value();
        let password = kept(source, source.credential.secret.expose_secret())?.to_toml_value();
        for table in tables(&source.name) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[http-basic.{table}]\nusername = {username}\npassword = {password}");
        }
    }
    Ok(text.into())
}

/// `POETRY_HTTP_BASIC_<NAME>_USERNAME`.
pub(super) fn username(source: &Source) -> anyhow::Result<SecretString> {
    kept(source, &source.credential.username).map(SecretString::from)
}

/// `POETRY_HTTP_BASIC_<NAME>_PASSWORD`.
pub(super) fn password(source: &Source) -> anyhow::Result<SecretString> {
    kept(source, source.credential.secret.expose_secret()).map(SecretString::from)
}

/// A source's name as a key; and where it has dots, also taken apart at them, as Poetry did before 2.4. A part that
/// would stand beside another source's fields is left out.
fn tables(name: &str) -> Vec<String> {
    let mut tables = vec![name.to_toml_key()];
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() > 1 && !parts[1..].iter().any(|part| matches!(*part, "username" | "password")) {
        tables.push(parts.iter().map(ToTomlKey::to_toml_key).collect::<Vec<_>>().join("."));
    }
    tables
}

/// `text`, if Poetry leaves it as it is.
fn kept<'a>(source: &Source, text: &'a str) -> anyhow::Result<&'a str> {
    match text.split_once('{') {
        Some((_, rest)) if rest.contains('}') => Err(hinted(
            format!(
                "Poetry cannot hold the credentials of `{}`: it replaces the `{{…}}` in them",
                source.name
            ),
            "use a password without braces",
        )),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error;
    use crate::secret::fixture::{self, awkward, token};

    const INDEX: &str = "https://packages.example/simple/";

    #[test]
    fn names_with_dots_are_written_whole_and_taken_apart() {
        let sources = [
            token("a", INDEX),
            fixture::password("my feed.1", INDEX, "m'e", "p\"\\\n"),
            token("a.b-c", INDEX),
            token("a.username", INDEX),
        ];
        assert_eq!(
            auth(&sources).expect("it can be held").expose_secret(),
            r#"[http-basic.a]
username = "build"
password = "to.ken"
[http-basic."my feed.1"]
username = "m'e"
password = '''
p"\
'''
[http-basic."my feed".1]
username = "m'e"
password = '''
p"\
'''
[http-basic."a.b-c"]
username = "build"
password = "to.ken"
[http-basic.a.b-c]
username = "build"
password = "to.ken"
[http-basic."a.username"]
username = "build"
password = "to.ken"
"#
        );
    }

    #[test]
    fn what_poetry_would_change_is_refused_and_not_shown() {
        let expected = "Poetry cannot hold the credentials of `a`: it replaces the `{…}` in them\n\n\
                        hint: use a password without braces";
        for secret in ["s3{cache-dir}cret", "}s3{cret}", "{{s3cret}"] {
            let source = fixture::password("a", INDEX, "me", secret);
            assert_eq!(error::render(&auth(std::slice::from_ref(&source)).expect_err(secret)), expected);
            assert_eq!(error::render(&password(&source).expect_err(secret)), expected);
            assert_eq!(username(&source).expect("it is left alone").expose_secret(), "me");
        }
        for held in ["{", "}", "}{", "p%(a)s${b"] {
            let source = fixture::password("a", INDEX, held, held);
            auth(std::slice::from_ref(&source)).expect(held);
            assert_eq!(password(&source).expect(held).expose_secret(), held);
        }
        let error = auth(&[token("a", INDEX), token("a", INDEX)]).expect_err("one name");
        assert_eq!(
            error.to_string(),
            "several sources are called `a`, and the client tells them apart by name"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_name_user_and_password_come_back(name in awkward(), user in awkward(), secret in awkward()) {
            let first = fixture::password(&name, INDEX, &user, &secret);
            let sources = [first, token("x.password", INDEX), token("x", INDEX)];
            let Ok(text) = auth(&sources) else {
                let refused = ["x", "x.password"].contains(&name.as_str()) || (user + &secret).contains('}');
                proptest::prop_assert!(refused);
                return Ok(());
            };
            let file: Value = basic_toml::from_str(text.expose_secret()).expect("it is TOML");
            let table = &file["http-basic"][&name];
            proptest::prop_assert_eq!(table["username"].as_str(), Some(user.as_str()));
            proptest::prop_assert_eq!(table["password"].as_str(), Some(secret.as_str()));
            let apart = name.split('.').fold(&file["http-basic"], |table, part| &table[part]);
            proptest::prop_assert_eq!(apart["password"].as_str(), Some(secret.as_str()));
        }
    }
}
