//! `.pypirc` of twine: an index server for each source, by its name.
//!
//! The one trap: Python's `RawConfigParser`, which reads it, knows no quotes or escapes. It leaves a `%` alone, but ends
//! a value at a line break and trims it.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};

use super::distinct;
use crate::error::hinted;
use crate::feed::source::Source;

/// A `.pypirc`.
pub(super) fn pypirc(sources: &[Source]) -> anyhow::Result<SecretString> {
    distinct(sources, str::to_owned)?;
    let mut names = String::new();
    let mut servers = String::new();
    for Source { name, url, credential, .. } in sources {
        let (user, secret) = (&credential.username, credential.secret.expose_secret());
        if !is_name(name) {
            return Err(refused(name, "name"));
        }
        if !is_value(user) || !is_value(secret) {
            return Err(refused(name, "credentials"));
        }
        // Writing to a String cannot fail.
        let _ = write!(names, " {name}");
        let _ = write!(servers, "\n[{name}]\nrepository = {url}\nusername = {user}\npassword = {secret}\n");
    }
    Ok(format!("[distutils]\nindex-servers ={names}\n{servers}").into())
}

fn refused(name: &str, what: &str) -> anyhow::Error {
    hinted(
        format!("a `.pypirc` cannot hold the {what} of `{name}`"),
        "mount `TWINE_REPOSITORY_URL`, `TWINE_USERNAME` and `TWINE_PASSWORD` instead",
    )
}

/// Whether it can stand in a list between blanks and as the head of a section that has no meaning of its own.
fn is_name(text: &str) -> bool {
    let parts = |c: char| c.is_whitespace() || c.is_control() || c == ']';
    !text.is_empty() && !text.contains(parts) && !matches!(text, "DEFAULT" | "distutils")
}

/// Whether it comes back whole from a line: Python also trims the control characters that separate fields.
fn is_value(text: &str) -> bool {
    text.trim() == text && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use configparser::ini::Ini;

    use super::*;
    use crate::error;
    use crate::secret::fixture::{awkward, password, token};

    const UPLOAD: &str = "https://pkgs.dev.azure.com/contoso/_packaging/a/pypi/upload/";

    #[test]
    fn each_source_is_an_index_server() {
        let sources =
            [token("a", UPLOAD), password("b.c-d", "https://packages.example/x%20y/", "m:e", "#p = %(a)s;")];
        assert_eq!(
            pypirc(&sources).expect("it can be held").expose_secret(),
            "[distutils]\n\
             index-servers = a b.c-d\n\
             \n\
             [a]\n\
             repository = https://pkgs.dev.azure.com/contoso/_packaging/a/pypi/upload/\n\
             username = build\n\
             password = to.ken\n\
             \n\
             [b.c-d]\n\
             repository = https://packages.example/x%20y/\n\
             username = m:e\n\
             password = #p = %(a)s;\n"
        );
    }

    #[test]
    fn what_it_cannot_hold_is_refused_and_not_shown() {
        let hint = "\n\nhint: mount `TWINE_REPOSITORY_URL`, `TWINE_USERNAME` and `TWINE_PASSWORD` instead";
        let table = [
            (password("a", UPLOAD, "me", "s3\ncret"), "credentials of `a`"),
            (password("a", UPLOAD, "me", "s3cret "), "credentials of `a`"),
            (password("a", UPLOAD, "\u{1f}me", "s3cret"), "credentials of `a`"),
            (token("a b", UPLOAD), "name of `a b`"),
            (token("a]", UPLOAD), "name of `a]`"),
            (token("DEFAULT", UPLOAD), "name of `DEFAULT`"),
        ];
        for (source, expected) in table {
            assert_eq!(
                error::render(&pypirc(&[source]).expect_err(expected)),
                format!("a `.pypirc` cannot hold the {expected}{hint}")
            );
        }
        let error = pypirc(&[token("a", UPLOAD), token("a", UPLOAD)]).expect_err("one name");
        assert_eq!(
            error.to_string(),
            "several sources are called `a`, and the client tells them apart by name"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_name_user_and_password_come_back(name in awkward(), user in awkward(), secret in awkward()) {
            let Ok(text) = pypirc(&[password(&name, UPLOAD, &user, &secret)]) else {
                let refused = |c: char| c.is_whitespace() || c.is_control() || c == ']';
                proptest::prop_assert!((name + &user + &secret).contains(refused));
                return Ok(());
            };
            let mut ini = Ini::new_cs();
            ini.set_inline_comment_symbols(Some(&[]));
            ini.read(text.expose_secret().to_owned()).expect("it is INI");
            let held = |section: &str, key: &str| ini.get(section, key).unwrap_or_default();
            proptest::prop_assert_eq!(held("distutils", "index-servers"), name.as_str());
            proptest::prop_assert_eq!(held(&name, "repository"), UPLOAD);
            proptest::prop_assert_eq!(held(&name, "username"), user);
            proptest::prop_assert_eq!(held(&name, "password"), secret);
        }
    }
}
