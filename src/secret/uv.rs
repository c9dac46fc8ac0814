//! `uv.toml`: the indexes in uv's order, each with its credentials in its URL; the file has no other place for them.
//!
//! The one trap: uv opens URLs by their text, also those of a `uv.lock`, which keeps the host of the day it was written.
//! So an index's other spellings are there too, as `explicit` ones, which lend their credentials and are asked nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use secrecy::SecretString;
use toml_writer::ToTomlValue as _;
use url::Url;

use super::pip::with_credential;
use crate::feed::source::Source;

/// A `uv.toml`. Without a default, uv keeps its own.
pub(super) fn toml(index: Option<&Source>, extra: &[Source]) -> SecretString {
    let mut file = File::default();
    if let Some(source) = index {
        file.index(source, &source.url, "default = true\n");
    }
    for source in extra {
        file.index(source, &source.url, "");
    }
    for source in index.into_iter().chain(extra) {
        for alias in &source.aliases {
            file.index(source, alias, "explicit = true\n");
        }
    }
    file.text.into()
}

#[derive(Default)]
struct File {
    text: String,
    names: BTreeSet<String>,
}

impl File {
    fn index(&mut self, source: &Source, url: &Url, kind: &str) {
        let name = self.name(&source.name).to_toml_value();
        let url = with_credential(url, &source.credential).to_toml_value();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "[[index]]\nname = {name}\nurl = {url}\n{kind}");
    }

    /// A source's name as uv allows it (`IndexName::new`), with a number behind it if another index has it: of two
    /// with one name uv would drop the second, and an `explicit` one must have a name.
    fn name(&mut self, name: &str) -> String {
        let valid = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let valid: String = name.chars().map(valid).collect();
        let mut name = valid.clone();
        let mut number = 1;
        while !self.names.insert(name.clone()) {
            number += 1;
            name = format!("{valid}-{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use secrecy::ExposeSecret as _;
    use serde_json::Value;

    use super::*;
    use crate::secret::fixture::{awkward, password, token, url};

    const INDEX: &str = "https://packages.example/a%20b/simple/";

    fn feed(name: &str) -> Source {
        let mut feed = token(name, "https://pkgs.dev.azure.com/contoso/_packaging/x/pypi/simple/");
        feed.aliases.push(url("https://contoso.pkgs.visualstudio.com/_packaging/x/pypi/simple/"));
        feed
    }

    #[test]
    fn indexes_keep_their_order_and_their_other_spellings_are_explicit() {
        let extra = [password("My Größe.1", INDEX, "m:e", "p@'\""), feed("a")];
        assert_eq!(
            toml(Some(&feed("a")), &extra).expose_secret(),
            r#"[[index]]
name = "a"
url = "https://build:to.ken@pkgs.dev.azure.com/contoso/_packaging/x/pypi/simple/"
default = true
[[index]]
name = "My-Gr--e.1"
url = "https://m%3Ae:p%40%27%22@packages.example/a%20b/simple/"
[[index]]
name = "a-2"
url = "https://build:to.ken@pkgs.dev.azure.com/contoso/_packaging/x/pypi/simple/"
[[index]]
name = "a-3"
url = "https://build:to.ken@contoso.pkgs.visualstudio.com/_packaging/x/pypi/simple/"
explicit = true
[[index]]
name = "a-4"
url = "https://build:to.ken@contoso.pkgs.visualstudio.com/_packaging/x/pypi/simple/"
explicit = true
"#
        );
        assert_eq!(toml(None, &[]).expose_secret(), "");
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(name in awkward(), user in awkward(), secret in awkward()) {
            let source = password(&name, INDEX, &user, &secret);
            let text = toml(Some(&source), std::slice::from_ref(&source));
            let file: Value = basic_toml::from_str(text.expose_secret()).expect("it is TOML");
            let indexes = file["index"].as_array().expect("it has indexes");
            proptest::prop_assert_eq!(indexes.len(), 2);
            let names: BTreeSet<&str> = indexes.iter().filter_map(|index| index["name"].as_str()).collect();
            proptest::prop_assert_eq!(names.len(), 2);
            for index in indexes {
                let url = Url::parse(index["url"].as_str().expect("it has a URL")).expect("it is one");
                let decoded = |text| percent_decode_str(text).decode_utf8().expect("it is UTF-8");
                proptest::prop_assert_eq!(decoded(url.username()), user.as_str());
                proptest::prop_assert_eq!(decoded(url.password().expect("it has one")), secret.as_str());
                proptest::prop_assert_eq!(url.path(), source.url.path());
            }
        }
    }
}
