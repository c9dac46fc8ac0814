//! Service connections as the agent passes them: `ENDPOINT_URL_<id>`, `ENDPOINT_AUTH_PARAMETER_<id>_<KEY>` and so on.

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

/// A `dockerregistry` service connection with a user name and a password.
#[derive(Debug, Clone)]
pub struct RegistryConnection {
    /// The registry as the connection writes it: a URL or a host.
    pub registry: String,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

impl RegistryConnection {
    /// Reads the connection that the input `containerRegistry` names by its id.
    pub fn from_env(env: &Env, id: &str) -> anyhow::Result<Self> {
        let id = id.to_lowercase();
        let parameter = |key: &str| env.get(&format!("ENDPOINT_AUTH_PARAMETER_{id}_{key}"));
        let scheme = env
            .get(&format!("ENDPOINT_AUTH_SCHEME_{id}"))
            .or_else(|| parameter("SCHEME"))
            .ok_or_else(|| {
                hinted(
                    format!("input `containerRegistry`: service connection `{id}` is not known to this job"),
                    "set `containerRegistry` to the name of a Docker registry service connection that this \
                     pipeline is authorized to use (Project settings > Service connections)",
                )
            })?;
        if !scheme.eq_ignore_ascii_case("UsernamePassword") {
            return Err(hinted(
                format!(
                    "input `containerRegistry`: the service connection's scheme `{scheme}` is not supported"
                ),
                "use a Docker registry service connection of type `Others` or `Docker Hub`, with a user name and \
                 a password",
            ));
        }
        let expect = |key: &str, name: &str| {
            parameter(key)
                .with_context(|| format!("input `containerRegistry`: the service connection has no `{name}`"))
        };
        Ok(Self {
            registry: expect("REGISTRY", "registry")?.to_owned(),
            username: expect("USERNAME", "username")?.to_owned(),
            password: SecretString::from(expect("PASSWORD", "password")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    const ID: &str = "3fae2b5c-0000-4000-8000-000000000001";

    fn connection(scheme: &str) -> Env {
        [
            (format!("ENDPOINT_AUTH_SCHEME_{ID}"), scheme),
            (format!("ENDPOINT_AUTH_PARAMETER_{ID}_REGISTRY"), "https://registry.example"),
            (format!("ENDPOINT_AUTH_PARAMETER_{ID}_USERNAME"), "ci"),
            (format!("ENDPOINT_AUTH_PARAMETER_{ID}_PASSWORD"), "s3cret"),
        ]
        .into_iter()
        .collect()
    }

    #[test]
    fn a_registry_connection_is_read_without_showing_its_password() {
        let connection =
            RegistryConnection::from_env(&connection("UsernamePassword"), ID).expect("it is whole");
        assert_eq!(
            (connection.registry.as_str(), connection.username.as_str()),
            ("https://registry.example", "ci")
        );
        assert!(!format!("{connection:?}").contains("s3cret"));
    }

    #[test]
    fn a_connection_of_another_scheme_is_refused_by_name() {
        let error =
            RegistryConnection::from_env(&connection("ServicePrincipal"), ID).expect_err("not supported");
        assert!(error::render(&error).contains("`ServicePrincipal`"));
    }

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
