//! The connection to Azure DevOps itself, which the agent gives to every step.

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use super::env::Env;
use crate::error::hinted;

/// The system connection, present in every job: whose organization it is and the job access token.
#[derive(Debug, Clone)]
pub struct SystemConnection {
    /// The collection URI, with a trailing slash, e.g. `https://dev.azure.com/contoso/`.
    pub collection: Url,
    /// The job access token (`System.AccessToken`).
    pub token: SecretString,
    /// Whether this is Azure DevOps Services (`System.ServerType` is `Hosted`) and not a Server.
    pub hosted: bool,
}

impl SystemConnection {
    /// Reads the connection that the agent adds to every step, no checkbox needed.
    pub fn from_env(env: &Env) -> anyhow::Result<Self> {
        let outside = || {
            hinted(
                "no job access token: the variables of the system connection are not set",
                "run the task from a pipeline; the agent adds the system connection to every step",
            )
        };
        let token =
            env.secret("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN").ok_or_else(outside)?;
        let text = env
            .variable("System.TeamFoundationCollectionUri")
            .or_else(|| env.get("ENDPOINT_URL_SYSTEMVSSCONNECTION"))
            .ok_or_else(outside)?;
        let mut collection = Url::parse(text)
            .with_context(|| format!("variable `System.TeamFoundationCollectionUri` is no URL: `{text}`"))?;
        if !collection.path().ends_with('/') {
            collection.set_path(&format!("{}/", collection.path()));
        }
        let hosted =
            env.variable("System.ServerType").is_some_and(|kind| kind.eq_ignore_ascii_case("hosted"));
        Ok(Self { collection, token, hosted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collection_always_ends_with_a_slash() {
        let env = Env::from_iter([
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "token"),
            ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "https://dev.azure.com/contoso"),
            ("SYSTEM_SERVERTYPE", "Hosted"),
        ]);
        let system = SystemConnection::from_env(&env).expect("it is whole");
        assert_eq!((system.collection.as_str(), system.hosted), ("https://dev.azure.com/contoso/", true));
    }
}
