//! `gradle.properties` and `init.gradle` of Gradle.
//!
//! The one trap: Gradle keeps compiled scripts in its home, so a secret that an init script holds as a literal ends up in
//! a layer of the image. See the head of `init.gradle`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::distinct;
use crate::feed::source::Source;

/// The init script without its credentials.
const SCRIPT: &str = include_str!("init.gradle");

/// A `gradle.properties` with `<NAME>Username` and `<NAME>Password`, which `credentials(PasswordCredentials)` of the
/// repository NAME reads.
pub(super) fn properties(sources: &[Source]) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    distinct(sources, identity)?;
    for source in sources {
        let name = identity(&source.name);
        anyhow::ensure!(!name.is_empty(), "`{}` has no letter or digit to name a property by", source.name);
        let name = escaped(&name);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}Username={}", escaped(&source.credential.username));
        let _ = writeln!(text, "{name}Password={}", escaped(source.credential.secret.expose_secret()));
    }
    Ok(text.into())
}

/// An init script that opens every Maven repository at a source's URL, in either spelling, or below it.
pub(super) fn init(sources: &[Source]) -> SecretString {
    let mut text = SCRIPT.to_owned();
    for source in sources {
        let username = STANDARD.encode(&source.credential.username);
        let password = STANDARD.encode(source.credential.secret.expose_secret());
        for url in source.spellings() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "//@ {url} {username} {password}");
        }
    }
    text.into()
}

/// A name as Gradle takes it, which allows letters and digits alone (`CredentialsProviderFactory.validateIdentity`):
/// `my-feed` is `myFeed`.
fn identity(name: &str) -> String {
    let mut text = String::new();
    let mut upper = false;
    for c in name.chars() {
        if !c.is_alphabetic() && !c.is_ascii_digit() {
            upper = !text.is_empty();
        } else if std::mem::take(&mut upper) {
            text.extend(c.to_uppercase());
        } else {
            text.push(c);
        }
    }
    text
}

/// A key or value of a properties file (`java.util.Properties.load`, which reads Latin-1): `\uXXXX`, in UTF-16, for what
/// is no letter or digit of ASCII and is not known to do no harm.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()).filter(|c| c.is_ascii_alphanumeric() || "-._~/+@$%&*".contains(*c))
        {
            Some(c) => out.push(c),
            // Writing to a String cannot fail.
            None => drop(write!(out, "\\u{unit:04x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::fixture::{awkward, password, token, url};

    const URL: &str = "https://packages.example/maven/v1";

    #[test]
    fn each_source_has_two_properties() {
        let sources = [token("shared", URL), password("my-2nd feed", URL, "m e", "#p=ä\\😀\n")];
        assert_eq!(
            properties(&sources).expect("it can be held").expose_secret(),
            "sharedUsername=build\n\
             sharedPassword=to.ken\n\
             my2ndFeedUsername=m\\u0020e\n\
             my2ndFeedPassword=\\u0023p\\u003d\\u00e4\\u005c\\ud83d\\ude00\\u000a\n"
        );
    }

    #[test]
    fn names_that_gradle_cannot_tell_apart_are_refused() {
        let error = properties(&[token("my-feed", URL), token("myFeed", URL)]).expect_err("one name");
        assert_eq!(
            error.to_string(),
            "several sources are called `myFeed`, and the client tells them apart by name"
        );
        let error = properties(&[token("---", URL)]).expect_err("no name");
        assert_eq!(error.to_string(), "`---` has no letter or digit to name a property by");
    }

    #[test]
    fn the_script_reads_its_credentials_from_comments() {
        let mut feed = token("a", "https://pkgs.dev.azure.com/contoso/_packaging/a/maven/v1");
        feed.aliases.push(url("https://contoso.pkgs.visualstudio.com/_packaging/a/maven/v1"));
        let text = init(&[feed, password("b", URL, "", "p ä\n")]);
        assert_eq!(
            text.expose_secret().strip_prefix(SCRIPT),
            Some(
                "//@ https://pkgs.dev.azure.com/contoso/_packaging/a/maven/v1 YnVpbGQ= dG8ua2Vu\n\
                 //@ https://contoso.pkgs.visualstudio.com/_packaging/a/maven/v1 YnVpbGQ= dG8ua2Vu\n\
                 //@ https://packages.example/maven/v1  cCDDpAo=\n"
            )
        );
        assert!(SCRIPT.ends_with("}\n") && !SCRIPT.contains("\n//@ "));
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back_from_properties(user in awkward(), secret in awkward()) {
            // The parser knows no surrogate pairs; the first test has one.
            let [user, secret] = [user, secret].map(|text| text.replace(|c| c > '\u{ffff}', ""));
            let text = properties(&[password("a", URL, &user, &secret)]).expect("it can be held");
            let found = java_properties::read(text.expose_secret().as_bytes()).expect("it is a properties file");
            proptest::prop_assert_eq!(found.get("aUsername"), Some(&user));
            proptest::prop_assert_eq!(found.get("aPassword"), Some(&secret));
        }
    }
}
