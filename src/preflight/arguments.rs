//! What a build is told in plain sight, looked through for secrets: arguments, labels, annotations, contexts. Pure.
//!
//! Rule: they are in the image, its attestations or the records of the builder, for everybody who has these.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use url::Url;

use crate::buildx::options::BuildOptions;
use crate::secret::known::Known;

/// A text this short is in many a place by chance.
const SHORTEST: usize = 6;

/// Arguments that every build knows without an `ARG`, in any case.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"];

/// Each value and what people call it. `build_args` have their values, also those of the environment.
fn values<'a>(
    options: &'a BuildOptions,
    build_args: &'a BTreeMap<String, String>,
) -> impl Iterator<Item = (String, &'a str)> {
    let of = |what: &'static str, pairs: &'a [String]| {
        pairs.iter().map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (format!("{what} `{name}`"), value)
        })
    };
    let arguments =
        build_args.iter().map(|(name, value)| (format!("build argument `{name}`"), value.as_str()));
    arguments
        .chain(of("label", &options.labels))
        .chain(of("annotation", &options.annotations))
        .chain(of("build context", &options.build_contexts))
}

/// The build arguments that take their value from the variable of their name.
pub fn bare(options: &BuildOptions) -> impl Iterator<Item = &str> {
    options.build_args.iter().map(String::as_str).filter(|argument| !argument.contains('='))
}

/// The first that holds a secret, as people call it.
#[must_use]
pub fn exposed(
    options: &BuildOptions,
    build_args: &BTreeMap<String, String>,
    leaks: impl Fn(&str) -> bool,
) -> Option<String> {
    values(options, build_args).find(|(_, value)| leaks(value)).map(|(what, _)| what)
}

/// Warnings of values that are a secret's to the letter, where that secret may also be a word.
#[must_use]
pub fn suspicious(
    options: &BuildOptions,
    build_args: &BTreeMap<String, String>,
    known: &[Known],
) -> Vec<String> {
    let of_secret = |value: &str| {
        let long = value.len() >= SHORTEST;
        known.iter().find(|known| long && known.value.expose_secret() == value.as_bytes())
    };
    let warning = |(what, value): (String, &str)| {
        let name = &of_secret(value)?.name;
        Some(format!(
            "{what} has the value of {name}; if that is meant, everybody who has the image can read it: mount it in the \
             Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`"
        ))
    };
    values(options, build_args).filter_map(warning).collect()
}

/// The first build argument that gives the build a proxy with a password.
#[must_use]
pub fn proxy_with_password(build_args: &BTreeMap<String, String>) -> Option<&str> {
    let is_proxy = |name: &str| PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name));
    let has_password = |value: &str| Url::parse(value).is_ok_and(|url| url.password().is_some());
    build_args
        .iter()
        .find(|(name, value)| is_proxy(name) && has_password(value))
        .map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::known::Owner;

    fn options() -> BuildOptions {
        let list = |value: &str| vec!["plain=x".to_owned(), value.to_owned()];
        BuildOptions {
            labels: list("team=in label"),
            annotations: list("index:note=in annotation"),
            build_contexts: list("lib=https://in.context/"),
            ..BuildOptions::default()
        }
    }

    #[test]
    fn every_value_is_looked_at() {
        let arguments = BTreeMap::from([("TOKEN".to_owned(), "in argument".to_owned())]);
        let cases = [
            ("in argument", Some("build argument `TOKEN`")),
            ("in label", Some("label `team`")),
            ("in annotation", Some("annotation `index:note`")),
            ("in.context", Some("build context `lib`")),
            ("team", None),
        ];
        for (secret, expected) in cases {
            let found = exposed(&options(), &arguments, |value| value.contains(secret));
            assert_eq!(found.as_deref(), expected, "{secret}");
        }
    }

    #[test]
    fn a_secret_that_may_be_a_word_is_told() {
        let known = |value: &str| Known {
            name: "secret variable `Stage`".to_owned(),
            value: value.as_bytes().to_vec().into(),
            owner: Owner::Job,
        };
        let arguments =
            ["production", "x production", "prod"].map(|value| (value.to_owned(), value.to_owned()));
        let told = suspicious(&options(), &arguments.into(), &[known("production"), known("prod")]);
        let expected = "build argument `production` has the value of secret variable `Stage`; if that is meant, \
                        everybody who has the image can read it: mount it in the Dockerfile (`RUN \
                        --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`";
        assert_eq!(told, [expected]);
    }

    #[test]
    fn proxies_are_told_from_other_arguments() {
        let found = |name: &str, value: &str| {
            proxy_with_password(&BTreeMap::from([(name.to_owned(), value.to_owned())])).is_some()
        };
        assert!(found("https_proxy", "http://u:p@proxy:80") && found("ALL_PROXY", "socks5://u:p@proxy"));
        assert!(!found("HTTP_PROXY", "http://u@proxy:80") && !found("INDEX", "http://u:p@host/"));
    }
}
