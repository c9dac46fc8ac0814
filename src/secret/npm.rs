//! `.npmrc` of npm, pnpm and yarn 1: a registry for each scope, and credentials for registries by the text of their URL.
//!
//! The one trap: all three expand `${VAR}` in values, and each reads escapes in its own way. No value holds any: Base64,
//! tokens and URLs have no such characters, and `_auth` also holds the user names that `username` cannot.

use secrecy::{ExposeSecret as _, SecretString};
use url::{Position, Url};

use super::{header, named};
use crate::credential::Scheme;
use crate::error::hinted;
use crate::feed::source::Source;

/// An `.npmrc`. yarn 1 sends no credentials for packages without a scope unless `always-auth` is true; npm warns that it
/// does not know it.
pub(super) fn npmrc(sources: &[Source], scopes: &[(String, Option<String>)]) -> anyhow::Result<SecretString> {
    let mut lines = vec![format!("registry={}", registry(&sources[0].url))];
    for (scope, source) in bound(sources, scopes)? {
        lines.push(format!("{scope}:registry={}", registry(&source.url)));
    }
    for (place, source) in places(sources)? {
        anyhow::ensure!(
            !place.contains(['=', ';']),
            "an `.npmrc` cannot hold credentials for `{place}`, whose path has `=` or `;`"
        );
        let credential = match source.credential.scheme {
            Scheme::Bearer => format!("_authToken={}", header::bearer(&source.name, &source.credential)?),
            Scheme::Basic => format!("_auth={}", header::basic(&source.name, &source.credential)?),
        };
        lines.push(format!("{place}:{credential}"));
    }
    lines.push("always-auth=true\n".to_owned());
    Ok(lines.join("\n").into())
}

/// Each scope and its source: the one that it names, or the first.
pub(super) fn bound<'a>(
    sources: &'a [Source],
    scopes: &'a [(String, Option<String>)],
) -> anyhow::Result<Vec<(&'a str, &'a Source)>> {
    let mut bound: Vec<(&str, &Source)> = Vec::new();
    for (scope, name) in scopes {
        anyhow::ensure!(bound.iter().all(|(known, _)| known != scope), "the scope `{scope}` is given twice");
        let source = match name {
            Some(name) => named(sources, name)?,
            None => &sources[0],
        };
        bound.push((scope, source));
    }
    Ok(bound)
}

/// Where each source's credentials count, as `//host/path/`: at every spelling of its URL, and for a feed also at
/// `…/npm/`, under which old clients look for what they download.
pub(super) fn places(sources: &[Source]) -> anyhow::Result<Vec<(String, &Source)>> {
    let mut places: Vec<(String, &Source)> = Vec::new();
    for source in sources {
        for place in source.spellings().map(place) {
            let parent = place.strip_suffix("registry/").filter(|_| place.contains("/_packaging/"));
            for place in [Some(place.as_str()), parent].into_iter().flatten() {
                match places.iter().find(|(known, _)| known == place) {
                    None => places.push((place.to_owned(), source)),
                    Some((_, known)) if same(known, source) => {}
                    Some((_, known)) => {
                        return Err(hinted(
                            format!("`{}` and `{}` open `{place}` differently", known.name, source.name),
                            "leave one of them",
                        ));
                    }
                }
            }
        }
    }
    Ok(places)
}

fn same(a: &Source, b: &Source) -> bool {
    a.credential.username == b.credential.username
        && a.credential.secret.expose_secret() == b.credential.secret.expose_secret()
}

/// A registry's URL with a trailing slash, without which clients take its last part for a file.
pub(super) fn registry(url: &Url) -> String {
    format!("{}:{}", url.scheme(), place(url))
}

