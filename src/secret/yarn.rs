//! `.yarnrc.yml` of yarn 2 and later: the registries of `.npmrc` in other words. A registry's key has no trailing slash,
//! and plain http (which a loopback registry speaks) must be allowed by host.
//!
//! The one trap: yarn expands `${VAR}` in values and fails if there is no VAR. As in `.npmrc`, no value holds any.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use secrecy::SecretString;
use serde_json::Value;

use super::header;
use super::npm::{bound, places, registry};
use crate::credential::Scheme;
use crate::feed::source::Source;

/// A `.yarnrc.yml`.
pub(super) fn yarnrc(
    sources: &[Source],
    scopes: &[(String, Option<String>)],
) -> anyhow::Result<SecretString> {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let _ = writeln!(text, "npmRegistryServer: {}", quoted(&registry(&sources[0].url)));
    let scopes = bound(sources, scopes)?;
    if !scopes.is_empty() {
        text.push_str("npmScopes:\n");
    }
    for (scope, source) in scopes {
        let _ = writeln!(text, "  {}:", quoted(scope.trim_start_matches('@')));
        let _ = writeln!(text, "    npmRegistryServer: {}", quoted(&registry(&source.url)));
    }
    text.push_str("npmRegistries:\n");
    for (place, source) in places(sources)? {
        let _ = writeln!(text, "  {}:", quoted(place.trim_end_matches('/')));
        let _ = writeln!(text, "    npmAlwaysAuth: true");
        let _ = match source.credential.scheme {
            Scheme::Bearer => writeln!(
                text,
                "    npmAuthToken: {}",
                quoted(header::bearer(&source.name, &source.credential)?)
            ),
            Scheme::Basic => writeln!(
                text,
                "    npmAuthIdent: {}",
                quoted(&header::basic(&source.name, &source.credential)?)
            ),
        };
    }
    let plain = sources.iter().flat_map(Source::spellings).filter(|url| url.scheme() == "http");
    let plain: BTreeSet<&str> = plain.filter_map(|url| url.host_str()).collect();
    if !plain.is_empty() {
        text.push_str("unsafeHttpWhitelist:\n");
    }
    for host in plain {
        let _ = writeln!(text, "  - {}", quoted(host));
    }
    Ok(text.into())
}

/// A JSON string, which is also a double-quoted scalar of YAML.
fn quoted(text: &str) -> Value {
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::secret::fixture::{awkward, password, token, url};

    fn render(sources: &[Source], scopes: &[(String, Option<String>)]) -> anyhow::Result<String> {
        yarnrc(sources, scopes).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn a_feed_is_opened_in_both_spellings() {
        let mut feed = token("a", "https://pkgs.dev.azure.com/contoso/_packaging/a/npm/registry/");
        feed.aliases.push(url("https://contoso.pkgs.visualstudio.com/_packaging/a/npm/registry/"));
        assert_eq!(
            render(&[feed], &[]).expect("it can be held"),
            r#"npmRegistryServer: "https://pkgs.dev.azure.com/contoso/_packaging/a/npm/registry/"
npmRegistries:
  "//pkgs.dev.azure.com/contoso/_packaging/a/npm/registry":
    npmAlwaysAuth: true
    npmAuthToken: "to.ken"
  "//pkgs.dev.azure.com/contoso/_packaging/a/npm":
    npmAlwaysAuth: true
    npmAuthToken: "to.ken"
  "//contoso.pkgs.visualstudio.com/_packaging/a/npm/registry":
    npmAlwaysAuth: true
    npmAuthToken: "to.ken"
  "//contoso.pkgs.visualstudio.com/_packaging/a/npm":
    npmAlwaysAuth: true
    npmAuthToken: "to.ken"
"#
        );
    }

    #[test]
    fn scopes_have_registries_of_their_own_and_plain_http_is_allowed() {
        let sources = [
            password("first", "https://packages.example/npm", "me", "pass"),
            token("second", "http://127.0.0.1:4873/"),
        ];
        assert_eq!(
            render(&sources, &[("@b".to_owned(), Some("second".to_owned()))]).expect("it can be held"),
            r#"npmRegistryServer: "https://packages.example/npm/"
npmScopes:
  "b":
    npmRegistryServer: "http://127.0.0.1:4873/"
npmRegistries:
  "//packages.example/npm":
    npmAlwaysAuth: true
    npmAuthIdent: "bWU6cGFzcw=="
  "//127.0.0.1:4873":
    npmAlwaysAuth: true
    npmAuthToken: "to.ken"
unsafeHttpWhitelist:
  - "127.0.0.1"
"#
        );
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let Ok(text) = render(&[password("a", "https://packages.example/npm/", &user, &secret)], &[]) else {
                proptest::prop_assert!(user.contains(':'));
                return Ok(());
            };
            let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).expect("it is YAML");
            let ident = yaml["npmRegistries"]["//packages.example/npm"]["npmAuthIdent"].as_str().expect("text");
            let pair = String::from_utf8(STANDARD.decode(ident).expect("it is Base64")).expect("it is UTF-8");
            proptest::prop_assert_eq!(pair.split_once(':'), Some((user.as_str(), secret.as_str())));
        }
    }
}
