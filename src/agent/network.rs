//! How this agent reaches the network: its proxy, the list of what bypasses it, and its CA bundle.
//!
//! The agent's own settings win; without them the machine's conventional variables count (`https_proxy`, …).
//! Rule: this machine itself is reached directly, as the agent does.

use std::fmt;
use std::path::PathBuf;

use anyhow::Context as _;
use regex_lite::{Regex, RegexBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::env::Env;
use crate::http;

/// The agent's variable.
const AGENT_PROXY: &str = "AGENT_PROXYURL";

/// Loopback, in the notation of `no_proxy`.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Proxy and trust settings.
#[derive(Debug, Clone, Default)]
pub struct Network {
    proxy: Option<Proxy>,
    /// A PEM bundle of additional roots (`AGENT_CAINFO`).
    pub ca_bundle: Option<PathBuf>,
}

/// A proxy for https. There is no other: plain http is spoken with this machine alone.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where the URL comes from.
    variable: &'static str,
    url: Url,
    credentials: Option<(String, SecretString)>,
    exceptions: Exceptions,
}

#[derive(Debug, Clone)]
enum Exceptions {
    /// `AGENT_PROXYBYPASSLIST`.
    Rules(Vec<Regex>),
    /// `no_proxy`.
    Hosts(String),
}

impl Network {
    /// Reads `AGENT_PROXYURL`, `AGENT_PROXYUSERNAME`, `SECRET_AGENT_PROXYPASSWORD`, `AGENT_PROXYBYPASSLIST` and
    /// `AGENT_CAINFO`. An empty proxy variable counts as unset.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        let ca_bundle = env.get("AGENT_CAINFO").map(PathBuf::from);
        let proxy = match Proxy::of_agent(env)? {
            None => Proxy::of_machine(env)?,
            proxy => proxy,
        };
        Ok(Self { proxy, ca_bundle })
    }

    /// The proxy, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// The proxy's password, to be masked.
    #[must_use]
    pub fn proxy_password(&self) -> Option<&SecretString> {
        let (_, password) = self.proxy.as_ref()?.credentials.as_ref()?;
        (!password.expose_secret().is_empty()).then_some(password)
    }
}

impl Proxy {
    fn of_agent(env: &Env) -> anyhow::Result<Option<Self>> {
        let Some(url) = env.get(AGENT_PROXY) else { return Ok(None) };
        let credentials = env.get("AGENT_PROXYUSERNAME").map(|user| {
            let password = env.secret("SECRET_AGENT_PROXYPASSWORD").unwrap_or_default();
            (user.to_owned(), password)
        });
        let rules = env.get("AGENT_PROXYBYPASSLIST").map(bypass_list).transpose()?.unwrap_or_default();
        Ok(Some(Self {
            variable: AGENT_PROXY,
            url: parse_proxy(AGENT_PROXY, url)?,
            credentials,
            exceptions: Exceptions::Rules(rules),
        }))
    }

    fn of_machine(env: &Env) -> anyhow::Result<Option<Self>> {
        let named = ["https_proxy", "HTTPS_PROXY"].into_iter().find_map(|name| Some((name, env.get(name)?)));
        let Some((variable, url)) = named else { return Ok(None) };
        let hosts = env.get("no_proxy").or_else(|| env.get("NO_PROXY")).unwrap_or_default();
        Ok(Some(Self {
            variable,
            url: parse_proxy(variable, url)?,
            credentials: None,
            exceptions: Exceptions::Hosts(format!("{hosts},{LOOPBACK}")),
        }))
    }

    /// This proxy as the HTTP client's own.
    pub fn rule(&self) -> anyhow::Result<reqwest::Proxy> {
        let rule = match self.exceptions.clone() {
            Exceptions::Rules(rules) => {
                let url = self.url.clone();
                reqwest::Proxy::custom(move |target| {
                    let direct =
                        http::is_loopback(target) || rules.iter().any(|rule| rule.is_match(target.as_str()));
                    (!direct).then(|| url.clone())
                })
            }
            Exceptions::Hosts(hosts) => reqwest::Proxy::https(self.url.clone())
                .with_context(|| format!("cannot use the proxy {self}"))?
                .no_proxy(reqwest::NoProxy::from_string(&hosts)),
        };
        Ok(match &self.credentials {
            Some((user, password)) => rule.basic_auth(user, password.expose_secret()),
            None => rule,
        })
    }

    /// How to give the proxy what it asks for.
    #[must_use]
    pub fn how_to_log_in(&self) -> String {
        match self.exceptions {
            Exceptions::Rules(_) => {
                "configure the agent again with the right `--proxyusername` and `--proxypassword`".to_owned()
            }
            Exceptions::Hosts(_) => {
                format!("write the right user name and password into the URL in `{}`", self.variable)
            }
        }
    }

    /// Where the hosts stand that are reached without this proxy.
    #[must_use]
    pub fn exceptions(&self) -> &'static str {
        match self.exceptions {
            Exceptions::Rules(_) => "the agent's `.proxybypass`",
            Exceptions::Hosts(_) => "`no_proxy`",
        }
    }
}

/// Address and variable, without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}://{}` (`{}`)", self.url.scheme(), http::authority(&self.url), self.variable)
    }
}

fn parse_proxy(name: &str, text: &str) -> anyhow::Result<Url> {
    // The value may hold a password, so it is not quoted.
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    let url = url.with_context(|| format!("variable `{name}` is no URL of a proxy"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https"),
        "variable `{name}` names a proxy of another kind than http: `{}`",
        url.scheme()
    );
    Ok(url)
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
        assert_eq!(
            network.proxy().expect("there is one").to_string(),
            "`http://proxy:8080` (`AGENT_PROXYURL`)"
        );
    }

    #[test]
    fn a_bad_proxy_is_named_and_not_quoted() {
        let env = Env::from_iter([("https_proxy", "http://user:s3cret@[bad")]);
        let error = format!("{:#}", Network::from_env(&env).expect_err("no URL"));
        assert!(error.contains("`https_proxy`") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let env = Env::from_iter([("HTTPS_PROXY", "user:s3cret@proxy.corp:3128")]);
        let network = Network::from_env(&env).expect("a URL");
        let proxy = network.proxy().expect("there is one");
        assert_eq!(proxy.to_string(), "`http://proxy.corp:3128` (`HTTPS_PROXY`)");
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused() {
        let env = Env::from_iter([("https_proxy", "socks5://proxy")]);
        let error = Network::from_env(&env).expect_err("not http").to_string();
        assert_eq!(error, "variable `https_proxy` names a proxy of another kind than http: `socks5`");
    }
}
