//! How this agent reaches the network: its proxy, the list of what bypasses it, and its CA bundle.
//!
//! The agent's own settings win; without them the machine's conventional variables count (`https_proxy`, …).

use std::path::PathBuf;

use anyhow::Context as _;
use regex_lite::{Regex, RegexBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::env::Env;

/// Proxy and trust settings.
#[derive(Debug, Clone, Default)]
pub struct Network {
    proxy: Option<AgentProxy>,
    conventional: Vec<(&'static str, Url)>,
    no_proxy: Option<String>,
    /// A PEM bundle of additional roots (`AGENT_CAINFO`).
    pub ca_bundle: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct AgentProxy {
    url: Url,
    credentials: Option<(String, SecretString)>,
    bypass: Vec<Regex>,
}

impl Network {
    /// Reads `AGENT_PROXYURL`, `AGENT_PROXYUSERNAME`, `SECRET_AGENT_PROXYPASSWORD`, `AGENT_PROXYBYPASSLIST` and
    /// `AGENT_CAINFO`. An empty proxy variable counts as unset.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        let ca_bundle = env.get("AGENT_CAINFO").map(PathBuf::from);
        if let Some(url) = env.get("AGENT_PROXYURL") {
            let proxy = AgentProxy {
                url: parse_proxy("AGENT_PROXYURL", url)?,
                credentials: env.get("AGENT_PROXYUSERNAME").map(|user| {
                    let password = env.secret("SECRET_AGENT_PROXYPASSWORD").unwrap_or_default();
                    (user.to_owned(), password)
                }),
                bypass: env.get("AGENT_PROXYBYPASSLIST").map(bypass_list).transpose()?.unwrap_or_default(),
            };
            return Ok(Self { proxy: Some(proxy), ca_bundle, ..Self::default() });
        }
        // `HTTP_PROXY` in upper case is left out, as curl does: a CGI server sets it from a request header.
        let mut conventional = Vec::new();
        for (scheme, names) in
            [("https", ["https_proxy", "HTTPS_PROXY"]), ("http", ["http_proxy", "http_proxy"])]
        {
            if let Some((name, url)) = names.iter().find_map(|name| Some((*name, env.get(name)?))) {
                conventional.push((scheme, parse_proxy(name, url)?));
            }
        }
        let no_proxy = env.get("no_proxy").or_else(|| env.get("NO_PROXY")).map(str::to_owned);
        Ok(Self { proxy: None, conventional, no_proxy, ca_bundle })
    }

    /// The proxy's password, to be masked.
    #[must_use]
    pub fn proxy_password(&self) -> Option<&SecretString> {
        let (_, password) = self.proxy.as_ref()?.credentials.as_ref()?;
        (!password.expose_secret().is_empty()).then_some(password)
    }

    /// These settings as the HTTP client's own.
    pub fn proxies(&self) -> anyhow::Result<Vec<reqwest::Proxy>> {
        let mut proxies = Vec::new();
        if let Some(AgentProxy { url, credentials, bypass }) = self.proxy.clone() {
            let mut proxy = reqwest::Proxy::custom(move |target| {
                let bypassed = bypass.iter().any(|rule| rule.is_match(target.as_str()));
                (!bypassed).then(|| url.clone())
            });
            if let Some((user, password)) = credentials {
                proxy = proxy.basic_auth(&user, password.expose_secret());
            }
            proxies.push(proxy);
        }
        let no_proxy = self.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        for (scheme, url) in &self.conventional {
            let proxy = match *scheme {
                "https" => reqwest::Proxy::https(url.clone()),
                _ => reqwest::Proxy::http(url.clone()),
            }
            .context("cannot use the machine's proxy")?;
            proxies.push(proxy.no_proxy(no_proxy.clone()));
        }
        Ok(proxies)
    }
}

fn parse_proxy(name: &str, text: &str) -> anyhow::Result<Url> {
    // The value may hold a password, so it is not quoted.
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.with_context(|| format!("variable `{name}` is no URL of a proxy"))
}

/// A JSON array of regular expressions, tested without regard to case against the whole URL, unanchored
/// (task library's `isHttpProxyBypass…`).
fn bypass_list(json: &str) -> anyhow::Result<Vec<Regex>> {
    let rules: Vec<String> = serde_json::from_str(json)
        .context("variable `AGENT_PROXYBYPASSLIST` is no JSON array of regular expressions")?;
    rules
        .iter()
        .map(|rule| {
            RegexBuilder::new(rule).case_insensitive(true).build().with_context(|| {
                format!("the agent's proxy bypass list has a bad regular expression: `{rule}`")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bypass_rules_are_unanchored_and_ignore_case() {
        let rules = bypass_list(r#"["pkgs\\.dev", "LOCALHOST"]"#).expect("two rules");
        let bypassed = |url: &str| rules.iter().any(|rule| rule.is_match(url));
        assert!(bypassed("https://PKGS.dev.azure.com/x") && bypassed("http://localhost:1/"));
        assert!(!bypassed("https://pkgsxdev.example/"));
    }

    #[test]
    fn the_agents_proxy_wins_over_the_machines() {
        let env =
            Env::from_iter([("AGENT_PROXYURL", "http://proxy:8080"), ("https_proxy", "http://other:1")]);
        let network = Network::from_env(&env).expect("both are URLs");
        assert!(network.conventional.is_empty() && network.proxy.is_some());
    }

    #[test]
    fn a_bad_proxy_is_named_and_not_quoted() {
        let env = Env::from_iter([("https_proxy", "http://user:s3cret@[bad")]);
        let error = format!("{:#}", Network::from_env(&env).expect_err("no URL"));
        assert!(error.contains("`https_proxy`") && !error.contains("s3cret"), "{error}");
    }
}
