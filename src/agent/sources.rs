//! The inputs that name feeds and what opens them.

use super::connection::FederatedConnection;
use super::env::Env;
use super::package_connection::{INPUTS, package_connections};
use crate::error::hinted;
use crate::feed::location::FeedLocation;
use crate::feed::name::FeedName;
use crate::feed::source::Origin;

/// Which token a feed is opened with (`feedToken`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedToken {
    /// A session token in the place of an Entra token, and the job access token as it is.
    Auto,
    /// The job access token or Entra token as it is.
    Job,
    /// A session token always.
    Session,
}

/// Feeds and service connections, as the inputs name them.
#[derive(Debug)]
pub struct SourceInputs {
    /// `artifactFeeds`: feeds of the pipeline's own organization.
    pub feeds: Vec<FeedName>,
    /// `feedUrl`: feeds by their URL, of any organization.
    pub locations: Vec<FeedLocation>,
    /// `workloadIdentityServiceConnection`, which opens them.
    pub federated: Option<FederatedConnection>,
    /// The service connections for packages.
    pub connections: Vec<Origin>,
    /// `onlyAddExtraIndex`.
    pub only_extra: bool,
    /// `feedToken`.
    pub token: FeedToken,
    /// `npmScopes`: scopes, and the feed of each if one is named.
    pub scopes: Vec<(String, Option<String>)>,
}

impl SourceInputs {
    /// Parses the inputs; `only_extra` is `onlyAddExtraIndex`.
    pub fn parse(env: &Env, only_extra: bool) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for (input, protocol) in INPUTS {
            connections.extend(package_connections(
                env,
                input,
                protocol,
                env.strict_input(input)?.unwrap_or_default(),
            )?);
        }
        let federated = env.strict_input("workloadIdentityServiceConnection")?.unwrap_or_default();
        let federated = Some(federated).filter(|id| !id.is_empty());
        Ok(Self {
            feeds: FeedName::parse_list(env.input("artifactFeeds").unwrap_or_default())?,
            locations: lines(env.strict_input("feedUrl")?.unwrap_or_default())
                .map(FeedLocation::parse)
                .collect::<anyhow::Result<_>>()?,
            federated: federated.map(|id| FederatedConnection::from_env(env, id)).transpose()?,
            connections,
            only_extra,
            token: token(env.strict_input("feedToken")?.unwrap_or_default())?,
            scopes: lines(env.strict_input("npmScopes")?.unwrap_or_default())
                .map(scope)
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// How many sources there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.feeds.len() + self.locations.len() + self.connections.len()
    }

    /// Their names, for people.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let feeds = self.feeds.iter().map(ToString::to_string);
        let locations = self.locations.iter().map(|location| location.url.to_string());
        let connections = self.connections.iter().map(|origin| match origin {
            Origin::Connection { source, .. } => source.url.to_string(),
            Origin::Feed { name, .. } => name.to_string(),
        });
        feeds.chain(locations).chain(connections).collect()
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn token(text: &str) -> anyhow::Result<FeedToken> {
    match text {
        "" | "auto" => Ok(FeedToken::Auto),
        "job" => Ok(FeedToken::Job),
        "session" => Ok(FeedToken::Session),
        other => Err(hinted(
            format!("input `feedToken` does not know `{other}`"),
            "write `auto`, `job` or `session`",
        )),
    }
}

/// `@scope`, or `@scope=feed`.
fn scope(line: &str) -> anyhow::Result<(String, Option<String>)> {
    let (scope, feed) = match line.split_once('=') {
        Some((scope, feed)) => (scope.trim(), Some(feed.trim().to_owned())),
        None => (line, None),
    };
    let named = scope.strip_prefix('@').is_some_and(|name| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~'))
    });
    if !named || feed.as_deref() == Some("") {
        return Err(hinted(
            format!("input `npmScopes`: `{line}` is no scope"),
            "write `@scope`, or `@scope=feed` if there are several feeds",
        ));
    }
    Ok((scope.to_owned(), feed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn parse(pairs: &[(&str, &str)]) -> anyhow::Result<SourceInputs> {
        let env =
            pairs.iter().map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), *value)).collect();
        SourceInputs::parse(&env, false)
    }

    #[test]
    fn feeds_urls_and_scopes_are_counted() {
        let inputs = parse(&[
            ("artifactFeeds", "a, b"),
            ("feedUrl", "https://pkgs.dev.azure.com/x/_packaging/c/pypi/simple/\n\n"),
            ("npmScopes", "@one\n@two=b"),
        ])
        .expect("all good");
        assert_eq!(inputs.count(), 3);
        assert_eq!(inputs.scopes, [("@one".to_owned(), None), ("@two".to_owned(), Some("b".to_owned()))]);
        assert_eq!(inputs.token, FeedToken::Auto);
    }

    #[test]
    fn wrong_values_are_named() {
        let table = [
            (("feedToken", "pat"), "`auto`, `job` or `session`"),
            (("npmScopes", "scope"), "`scope` is no scope"),
            (("npmScopes", "@s="), "`@s=` is no scope"),
            (("feedUrl", "$(url)"), "no variable `url` exists"),
            (("npmServiceConnections", "$(npm)"), "no variable `npm` exists"),
        ];
        for (pair, expected) in table {
            let text = error::render(&parse(&[pair]).expect_err(expected));
            assert!(text.contains(expected), "{text}");
        }
    }
}
