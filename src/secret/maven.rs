//! `settings.xml` of Maven: a server's id is the id of the `<repository>` in the POM that it opens.
//!
//! The one trap: Maven interpolates the settings after it has read them, so no XML keeps it from a `${…}`, and trims
//! every value. Maven 4 also takes a `\` before a brace away, and decrypts `{…}`; if it cannot, it logs the value.

use std::fmt::Write as _;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::{distinct, only, xml};
use crate::feed::source::Source;

/// The settings with a server for each source.
pub(super) fn settings(sources: &[Source]) -> anyhow::Result<SecretString> {
    Ok(document(&servers(sources)?).into())
}

/// The same, with the only source in the place of every repository. Maven's own blocker of plain http leaves loopback
/// alone.
pub(super) fn settings_with_mirror(sources: &[Source]) -> anyhow::Result<SecretString> {
    let source = only(sources)?;
    let (id, url) = (value(source, &source.name)?, value(source, source.url.as_str())?);
    let mirrors = format!(
        "  <mirrors>\n    \
             <mirror>\n      \
               <id>{id}</id>\n      \
               <mirrorOf>*</mirrorOf>\n      \
               <url>{url}</url>\n    \
             </mirror>\n  \
           </mirrors>\n"
    );
    Ok(document(&(servers(sources)? + &mirrors)).into())
}

fn document(content: &str) -> String {
    format!("<settings xmlns=\"http://maven.apache.org/SETTINGS/1.0.0\">\n{content}</settings>\n")
}

fn servers(sources: &[Source]) -> anyhow::Result<String> {
    distinct(sources, str::to_owned)?;
    let mut text = String::from("  <servers>\n");
    for source in sources {
        let id = value(source, &source.name)?;
        let username = value(source, &source.credential.username)?;
        let password = value(source, source.credential.secret.expose_secret())?;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "    <server>\n      \
                   <id>{id}</id>\n      \
                   <username>{username}</username>\n      \
                   <password>{password}</password>\n    \
                 </server>"
        );
    }
    text.push_str("  </servers>\n");
    Ok(text)
}

/// `text` as the content of an element.
fn value(source: &Source, text: &str) -> anyhow::Result<String> {
    let context = || format!("Maven's settings cannot hold the credentials of `{}`", source.name);
    let found = ["${", "$__", "\\{", "\\}"].into_iter().find(|part| text.contains(part));
    if let Some(part) = found {
        return Err(anyhow::anyhow!("Maven would change the `{part}` in them")).with_context(context);
    }
    // `isLegacyEncryptedString` and what `DefaultSettingsBuilder` of Maven 4 adds to it.
    if text.ends_with('}') && (text.starts_with('{') || text.contains(" {")) {
        return Err(anyhow::anyhow!("Maven would take the braces in them for encryption"))
            .with_context(context);
    }
    if text.trim_matches(|c: char| c <= ' ' || c.is_whitespace()) != text || text.contains('\r') {
        return Err(anyhow::anyhow!("Maven would trim them, or change their line breaks"))
            .with_context(context);
    }
    xml::escaped(text).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;
    use crate::secret::fixture::{awkward, password, token};

    const URL: &str = "https://packages.example/maven/v1";
    const NAMESPACE: &str = "http://maven.apache.org/SETTINGS/1.0.0";

    #[test]
    fn each_source_is_a_server() {
        let sources = [token("shared", URL), password("b&c", URL, "m<e", "p>a\"ss")];
        assert_eq!(
            settings(&sources).expect("it can be held").expose_secret(),
            r#"<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">
  <servers>
    <server>
      <id>shared</id>
      <username>build</username>
      <password>to.ken</password>
    </server>
    <server>
      <id>b&amp;c</id>
      <username>m&lt;e</username>
      <password>p&gt;a&quot;ss</password>
    </server>
  </servers>
</settings>
"#
        );
    }

    #[test]
    fn the_only_source_may_stand_for_all() {
        let source =
            token("shared", "https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/shared/maven/v1");
        assert_eq!(
            settings_with_mirror(&[source]).expect("it can be held").expose_secret(),
            r#"<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">
  <servers>
    <server>
      <id>shared</id>
      <username>build</username>
      <password>to.ken</password>
    </server>
  </servers>
  <mirrors>
    <mirror>
      <id>shared</id>
      <mirrorOf>*</mirrorOf>
      <url>https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/shared/maven/v1</url>
    </mirror>
  </mirrors>
</settings>
"#
        );
        let error = settings_with_mirror(&[token("a", URL), token("b", URL)]).expect_err("there are two");
        assert_eq!(error.to_string(), "the value holds one source, but there are 2: a, b");
    }

    #[test]
    fn what_maven_would_change_is_refused_and_not_shown() {
        let head = "Maven's settings cannot hold the credentials of `a`\n  caused by: ";
        let table = [
            ("s3${env.HOME}", "Maven would change the `${` in them"),
            ("s3$__cret", "Maven would change the `$__` in them"),
            ("s3\\{cret", "Maven would change the `\\{` in them"),
            ("{s3cret}", "Maven would take the braces in them for encryption"),
            ("old one {s3cret}", "Maven would take the braces in them for encryption"),
            (" s3cret", "Maven would trim them, or change their line breaks"),
            ("s3cret\n", "Maven would trim them, or change their line breaks"),
            ("s3\rcret", "Maven would trim them, or change their line breaks"),
            ("s3\u{1}cret", "XML cannot hold a control character"),
        ];
        for (secret, expected) in table {
            let error = settings(&[password("a", URL, "me", secret)]).expect_err(secret);
            assert_eq!(error::render(&error), format!("{head}{expected}"));
        }
        for held in ["a{b}c", "a\\b", "$", "a$b{", "a b\tc\nd"] {
            settings(&[password("a", URL, "me", held)]).expect(held);
        }
        let error = settings(&[token("a", URL), token("a", URL)]).expect_err("one name");
        assert_eq!(
            error.to_string(),
            "several sources are called `a`, and the client tells them apart by name"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let Ok(text) = settings(&[password("a", URL, &user, &secret)]) else {
                let refused = [user, secret].iter().any(|text| {
                    text.trim() != text
                        || text.contains(['{', '}'])
                        || text.contains("$__")
                        || text.contains(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
                });
                proptest::prop_assert!(refused);
                return Ok(());
            };
            let document = roxmltree::Document::parse(text.expose_secret()).expect("it is XML");
            let held = |tag: &str| {
                let node = document.descendants().find(|node| node.has_tag_name((NAMESPACE, tag)));
                node.expect("it is there").text()
            };
            proptest::prop_assert_eq!(held("username"), Some(user.as_str()));
            proptest::prop_assert_eq!(held("password"), Some(secret.as_str()));
        }
    }
}
