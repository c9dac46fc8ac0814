//! The variables of the agent's environment that the user's own inputs name for the docker client. Pure.
//!
//! Rule: these alone reach it although a secret may be in them, and the log lists them.

use super::cache::Cache;
use super::options::BuildOptions;
use crate::agent::env::Env;
use crate::preflight::arguments;

/// What a cache's backend takes from the client's environment: the kind of cache, and how the variables begin. buildx
/// reads them (`AddGithubToken` and `AddAwsCredentials` of its cache options, the latter by the AWS SDK); the backend for
/// Azure reads those of the builder.
const BACKENDS: [(&str, &str); 2] = [("gha", "ACTIONS_"), ("s3", "AWS_")];

/// Where an ssh agent listens.
const SSH_AGENT: &str = "SSH_AUTH_SOCK";

/// What the log begins with.
const LISTED: &str = "The docker client gets variables that inputs name";

/// A variable that an input names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The variable.
    pub name: String,
    /// What names it, for people.
    pub by: String,
}

/// The variables that are there and that the options of a build name, each once.
#[must_use]
pub fn named(options: &BuildOptions, env: &Env) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    let mut add = |name: &str, by: String| {
        if env.get(name).is_some() && !all.iter().any(|named| named.name == name) {
            all.push(Named { name: name.to_owned(), by });
        }
    };
    for name in arguments::bare(options) {
        add(name, "build argument".to_owned());
    }
    // With a value it names a key or a socket of its own.
    if options.ssh.iter().any(|value| !value.contains('=')) {
        add(SSH_AGENT, "`ssh`".to_owned());
    }
    for Cache { kind, .. } in options.cache_from.iter().chain(&options.cache_to) {
        let Some((_, prefix)) = BACKENDS.iter().find(|(backend, _)| backend == kind) else { continue };
        for (name, _) in env.iter().filter(|(name, _)| name.starts_with(prefix)) {
            add(name, format!("cache `type={kind}`"));
        }
    }
    all
}

/// What the log says of them; nothing if there are none.
#[must_use]
pub fn listed(all: &[Named]) -> Option<String> {
    let each: Vec<String> = all.iter().map(|Named { name, by }| format!("`{name}` ({by})")).collect();
    (!each.is_empty()).then(|| format!("{LISTED}: {}", each.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn listed_for(build_args: &[&str], ssh: &[&str], caches: &[&str]) -> Option<String> {
        let env = Env::from_iter([
            ("ACTIONS_RUNTIME_TOKEN", "t"),
            ("ACTIONS_RESULTS_URL", "u"),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("EMPTY", ""),
            ("GREETING", "hello"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
        ]);
        let strings = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
        let cache = |value: &&str| Cache::parse("here", value, Path::new("/")).expect("a cache");
        let options = BuildOptions {
            build_args: strings(build_args),
            ssh: strings(ssh),
            cache_from: caches.iter().take(1).flat_map(cache).collect(),
            cache_to: caches.iter().skip(1).flat_map(cache).collect(),
            ..BuildOptions::default()
        };
        listed(&named(&options, &env))
    }

    #[test]
    fn only_what_is_named_and_there_is_listed() {
        let check = |build_args: &[&str], ssh: &[&str], caches: &[&str], expected: &str| {
            let expected =
                Some(expected).filter(|list| !list.is_empty()).map(|list| format!("{LISTED}: {list}"));
            assert_eq!(listed_for(build_args, ssh, caches), expected, "{build_args:?} {ssh:?} {caches:?}");
        };
        check(&[], &[], &["type=registry,ref=a/b", "type=inline"], "");
        check(&["GREETING=x", "EMPTY", "UNKNOWN"], &["default=/key"], &["type=azblob,name=x"], "");
        check(&["GREETING", "GREETING"], &[], &[], "`GREETING` (build argument)");
        check(&[], &["default"], &[], "`SSH_AUTH_SOCK` (`ssh`)");
        check(
            &["AWS_ACCESS_KEY_ID"],
            &[],
            &["type=s3,bucket=b,region=r"],
            "`AWS_ACCESS_KEY_ID` (build argument), `AWS_SECRET_ACCESS_KEY` (cache `type=s3`)",
        );
        check(
            &[],
            &[],
            &["type=registry,ref=a/b", "type=gha"],
            "`ACTIONS_RESULTS_URL` (cache `type=gha`), `ACTIONS_RUNTIME_TOKEN` (cache `type=gha`)",
        );
    }
}
