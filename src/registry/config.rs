//! The docker config of the run: the effective one, less its passwords, with our credential helper for the
//! registries that we know. The user's config is read and never changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::login::{Holder, IDENTITY_TOKEN, Login};
use crate::agent::env::Env;
use crate::error::hint_context;

/// The suffix of our credential helper: docker starts `docker-credential-feedbuild`.
pub const HELPER: &str = "feedbuild";

/// The docker config that a docker client would use in this environment.
#[derive(Debug, Default)]
pub struct DockerConfig {
    /// Its folder.
    pub folder: PathBuf,
    content: Map<String, Value>,
}

impl DockerConfig {
    /// Reads `$DOCKER_CONFIG/config.json`, by default `~/.docker/config.json`. No file is an empty config.
    pub fn load(env: &Env) -> anyhow::Result<Self> {
        let home = || env.get(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(Path::new);
        let folder = match env.get("DOCKER_CONFIG") {
            Some(folder) => PathBuf::from(folder),
            None => home().unwrap_or(Path::new("/")).join(".docker"),
        };
        let path = folder.join("config.json");
        let content = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                // The parser's own message may quote the text around the fault, which may be a password.
                anyhow::anyhow!("line {}, column {}", error.line(), error.column()).context(hint_context(
                    format!("the docker config `{}` is no JSON object", path.display()),
                    "mend or remove that file; docker itself cannot read it either",
                ))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the docker config `{}`", path.display()));
            }
        };
        Ok(Self { folder, content })
    }

    /// The docker context that is chosen in it, if it is not the default one.
    #[must_use]
    pub fn current_context(&self) -> Option<&str> {
        self.content.get("currentContext")?.as_str().filter(|name| !name.is_empty() && *name != "default")
    }

    /// The folders in which it has more client plugins.
    #[must_use]
    pub fn plugin_folders(&self) -> Vec<PathBuf> {
        let extra = self.content.get("cliPluginsExtraDirs").and_then(Value::as_array);
        extra.into_iter().flatten().filter_map(Value::as_str).map(PathBuf::from).collect()
    }

    /// The passwords in its `proxies`: docker clients pass these to builds as build arguments, which BuildKit records.
    #[must_use]
    pub fn proxy_passwords(&self) -> Vec<SecretString> {
        let proxies = self.content.get("proxies").and_then(Value::as_object);
        let urls = proxies.into_iter().flat_map(|proxies| proxies.values()).filter_map(Value::as_object);
        let urls = urls.flat_map(|urls| urls.values()).filter_map(Value::as_str);
        let password = |url: &str| {
            let url = url::Url::parse(url).ok()?;
            let password = percent_encoding::percent_decode_str(url.password()?).decode_utf8().ok()?;
            Some(SecretString::from(password.into_owned()))
        };
        urls.filter_map(password).collect()
    }

    /// The logins that are written out in it and in `DOCKER_AUTH_CONFIG` (which wins over a config in docker).
    #[must_use]
    pub fn logins(&self, env: &Env) -> Vec<Login> {
        let from_env: Option<Value> =
            env.get("DOCKER_AUTH_CONFIG").and_then(|text| serde_json::from_str(text).ok());
        let mut logins = BTreeMap::new();
        for auths in [self.content.get("auths"), from_env.as_ref().and_then(|config| config.get("auths"))] {
            for (server, auth) in auths.and_then(Value::as_object).into_iter().flatten() {
                if let Some(login) = login(server, auth) {
                    logins.insert(login.server.clone(), login);
                }
            }
        }
        logins.into_values().collect()
    }

    /// The config for the run: the same without logins, and our helper for `servers`.
    #[must_use]
    pub fn derive<'a>(&self, servers: impl IntoIterator<Item = &'a str>) -> Value {
        let mut content = self.content.clone();
        content.remove("auths");
        let helpers = content.entry("credHelpers").or_insert_with(|| json!({}));
        for server in servers {
            helpers[server] = json!(HELPER);
        }
        Value::Object(content)
    }
}

/// A login as docker writes it: `auth` is base64 of `user:password`; an identity token stands beside it. Entries of
/// a credential store are empty.
fn login(server: &str, auth: &Value) -> Option<Login> {
    let text = |key: &str| auth.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let server = crate::registry::reference::server_address(server);
    if let Some(token) = text("identitytoken") {
        let username = IDENTITY_TOKEN.to_owned();
        return Some(Login {
            server,
            username,
            secret: token.into(),
            holder: Holder::DockerConfig,
            expires: None,
        });
    }
    let pair = match text("auth") {
        Some(encoded) => SecretString::from(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?),
        None => format!("{}:{}", text("username")?, text("password")?).into(),
    };
    let (username, secret) = pair.expose_secret().split_once(':')?;
    // docker writes NULs behind the password.
    let (username, secret) = (username.to_owned(), secret.trim_end_matches('\0').into());
    Some(Login { server, username, secret, holder: Holder::DockerConfig, expires: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        DockerConfig { folder: PathBuf::new(), content: serde_json::from_str(text).expect("JSON") }
    }

    #[test]
    fn the_derived_config_keeps_all_but_the_passwords() {
        let config = config(
            r#"{"auths": {"https://a.example/v2/": {"auth": "dTpwOnE="}, "hub": {}}, "credsStore": "pass",
                "credHelpers": {"b.example": "ecr-login", "a.example": "old"}, "proxies": {}, "currentContext": "x"}"#,
        );
        let logins = config.logins(&Env::default());
        assert_eq!(logins.len(), 1);
        assert_eq!((logins[0].server.as_str(), logins[0].username.as_str()), ("a.example", "u"));
        assert_eq!(logins[0].secret.expose_secret(), "p:q");
        assert_eq!(
            config.derive(["a.example"]),
            json!({"credsStore": "pass", "credHelpers": {"b.example": "ecr-login", "a.example": "feedbuild"},
                   "proxies": {}, "currentContext": "x"})
        );
        assert_eq!(config.current_context(), Some("x"));
    }

    #[test]
    fn docker_auth_config_wins_over_the_config() {
        let env = Env::from_iter([("DOCKER_AUTH_CONFIG", r#"{"auths": {"a.example": {"auth": "djp3"}}}"#)]);
        let logins = config(r#"{"auths": {"a.example": {"auth": "dTpw"}}}"#).logins(&env);
        assert_eq!((logins.len(), logins[0].username.as_str()), (1, "v"));
    }

    #[test]
    fn a_password_of_a_proxy_is_noticed() {
        let passwords =
            config(r#"{"proxies": {"default": {"httpsProxy": "http://u:p%40@h:1"}}}"#).proxy_passwords();
        assert_eq!(passwords.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), ["p@"]);
        assert!(
            config(r#"{"proxies": {"default": {"httpsProxy": "http://h:1"}}}"#).proxy_passwords().is_empty()
        );
    }
}