fn place(url: &Url) -> String {
    let path = url[Position::BeforePath..Position::AfterPath].trim_end_matches('/');
    format!("//{}{path}/", &url[Position::BeforeHost..Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use configparser::ini::{Ini, IniDefault};
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::error;
    use crate::secret::fixture::{awkward, password, token, url};

    const FEED: &str = "https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/a/npm/registry/";

    type Scopes<'a> = &'a [(&'a str, Option<&'a str>)];

    fn render(sources: &[Source], scopes: Scopes<'_>) -> anyhow::Result<String> {
        let scopes: Vec<_> =
            scopes.iter().map(|(scope, name)| ((*scope).to_owned(), name.map(str::to_owned))).collect();
        npmrc(sources, &scopes).map(|text| text.expose_secret().to_owned())
    }

    #[test]
    fn a_feed_is_opened_in_both_spellings_and_at_its_parent() {
        let mut feed = token("a", FEED);
        feed.aliases
            .push(url("https://contoso.pkgs.visualstudio.com/My%20Project/_packaging/a/npm/registry/"));
        assert_eq!(
            render(&[feed], &[]).expect("it can be held"),
            "registry=https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/a/npm/registry/\n\
             //pkgs.dev.azure.com/contoso/My%20Project/_packaging/a/npm/registry/:_authToken=to.ken\n\
             //pkgs.dev.azure.com/contoso/My%20Project/_packaging/a/npm/:_authToken=to.ken\n\
             //contoso.pkgs.visualstudio.com/My%20Project/_packaging/a/npm/registry/:_authToken=to.ken\n\
             //contoso.pkgs.visualstudio.com/My%20Project/_packaging/a/npm/:_authToken=to.ken\n\
             always-auth=true\n"
        );
    }

    #[test]
    fn scopes_have_registries_of_their_own() {
        let sources = [
            password("first", "https://Packages.Example:8443/npm/registry", "me", "pass"),
            token("second", "http://127.0.0.1:4873/"),
        ];
        assert_eq!(
            render(&sources, &[("@a", None), ("@b", Some("second"))]).expect("it can be held"),
            "registry=https://packages.example:8443/npm/registry/\n\
             @a:registry=https://packages.example:8443/npm/registry/\n\
             @b:registry=http://127.0.0.1:4873/\n\
             //packages.example:8443/npm/registry/:_auth=bWU6cGFzcw==\n\
             //127.0.0.1:4873/:_authToken=to.ken\n\
             always-auth=true\n"
        );
    }

    #[test]
    fn what_it_cannot_hold_is_refused_and_not_shown() {
        let bearer = |secret: &str| {
            let mut source = token("a", FEED);
            source.credential.secret = secret.into();
            vec![source]
        };
        let twice = vec![token("a", FEED), password("b", FEED, "me", "s3cret")];
        let table: [(_, Scopes<'_>, _); 6] = [
            (bearer("s3cret\n"), &[], "the token of `a` has characters that a Bearer header cannot hold"),
            (bearer(""), &[], "the token of `a` has characters that a Bearer header cannot hold"),
            (
                vec![password("a", FEED, "m:e", "s3cret")],
                &[],
                "the user name of `a` has a colon, which a Basic header cannot hold",
            ),
            (
                vec![password("a", "https://packages.example/a;b/", "me", "s3cret")],
                &[],
                "an `.npmrc` cannot hold credentials for `//packages.example/a;b/`, whose path has `=` or `;`",
            ),
            (
                twice,
                &[],
                "`a` and `b` open `//pkgs.dev.azure.com/contoso/My%20Project/_packaging/a/npm/registry/` \
                 differently\n\nhint: leave one of them",
            ),
            (vec![token("a", FEED)], &[("@s", None), ("@s", Some("a"))], "the scope `@s` is given twice"),
        ];
        for (sources, scopes, expected) in table {
            assert_eq!(error::render(&render(&sources, scopes).expect_err(expected)), expected);
        }
        let error = render(&[token("a", FEED)], &[("@s", Some("b"))]).expect_err("no such source");
        assert_eq!(error.to_string(), "no source is called `b`; there are: a");
    }

    proptest::proptest! {
        #[test]
        fn any_user_and_password_come_back(user in awkward(), secret in awkward()) {
            let Ok(text) = render(&[password("a", "https://packages.example/npm/", &user, &secret)], &[]) else {
                proptest::prop_assert!(user.contains(':'));
                return Ok(());
            };
            let mut syntax = IniDefault::default();
            syntax.delimiters = vec!['='];
            syntax.case_sensitive = true;
            let mut ini = Ini::new_from_defaults(syntax);
            ini.read(text).expect("it is an INI file");
            let auth = ini.get("default", "//packages.example/npm/:_auth").expect("it is there");
            let pair = String::from_utf8(STANDARD.decode(auth).expect("it is Base64")).expect("it is UTF-8");
            proptest::prop_assert_eq!(pair.split_once(':'), Some((user.as_str(), secret.as_str())));
        }
    }
}
