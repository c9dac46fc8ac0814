//! What `NuGet` reads: `nuget.config`, variables with one source's credentials, and the variables of the Azure Artifacts
//! credential provider, which compares URLs as text.
//!
//! The one trap: in each value of a `nuget.config`, `%VAR%` is expanded (`Settings.ApplyEnvironmentTransform`), and
//! nothing escapes it.

use std::fmt::Write as _;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{distinct, xml};
use crate::error::hinted;
use crate::feed::source::{Origin, Source};

/// A `nuget.config` with the sources and no others, as the service's own instructions have it: the public gallery is
/// reached through a feed's upstream. `ClearTextPassword` is the only form that is read on Linux.
pub(super) fn config(sources: &[Source]) -> anyhow::Result<SecretString> {
    distinct(sources, str::to_lowercase)?;
    let (mut places, mut credentials) = (String::new(), String::new());
    // Writing to a String cannot fail.
    for source in sources {
        let key = value(source, &source.name)?;
        let url = xml::escaped(source.url.as_str())?;
        let version = if source.url.path().ends_with("/index.json") { " protocolVersion=\"3\"" } else { "" };
        let plain = if source.url.scheme() == "http" { " allowInsecureConnections=\"true\"" } else { "" };
        let _ = writeln!(places, "    <add key=\"{key}\" value=\"{url}\"{version}{plain} />");
        let element = element(&source.name);
        let user = value(source, &source.credential.username)?;
        let secret = value(source, source.credential.secret.expose_secret())?;
        let _ = writeln!(credentials, "    <{element}>");
        let _ = writeln!(credentials, "      <add key=\"Username\" value=\"{user}\" />");
        let _ = writeln!(credentials, "      <add key=\"ClearTextPassword\" value=\"{secret}\" />");
        let _ = writeln!(credentials, "      <add key=\"ValidAuthenticationTypes\" value=\"basic\" />");
        let _ = writeln!(credentials, "    </{element}>");
    }
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <configuration>\n  \
           <packageSources>\n    \
             <clear />\n\
             {places}  \
           </packageSources>\n  \
           <packageSourceCredentials>\n\
             {credentials}  \
           </packageSourceCredentials>\n\
         </configuration>\n"
    );
    Ok(text.into())
}

/// `NuGetPackageSourceCredentials_<NAME>`, which `NuGet` takes apart by a lazy expression
/// (`PackageSourceProvider.ReadCredentialFromEnvironment`): a `;` in the password does no harm.
pub(super) fn credentials(source: &Source) -> anyhow::Result<SecretString> {
    let (user, secret) = (&source.credential.username, source.credential.secret.expose_secret());
    anyhow::ensure!(
        !user.contains([';', '\n']),
        "the variable cannot hold the user name of `{}`, which has a `;` or line break",
        source.name
    );
    anyhow::ensure!(
        !secret.contains('\n') && !secret.to_lowercase().contains(";validauthenticationtypes="),
        "the variable cannot hold the password of `{}`, which has a line break or another field's name",
        source.name
    );
    Ok(format!("Username={user};Password={secret};ValidAuthenticationTypes=basic").into())
}

/// The credential provider's endpoints, in every spelling, since it compares whole URLs.
pub(super) fn endpoints(sources: &[Source]) -> SecretString {
    let endpoint = |source: &Source, url: &str| {
        json!({
            "endpoint": url,
            "username": source.credential.username,
            "password": source.credential.secret.expose_secret(),
        })
    };
    let endpoints: Vec<_> = sources
        .iter()
        .flat_map(|source| source.spellings().map(move |url| endpoint(source, url.as_str())))
        .collect();
    json!({ "endpointCredentials": endpoints }).to_string().into()
}

/// The packaging bases of the feeds' organizations, in every spelling: where `VSS_NUGET_ACCESSTOKEN` counts.
pub(super) fn prefixes(origins: &[Origin]) -> anyhow::Result<SecretString> {
    let mut prefixes: Vec<String> = Vec::new();
    for origin in origins {
        let Origin::Feed { organization, base, .. } = origin else { continue };
        for base in std::iter::once(base).chain(organization.other_bases(base)) {
            if !prefixes.iter().any(|known| known == base.as_str()) {
                prefixes.push(base.to_string());
            }
        }
    }
    anyhow::ensure!(!prefixes.is_empty(), "no source is a feed of Azure Artifacts");
    Ok(prefixes.join(";").into())
}

/// `text` as the value of an attribute.
fn value(source: &Source, text: &str) -> anyhow::Result<String> {
    if expands(text) {
        return Err(hinted(
            format!(
                "a `nuget.config` cannot hold the credentials of `{}`: NuGet expands the `%…%` in them",
                source.name
            ),
            "use a password that has no name between two `%`, or mount `NuGetPackageSourceCredentials_<NAME>`",
        ));
    }
    xml::escaped(text)
        .with_context(|| format!("a `nuget.config` cannot hold the credentials of `{}`", source.name))
}

