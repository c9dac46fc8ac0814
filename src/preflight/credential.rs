//! Files in which package clients, git and docker keep credentials, and whether one is in a text. Pure.
//!
//! Rule: a value that stands for another one (`${TOKEN}`, `$TOKEN`, `%TOKEN%`, `<token>`) is none.

use super::names::is_secret;

/// A kind of file, by the way it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `.npmrc`, `.yarnrc`: lines, of which some keys hold credentials.
    Npm,
    /// `.yarnrc.yml`.
    Yarn,
    /// `pip.conf`, `pip.ini`, `.git-credentials`: URLs with a password.
    Urls,
    /// `.pypirc`.
    Pypirc,
    /// `.netrc`, `_netrc`.
    Netrc,
    /// `nuget.config`.
    NuGet,
    /// Maven's `settings.xml`.
    Maven,
    /// `.env`.
    Env,
    /// `.git/config`.
    Git,
    /// `.cargo/credentials.toml`.
    Cargo,
    /// `.docker/config.json`, `.dockercfg`.
    Docker,
}

impl Kind {
    /// The kind of a file, by its name and that of the folder that it is in.
    pub(super) fn of(folder: &str, name: &str) -> Option<Self> {
        Some(match (folder, name) {
            (_, ".npmrc" | ".yarnrc") => Self::Npm,
            (_, ".yarnrc.yml") => Self::Yarn,
            (_, "pip.conf" | "pip.ini" | ".git-credentials") => Self::Urls,
            (_, ".pypirc") => Self::Pypirc,
            (_, ".netrc" | "_netrc") => Self::Netrc,
            (_, "settings.xml") => Self::Maven,
            (_, ".env") => Self::Env,
            (".git", "config") => Self::Git,
            (".cargo", "credentials.toml" | "credentials") => Self::Cargo,
            (".docker", "config.json") | (_, ".dockercfg") => Self::Docker,
            _ if name.eq_ignore_ascii_case("nuget.config") => Self::NuGet,
            _ => return None,
        })
    }

    /// What in the text is a credential, for people: the name of its entry, never its value.
    pub(super) fn find(self, text: &str) -> Option<String> {
        let entry = match self {
            Self::Npm => pairs(text, &['=', ' ']).find(|(key, _)| {
                ["_authtoken", "_auth", "_password"].iter().any(|end| key.to_lowercase().ends_with(end))
            }),
            Self::Yarn => {
                pairs(text, &[':']).find(|(key, _)| matches!(*key, "npmAuthToken" | "npmAuthIdent"))
            }
            Self::Pypirc => pairs(text, &['=', ':']).find(|(key, _)| key.eq_ignore_ascii_case("password")),
            Self::Env => pairs(text, &['='])
                .map(|(key, value)| (key.strip_prefix("export ").unwrap_or(key).trim(), value))
                .find(|(key, _)| is_secret(key)),
            Self::Git => pairs(text, &['=']).find(|(key, _)| key.eq_ignore_ascii_case("extraheader")),
            Self::Cargo => pairs(text, &['=']).find(|(key, _)| matches!(*key, "token" | "secret-key")),
            Self::Netrc => netrc(text),
            Self::NuGet => nuget(text),
            Self::Maven => maven(text),
            Self::Docker => docker(text),
            Self::Urls => None,
        };
        match entry {
            Some((name, _)) => Some(format!("`{name}`")),
            None => has_url_password(text).then(|| "a URL with a password".to_owned()),
        }
    }
}

/// Keys and values of lines that set something to what is a value of its own. Of the separators, the first that is there
/// counts.
fn pairs<'t>(text: &'t str, separators: &'static [char]) -> impl Iterator<Item = (&'t str, &'t str)> {
    let pair = |line: &'t str| {
        let at = separators.iter().find_map(|separator| line.find(*separator))?;
        let (key, value) = (unquoted(&line[..at]), unquoted(&line[at + 1..]));
        is_literal(value).then_some((key, value))
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines.filter_map(pair)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\'']).trim()
}

/// Whether a value stands for itself.
fn is_literal(value: &str) -> bool {
    let value = unquoted(value);
    let is_reference = value.contains("${")
        || value.contains("$(")
        || value.contains("{{")
        || value.starts_with(['$', '<'])
        || value.len() > 1 && value.starts_with('%') && value.ends_with('%');
    !value.is_empty() && !is_reference
}

/// `password VALUE`.
fn netrc(text: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut pairs = words.windows(2).map(|pair| (pair[0], pair[1]));
    pairs.find(|(word, value)| *word == "password" && is_literal(value))
}

/// `<add key="ClearTextPassword" value="…" />` or the encrypted `Password`.
fn nuget(text: &str) -> Option<(&str, &str)> {
    let attribute = |tag: &'_ str, name: &str| -> Option<(usize, usize)> {
        let start = tag.to_ascii_lowercase().find(&format!("{name}="))? + name.len() + 2;
        let end = tag.get(start..)?.find(['"', '\''])?;
        Some((start, start + end))
    };
    let tags = text.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    tags.filter(|tag| tag.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("add "))).find_map(|tag| {
        let ((key, key_end), (value, value_end)) = (attribute(tag, "key")?, attribute(tag, "value")?);
        let (key, value) = (&tag[key..key_end], &tag[value..value_end]);
        let names = ["ClearTextPassword", "Password"];
        let is_password = names.iter().any(|name| key.eq_ignore_ascii_case(name));
        (is_password && is_literal(value)).then_some((key, value))
    })
}

/// `<password>…</password>` of a file that begins as Maven's.
fn maven(text: &str) -> Option<(&str, &str)> {
    if !text.contains("<settings") {
        return None;
    }
    ["password", "passphrase"].into_iter().find_map(|name| {
        let open = format!("<{name}>");
        let mut values = text.split(open.as_str()).skip(1).filter_map(|rest| rest.split('<').next());
        values.find(|value| is_literal(value)).map(|value| (name, value))
    })
}

/// `"auth": "…"` or a token. An entry of a credential store is empty.
fn docker(text: &str) -> Option<(&str, &str)> {
    ["auth", "identitytoken", "registrytoken"].into_iter().find_map(|name| {
        let key = format!("\"{name}\"");
        let mut values = text.split(key.as_str()).skip(1).filter_map(|rest| {
            let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
            value.split('"').next()
        });
        values.find(|value| is_literal(value)).map(|value| (name, value))
    })
}

/// `https://user:password@host`, or one long word before the host, as of a token.
fn has_url_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '\t', '\r', '\n', '"', '\'']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| match user.split_once(':') {
            Some((_, password)) => is_literal(password),
            None => user.len() >= TOKEN && is_literal(user),
        })
    })
}