/// Whether something between two `%` could be the name of a variable.
fn expands(text: &str) -> bool {
    let mut parts = text.split('%').skip(1).collect::<Vec<_>>();
    // What follows the last `%` has none behind it.
    parts.pop();
    parts.iter().any(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// A source's name as an element's, as `XmlConvert.EncodeLocalName` writes it: `_xHHHH_` for what a name cannot hold, and
/// for a `_` that would read as the start of such. Any other character may be written so too, and all but ASCII is.
fn element(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let held = match c {
            '_' => !matches!(rest.peek(), Some('x' | 'X')),
            '-' | '.' | '0'..='9' => !text.is_empty(),
            _ => c.is_ascii_alphabetic(),
        };
        if held {
            text.push(c);
        } else {
            let code = u32::from(c);
            let width = if code > 0xffff { 8 } else { 4 };
            // Writing to a String cannot fail.
            let _ = write!(text, "_x{code:0width$X}_");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;
    use crate::error;
    use crate::feed::name::FeedName;
    use crate::feed::service::Organization;
    use crate::secret::fixture::{awkward, password, token, url};

    const INDEX: &str = "https://packages.example/v3/index.json";

    #[test]
    fn sources_and_their_credentials_are_whole() {
        let sources = [
            token(
                "My Feed",
                "https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/My%20Feed/nuget/v3/index.json",
            ),
            password("2nd", "http://127.0.0.1:5000/v2?a&b", "m\"e", "<p&\n"),
        ];
        let text = config(&sources).expect("it can be held");
        assert_eq!(
            text.expose_secret(),
            r#"<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <packageSources>
    <clear />
    <add key="My Feed" value="https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/My%20Feed/nuget/v3/index.json" protocolVersion="3" />
    <add key="2nd" value="http://127.0.0.1:5000/v2?a&amp;b" allowInsecureConnections="true" />
  </packageSources>
  <packageSourceCredentials>
    <My_x0020_Feed>
      <add key="Username" value="build" />
      <add key="ClearTextPassword" value="to.ken" />
      <add key="ValidAuthenticationTypes" value="basic" />
    </My_x0020_Feed>
    <_x0032_nd>
      <add key="Username" value="m&quot;e" />
      <add key="ClearTextPassword" value="&lt;p&amp;&#10;" />
      <add key="ValidAuthenticationTypes" value="basic" />
    </_x0032_nd>
  </packageSourceCredentials>
</configuration>
"#
        );
    }

    #[test]
    fn names_are_encoded_as_dotnet_encodes_them() {
        let table = [
            ("a-b.c_d9", "a-b.c_d9"),
            ("-a", "_x002D_a"),
            ("a:b/c", "a_x003A_b_x002F_c"),
            ("_x0020_", "_x005F_x0020_"),
            ("é😀", "_x00E9__x0001F600_"),
        ];
        for (name, expected) in table {
            assert_eq!(element(name), expected);
        }
    }

    #[test]
    fn what_a_config_cannot_hold_is_refused_and_not_shown() {
        let expanded = "a `nuget.config` cannot hold the credentials of `a`: NuGet expands the `%…%` in them\n\n\
             hint: use a password that has no name between two `%`, or mount `NuGetPackageSourceCredentials_<NAME>`";
        let table = [
            (vec![password("a", INDEX, "me", "s3cret%PATH%")], expanded),
            (vec![password("a", INDEX, "%1%_x%", "s3cret")], expanded),
            (
                vec![password("a", INDEX, "me", "s3cret\0")],
                "a `nuget.config` cannot hold the credentials of `a`\n  \
                   caused by: XML cannot hold a control character",
            ),
            (
                vec![token("a", INDEX), token("A", INDEX)],
                "several sources are called `a`, and the client tells them apart by name\n\n\
                 hint: leave one of them, or open one by a service connection, which has a name of its own",
            ),
        ];
        for (sources, expected) in table {
            assert_eq!(error::render(&config(&sources).expect_err(expected)), expected);
        }
        for held in ["50%", "%%", "a%20b%20c", "% a%", "%"] {
            config(&[password("a", INDEX, "me", held)]).expect(held);
        }
    }

    #[test]
    fn a_variable_holds_one_source() {
        let text = credentials(&password("a", INDEX, "me", "p;a=s%s%")).expect("it can be held");
        assert_eq!(text.expose_secret(), "Username=me;Password=p;a=s%s%;ValidAuthenticationTypes=basic");
        let table = [
            ("m;e", "s3cret", "the variable cannot hold the user name of `a`, which has a `;` or line break"),
            (
                "me",
                "s3cret;ValidAuthenticationTypes=x",
                "the variable cannot hold the password of `a`, which has a line break or another field's name",
            ),
        ];
        for (user, secret, expected) in table {
            let error = credentials(&password("a", INDEX, user, secret)).expect_err(expected);
            assert_eq!(error::render(&error), expected);
        }
    }

    #[test]
    fn the_credential_provider_knows_both_spellings() {
        let mut feed = token("a", "https://pkgs.dev.azure.com/contoso/_packaging/a/nuget/v3/index.json");
        feed.aliases.push(url("https://contoso.pkgs.visualstudio.com/_packaging/a/nuget/v3/index.json"));
        assert_eq!(
            endpoints(&[feed, password("b", INDEX, "m\"e", "p")]).expose_secret(),
            concat!(
                r#"{"endpointCredentials":[{"endpoint":"https://pkgs.dev.azure.com/contoso/_packaging/a/nuget/v3/index.json","#,
                r#""username":"build","password":"to.ken"},"#,
                r#"{"endpoint":"https://contoso.pkgs.visualstudio.com/_packaging/a/nuget/v3/index.json","#,
                r#""username":"build","password":"to.ken"},"#,
                r#"{"endpoint":"https://packages.example/v3/index.json","username":"m\"e","password":"p"}]}"#,
            )
        );
        let origins: Vec<Origin> = FeedName::parse_list("a,p/b")
            .expect("names")
            .into_iter()
            .map(|name| Origin::Feed {
                organization: Organization::of(&url("https://dev.azure.com/contoso/")),
                base: url("https://pkgs.dev.azure.com/contoso/"),
                name,
                credential: token("a", INDEX).credential,
            })
            .collect();
        assert_eq!(
            prefixes(&origins).expect("there are feeds").expose_secret(),
            "https://pkgs.dev.azure.com/contoso/;https://contoso.pkgs.visualstudio.com/"
        );
        prefixes(&[]).expect_err("there is no feed");
    }

    proptest::proptest! {
        #[test]
        fn any_name_user_and_password_come_back_from_a_config(
            name in awkward(), user in awkward(), secret in awkward()
        ) {
            let Ok(text) = config(&[password(&name, INDEX, &user, &secret)]) else {
                let refused = [name, user, secret].iter().any(|text| {
                    text.matches('%').count() > 1
                        || text.contains(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
                });
                proptest::prop_assert!(refused);
                return Ok(());
            };
            let document = roxmltree::Document::parse(text.expose_secret()).expect("it is XML");
            let add = |key: &str| {
                document.descendants().find(|node| node.attribute("key") == Some(key)).expect("it is there")
            };
            proptest::prop_assert_eq!(add(&name).attribute("value"), Some(INDEX));
            proptest::prop_assert_eq!(add("Username").attribute("value"), Some(user.as_str()));
            proptest::prop_assert_eq!(add("ClearTextPassword").attribute("value"), Some(secret.as_str()));
            let element = add("Username").parent().expect("it has one").tag_name().name();
            let decoded = Regex::new("_x([0-9A-F]{8}|[0-9A-F]{4})_").expect("an expression").replace_all(
                element,
                |found: &regex_lite::Captures<'_>| {
                    let code = u32::from_str_radix(&found[1], 16).expect("a number");
                    char::from_u32(code).expect("a character").to_string()
                },
            );
            proptest::prop_assert_eq!(decoded, name);
        }

        #[test]
        fn any_user_and_password_come_back_from_a_variable(user in awkward(), secret in awkward()) {
            let Ok(text) = credentials(&password("a", INDEX, &user, &secret)) else {
                proptest::prop_assert!(user.contains([';', '\n']) || secret.contains('\n'));
                return Ok(());
            };
            // NuGet's own.
            let expression = r"(?i)^Username=(?<user>.*?);\s*Password=(?<pass>.*?)(?:;ValidAuthenticationTypes=(?<types>.*?))?$";
            let found = Regex::new(expression).expect("an expression").captures(text.expose_secret());
            let found = found.expect("it is as NuGet wants it");
            proptest::prop_assert_eq!((&found["user"], &found["pass"]), (user.as_str(), secret.as_str()));
            proptest::prop_assert_eq!(&found["types"], "basic");
        }

        #[test]
        fn any_user_and_password_come_back_from_endpoints(user in awkward(), secret in awkward()) {
            let text = endpoints(&[password("a", INDEX, &user, &secret)]);
            let json: serde_json::Value = serde_json::from_str(text.expose_secret()).expect("it is JSON");
            let endpoint = &json["endpointCredentials"][0];
            proptest::prop_assert_eq!(endpoint["username"].as_str(), Some(user.as_str()));
            proptest::prop_assert_eq!(endpoint["password"].as_str(), Some(secret.as_str()));
        }
    }
}