/// From this length on, a user without a password is a token.
const TOKEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind of a file, by its path.
    fn kind(path: &str) -> Option<Kind> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Kind::of(folder, name)
    }

    #[test]
    fn files_are_known_by_their_names() {
        let cases = [
            (".npmrc", Some(Kind::Npm)),
            ("web/.npmrc", Some(Kind::Npm)),
            ("a/NuGet.Config", Some(Kind::NuGet)),
            ("nuget.config", Some(Kind::NuGet)),
            (".git/config", Some(Kind::Git)),
            ("config", None),
            (".cargo/credentials.toml", Some(Kind::Cargo)),
            ("credentials.toml", None),
            (".docker/config.json", Some(Kind::Docker)),
            ("config.json", None),
            (".env", Some(Kind::Env)),
            (".env.example", None),
            ("npmrc", None),
        ];
        for (path, expected) in cases {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn credentials_are_told_from_what_stands_for_them() {
        let basic = "<packageSourceCredentials><f><add key=\"Username\" value=\"x\" />";
        let nuget = |value: &str| format!("{basic}<add key=\"ClearTextPassword\" value=\"{value}\" /></f>");
        let (nuget_literal, nuget_reference) = (nuget("t0ken"), nuget("%FEED_TOKEN%"));
        // Path, text, and the entry that is found.
        let cases: &[(&str, &str, Option<&str>)] = &[
            (".npmrc", "registry=https://h/\n//h/:_authToken=abc", Some("`//h/:_authToken`")),
            (".npmrc", "//h/:_password = \"YWJj\"", Some("`//h/:_password`")),
            (".npmrc", "//h/:_authToken=${NPM_TOKEN}\n; _auth=abc\nalways-auth=true\n//h/:_auth=", None),
            (".yarnrc", "\"//h/:_authToken\" \"abc\"", Some("`//h/:_authToken`")),
            (".yarnrc.yml", "npmRegistries:\n  //h:\n    npmAuthIdent: \"a:b\"", Some("`npmAuthIdent`")),
            (".yarnrc.yml", "npmAuthToken: \"${NPM_TOKEN-}\"\nyarnPath: x", None),
            ("pip.conf", "[global]\nindex-url = https://build:abc@h/simple", Some("a URL with a password")),
            (
                "pip.conf",
                "extra-index-url =\n  https://0123456789abcdefghij@h/",
                Some("a URL with a password"),
            ),
            ("pip.conf", "index-url = https://contoso@dev.azure.com/x\nx = https://u:${P}@h/", None),
            (".pypirc", "[feed]\nusername = build\npassword = abc", Some("`password`")),
            (".pypirc", "[feed]\nrepository = https://h/\npassword:", None),
            (".netrc", "machine h login u password abc", Some("`password`")),
            (".netrc", "machine h login u\n  password $TOKEN", None),
            ("NuGet.config", &nuget_literal, Some("`ClearTextPassword`")),
            ("NuGet.config", &nuget_reference, None),
            ("NuGet.config", "<add value='abc' key='password'/>", Some("`password`")),
            ("NuGet.config", "<add key=\"é\" value=\"\"/><add key=\"feed\" value=\"https://h/\" /><é", None),
            ("settings.xml", "<settings><server><password>abc</password>", Some("`password`")),
            ("settings.xml", "<settings><password>${env.TOKEN}</password><password></password>", None),
            ("settings.xml", "<android><password>abc</password>", None),
            (".env", "PORT=80\nexport DB_PASSWORD='abc'", Some("`DB_PASSWORD`")),
            (".env", "DATABASE=postgres://u:p@h/db", Some("a URL with a password")),
            (".env", "#API_KEY=abc\nAPI_KEY=\nSECRET_FILE=/run/x\nAPI_KEY=$KEY\nKEYBOARD=us", None),
            (
                ".git/config",
                "[http \"https://h/\"]\n\textraheader = AUTHORIZATION: bearer abc",
                Some("`extraheader`"),
            ),
            (
                ".git/config",
                "[remote \"origin\"]\n\turl = https://build:abc@h/_git/r",
                Some("a URL with a password"),
            ),
            (
                ".git/config",
                "[remote \"origin\"]\n\turl = https://contoso@dev.azure.com/contoso/_git/r",
                None,
            ),
            (".cargo/credentials.toml", "[registries.feed]\ntoken = \"Basic abc\"", Some("`token`")),
            (".cargo/credentials.toml", "[registries.feed]\n# token = \"x\"", None),
            (".docker/config.json", "{\"auths\": {\"h\": {\"auth\": \"dTpw\"}}}", Some("`auth`")),
            (".docker/config.json", "{\"auths\": {\"h\": {}}, \"credsStore\": \"x\"}", None),
        ];
        for (path, text, expected) in cases {
            let found = kind(path).expect(path).find(text);
            assert_eq!(found.as_deref(), *expected, "{path}: {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(?s).{0,80}", xml in "(<add |key=|value=|[\"'é<>/ ]|Password|://|@|:){0,20}") {
            for path in [".npmrc", ".netrc", "nuget.config", "settings.xml", ".docker/config.json", "pip.conf", ".env"] {
                let kind = kind(path).unwrap();
                let _ = (kind.find(&text), kind.find(&xml));
            }
        }
    }
}
